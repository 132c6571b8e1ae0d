"""Reads of reviews: cases, findings, reasons and decisions, and who may see which rows."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.market.catalogue import queries
from studio.market.models import (
    Appeal,
    CharacterPublication,
    CheckMode,
    FieldComment,
    ReviewCase,
    ReviewDecision,
    ReviewReason,
    ScreeningResult,
)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One reason of a rejection as its creator reads it."""

    field: str
    reason: ReviewReason
    comment: str


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision on one listing, who made it, its reasons, and the appeal against it if there is one."""

    publication: CharacterPublication
    decision: ReviewDecision
    moderator_name: str
    feedback: tuple[Feedback, ...]
    appeal: Appeal | None = None


def case_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who works or watches the desk sees every case; nobody else sees any."""
    return sa.true() if actor.may(Permission.REVIEW_READ) else sa.false()


def is_overturned(actor: Actor) -> sa.ColumnElement[bool]:
    """Cases of listings on which an appeal overturned a decision that the actor made or confirmed."""
    decision, former = aliased(ReviewDecision), aliased(ReviewCase)
    found = (
        sa.select(sa.literal(True))
        .select_from(decision)
        .join(former, former.id == decision.case_id)
        .where(
            former.publication_id == ReviewCase.publication_id,
            decision.overturned_at.is_not(None),
            sa.or_(decision.moderator_id == actor.user_id, decision.second_id == actor.user_id),
        )
        .limit(1)
        .correlate(ReviewCase)
        .scalar_subquery()
    )
    # Not EXISTS, which the planner would join with the whole queue: asked of one case after the other, the first is found at once.
    return found.is_not(None)


def get_case(session: Session, *, actor: Actor, case_id: UUID, lock: bool = False) -> ReviewCase:
    """The case, if the actor may see it, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(ReviewCase).where(case_visible_to(actor), ReviewCase.id == case_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    case = session.scalar(query)
    if case is None:
        raise NotFoundError
    return case


def list_screening(session: Session, *, actor: Actor, case_id: UUID) -> list[ScreeningResult]:
    """What the checks found in a case that the actor may see, in the order of their rows; nothing of what is shadow."""
    return list(
        session.scalars(
            sa.select(ScreeningResult)
            .join(ReviewCase, ReviewCase.id == ScreeningResult.case_id)
            .where(case_visible_to(actor), ScreeningResult.case_id == case_id, ScreeningResult.mode == CheckMode.ACTIVE)
            .order_by(ScreeningResult.id)
        )
    )


def list_reasons(session: Session) -> list[ReviewReason]:
    """The reasons that can be given now, in their order."""
    return list(
        session.scalars(
            sa.select(ReviewReason).where(ReviewReason.is_active).order_by(ReviewReason.sort_order, ReviewReason.id)
        )
    )


def list_decisions(session: Session, *, actor: Actor, character_id: UUID) -> list[Decided]:
    """The decisions on the listings of one character that the actor may see, newest first, with their reasons."""
    criterion = sa.and_(CharacterPublication.character_id == character_id, queries.listing_managed_by(actor))
    return _decided(session, criterion, limit=queries.MOST_HISTORY)


def find_decision(session: Session, *, actor: Actor, publication_id: UUID) -> Decided | None:
    """The newest decision on one listing that is in effect, if there is one and the actor may see it."""
    criterion = sa.and_(CharacterPublication.id == publication_id, queries.listing_managed_by(actor))
    return next(iter(_decided(session, criterion, limit=1)), None)


def list_decisions_on(session: Session, *, actor: Actor, publication_id: UUID) -> list[Decided]:
    """Every decision on one listing that the actor may see, newest first, with its reasons."""
    criterion = sa.and_(CharacterPublication.id == publication_id, queries.listing_managed_by(actor))
    return _decided(session, criterion, limit=queries.MOST_HISTORY)


def feedback_for(session: Session, *, actor: Actor, character_id: UUID) -> list[Feedback]:
    """The reasons that a character's creator has to answer now: those of its newest listing, if that was sent back.

    The editor shows each at its field. Once a new listing is submitted there are none.
    """
    decided = find_asking(session, actor=actor, character_id=character_id)
    return list(decided.feedback) if decided is not None else []


def find_asking(session: Session, *, actor: Actor, character_id: UUID) -> Decided | None:
    """The decision that asks something of a character's creator now, with its listing: see `feedback_for`."""
    newest = session.scalar(
        sa.select(CharacterPublication)
        .where(CharacterPublication.character_id == character_id, queries.listing_managed_by(actor))
        .order_by(CharacterPublication.created_at.desc(), CharacterPublication.id.desc())
        .limit(1)
    )
    if newest is None or newest.status not in queries.SENT_BACK:
        return None
    return find_decision(session, actor=actor, publication_id=newest.id)


def _decided(session: Session, criterion: sa.ColumnElement[bool], *, limit: int) -> list[Decided]:
    """The decisions that fulfil `criterion`, newest first, with their reasons: one statement."""
    newest = (
        sa.select(ReviewDecision.id)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        # What can still be undone is told to nobody.
        .where(criterion, ReviewDecision.effected_at.is_not(None))
        .order_by(ReviewDecision.effected_at.desc(), ReviewDecision.id.desc())
        .limit(limit)
        .subquery()
    )
    rows = session.execute(
        sa.select(CharacterPublication, ReviewDecision, User.name, Appeal, FieldComment, ReviewReason)
        .join(ReviewCase, ReviewCase.publication_id == CharacterPublication.id)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
        .join(newest, newest.c.id == ReviewDecision.id)
        .join(User, User.id == ReviewDecision.moderator_id)
        .outerjoin(Appeal, Appeal.decision_id == ReviewDecision.id)
        .outerjoin(FieldComment, FieldComment.decision_id == ReviewDecision.id)
        .outerjoin(ReviewReason, ReviewReason.id == FieldComment.reason_id)
        .order_by(ReviewDecision.effected_at.desc(), ReviewDecision.id.desc(), FieldComment.id)
    )
    made: dict[UUID, tuple[CharacterPublication, ReviewDecision, str, Appeal | None]] = {}
    feedback: dict[UUID, list[Feedback]] = {}
    for publication, decision, name, appeal, comment, reason in rows:
        made[decision.id] = (publication, decision, name, appeal)
        if comment is not None and reason is not None:
            feedback.setdefault(decision.id, []).append(Feedback(comment.field, reason, comment.comment))
    return [
        Decided(publication, decision, name, tuple(feedback.get(decision.id, ())), appeal)
        for publication, decision, name, appeal in made.values()
    ]
