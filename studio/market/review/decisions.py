"""Decisions at the desk: made once, held back for ten seconds in which they can be undone, confirmed by a second person.

`effects` says what a decision does when it takes effect. Called as `review.approve(…)`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.text import excerpt, one_line, storable
from studio.market.catalogue import cases, flags, listings, publishing, queries, transitions
from studio.market.catalogue.errors import ContentChangedError, StepImpossibleError
from studio.market.catalogue.transitions import REVIEWABLE, Step
from studio.market.models import (
    DETAIL_LENGTH,
    CaseState,
    CharacterPublication,
    FieldComment,
    FlagKind,
    Notice,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
    UndoneReason,
)
from studio.market.review import effects, rules
from studio.market.review import queries as review_queries
from studio.market.review.errors import (
    ConfirmedError,
    NotClaimedError,
    NothingConfirmedError,
    NothingToConfirmError,
    NotUnderReviewError,
    OtherMindError,
    OwnPublicationError,
    ReasonsInvalidError,
    StillScreenedError,
    TooLateError,
)
from studio.market.review.rules import Reason

RESOURCE = "review_case"


def approve(
    session: Session,
    *,
    actor: Actor,
    case_id: UUID,
    content_hash: str,
    now: datetime,
    note: str = "",
    hold: timedelta = rules.UNDO,
) -> ReviewDecision:
    """The listing will be live in the version that the actor saw, which `content_hash` names; its predecessor unlisted.

    One that has a time later than that goes live then; one that is live already stays so. The effects leave after
    `hold`; without one they are there at once. Pressing twice gives the same decision. Raises ForbiddenError,
    NotFoundError, OwnPublicationError, NotClaimedError, NotUnderReviewError, ArchivedCharacterError,
    SoldExclusivelyError, ExclusiveTooLateError, or ContentChangedError where the content is no longer what was seen.
    """
    note = rules.checked_note(note)
    case, publication, made = _ready(session, actor=actor, case_id=case_id, content_hash=content_hash, now=now)
    if made is not None:
        return _same(made, Outcome.APPROVED)
    if publishing.leads_to_the_market(publication):
        publishing.refuse_impossible(session, publication)
    decision = _new(case, actor=actor, outcome=Outcome.APPROVED, content_hash=content_hash, note=note, now=now)
    return _hold(session, case, decision, reasons=(), actor=actor, hold=hold, now=now)


def request_changes(
    session: Session,
    *,
    actor: Actor,
    case_id: UUID,
    content_hash: str,
    reasons: Iterable[Reason],
    now: datetime,
    note: str = "",
    is_severe: bool = False,
    hold: timedelta = rules.UNDO,
) -> ReviewDecision:
    """The listing goes back to its creator to be mended: with reasons, each tied to a field or to the whole.

    For a severe reason, what was ever on the market is taken down instead; see `take_down`. Pressing twice gives the
    same decision. Raises as `approve` does, and ReasonsInvalidError where no reason is
    given, or one that does not exist or is tied to no field that exists.
    """
    return _against(
        session, Outcome.CHANGES_REQUESTED, actor=actor, case_id=case_id, content_hash=content_hash, reasons=reasons,
        note=note, hold=hold, now=now, is_severe=is_severe,
    )  # fmt: skip


def reject(
    session: Session,
    *,
    actor: Actor,
    case_id: UUID,
    content_hash: str,
    reasons: Iterable[Reason],
    now: datetime,
    note: str = "",
    is_severe: bool = False,
    hold: timedelta = rules.UNDO,
) -> ReviewDecision:
    """The listing is refused, with reasons; for a severe one as in `request_changes`. Raises as that does."""
    return _against(
        session, Outcome.REJECTED, actor=actor, case_id=case_id, content_hash=content_hash, reasons=reasons,
        note=note, hold=hold, now=now, is_severe=is_severe,
    )  # fmt: skip


def take_down(
    session: Session,
    *,
    actor: Actor,
    case_id: UUID,
    content_hash: str,
    reasons: Iterable[Reason],
    now: datetime,
    note: str = "",
    is_severe: bool = False,
    hold: timedelta = rules.UNDO,
) -> ReviewDecision:
    """What was approved once is off the market for good, with reasons; buyers keep what they bought.

    A severe one is hidden at once and waits until a second person confirms it (`second`); a reason that is severe
    makes it so, whichever decision it is given with. Raises as `request_changes` does, and StepImpossibleError for what was never on the market.
    """
    return _against(
        session, Outcome.TAKEN_DOWN, actor=actor, case_id=case_id, content_hash=content_hash, reasons=reasons,
        note=note, hold=hold, now=now, is_severe=is_severe,
    )  # fmt: skip


def undo(session: Session, *, actor: Actor, case_id: UUID, now: datetime) -> ReviewDecision:
    """The actor's decision is undone before its effects left, and they hold the case again. Doing it twice is once.

    A second person takes back their confirmation in the same time; the takedown waits for somebody's again. What can never
    be live any more is withdrawn with its case instead of held. Raises ForbiddenError, NotFoundError,
    NotUnderReviewError for somebody else's, ConfirmedError for what a second person confirmed, NothingConfirmedError for
    what they took back already, or TooLateError.
    """
    actor.must(Permission.REVIEW_DECIDE)
    case, publication = _locked(session, actor=actor, case_id=case_id)
    decision = session.scalars(
        sa.select(ReviewDecision)
        .where(ReviewDecision.case_id == case.id)
        .order_by(ReviewDecision.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if decision is None or actor.user_id not in {decision.moderator_id, decision.second_id}:
        is_proposed = decision is not None and decision.undone_at is None and decision.effective_at is None
        raise NothingConfirmedError if is_proposed else NotUnderReviewError
    if decision.undone_at is not None:
        return decision
    if decision.second_id not in {None, actor.user_id}:
        raise ConfirmedError
    is_late = decision.effective_at is not None and decision.effective_at <= now
    if decision.effected_at is not None or is_late or case.state is not CaseState.DECIDING:
        raise TooLateError
    if decision.second_id is not None:
        decision.second_id = decision.seconded_at = decision.effective_at = None
        session.flush()
        _audit(session, actor=actor, action="review_case.take_back_confirmation", case=case, decision=decision)
        return decision
    if _take_back(session, publication, decision, why=UndoneReason.UNDONE, actor=actor, now=now):
        case.state = CaseState.CLAIMED
        case.claimed_by_id = actor.user_id
        case.claim_expires_at = now + rules.CLAIM
    session.flush()
    _audit(session, actor=actor, action="review_case.undo", case=case, decision=decision)
    return decision


def second(
    session: Session,
    *,
    actor: Actor,
    case_id: UUID,
    agrees: bool,
    now: datetime,
    reason: str = "",
    hold: timedelta = rules.UNDO,
) -> ReviewDecision:
    """A second person confirms a severe takedown, or does not agree: then the listing is back where it was, in the queue.

    What can never be live any more is withdrawn instead. Who did not agree, and their `reason`, is read by other moderators as long as it waits.

    Raises ForbiddenError, NotFoundError, OwnPublicationError, OtherMindError for who made the decision, or
    NothingToConfirmError.
    """
    actor.must(Permission.REVIEW_DECIDE)
    case, publication = _locked(session, actor=actor, case_id=case_id)
    if publication.publisher_id == actor.user_id:
        raise OwnPublicationError
    decision = cases.find_held_decision(session, case_id=case.id)
    if decision is None or case.state is not CaseState.DECIDING or decision.effective_at is not None:
        raise NothingToConfirmError
    if decision.moderator_id == actor.user_id:
        raise OtherMindError
    if agrees:
        decision.second_id, decision.seconded_at, decision.effective_at = actor.user_id, now, now + hold
        session.flush()
        _audit(session, actor=actor, action="review_case.confirm", case=case, decision=decision)
        _leave(session, decision, hold=hold, now=now)
        return decision
    if _take_back(session, publication, decision, why=UndoneReason.DECLINED, actor=actor, now=now):
        case.state = CaseState.WAITING
        session.flush()
        said = f"{actor.name}: {one_line(storable(reason))}" if one_line(reason) else actor.name
        detail = excerpt(said, DETAIL_LENGTH)
        flags.put(session, publication_id=publication.id, kind=FlagKind.REQUEUED, now=now, detail=detail)
    _audit(session, actor=actor, action="review_case.decline", case=case, decision=decision)
    return decision


def _against(
    session: Session,
    outcome: Outcome,
    *,
    actor: Actor,
    case_id: UUID,
    content_hash: str,
    reasons: Iterable[Reason],
    note: str,
    hold: timedelta,
    now: datetime,
    is_severe: bool = False,
) -> ReviewDecision:
    note = rules.checked_note(note)
    given = rules.checked_reasons(reasons)
    known = {reason.code: reason for reason in review_queries.list_reasons(session)}
    if any(reason.code not in known for reason in given):
        raise ReasonsInvalidError(
            "One of the reasons does not exist any more; choose from the list.",
            fields={"reasons": "Choose reasons from the list."},
        )
    severe = is_severe or any(known[reason.code].is_severe for reason in given)
    case, publication, made = _ready(session, actor=actor, case_id=case_id, content_hash=content_hash, now=now)
    if severe and publication.published_at is not None:
        # Off the market for a severe reason is a takedown, whichever button was pressed: two people have to agree.
        outcome = Outcome.TAKEN_DOWN
    if made is not None:
        return _same(made, outcome)
    is_takedown = outcome is Outcome.TAKEN_DOWN
    if is_takedown and not transitions.can(publication, Step.TAKE_DOWN):
        raise StepImpossibleError
    decision = _new(case, actor=actor, outcome=outcome, content_hash=content_hash, note=note, now=now)
    decision.is_severe = severe
    comments = [
        FieldComment(reason_id=known[reason.code].id, field=reason.field, comment=reason.comment) for reason in given
    ]
    if not (is_takedown and severe):
        return _hold(session, case, decision, reasons=comments, actor=actor, hold=hold, now=now)
    # Nobody meets it while the second person looks.
    if publication.status is not PublicationStatus.QUARANTINED:
        transitions.apply(publication, Step.QUARANTINE, now=now)
        listings.tell(publication, Notice.QUARANTINED, now=now)
        session.flush()
        effects.hide(session, publication)
    return _hold(session, case, decision, reasons=comments, actor=actor, hold=None, now=now)


def _new(
    case: ReviewCase, *, actor: Actor, outcome: Outcome, content_hash: str, note: str, now: datetime
) -> ReviewDecision:
    return ReviewDecision(
        case_id=case.id,
        moderator_id=actor.user_id,
        outcome=outcome,
        content_hash=content_hash,
        note=note,
        decided_at=now,
    )


def _hold(
    session: Session,
    case: ReviewCase,
    decision: ReviewDecision,
    *,
    reasons: Iterable[FieldComment],
    actor: Actor,
    hold: timedelta | None,
    now: datetime,
) -> ReviewDecision:
    """The decision is made, and nobody can make another; its effects leave after `hold`, or when it is confirmed."""
    decision.effective_at = None if hold is None else now + hold
    session.add(decision)
    case.state = CaseState.DECIDING
    case.claimed_by_id = None
    case.claim_expires_at = None
    session.flush()
    for comment in reasons:
        comment.decision_id = decision.id
        session.add(comment)
    session.flush()
    _audit(session, actor=actor, action="review_case.decide", case=case, decision=decision)
    if hold is not None:
        _leave(session, decision, hold=hold, now=now)
    return decision


def _leave(session: Session, decision: ReviewDecision, *, hold: timedelta, now: datetime) -> None:
    if hold:
        effects.ask(session, decision, now=now)
    else:
        effects.take_effect(session, decision_id=decision.id, now=now)


def _take_back(
    session: Session,
    publication: CharacterPublication,
    decision: ReviewDecision,
    *,
    why: UndoneReason,
    actor: Actor,
    now: datetime,
) -> bool:
    """The decision has no effect, and what a severe takedown hid at once is where it was; tells whether its case goes on."""
    cases.undone(decision, why=why, by_id=actor.user_id, now=now)
    session.flush()
    waited = decision.outcome is Outcome.TAKEN_DOWN and decision.is_severe
    # What was in quarantine before the decision stays there.
    if waited and publication.quarantined_at == decision.decided_at:
        effects.leave_quarantine(session, publication, actor=actor, now=now)
    session.flush()
    return publication.status not in transitions.ENDED


def _locked(session: Session, *, actor: Actor, case_id: UUID) -> tuple[ReviewCase, CharacterPublication]:
    """The case and its listing, locked in the order that everybody keeps: character, listing, case."""
    seen = review_queries.get_case(session, actor=actor, case_id=case_id)
    character_id = session.scalars(
        sa.select(CharacterPublication.character_id).where(CharacterPublication.id == seen.publication_id)
    ).one()
    listings.lock_character(session, character_id)
    publication = queries.get_listing(session, actor=actor, publication_id=seen.publication_id, lock=True)
    return review_queries.get_case(session, actor=actor, case_id=case_id, lock=True), publication


def _ready(
    session: Session, *, actor: Actor, case_id: UUID, content_hash: str, now: datetime
) -> tuple[ReviewCase, CharacterPublication, ReviewDecision | None]:
    """The case and its listing, locked, in the actor's hands and unchanged; or the decision that the actor made already."""
    actor.must(Permission.REVIEW_DECIDE)
    case, publication = _locked(session, actor=actor, case_id=case_id)
    if publication.publisher_id == actor.user_id:
        raise OwnPublicationError
    made = session.scalars(
        sa.select(ReviewDecision).where(ReviewDecision.case_id == case.id, ReviewDecision.undone_at.is_(None))
    ).one_or_none()
    if made is not None and made.moderator_id == actor.user_id:
        return case, publication, made
    if case.state is CaseState.SCREENING:
        raise StillScreenedError
    if case.state not in {CaseState.WAITING, CaseState.CLAIMED} or publication.status not in REVIEWABLE:
        raise NotUnderReviewError
    if case.state is not CaseState.CLAIMED or case.claimed_by_id != actor.user_id or not rules.is_held(case, now=now):
        raise NotClaimedError
    if publication.content_hash != content_hash or publishing.current_hash(session, publication) != content_hash:
        raise ContentChangedError
    return case, publication, None


def _same(made: ReviewDecision, outcome: Outcome) -> ReviewDecision:
    if made.outcome is not outcome:
        raise NotUnderReviewError
    return made


def _audit(session: Session, *, actor: Actor, action: str, case: ReviewCase, decision: ReviewDecision) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=RESOURCE,
        resource_id=case.id,
        after={
            "outcome": decision.outcome.value,
            "is_severe": decision.is_severe,
            "content_hash": decision.content_hash,
        },
        reason=decision.note or None,
        kept_from_id=session.get_one(CharacterPublication, case.publication_id).publisher_id,
    )
