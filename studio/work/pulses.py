"""The signs of life of the processes that do and schedule jobs."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.work.models import WorkerPulse


def record(
    session: Session,
    *,
    name: str,
    kind: Literal["worker", "scheduler"],
    started_at: datetime,
    job_id: UUID | None,
    now: datetime,
) -> None:
    """Have it known that the process `name` lives, and which job it does, if any; may be repeated."""
    session.execute(
        insert(WorkerPulse)
        .values(name=name, kind=kind, started_at=started_at, seen_at=now, job_id=job_id)
        .on_conflict_do_update(
            index_elements=[WorkerPulse.name], set_={"started_at": started_at, "seen_at": now, "job_id": job_id}
        )
    )


def remove(session: Session, *, name: str) -> None:
    """Forget a process that has ended in order; may be repeated."""
    session.execute(sa.delete(WorkerPulse).where(WorkerPulse.name == name).execution_options(synchronize_session=False))
