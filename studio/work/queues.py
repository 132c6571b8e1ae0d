"""Pausing a queue and letting it go on; `studio.operations.queues` asks who may, and writes it down."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.kit.errors import NotFoundError
from studio.work.models import JobRun, JobState, QueuePause
from studio.work.rules import QUEUES, brief

_LONGEST_REASON = 200


def pause(session: Session, *, queue: str, by: UUID | None, reason: str, now: datetime) -> None:
    """No worker takes anything from the queue any more, until `resume`, whatever is restarted in between.

    Jobs under way go on. May be repeated: the first pause stands. Raises NotFoundError for a queue that there is not.
    """
    _must_exist(queue)
    session.execute(
        insert(QueuePause)
        .values(queue=queue, paused_at=now, paused_by_id=by, reason=brief(reason, _LONGEST_REASON))
        .on_conflict_do_nothing()
    )


def resume(session: Session, *, queue: str) -> bool:
    """Workers take jobs of the queue again, from the scheduler's next look on; False where it was not paused."""
    _must_exist(queue)
    gone = session.scalars(
        sa.delete(QueuePause)
        .where(QueuePause.queue == queue)
        .returning(QueuePause.queue)
        .execution_options(synchronize_session=False)
    ).all()
    # What was hinted at in vain is hinted at again.
    session.execute(
        sa.update(JobRun)
        .where(JobRun.queue == queue, JobRun.state == JobState.QUEUED, JobRun.held_for.is_(None))
        .values(nudged_at=None)
        .execution_options(synchronize_session=False)
    )
    return bool(gone)


def list_pauses(session: Session) -> Sequence[QueuePause]:
    """The queues that are paused."""
    return session.scalars(sa.select(QueuePause).order_by(QueuePause.queue).limit(len(QUEUES))).all()


def _must_exist(queue: str) -> None:
    if queue not in QUEUES:
        raise NotFoundError
