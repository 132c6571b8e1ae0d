"""Reports: anybody says what is wrong with a live listing; equal ones merge, and enough of them bring it back to the desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.kit.errors import NotFoundError
from studio.kit.text import one_line, storable
from studio.market.catalogue import cases, flags, listings, queries
from studio.market.models import (
    REPORT_LENGTH,
    CharacterPublication,
    FlagKind,
    ListingReport,
    ListingReporter,
    Notice,
    PublicationStatus,
    ReportReason,
    ReportState,
)
from studio.market.review import report_rules
from studio.market.review.errors import (
    OwnReportError,
    ReportClosedError,
    ReportInvalidError,
    TooManyReportsError,
)

RESOURCE = "listing_report"
_DAY = timedelta(days=1)
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Voice:
    """One of those who reported a listing for one reason."""

    name: str
    reporter: ListingReporter


def report_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who works or watches the desk sees every report but those of their own listings; nobody else sees any.

    A creator never learns who reported them, whatever their other roles.
    """
    if not actor.may(Permission.REVIEW_READ):
        return sa.false()
    if actor.user_id is None:
        return sa.true()
    own = sa.exists().where(
        CharacterPublication.id == ListingReport.publication_id, CharacterPublication.publisher_id == actor.user_id
    )
    # What stands around a case asks this beside the case's own listing, which is not meant here.
    return ~own.correlate(ListingReport)


def report(
    session: Session, *, actor: Actor, publication_id: UUID, reason: ReportReason, comment: str, now: datetime
) -> ListingReport:
    """The actor says what is wrong with a live listing; with the others who say the same it is one report.

    Enough of them (`report_rules`) bring the listing to the desk, and it stays live until somebody has looked.
    Reporting the same again changes nothing but the words. Raises ForbiddenError, NotFoundError for what is not live,
    OwnReportError, ReportInvalidError or TooManyReportsError.
    """
    actor.must(Permission.LISTING_REPORT)
    comment = storable(comment).strip()
    if len(comment) > REPORT_LENGTH:
        sentence = "Shorten your words to 1,000 characters."
        raise ReportInvalidError(sentence, fields={"comment": sentence})
    if reason is ReportReason.OTHER and not one_line(comment):
        sentence = "Say in a sentence what is wrong."
        raise ReportInvalidError(sentence, fields={"comment": sentence})
    seen = queries.get_listing(session, actor=actor, publication_id=publication_id)
    listings.lock_character(session, seen.character_id)
    publication = queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)
    if publication.status is not PublicationStatus.APPROVED:
        raise NotFoundError
    if publication.publisher_id == actor.user_id:
        raise OwnReportError
    row = _merged(session, publication_id=publication.id, reason=reason, now=now)
    known = session.scalar(
        sa.select(ListingReporter).where(
            ListingReporter.report_id == row.id, ListingReporter.reporter_id == actor.user_id
        )
    )
    if known is not None:
        known.comment = comment or known.comment
        session.flush()
        return row
    _refuse_too_many(session, actor=actor, now=now)
    session.add(
        ListingReporter(
            report_id=row.id,
            reporter_id=actor.user_id,
            comment=comment,
            is_trusted=is_trusted(session, actor=actor),
            created_at=now,
        )
    )
    session.flush()
    counted = sa.select(sa.func.count()).where(ListingReporter.report_id == row.id)
    row.reporter_count = session.scalar(counted) or 1
    row.last_at = max(now, row.last_at)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="listing.report",
        resource=listings.RESOURCE,
        resource_id=publication.id,
        after={"reason": reason.value},
        kept_from_id=publication.publisher_id,
    )
    _weigh(session, publication, now=now)
    return row


def dismiss(session: Session, *, actor: Actor, report_id: UUID, now: datetime) -> ListingReport:
    """Nothing is wrong: the report is closed. It takes twice as many people to open it again.

    Raises ForbiddenError, NotFoundError, also for a report of one's own listing, or ReportClosedError.
    """
    actor.must(Permission.REVIEW_DECIDE)
    visible = sa.select(ListingReport).where(report_visible_to(actor), ListingReport.id == report_id)
    seen = session.scalar(visible)
    if seen is None:
        raise NotFoundError
    publication = session.get_one(CharacterPublication, seen.publication_id)
    listings.lock_character(session, publication.character_id)
    row = session.scalars(visible.with_for_update().execution_options(populate_existing=True)).one()
    if row.state is not ReportState.OPEN:
        raise ReportClosedError
    row.state, row.closed_at, row.closed_by_id = ReportState.DISMISSED, now, actor.user_id
    row.reviewed_count = row.reporter_count
    session.flush()
    others = sa.select(sa.literal(1)).where(
        ListingReport.publication_id == row.publication_id, ListingReport.state == ReportState.OPEN
    )
    if session.scalar(others.limit(1)) is None:
        flags.clear(session, publication_id=row.publication_id, kinds=[FlagKind.REPORTED], now=now)
    audit.record(
        session,
        actor=actor,
        action="listing_report.dismiss",
        resource=RESOURCE,
        resource_id=row.id,
        before={"state": "open"},
        after={"state": "dismissed", "reporters": row.reporter_count},
        kept_from_id=publication.publisher_id,
    )
    return row


def is_trusted(session: Session, *, actor: Actor) -> bool:
    """Whether one report of the actor's is enough: who works at the desk, or who was right often enough before."""
    if actor.may(Permission.REVIEW_READ):
        return True
    right, judged = session.execute(
        sa.select(
            sa.func.count().filter(ListingReport.state == ReportState.ACTIONED),
            sa.func.count().filter(ListingReport.state != ReportState.OPEN),
        )
        .select_from(ListingReporter)
        .join(ListingReport, ListingReport.id == ListingReporter.report_id)
        .where(ListingReporter.reporter_id == actor.user_id)
    ).one()
    return report_rules.is_trusted(right=right, judged=judged)


def list_voices(session: Session, *, actor: Actor, report_id: UUID) -> Sequence[Voice]:
    """Who reported it, first first; for those who may see the report."""
    rows = session.execute(
        sa.select(User.name, ListingReporter)
        .join(ListingReporter, ListingReporter.reporter_id == User.id)
        .join(ListingReport, ListingReport.id == ListingReporter.report_id)
        .where(report_visible_to(actor), ListingReporter.report_id == report_id)
        .order_by(ListingReporter.created_at, ListingReporter.id)
        .limit(_MOST_SHOWN)
    )
    return [Voice(name, reporter) for name, reporter in rows]


def list_of_listing(session: Session, *, actor: Actor, publication_id: UUID) -> Sequence[ListingReport]:
    """What was reported of one listing, the open ones first; for those who may see reports."""
    return session.scalars(
        sa.select(ListingReport)
        .where(report_visible_to(actor), ListingReport.publication_id == publication_id)
        .order_by(ListingReport.state != ReportState.OPEN, ListingReport.last_at.desc(), ListingReport.id)
        .limit(len(ReportReason))
    ).all()


def _merged(session: Session, *, publication_id: UUID, reason: ReportReason, now: datetime) -> ListingReport:
    """The one row of this listing and reason, locked; made where there is none."""
    session.execute(
        insert(ListingReport)
        .values(
            id=uuid7(),
            publication_id=publication_id,
            reason=reason,
            state=ReportState.OPEN,
            reporter_count=1,
            created_at=now,
            last_at=now,
        )
        .on_conflict_do_nothing(constraint="uq_listing_reports_publication_id_reason")
    )
    return session.scalars(
        sa.select(ListingReport)
        .where(ListingReport.publication_id == publication_id, ListingReport.reason == reason)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _refuse_too_many(session: Session, *, actor: Actor, now: datetime) -> None:
    recent = sa.select(sa.func.count()).where(
        ListingReporter.reporter_id == actor.user_id, ListingReporter.created_at > now - _DAY
    )
    if (session.scalar(recent) or 0) >= report_rules.MOST_A_DAY:
        raise TooManyReportsError(report_rules.MOST_A_DAY)


def _weigh(session: Session, publication: CharacterPublication, *, now: datetime) -> None:
    """Where there are enough reports that nobody has looked at, those are open and the listing is on its way to the desk."""
    rows = session.scalars(sa.select(ListingReport).where(ListingReport.publication_id == publication.id)).all()
    fresh = (
        sa.select(sa.func.count(ListingReporter.reporter_id.distinct()), sa.func.bool_or(ListingReporter.is_trusted))
        .select_from(ListingReporter)
        .join(ListingReport, ListingReport.id == ListingReporter.report_id)
        .where(
            ListingReport.publication_id == publication.id,
            sa.or_(ListingReport.closed_at.is_(None), ListingReporter.created_at > ListingReport.closed_at),
        )
    )
    people, trusted = session.execute(fresh).one()
    looked_at = max(row.reviewed_count for row in rows)
    for row in rows:
        again = report_rules.reopens(reporters=row.reporter_count, reviewed=row.reviewed_count)
        if row.state is not ReportState.OPEN and (again or trusted):
            row.state, row.closed_at, row.closed_by_id = ReportState.OPEN, None, None
    is_grave = any(row.reason in report_rules.GRAVE and row.state is ReportState.OPEN for row in rows)
    if not report_rules.is_enough(people=people, reviewed=looked_at, has_trusted=bool(trusted), is_grave=is_grave):
        session.flush()
        return
    detail = ", ".join(f"{row.reason.value} {row.reporter_count}" for row in rows if row.state is ReportState.OPEN)
    flags.put(session, publication_id=publication.id, kind=FlagKind.REPORTED, now=now, detail=detail)
    if cases.find_open_case(session, publication_id=publication.id) is None:
        cases.open_case(session, publication, actor=SYSTEM, now=now)
        listings.tell(publication, Notice.REPORTED, now=now)
    session.flush()
