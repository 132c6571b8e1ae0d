"""What a decision does, once it can no longer be undone: the status, the market, search, flags and reports.

A decision is a row that says when its effects leave. A job is asked for with it, and a sweep looks for what a lost job
left; either does it once, in one transaction, so a worker that dies in between loses nothing and does nothing twice.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, Actor
from studio.market.catalogue import cases, flags, listings, publishing, transitions, withheld
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FieldComment,
    FlagKind,
    Notice,
    Outcome,
    PublicationStatus,
    ReviewCase,
    ReviewDecision,
    ReviewReason,
    UndoneReason,
)
from studio.market.review import report_states, reports, siblings

_BATCH = 100
_AGAINST = {
    Outcome.CHANGES_REQUESTED: Step.REQUEST_CHANGES,
    Outcome.REJECTED: Step.REJECT,
    Outcome.TAKEN_DOWN: Step.TAKE_DOWN,
}
_ACTIONS = {
    Outcome.APPROVED: "listing.approve",
    Outcome.CHANGES_REQUESTED: "listing.request_changes",
    Outcome.REJECTED: "listing.reject",
    Outcome.TAKEN_DOWN: "listing.take_down",
}
OBSTACLE_NOTICES = {UndoneReason.ARCHIVED: Notice.ARCHIVED, UndoneReason.SOLD: Notice.SOLD}
"""What its creator reads of a listing that cannot be live."""


def ask(session: Session, decision: ReviewDecision, *, now: datetime) -> None:
    """The effects of the decision will leave at its time."""
    work.ask(
        session,
        "market.let_decision_take_effect",
        about=("review_decision", decision.id),
        # Confirmed again after that was taken back, it has another time; the job for the former finds nothing to do.
        dedupe_key=f"market.let_decision_take_effect:{decision.id}:{decision.effective_at:%Y%m%d%H%M%S%f}",
        run_after=decision.effective_at,
        now=now,
        decision_id=decision.id,
    )


def take_effect(session: Session, *, decision_id: UUID, now: datetime) -> bool:
    """The decision is in effect, if its time has come and nobody undid it; doing it again changes nothing.

    An approval whose listing is no longer what the moderator saw, or cannot be live any more, is void: the listing
    waits again with a flag, or is withdrawn where it can never be live. Tells whether anything happened.
    """
    found = session.execute(
        sa.select(CharacterPublication.character_id, CharacterPublication.id)
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
        .where(ReviewDecision.id == decision_id)
    ).one_or_none()
    if found is None:
        return False
    # The order of all locks: character, listing, case, decision.
    listings.lock_character(session, found.character_id)
    publication = listings.lock(session, found.id)
    decision = session.get_one(ReviewDecision, decision_id, populate_existing=True)
    case = cases.lock_case(session, decision.case_id)
    if case.state is not CaseState.DECIDING or decision.effected_at is not None or decision.undone_at is not None:
        return False
    if decision.effective_at is None or decision.effective_at > now:
        return False
    before = publication.status
    void = _why_void(session, publication, decision)
    if void is not None:
        _void(session, publication, case, decision, why=void, now=now)
        return True
    moderator = session.get_one(User, decision.moderator_id).actor
    listings.tell(publication, None, now=now)
    # PostgreSQL lets nothing go live that no decision in effect approved.
    decision.effected_at = _time_of(decision, publication, session=session, now=now)
    session.flush()
    more = _carry_out(session, publication, decision, actor=moderator, now=now)
    cases.close(case, CaseState.DECIDED, now=now)
    session.flush()
    flags.clear(session, publication_id=publication.id, now=now)
    is_kept = decision.outcome is Outcome.APPROVED
    report_states.close_all(
        session,
        publication_id=publication.id,
        was_right=not is_kept,
        by_id=decision.moderator_id,
        seen_at=decision.decided_at if is_kept else now,
    )
    if publication.status is PublicationStatus.APPROVED:
        # What was reported while the decision was held back, nobody has looked at.
        reports.weigh(session, publication, now=now)
    audit.record(
        session,
        actor=moderator,
        action=_ACTIONS[decision.outcome],
        resource=listings.RESOURCE,
        resource_id=publication.id,
        before={"status": before.value},
        after={"status": publication.status.value, "content_hash": decision.content_hash, **more},
        reason=decision.note or None,
        kept_from_id=publication.publisher_id,
    )
    return True


def release_due(session: Session, *, now: datetime) -> int:
    """Every decision whose time has come is in effect; at most a batch of them. Returns how many."""
    ids = session.scalars(
        sa.select(ReviewDecision.id)
        .where(
            ReviewDecision.effected_at.is_(None),
            ReviewDecision.undone_at.is_(None),
            ReviewDecision.effective_at <= now,
        )
        .order_by(ReviewDecision.effective_at, ReviewDecision.id)
        .limit(_BATCH)
    ).all()
    return sum(take_effect(session, decision_id=decision_id, now=now) for decision_id in ids)


def _time_of(
    decision: ReviewDecision, publication: CharacterPublication, *, session: Session, now: datetime
) -> datetime:
    """When the decision takes effect: an approval after what was refused in the same sweep, which has one time for all."""
    if decision.outcome is not Outcome.APPROVED:
        return now
    refused_at = withheld.last_refused_at(session, character_id=publication.character_id)
    return now if refused_at is None else max(now, refused_at + timedelta(microseconds=1))


def _carry_out(
    session: Session, publication: CharacterPublication, decision: ReviewDecision, *, actor: Actor, now: datetime
) -> dict[str, Any]:
    """The listing is where the outcome puts it; returns what the audit says besides."""
    if decision.outcome is Outcome.APPROVED:
        return _approve(session, publication, actor=actor, now=now)
    transitions.apply(publication, _AGAINST[decision.outcome], now=now)
    session.flush()
    if decision.is_severe:
        siblings.look_at(session, publication, actor=actor, now=now)
    hide(session, publication)
    reasons = session.execute(
        sa.select(ReviewReason.code, FieldComment.field)
        .join(FieldComment, FieldComment.reason_id == ReviewReason.id)
        .where(FieldComment.decision_id == decision.id)
        .order_by(FieldComment.id)
    )
    return {"reasons": [f"{code}:{field}" for code, field in reasons]}


def _approve(session: Session, publication: CharacterPublication, *, actor: Actor, now: datetime) -> dict[str, Any]:
    if publication.status is PublicationStatus.QUARANTINED:
        leave_quarantine(session, publication, actor=actor, now=now)
    if publication.status is not PublicationStatus.PENDING:
        transitions.apply(publication, Step.KEEP, now=now, to=publication.status)
        return {}
    if publication.publish_at is not None and publication.publish_at > now:
        transitions.apply(publication, Step.APPROVE, now=now, to=PublicationStatus.SCHEDULED)
        session.flush()
        ask_publication(session, publication, now=now)
        return {"publish_at": publication.publish_at.isoformat()}
    former = publishing.go_live(session, publication, step=Step.APPROVE, actor=actor, now=now)
    return {} if former is None else {"replaces": str(former.id)}


def leave_quarantine(session: Session, publication: CharacterPublication, *, actor: Actor, now: datetime) -> None:
    """A locked listing is where it was before its quarantine, as far as it can be, and its creator reads what is in the way.

    What was live is off the market where its character was archived or sold, where another one is live meanwhile, or where
    another version was taken down for a severe reason; what waited, and can never be live, is withdrawn with its review.
    """
    to, why = publication.quarantined_from, publishing.find_obstacle(session, publication)
    if why is not None and to in {PublicationStatus.PENDING, PublicationStatus.SCHEDULED}:
        listings.take_back(session, publication, step=Step.RELEASE, why=why, by_id=None, now=now)
    elif to is PublicationStatus.APPROVED and why is None and _may_be_met(session, publication):
        publishing.go_live(session, publication, step=Step.RELEASE, actor=actor, now=now)
    else:
        off = to is PublicationStatus.APPROVED
        transitions.apply(publication, Step.RELEASE, now=now, to=PublicationStatus.UNLISTED if off else to)
    listings.tell(publication, None if why is None else OBSTACLE_NOTICES[why], now=now)
    session.flush()


def _may_be_met(session: Session, publication: CharacterPublication) -> bool:
    return not is_other_live(session, publication) and withheld.find_judgement(session, publication) is None


def is_other_live(session: Session, publication: CharacterPublication) -> bool:
    """Whether another listing of the same character is live."""
    other = sa.select(sa.literal(1)).where(
        CharacterPublication.character_id == publication.character_id,
        CharacterPublication.id != publication.id,
        CharacterPublication.status == PublicationStatus.APPROVED,
    )
    return session.scalar(other.limit(1)) is not None


def hide(session: Session, publication: CharacterPublication) -> None:
    """The character is off the market, unless another listing of it is live."""
    if not is_other_live(session, publication):
        publishing.show_character(session, character_id=publication.character_id, live=None)


def ask_publication(session: Session, publication: CharacterPublication, *, now: datetime) -> None:
    """The listing goes live at its time."""
    moment = publication.publish_at
    if moment is not None:
        work.ask(
            session,
            "market.publish_listing",
            about=("listing", publication.id),
            # Another time is another job; the one for the former time finds nothing to do.
            dedupe_key=f"market.publish_listing:{publication.id}:{moment:%Y%m%d%H%M%S}",
            run_after=moment,
            now=now,
            publication_id=publication.id,
        )


def _why_void(session: Session, publication: CharacterPublication, decision: ReviewDecision) -> UndoneReason | None:
    """Why an approval cannot take effect; a decision against a listing always can."""
    if decision.outcome is not Outcome.APPROVED:
        return None
    return why_impossible(session, publication, content_hash=decision.content_hash)


def why_impossible(session: Session, publication: CharacterPublication, *, content_hash: str) -> UndoneReason | None:
    """Why a listing cannot be live as it was approved under this hash; None where it can."""
    if publication.content_hash != content_hash or publishing.current_hash(session, publication) != content_hash:
        return UndoneReason.CHANGED
    # Off the market nothing is impossible.
    return publishing.find_obstacle(session, publication) if publishing.leads_to_the_market(publication) else None


def _void(
    session: Session,
    publication: CharacterPublication,
    case: ReviewCase,
    decision: ReviewDecision,
    *,
    why: UndoneReason,
    now: datetime,
) -> None:
    cases.undone(decision, why=why, by_id=None, now=now)
    step = Step.RELEASE if publication.status is PublicationStatus.QUARANTINED else Step.WITHDRAW
    if why is UndoneReason.CHANGED or not transitions.can(publication, step):
        case.state = CaseState.WAITING
        session.flush()
        flags.put(session, publication_id=publication.id, kind=FlagKind.CHANGED_AFTER_APPROVAL, now=now)
    else:
        listings.take_back(session, publication, step=step, why=why, by_id=None, now=now)
    listings.tell(publication, OBSTACLE_NOTICES.get(why, Notice.CHANGED), now=now)
    session.flush()
    audit.record(
        session,
        actor=SYSTEM,
        action="listing.void_approval",
        resource=listings.RESOURCE,
        resource_id=publication.id,
        after={"status": publication.status.value, "why": why.value},
    )
