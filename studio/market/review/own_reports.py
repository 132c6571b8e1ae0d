"""What became of what somebody reported, told to themselves and to nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.market.models import (
    CharacterPublication,
    ListingReport,
    ListingReporter,
    PublicationStatus,
    ReportReason,
    ReportState,
)


class Standing(StrEnum):
    """Where one person's report stands."""

    WAITING = "waiting"
    """No moderator has answered it yet."""
    ACTED = "acted"
    """Something was done about the listing."""
    KEPT = "kept"
    """A moderator looked and found nothing that had to go."""
    EARLIER = "earlier"
    """One had looked and found nothing before it was made; enough others have to say so again."""


@dataclass(frozen=True, slots=True)
class Told:
    """One report as who made it reads it; `live_id` leads to the listing while people can meet it."""

    title: str
    reason: ReportReason
    standing: Standing
    live_id: UUID | None
    comment: str
    made_at: datetime


def own_report_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Everybody sees what they reported themselves, whatever their roles."""
    if actor.may(Permission.LISTING_REPORT) and actor.user_id is not None:
        return ListingReporter.reporter_id == actor.user_id
    return sa.false()


def tell(session: Session, *, actor: Actor, made: Sequence[ListingReporter]) -> dict[UUID, Told]:
    """What became of these reports, by their ids, as far as they are the actor's: one statement."""
    return _told(session, sa.and_(own_report_visible_to(actor), ListingReporter.id.in_([one.id for one in made])))


def tell_of_listing(session: Session, *, actor: Actor, publication_id: UUID) -> Sequence[Told]:
    """What the actor reported of one listing before, and what became of it, the first first: one statement."""
    mine = sa.and_(own_report_visible_to(actor), ListingReport.publication_id == publication_id)
    return list(_told(session, mine).values())


def _told(session: Session, criterion: sa.ColumnElement[bool]) -> dict[UUID, Told]:
    rows = session.execute(
        sa.select(ListingReporter, ListingReport, CharacterPublication)
        .join(ListingReport, ListingReport.id == ListingReporter.report_id)
        .join(CharacterPublication, CharacterPublication.id == ListingReport.publication_id)
        .where(criterion)
        .order_by(ListingReporter.created_at, ListingReporter.id)
    )
    return {
        mine.id: Told(
            title=publication.title,
            reason=report.reason,
            standing=standing_of(report, mine),
            live_id=publication.id if publication.status is PublicationStatus.APPROVED else None,
            comment=mine.comment,
            made_at=mine.created_at,
        )
        for mine, report, publication in rows
    }


def standing_of(report: ListingReport, mine: ListingReporter) -> Standing:
    """Where one person's part of a report stands. Pure."""
    if report.closed_at is None:
        return Standing.WAITING
    if report.state is ReportState.ACTIONED:
        return Standing.ACTED
    return Standing.KEPT if mine.created_at <= report.closed_at else Standing.EARLIER
