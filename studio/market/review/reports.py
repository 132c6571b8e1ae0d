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
    CaseState,
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
    right, judged = _record_of(session, actor=actor)
    session.add(
        ListingReporter(
            report_id=row.id,
            reporter_id=actor.user_id,
            comment=comment,
            is_trusted=_is_trusted(actor, right=right, judged=judged),
            is_heard=report_rules.is_heard(right=right, judged=judged),
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
    weigh(session, publication, now=now)
    return row


def dismiss(session: Session, *, actor: Actor, report_id: UUID, now: datetime) -> ListingReport:
    """Nothing is wrong: the report is closed. It takes twice as many people to open it again.

    With the last open one the listing leaves the desk, unless it is looked at for another reason or by somebody.

    Raises ForbiddenError, NotFoundError, also for a report of one's own listing, or ReportClosedError.
    """
    actor.must(Permission.REVIEW_DECIDE)
    visible = sa.select(ListingReport).where(report_visible_to(actor), ListingReport.id == report_id)
    seen = session.scalar(visible)
    if seen is None:
        raise NotFoundError
    listings.lock_character(session, session.get_one(CharacterPublication, seen.publication_id).character_id)
    publication = listings.lock(session, seen.publication_id)
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
        _forget(session, publication, now=now)
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
    right, judged = _record_of(session, actor=actor)
    return _is_trusted(actor, right=right, judged=judged)


def weigh(session: Session, publication: CharacterPublication, *, now: datetime) -> None:
    """Each report is open where enough people say so, and with enough in the open ones the listing is on its way to the desk.

    What a moderator answered is counted for that reason alone: many who were wrong about one take no weight from another.
    """
    rows = session.scalars(sa.select(ListingReport).where(ListingReport.publication_id == publication.id)).all()
    voices = (
        sa.select(
            ListingReport.id,
            sa.func.count().filter(ListingReporter.is_heard),
            sa.func.bool_or(ListingReporter.is_trusted & (ListingReporter.created_at > ListingReport.closed_at)),
        )
        .join(ListingReporter, ListingReporter.report_id == ListingReport.id)
        .where(ListingReport.publication_id == publication.id, ListingReport.state != ReportState.OPEN)
        .group_by(ListingReport.id)
    )
    heard = {row_id: (count, has_trusted) for row_id, count, has_trusted in session.execute(voices)}
    for row in rows:
        if row.state is ReportState.OPEN:
            continue
        count, has_trusted = heard.get(row.id, (0, False))
        # Of what is grave everybody's word counts.
        people = row.reporter_count if row.reason in report_rules.GRAVE else count
        if has_trusted or report_rules.reopens(reporters=people, reviewed=row.reviewed_count):
            row.state, row.closed_at, row.closed_by_id = ReportState.OPEN, None, None
    session.flush()
    people, has_trusted = session.execute(
        sa.select(
            sa.func.count(ListingReporter.reporter_id.distinct()).filter(ListingReporter.is_heard),
            sa.func.coalesce(sa.func.bool_or(ListingReporter.is_trusted), sa.false()),
        )
        .join(ListingReport, ListingReport.id == ListingReporter.report_id)
        .where(ListingReport.publication_id == publication.id, ListingReport.state == ReportState.OPEN)
    ).one()
    is_open = [row for row in rows if row.state is ReportState.OPEN]
    is_grave = any(row.reason in report_rules.GRAVE for row in is_open)
    if not report_rules.is_enough(people=people, has_trusted=has_trusted, is_grave=is_grave):
        return
    detail = ", ".join(f"{row.reason.value} {row.reporter_count}" for row in is_open)
    flags.put(session, publication_id=publication.id, kind=FlagKind.REPORTED, now=now, detail=detail)
    case = cases.find_open_case(session, publication_id=publication.id)
    if case is None:
        case = cases.open_case(session, publication, actor=SYSTEM, now=now)
        listings.tell(publication, Notice.REPORTED, now=now)
    if is_grave:
        cases.hurry(session, case)
    session.flush()


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


def _is_trusted(actor: Actor, *, right: int, judged: int) -> bool:
    return actor.may(Permission.REVIEW_READ) or report_rules.is_trusted(right=right, judged=judged)


def _record_of(session: Session, *, actor: Actor) -> tuple[int, int]:
    """How many of the actor's reports led to something, of how many that a moderator has answered."""
    # What they added after the look was not looked at.
    is_answered = sa.and_(
        ListingReport.state != ReportState.OPEN, ListingReporter.created_at <= ListingReport.closed_at
    )
    right, judged = session.execute(
        sa.select(
            sa.func.count().filter(ListingReport.state == ReportState.ACTIONED, is_answered),
            sa.func.count().filter(is_answered),
        )
        .select_from(ListingReporter)
        .join(ListingReport, ListingReport.id == ListingReporter.report_id)
        .where(ListingReporter.reporter_id == actor.user_id)
    ).one()
    return right, judged


def _forget(session: Session, publication: CharacterPublication, *, now: datetime) -> None:
    """Nothing is reported of the listing any more: its flag is down, its creator's notice gone, and it leaves the desk.

    It stays there where it is looked at for another reason, or is in somebody's hands.
    """
    flags.clear(session, publication_id=publication.id, kinds=[FlagKind.REPORTED], now=now)
    if publication.notice is Notice.REPORTED:
        listings.tell(publication, None, now=now)
    case = cases.find_open_case(session, publication_id=publication.id)
    if case is None or publication.status is not PublicationStatus.APPROVED:
        return
    case = cases.lock_case(session, case.id)
    is_free = case.state in {CaseState.SCREENING, CaseState.WAITING}
    if is_free and not flags.list_open(session, publication_ids=[publication.id]):
        cases.close(case, CaseState.WITHDRAWN, now=now)
    session.flush()
