"""Reads of decisions that are not in effect: held back, waiting for a second person, or undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.market.models import CharacterPublication, FieldComment, Outcome, ReviewCase, ReviewDecision, ReviewReason
from studio.market.review import queries
from studio.market.review.queries import Feedback

_MOST_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Held:
    """A decision that is made but not in effect, who made it, and its reasons."""

    decision: ReviewDecision
    moderator_name: str
    feedback: tuple[Feedback, ...]

    @property
    def needs_second(self) -> bool:
        """Whether it waits for a second person, however long that takes."""
        return self.decision.effective_at is None

    def seconds_left(self, now: datetime) -> int:
        """How long it can still be undone."""
        if self.decision.effective_at is None:
            return 0
        return max(0, round((self.decision.effective_at - now).total_seconds()))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A severe takedown that waits for a second person."""

    case: ReviewCase
    publication: CharacterPublication
    decision: ReviewDecision
    moderator_name: str
    is_for_actor: bool
    """Whether the actor can be the second person."""


def reasons_of(session: Session, decision_id: UUID) -> list[Feedback]:
    """The reasons of one decision, in the order in which they were given; the caller has asked who may see it."""
    rows = session.execute(
        sa.select(FieldComment, ReviewReason)
        .join(ReviewReason, ReviewReason.id == FieldComment.reason_id)
        .where(FieldComment.decision_id == decision_id)
        .order_by(FieldComment.id)
    )
    return [Feedback(comment.field, reason, comment.comment) for comment, reason in rows]


def is_proposed() -> sa.ColumnElement[bool]:
    """Whether a decision is a severe takedown that waits for its second person."""
    return sa.and_(
        ReviewDecision.outcome == Outcome.TAKEN_DOWN,
        ReviewDecision.effective_at.is_(None),
        ReviewDecision.effected_at.is_(None),
        ReviewDecision.undone_at.is_(None),
    )


def list_proposals(session: Session, *, actor: Actor) -> Sequence[Proposal]:
    """The severe takedowns that wait for a second person, oldest first; for those who decide, else none.

    What is decided about their own listings they are not told before it is in effect.
    """
    if not actor.may(Permission.REVIEW_DECIDE):
        return []
    rows = session.execute(
        sa.select(ReviewCase, CharacterPublication, ReviewDecision, User.name)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .join(User, User.id == ReviewDecision.moderator_id)
        .where(
            queries.case_visible_to(actor),
            CharacterPublication.publisher_id.is_distinct_from(actor.user_id),
            is_proposed(),
        )
        .order_by(ReviewDecision.decided_at, ReviewDecision.id)
        .limit(_MOST_SECONDS)
    )
    return [
        Proposal(
            case,
            publication,
            decision,
            name,
            is_for_actor=actor.user_id != decision.moderator_id,
        )
        for case, publication, decision, name in rows
    ]
