"""Where the reports of a listing go when a moderator has looked."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import ListingReport, ReportState


def close_all(session: Session, *, publication_id: UUID, was_right: bool, by_id: UUID | None, now: datetime) -> None:
    """The open reports of a listing are answered: something was done, or nothing was wrong."""
    session.execute(
        sa.update(ListingReport)
        .where(ListingReport.publication_id == publication_id, ListingReport.state == ReportState.OPEN)
        .values(
            state=ReportState.ACTIONED if was_right else ReportState.DISMISSED,
            closed_at=now,
            closed_by_id=by_id,
            reviewed_count=ListingReport.reporter_count,
        )
        .execution_options(synchronize_session="fetch")
    )
