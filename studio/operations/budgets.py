"""Who may give a person a budget, who may see it, and the record of who gave it."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import InvalidError, NotFoundError
from studio.kit.text import storable
from studio.work import budgets
from studio.work.models import PersonBudget

MOST_MICRO = 1_000_000 * 1_000_000
NO_BUDGET = (
    "Write what a month may cost as a number from 0 to 1,000,000, such as 25 or 7.50; 0 lets nothing begin that costs."
)
"""What is told of a number that is none, or beyond."""


def budget_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Whoever gives budgets sees them all; everybody else their own."""
    if actor.may(Permission.BUDGET_WRITE):
        return sa.true()
    return PersonBudget.user_id == actor.user_id if actor.user_id is not None else sa.false()


def set_limit(session: Session, *, actor: Actor, user_id: UUID, limit_micro: int | None, now: datetime) -> PersonBudget:
    """The person's jobs may cost so much in a month; None is the studio's limit. Waiting jobs that fit go on by themselves.

    Raises ForbiddenError, NotFoundError or InvalidError.
    """
    actor.must(Permission.BUDGET_WRITE)
    if limit_micro is not None and not 0 <= limit_micro <= MOST_MICRO:
        raise InvalidError(NO_BUDGET, fields={"limit": NO_BUDGET})
    if session.get(User, user_id) is None:
        raise NotFoundError
    before = session.scalar(sa.select(PersonBudget.limit_micro).where(PersonBudget.user_id == user_id))
    budget = budgets.set_limit(session, user_id=user_id, limit_micro=limit_micro, now=now)
    audit.record_changes(
        session,
        actor=actor,
        action="budget.set",
        resource="person",
        resource_id=user_id,
        before={"limit_micro": before},
        after={"limit_micro": limit_micro},
    )
    return budget


def give(session: Session, *, actor: Actor, email: str, limit_micro: int | None, now: datetime) -> PersonBudget:
    """As `set_limit`, for the person with that address. Raises InvalidError where there is nobody."""
    actor.must(Permission.BUDGET_WRITE)
    user_id = session.scalar(sa.select(User.id).where(sa.func.lower(User.email) == storable(email).strip().lower()))
    if user_id is None:
        sentence = "Nobody has this address. Look for it among the people."
        raise InvalidError(sentence, fields={"email": sentence})
    return set_limit(session, actor=actor, user_id=user_id, limit_micro=limit_micro, now=now)
