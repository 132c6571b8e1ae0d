"""Claims: who holds a case, and until when; of two people who press at once one wins."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.kit.errors import StudioError
from studio.market.models import CaseState, CharacterPublication, ReviewCase
from studio.market.review import queries, rules
from studio.market.review.errors import (
    ClaimedByOtherError,
    NotUnderReviewError,
    OverturnedError,
    OwnPublicationError,
    StillScreenedError,
)

RESOURCE = "review_case"
_CLOSED = (CaseState.DECIDING, CaseState.DECIDED, CaseState.WITHDRAWN)


def claim(session: Session, *, actor: Actor, case_id: UUID, now: datetime) -> ReviewCase:
    """The actor holds the case for half an hour from now; claiming again lengthens the claim.

    Of two people who press at once one wins. Raises ForbiddenError, NotFoundError, OwnPublicationError, OverturnedError
    for whose decision on the listing an appeal overturned, StillScreenedError, NotUnderReviewError, or ClaimedByOtherError that names who holds it and until when.
    """
    case = _locked(session, actor=actor, case_id=case_id)
    _refuse_own(session, actor=actor, case=case)
    if case.state is CaseState.SCREENING:
        raise StillScreenedError
    if case.state in _CLOSED:
        raise NotUnderReviewError
    is_mine = case.state is CaseState.CLAIMED and case.claimed_by_id == actor.user_id
    if not is_mine and rules.is_held(case, now=now):
        name = session.scalar(sa.select(User.name).where(User.id == case.claimed_by_id)) or ""
        raise ClaimedByOtherError(name, case.claim_expires_at or now)
    former = case.claimed_by_id
    case.state = CaseState.CLAIMED
    case.claimed_by_id = actor.user_id
    case.claim_expires_at = now + rules.CLAIM
    session.flush()
    if not is_mine:
        _audit(session, actor=actor, action="review_case.claim", case=case, before={"claimed_by": _text(former)})
    return case


def renew(session: Session, *, actor: Actor, case_id: UUID, now: datetime) -> bool:
    """A claim of the actor's that has not ended lasts half an hour from now; tells whether there is one."""
    actor.must(Permission.REVIEW_DECIDE)
    renewed = session.execute(
        sa.update(ReviewCase)
        .where(
            queries.case_visible_to(actor),
            ReviewCase.id == case_id,
            ReviewCase.state == CaseState.CLAIMED,
            ReviewCase.claimed_by_id == actor.user_id,
            ReviewCase.claim_expires_at > now,
        )
        .values(claim_expires_at=now + rules.CLAIM)
        .returning(ReviewCase.id)
        .execution_options(synchronize_session="fetch")
    )
    return renewed.first() is not None


def release(session: Session, *, actor: Actor, case_id: UUID) -> ReviewCase:
    """The case waits for anybody again. Releasing what the actor does not hold (any more) changes nothing.

    Raises ForbiddenError or NotFoundError.
    """
    case = _locked(session, actor=actor, case_id=case_id)
    if case.state is CaseState.CLAIMED and case.claimed_by_id == actor.user_id:
        _let_go(case)
        session.flush()
        _audit(
            session, actor=actor, action="review_case.release", case=case, before={"claimed_by": _text(actor.user_id)}
        )
    return case


def release_claims(session: Session, *, user_id: UUID) -> int:
    """Whatever this person held waits for anybody again (they were suspended, or are no moderator any more)."""
    held = session.scalars(
        sa.select(ReviewCase)
        .where(ReviewCase.state == CaseState.CLAIMED, ReviewCase.claimed_by_id == user_id)
        .order_by(ReviewCase.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for case in held:
        _let_go(case)
        _audit(session, actor=SYSTEM, action="review_case.release", case=case, before={"claimed_by": _text(user_id)})
    session.flush()
    return len(held)


def why_not(*, is_own: bool, is_overturned: bool) -> StudioError | None:
    """Why somebody may never have a case in hand, whoever holds it now; None where nothing is in the way. Pure."""
    if is_own:
        return OwnPublicationError()
    return OverturnedError() if is_overturned else None


def _locked(session: Session, *, actor: Actor, case_id: UUID) -> ReviewCase:
    actor.must(Permission.REVIEW_DECIDE)
    return queries.get_case(session, actor=actor, case_id=case_id, lock=True)


def _refuse_own(session: Session, *, actor: Actor, case: ReviewCase) -> None:
    publisher_id, is_overturned = session.execute(
        sa.select(CharacterPublication.publisher_id, queries.is_overturned(actor))
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .where(ReviewCase.id == case.id)
    ).one()
    refusal = why_not(is_own=publisher_id == actor.user_id, is_overturned=is_overturned)
    if refusal is not None:
        raise refusal


def _let_go(case: ReviewCase) -> None:
    case.state = CaseState.WAITING
    case.claimed_by_id = None
    case.claim_expires_at = None


def _text(user_id: UUID | None) -> str | None:
    return None if user_id is None else str(user_id)


def _audit(session: Session, *, actor: Actor, action: str, case: ReviewCase, before: dict[str, Any]) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=RESOURCE,
        resource_id=case.id,
        before=before,
        after={"claimed_by": _text(case.claimed_by_id)},
        kept_from_id=session.get_one(CharacterPublication, case.publication_id).publisher_id,
    )
