"""Recalls: a moderator has a listing looked at again, or hides it at once until somebody has."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.text import one_line, storable
from studio.market.catalogue import cases, flags, listings, queries, transitions, withheld
from studio.market.catalogue.errors import StepImpossibleError
from studio.market.catalogue.transitions import VISIBLE, Step
from studio.market.models import (
    DETAIL_LENGTH,
    CaseState,
    CharacterPublication,
    FlagKind,
    Notice,
    PublicationStatus,
    ReviewCase,
)
from studio.market.review import effects
from studio.market.review.errors import DecideInsteadError, DecisionMadeError, NothingToSayError, OwnPublicationError


def review_again(
    session: Session, *, actor: Actor, publication_id: UUID, reason: str, now: datetime
) -> CharacterPublication:
    """The listing stays where it is and is on its way to the desk, with the reason. Asking twice renews the reason.

    Raises ForbiddenError, NotFoundError, OwnPublicationError, NothingToSayError, or StepImpossibleError for what
    was never approved.
    """
    reason = _said(reason)
    publication = _locked(session, actor=actor, publication_id=publication_id)
    if publication.status not in VISIBLE:
        raise StepImpossibleError
    cases.open_case(session, publication, actor=actor, now=now)
    flags.put(session, publication_id=publication.id, kind=FlagKind.REQUEUED, now=now, detail=reason)
    _audit(session, actor=actor, action="listing.review_again", publication=publication, reason=reason)
    return publication


def quarantine(
    session: Session, *, actor: Actor, publication_id: UUID, reason: str, now: datetime
) -> CharacterPublication:
    """The listing is hidden at once and waits at the desk, in nobody's hands. Doing it twice changes nothing.

    Raises ForbiddenError, NotFoundError, OwnPublicationError, NothingToSayError, DecisionMadeError while a decision
    is held back, or StepImpossibleError.
    """
    reason = _said(reason)
    publication = _locked(session, actor=actor, publication_id=publication_id)
    if publication.status is PublicationStatus.QUARANTINED:
        return publication
    case = _open_case(session, publication)
    if not transitions.can(publication, Step.QUARANTINE):
        raise StepImpossibleError
    transitions.apply(publication, Step.QUARANTINE, now=now)
    listings.tell(publication, Notice.QUARANTINED, now=now)
    session.flush()
    effects.hide(session, publication)
    if case is None:
        cases.open_case(session, publication, actor=actor, now=now)
    elif case.state is CaseState.CLAIMED:
        case.state, case.claimed_by_id, case.claim_expires_at = CaseState.WAITING, None, None
    session.flush()
    flags.put(session, publication_id=publication.id, kind=FlagKind.QUARANTINED, now=now, detail=reason)
    _audit(session, actor=actor, action="listing.quarantine", publication=publication, reason=reason)
    return publication


def release(session: Session, *, actor: Actor, publication_id: UUID, now: datetime) -> CharacterPublication:
    """The listing is back where it was before its quarantine, and still waits to be looked at. Twice is once.

    What could not be live any more is off the market instead, or withdrawn with its review where it never was on it; see
    `effects.leave_quarantine`. Raises ForbiddenError, NotFoundError, OwnPublicationError, DecisionMadeError,
    StepImpossibleError, or DecideInsteadError where another version was taken down for a severe reason.
    """
    publication = _locked(session, actor=actor, publication_id=publication_id)
    if publication.status in REVIEWED_AGAIN:
        return publication
    _open_case(session, publication)
    if not transitions.can(publication, Step.RELEASE):
        raise StepImpossibleError
    if withheld.find_judgement(session, publication) is not None:
        raise DecideInsteadError
    effects.leave_quarantine(session, publication, actor=actor, now=now)
    flags.clear(session, publication_id=publication.id, kinds=[FlagKind.QUARANTINED], now=now)
    _audit(session, actor=actor, action="listing.release", publication=publication, reason=None)
    return publication


REVIEWED_AGAIN = (PublicationStatus.PENDING, *VISIBLE)
"""Where a listing is that is in no quarantine."""


def _locked(session: Session, *, actor: Actor, publication_id: UUID) -> CharacterPublication:
    actor.must(Permission.REVIEW_DECIDE)
    seen = queries.get_listing(session, actor=actor, publication_id=publication_id)
    listings.lock_character(session, seen.character_id)
    publication = queries.get_listing(session, actor=actor, publication_id=publication_id, lock=True)
    if publication.publisher_id == actor.user_id:
        raise OwnPublicationError
    return publication


def _open_case(session: Session, publication: CharacterPublication) -> ReviewCase | None:
    """The review under way, locked; a decision that is held back comes first."""
    case = session.scalar(
        sa.select(ReviewCase)
        .where(ReviewCase.publication_id == publication.id, ReviewCase.state.in_(transitions.OPEN_CASES))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if case is not None and case.state is CaseState.DECIDING:
        raise DecisionMadeError
    return case


def _said(reason: str) -> str:
    reason = storable(reason).strip()[:DETAIL_LENGTH]
    if not one_line(reason):
        raise NothingToSayError
    return reason


def _audit(
    session: Session, *, actor: Actor, action: str, publication: CharacterPublication, reason: str | None
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=listings.RESOURCE,
        resource_id=publication.id,
        after={"status": publication.status.value},
        reason=reason,
        kept_from_id=publication.publisher_id,
    )
