"""Records: how a creator's earlier submissions went."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.market.models import (
    CharacterPublication,
    ListingReport,
    Outcome,
    PublicationStatus,
    ReportState,
    ReviewCase,
    ReviewDecision,
)

RECORD_LENGTH = 1_000
"""Submissions of a creator that their record looks at, the newest first."""


@dataclass(frozen=True, slots=True)
class CreatorRecord:
    """How a creator's earlier submissions went."""

    submitted: int = 0
    approved: int = 0
    rejected: int = 0
    withdrawn: int = 0
    pending: int = 0
    taken_down: int = 0
    reports_upheld: int = 0
    last_decided_at: datetime | None = None
    is_capped: bool = False
    """There are more submissions than were looked at: the newest RECORD_LENGTH."""


def creator_record(session: Session, *, actor: Actor, publisher_id: UUID) -> CreatorRecord:
    """How the submissions of one creator went so far; for those who review."""
    actor.must(Permission.REVIEW_READ)
    return record_of(session, publisher_id=publisher_id)


def record_of(session: Session, *, publisher_id: UUID) -> CreatorRecord:
    """How the submissions of one creator went so far, for the studio's own use: one statement, of a bounded cost."""
    newest = (
        sa.select(CharacterPublication.id, CharacterPublication.status)
        .where(CharacterPublication.publisher_id == publisher_id)
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(RECORD_LENGTH)
        .subquery()
    )

    def listings(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        counted = sa.func.count(newest.c.id.distinct())
        return counted.filter(*conditions) if conditions else counted

    def decisions(*outcomes: Outcome) -> sa.ColumnElement[int]:
        return sa.func.count(ReviewDecision.id).filter(ReviewDecision.outcome.in_(outcomes))

    upheld = (
        sa.select(sa.func.count())
        .where(ListingReport.publication_id.in_(sa.select(newest.c.id)), ListingReport.state == ReportState.ACTIONED)
        .scalar_subquery()
    )
    # What was undone, or overturned on appeal, says nothing about a creator.
    stands = sa.and_(
        ReviewDecision.case_id == ReviewCase.id,
        ReviewDecision.effected_at.is_not(None),
        ReviewDecision.overturned_at.is_(None),
    )

    row = session.execute(
        sa.select(
            listings(),
            decisions(Outcome.APPROVED),
            decisions(Outcome.REJECTED, Outcome.CHANGES_REQUESTED),
            decisions(Outcome.TAKEN_DOWN),
            upheld,
            listings(newest.c.status == PublicationStatus.WITHDRAWN),
            listings(newest.c.status == PublicationStatus.PENDING),
            sa.func.max(ReviewDecision.decided_at),
        )
        .select_from(newest)
        .outerjoin(ReviewCase, ReviewCase.publication_id == newest.c.id)
        .outerjoin(ReviewDecision, stands)
    ).one()
    submitted, approved, rejected, taken_down, reports_upheld, withdrawn, pending, last = row
    return CreatorRecord(
        submitted=submitted,
        approved=approved,
        rejected=rejected,
        withdrawn=withdrawn,
        pending=pending,
        taken_down=taken_down,
        reports_upheld=reports_upheld,
        last_decided_at=last,
        is_capped=submitted >= RECORD_LENGTH,
    )
