"""What waits beside the queue: severe takedowns that nobody has confirmed yet, and appeals that nobody has answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.market.models import Appeal, AppealState, CaseState, CharacterPublication, ReviewCase, ReviewDecision
from studio.market.review import held_queries

_MOST = 20


class Kind(StrEnum):
    """What waits."""

    TAKEDOWN = "takedown"
    APPEAL = "appeal"


@dataclass(frozen=True, slots=True)
class Beside:
    """One of them, as the queue shows it: `row_id` is the case of a takedown, or the appeal."""

    kind: Kind
    row_id: UUID
    title: str
    name: str
    """Who proposed the takedown, or appealed."""
    since: datetime
    due_at: datetime
    is_for_actor: bool
    """Whether the actor can be the one who decides."""


def proposed() -> sa.Select[ReviewCase]:
    """The cases of severe takedowns that wait for a second person."""
    return (
        sa.select(ReviewCase)
        .join(ReviewDecision, ReviewDecision.case_id == ReviewCase.id)
        .where(ReviewCase.state == CaseState.DECIDING, held_queries.is_proposed())
    )


def appealed() -> sa.Select[Appeal]:
    """The appeals that wait for an answer."""
    return sa.select(Appeal).where(Appeal.state == AppealState.OPEN)


def list_beside(session: Session, *, actor: Actor) -> Sequence[Beside]:
    """Both of them, what is due first before all others; the first twenty. Raises ForbiddenError. One statement.

    What is proposed against their own listings nobody is told before it is in effect.
    """
    actor.must(Permission.REVIEW_READ)
    decides = sa.literal(actor.may(Permission.REVIEW_DECIDE))
    is_foreign = sa.and_(
        decides,
        CharacterPublication.publisher_id != actor.user_id,
        ReviewDecision.moderator_id != actor.user_id,
        ReviewDecision.second_id.is_distinct_from(actor.user_id),
    ).label("is_for_actor")
    takedowns = (
        proposed()
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .join(User, User.id == ReviewDecision.moderator_id)
        .with_only_columns(
            sa.literal(Kind.TAKEDOWN.value).label("kind"),
            ReviewCase.id,
            CharacterPublication.title,
            User.name,
            ReviewDecision.decided_at.label("since"),
            ReviewCase.due_at,
            is_foreign,
        )
        .where(CharacterPublication.publisher_id.is_distinct_from(actor.user_id))
        .order_by(ReviewCase.due_at, ReviewCase.id)
    )
    objections = (
        appealed()
        .join(ReviewDecision, ReviewDecision.id == Appeal.decision_id)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
        .join(User, User.id == Appeal.appellant_id)
        .with_only_columns(
            sa.literal(Kind.APPEAL.value).label("kind"),
            Appeal.id,
            CharacterPublication.title,
            User.name,
            Appeal.created_at.label("since"),
            Appeal.due_at,
            is_foreign,
        )
        .order_by(Appeal.due_at, Appeal.id)
    )
    both = sa.union_all(*(sa.select(one.limit(_MOST).subquery()) for one in (takedowns, objections))).subquery()
    rows = session.execute(sa.select(both).order_by(both.c.due_at, both.c.id).limit(_MOST))
    return [Beside(Kind(kind), *rest) for kind, *rest in rows]
