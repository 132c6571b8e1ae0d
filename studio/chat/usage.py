"""What people use of models, by day: counted for every answer, and refused beyond the day's budget."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.chat.errors import BudgetSpentError
from studio.chat.models import UsageStat
from studio.chat.rules import Count


def refuse_spent(session: Session, *, user_id: UUID, most: int, now: datetime) -> None:
    """Raise BudgetSpentError where the person's tokens of the day are used up; 0 is no limit."""
    if most and used_today(session, user_id=user_id, now=now) >= most:
        raise BudgetSpentError(most=most)


def used_today(session: Session, *, user_id: UUID, now: datetime) -> int:
    """The tokens that the person used since midnight UTC."""
    used = sa.select(sa.func.coalesce(sa.func.sum(UsageStat.tokens_in + UsageStat.tokens_out), 0)).where(
        UsageStat.user_id == user_id, UsageStat.day == now.astimezone(UTC).date()
    )
    return int(session.scalar(used) or 0)


def record(session: Session, *, user_id: UUID, count: Count, now: datetime) -> None:
    """Add one request to the person's day."""
    row = insert(UsageStat).values(
        user_id=user_id,
        day=now.astimezone(UTC).date(),
        currency=count.currency,
        requests=1,
        tokens_in=count.tokens_in,
        tokens_out=count.tokens_out,
        cost_micro=count.cost_micro or 0,
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=[UsageStat.user_id, UsageStat.day, UsageStat.currency],
            set_={
                name: getattr(UsageStat, name) + row.excluded[name]
                for name in ("requests", "tokens_in", "tokens_out", "cost_micro")
            },
        )
    )
