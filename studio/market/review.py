"""The review desk: claims with an end, and decisions that are made once."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.market import listings, queries, rules
from studio.market.errors import (
    ClaimedByOtherError,
    ContentChangedError,
    NotClaimedError,
    NotUnderReviewError,
    OwnPublicationError,
    ReasonsInvalidError,
    StillScreenedError,
)
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FieldComment,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
)
from studio.market.rules import Reason

RESOURCE = "review_case"
_CLOSED = (CaseState.DECIDED, CaseState.WITHDRAWN)


def claim(session: Session, *, actor: Actor, case_id: UUID, now: datetime) -> ReviewCase:
    """The actor holds the case for half an hour from now; claiming again lengthens the claim.

    Of two people who press at once one wins. Raises ForbiddenError, NotFoundError, OwnPublicationError,
    StillScreenedError, NotUnderReviewError, or ClaimedByOtherError that names who holds it and until when.
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


def approve(
    session: Session, *, actor: Actor, case_id: UUID, content_hash: str, now: datetime, note: str = ""
) -> ReviewDecision:
    """The listing is live in the version that the actor saw, which `content_hash` names; its predecessor is unlisted.

    Pressing twice gives the same decision. Raises ForbiddenError, NotFoundError, OwnPublicationError,
    NotClaimedError, NotUnderReviewError, SoldExclusivelyError, ExclusiveTooLateError, or ContentChangedError where the
    content is no longer what was seen.
    """
    note = rules.checked_note(note)
    case, publication, made = _ready(session, actor=actor, case_id=case_id, content_hash=content_hash, now=now)
    if made is not None:
        return _same(made, Outcome.APPROVED)
    listings.refuse_sold(session, character_id=publication.character_id, license_type=publication.license_type)
    former = session.scalars(
        sa.select(CharacterPublication)
        .where(
            CharacterPublication.character_id == publication.character_id,
            CharacterPublication.status == PublicationStatus.APPROVED,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if former is not None:
        former.status = PublicationStatus.UNLISTED
        # A character is live once: the predecessor must have gone before the successor comes.
        session.flush()
    publication.status = PublicationStatus.APPROVED
    publication.published_at = now
    decision = _decide(
        session, actor=actor, case=case, outcome=Outcome.APPROVED, content_hash=content_hash, note=note, now=now
    )
    listings.show_character(session, character_id=publication.character_id, live=publication)
    replaced = {"replaces": str(former.id)} if former is not None else {}
    _audit_decision(session, actor=actor, publication=publication, decision=decision, more=replaced)
    work.ask(
        session,
        "memory.embed_character",
        actor=actor,
        about=("character", publication.character_id),
        dedupe_key=f"memory.embed_character:{publication.character_id}",
        now=now,
        character_id=publication.character_id,
    )
    return decision


def reject(
    session: Session,
    *,
    actor: Actor,
    case_id: UUID,
    content_hash: str,
    reasons: Iterable[Reason],
    now: datetime,
    note: str = "",
) -> ReviewDecision:
    """The listing goes back to its creator with reasons, each tied to a field or to the whole.

    Pressing twice gives the same decision. Raises as `approve` does, and ReasonsInvalidError where no reason is
    given, or one that does not exist or is tied to no field that exists.
    """
    note = rules.checked_note(note)
    given = rules.checked_reasons(reasons)
    known = {reason.code: reason for reason in queries.list_reasons(session)}
    if any(reason.code not in known for reason in given):
        raise ReasonsInvalidError(
            "One of the reasons does not exist any more; choose from the list.",
            fields={"reasons": "Choose reasons from the list."},
        )
    case, publication, made = _ready(session, actor=actor, case_id=case_id, content_hash=content_hash, now=now)
    if made is not None:
        return _same(made, Outcome.REJECTED)
    publication.status = PublicationStatus.REJECTED
    decision = _decide(
        session, actor=actor, case=case, outcome=Outcome.REJECTED, content_hash=content_hash, note=note, now=now
    )
    session.add_all(
        FieldComment(
            decision_id=decision.id, reason_id=known[reason.code].id, field=reason.field, comment=reason.comment
        )
        for reason in given
    )
    session.flush()
    codes = [f"{reason.code}:{reason.field}" for reason in given]
    _audit_decision(session, actor=actor, publication=publication, decision=decision, more={"reasons": codes})
    return decision


def _locked(session: Session, *, actor: Actor, case_id: UUID) -> ReviewCase:
    actor.must(Permission.REVIEW_DECIDE)
    return queries.get_case(session, actor=actor, case_id=case_id, lock=True)


def _ready(
    session: Session, *, actor: Actor, case_id: UUID, content_hash: str, now: datetime
) -> tuple[ReviewCase, CharacterPublication, ReviewDecision | None]:
    """The case and its listing, locked, in the actor's hands and unchanged; or the decision that the actor made already."""
    actor.must(Permission.REVIEW_DECIDE)
    seen = queries.get_case(session, actor=actor, case_id=case_id)
    character_id = session.scalars(
        sa.select(CharacterPublication.character_id).where(CharacterPublication.id == seen.publication_id)
    ).one()
    listings.lock_character(session, character_id)
    publication = queries.get_listing(session, actor=actor, publication_id=seen.publication_id, lock=True)
    case = queries.get_case(session, actor=actor, case_id=case_id, lock=True)
    if publication.publisher_id == actor.user_id:
        raise OwnPublicationError
    made = session.scalars(sa.select(ReviewDecision).where(ReviewDecision.case_id == case.id)).one_or_none()
    if made is not None and made.moderator_id == actor.user_id:
        return case, publication, made
    if case.state is CaseState.SCREENING:
        raise StillScreenedError
    if case.state in _CLOSED or publication.status is not PublicationStatus.PENDING:
        raise NotUnderReviewError
    if case.state is not CaseState.CLAIMED or case.claimed_by_id != actor.user_id or not rules.is_held(case, now=now):
        raise NotClaimedError
    if publication.content_hash != content_hash or listings.current_hash(session, publication) != content_hash:
        raise ContentChangedError
    return case, publication, None


def _same(made: ReviewDecision, outcome: Outcome) -> ReviewDecision:
    if made.outcome is not outcome:
        raise NotUnderReviewError
    return made


def _decide(
    session: Session, *, actor: Actor, case: ReviewCase, outcome: Outcome, content_hash: str, note: str, now: datetime
) -> ReviewDecision:
    listings.close(case, CaseState.DECIDED, now=now)
    decision = ReviewDecision(
        case_id=case.id,
        moderator_id=actor.user_id,
        outcome=outcome,
        content_hash=content_hash,
        note=note,
        decided_at=now,
    )
    session.add(decision)
    session.flush()
    return decision


def _refuse_own(session: Session, *, actor: Actor, case: ReviewCase) -> None:
    publisher_id = session.scalar(
        sa.select(CharacterPublication.publisher_id).where(CharacterPublication.id == case.publication_id)
    )
    if publisher_id == actor.user_id:
        raise OwnPublicationError


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
    )


def _audit_decision(
    session: Session,
    *,
    actor: Actor,
    publication: CharacterPublication,
    decision: ReviewDecision,
    more: dict[str, Any],
) -> None:
    audit.record(
        session,
        actor=actor,
        action="listing.approve" if decision.outcome is Outcome.APPROVED else "listing.reject",
        resource=listings.RESOURCE,
        resource_id=publication.id,
        before={"status": PublicationStatus.PENDING.value},
        after={"status": publication.status.value, "content_hash": decision.content_hash, **more},
        reason=decision.note or None,
    )
