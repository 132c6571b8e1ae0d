"""What a provider was paid for and its job has not kept yet: held in the database, so that nobody pays for it twice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.work.models import PaidAnswer


@dataclass(frozen=True, slots=True)
class Held:
    """One answer of a provider: what it said of itself, its bytes, and when it came."""

    facts: Mapping[str, Any]
    parts: Sequence[bytes]
    came_at: datetime


def find(session: Session, *, thing_id: UUID) -> Held | None:
    """The answer that is held for this row, or None."""
    row = session.get(PaidAnswer, thing_id)
    return None if row is None else Held(row.facts, row.parts, row.created_at)


def held_for(session: Session, *, job_id: UUID) -> set[UUID]:
    """The rows for which an answer to this job is held."""
    return set(session.scalars(sa.select(PaidAnswer.id).where(PaidAnswer.job_id == job_id)))


def hold(
    session: Session,
    *,
    thing_id: UUID,
    job_id: UUID,
    user_id: UUID | None,
    facts: Mapping[str, Any],
    parts: Collection[bytes],
    now: datetime,
) -> None:
    """The answer is there for every later attempt; the first one for a row stays. May be repeated."""
    session.execute(
        insert(PaidAnswer)
        .values(id=thing_id, job_id=job_id, user_id=user_id, facts=dict(facts), parts=list(parts), created_at=now)
        .on_conflict_do_nothing()
    )


def drop(session: Session, *, thing_id: UUID) -> None:
    """The answer has served: what it brought is kept, or is worth nothing. May be repeated."""
    session.execute(sa.delete(PaidAnswer).where(PaidAnswer.id == thing_id).execution_options(synchronize_session=False))


def forget_old(session: Session, *, before: datetime, limit: int = 100) -> int:
    """Answers that came before then and that nobody had kept after all are gone, at most `limit`; returns how many."""
    some = sa.select(PaidAnswer.id).where(PaidAnswer.created_at < before).order_by(PaidAnswer.created_at).limit(limit)
    gone = session.scalars(
        sa.delete(PaidAnswer)
        .where(PaidAnswer.id.in_(some.scalar_subquery()))
        .returning(PaidAnswer.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)
