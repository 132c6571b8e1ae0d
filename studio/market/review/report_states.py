"""Where the reports of a listing go when a moderator has looked."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import ListingReport, ListingReporter, ReportState


def close_all(
    session: Session, *, publication_id: UUID, was_right: bool, by_id: UUID | None, seen_at: datetime
) -> None:
    """The open reports of a listing are answered: something was done, or nothing was wrong.

    Who spoke up after `seen_at` was not heard: a report from before counts without them, one from after stays open.
    """
    seen = (
        sa.select(sa.func.count())
        .where(ListingReporter.report_id == ListingReport.id, ListingReporter.created_at <= seen_at)
        .correlate(ListingReport)
        .scalar_subquery()
    )
    session.execute(
        sa.update(ListingReport)
        .where(
            ListingReport.publication_id == publication_id,
            ListingReport.state == ReportState.OPEN,
            ListingReport.created_at <= seen_at,
        )
        .values(
            state=ReportState.ACTIONED if was_right else ReportState.DISMISSED,
            closed_at=seen_at,
            closed_by_id=by_id,
            reviewed_count=seen,
        )
        .execution_options(synchronize_session="fetch")
    )
