"""Times of listings: when one goes live, and until when one is featured."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.market.catalogue import cases, flags, listings, publishing, queries, rules, transitions
from studio.market.catalogue.errors import FeatureInvalidError, NotLiveError, NotScheduledError, ScheduleInvalidError
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FlagKind,
    Notice,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
    UndoneReason,
)
from studio.market.review import effects

_BATCH = 100


def set_time(
    session: Session, *, actor: Actor, publication_id: UUID, publish_at: datetime | None, now: datetime
) -> CharacterPublication:
    """The actor's listing goes live at `publish_at` once it is approved; None is at once, for an approved one now.

    Raises ForbiddenError, NotFoundError, NotScheduledError where it is live or over, or ScheduleInvalidError.
    """
    publication = listings.own(session, actor=actor, publication_id=publication_id)
    if publication.status not in {PublicationStatus.PENDING, PublicationStatus.SCHEDULED}:
        raise NotScheduledError
    if rules.schedule_problems(publish_at, now=now):
        raise ScheduleInvalidError("Choose a time within the next year.")
    before = publication.publish_at
    if publication.status is PublicationStatus.PENDING:
        publication.publish_at = publish_at
    else:
        publication.publish_at = publish_at or now
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="listing.schedule",
        resource=listings.RESOURCE,
        resource_id=publication.id,
        before={"publish_at": None if before is None else before.isoformat()},
        after={"publish_at": None if publish_at is None else publish_at.isoformat()},
    )
    if publication.status is PublicationStatus.SCHEDULED:
        if publish_at is None:
            publish(session, publication_id=publication.id, now=now)
        else:
            effects.ask_publication(session, publication, now=now)
    return publication


def publish(session: Session, *, publication_id: UUID, now: datetime) -> bool:
    """A scheduled listing whose time has come is live exactly as it was approved; doing it again changes nothing.

    Where it is no longer what the moderator saw, the approval is void, before its time too, which it keeps: it waits for
    review again, flagged, and says so to its creator. Where its character is archived or sold, it is withdrawn. Tells whether anything happened.
    """
    character_id = session.scalar(
        sa.select(CharacterPublication.character_id).where(CharacterPublication.id == publication_id)
    )
    if character_id is None:
        return False
    listings.lock_character(session, character_id)
    publication = listings.lock(session, publication_id)
    if publication.status is not PublicationStatus.SCHEDULED:
        return False
    is_due = publication.publish_at is not None and publication.publish_at <= now
    case = cases.find_open_case(session, publication_id=publication.id)
    if case is not None and case.state is CaseState.DECIDING:
        # Somebody decides on it this very moment; the sweep comes again.
        return False
    void = effects.why_impossible(session, publication, content_hash=_approved_hash(session, publication))
    if not is_due and void is not UndoneReason.CHANGED:
        return False
    if void is None:
        former = publishing.go_live(session, publication, step=Step.PUBLISH, actor=SYSTEM, now=now)
        listings.tell(publication, None, now=now)
        after = {"status": "approved"} if former is None else {"status": "approved", "replaces": str(former.id)}
    elif void is UndoneReason.CHANGED:
        transitions.apply(publication, Step.VOID, now=now)
        publication.publish_at = None if is_due else publication.publish_at
        # The next moderator judges what stands there now.
        publication.content_hash = publishing.current_hash(session, publication)
        listings.tell(publication, Notice.CHANGED, now=now)
        session.flush()
        cases.open_case(session, publication, actor=SYSTEM, now=now)
        flags.put(session, publication_id=publication.id, kind=FlagKind.CHANGED_AFTER_APPROVAL, now=now)
        after = {"status": "pending", "why": void.value}
    else:
        listings.take_back(session, publication, why=void, by_id=None, now=now)
        listings.tell(publication, Notice.ARCHIVED if void is UndoneReason.ARCHIVED else Notice.SOLD, now=now)
        after = {"status": "withdrawn", "why": void.value}
    session.flush()
    audit.record(
        session,
        actor=SYSTEM,
        action="listing.publish" if void is None else "listing.void_approval",
        resource=listings.RESOURCE,
        resource_id=publication.id,
        before={"status": "scheduled"},
        after=after,
    )
    return True


def publish_due(session: Session, *, now: datetime) -> int:
    """Every scheduled listing whose time has come went its way; at most a batch of them. Returns how many."""
    ids = session.scalars(
        sa.select(CharacterPublication.id)
        .where(CharacterPublication.status == PublicationStatus.SCHEDULED, CharacterPublication.publish_at <= now)
        .order_by(CharacterPublication.publish_at, CharacterPublication.id)
        .limit(_BATCH)
    ).all()
    return sum(publish(session, publication_id=publication_id, now=now) for publication_id in ids)


def feature(
    session: Session, *, actor: Actor, publication_id: UUID, until: datetime | None, now: datetime
) -> CharacterPublication:
    """A live listing is shown as featured until then; None ends it.

    Raises ForbiddenError, NotFoundError, NotLiveError, or FeatureInvalidError for a time that is over or too far off.
    """
    actor.must(Permission.LISTING_FEATURE)
    publication = queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)
    if publication.status is not PublicationStatus.APPROVED and until is not None:
        raise NotLiveError
    if until is not None and not now < until <= now + rules.PUBLISH_WITHIN:
        raise FeatureInvalidError
    before, publication.featured_until = publication.featured_until, until
    publication.is_featured = until is not None
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="listing.feature",
        resource=listings.RESOURCE,
        resource_id=publication.id,
        before={"featured_until": None if before is None else before.isoformat()},
        after={"featured_until": None if until is None else until.isoformat()},
    )
    return publication


def end_featured(session: Session, *, now: datetime) -> int:
    """What was featured until a time that is over stands among the others again; at most a batch of them. Returns how many."""
    over = (
        sa.select(CharacterPublication.id)
        .where(CharacterPublication.is_featured, CharacterPublication.featured_until <= now)
        .order_by(CharacterPublication.id)
        .limit(_BATCH)
    )
    ended = session.scalars(
        sa.update(CharacterPublication)
        .where(CharacterPublication.id.in_(over), CharacterPublication.featured_until <= now)
        .values(is_featured=False, row_version=CharacterPublication.row_version + 1)
        .returning(CharacterPublication.id)
    )
    return len(ended.all())


def _approved_hash(session: Session, publication: CharacterPublication) -> str:
    """What the moderator saw who approved the listing last; nothing equals "", which is no approval."""
    found = session.scalar(
        sa.select(ReviewDecision.content_hash)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .where(
            ReviewCase.publication_id == publication.id,
            ReviewDecision.outcome == Outcome.APPROVED,
            ReviewDecision.effected_at.is_not(None),
        )
        .order_by(ReviewDecision.effected_at.desc(), ReviewDecision.id.desc())
        .limit(1)
    )
    return found or ""
