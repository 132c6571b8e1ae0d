"""What the scheduler looks after: jobs whose worker is gone, hints that were lost, and rows that have served."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.work import asking, claiming
from studio.work.models import FINAL, JobRun, JobState, WorkerPulse
from studio.work.queries import is_ready
from studio.work.rules import WORKER_LOST

_BATCH = 500


def take_back_lost(session: Session, *, lease: timedelta, now: datetime) -> Sequence[UUID]:
    """Take back the running jobs whose heartbeat is older than `lease`, and return their ids.

    The attempt counts: what has one left is due at once; the others have failed, with
    "worker lost" as their error. Any number of schedulers may do this at once. A row that
    somebody holds locked is passed over: whoever holds it is alive.
    """
    lost = session.scalars(
        sa.select(JobRun)
        .where(JobRun.state == JobState.RUNNING, JobRun.heartbeat_at < now - lease)
        .order_by(JobRun.heartbeat_at)
        .limit(_BATCH)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for job in lost:
        claiming.let_go(session, job, failure=WORKER_LOST, is_final=False, now=now)
        if job.state is JobState.QUEUED:
            # Behind a thousand others it would come back after a minute.
            asking.nudge_after_commit(session, job.queue, [job.id], is_urgent=True)
    return [job.id for job in lost]


def nudge_due(
    session: Session, *, quiet: Mapping[str, timedelta], now: datetime, limit: int = _BATCH
) -> Mapping[str, Sequence[UUID]]:
    """Tell the workers once more of due jobs that were not nudged within `quiet`, which is given by queue.

    A queue that is not in `quiet` is left alone, and so is one that is paused. Returns the ids by queue; the oldest come first.
    """
    told: dict[str, list[UUID]] = {}
    for queue, period in quiet.items():
        ids = session.scalars(
            sa.select(JobRun.id)
            .where(
                is_ready(now),
                JobRun.queue == queue,
                sa.or_(JobRun.nudged_at.is_(None), JobRun.nudged_at <= now - period),
            )
            .order_by(JobRun.run_after, JobRun.id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        ).all()
        if ids:
            session.execute(
                sa.update(JobRun)
                .where(JobRun.id.in_(ids))
                .values(nudged_at=now)
                .execution_options(synchronize_session=False)
            )
            asking.nudge_after_commit(session, queue, ids)
            told[queue] = list(ids)
    return told


def nudge_begun(session: Session, *, quiet: timedelta, now: datetime, limit: int = 100) -> Sequence[UUID]:
    """Tell the workers once more, before all that waits, of due jobs that had begun already; their ids, the oldest first.

    Their hint may have been taken in vain while a server was away, and they have waited long enough. A hint too many is
    looked at and dropped.
    """
    rows = session.execute(
        sa.select(JobRun.id, JobRun.queue)
        .where(
            is_ready(now),
            JobRun.started_at.is_not(None),
            sa.or_(JobRun.nudged_at.is_(None), JobRun.nudged_at <= now - quiet),
        )
        .order_by(JobRun.run_after)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    ids = [row[0] for row in rows]
    if ids:
        session.execute(
            sa.update(JobRun)
            .where(JobRun.id.in_(ids))
            .values(nudged_at=now)
            .execution_options(synchronize_session=False)
        )
    for job_id, queue in rows:
        asking.nudge_after_commit(session, queue, [job_id], is_urgent=True)
    return ids


def forget_old(session: Session, *, before: datetime, limit: int = 5_000) -> int:
    """Delete jobs that ended before then, failed ones excepted, at most `limit`; returns how many."""
    old = (
        sa.select(JobRun.id)
        .where(JobRun.state.in_([state for state in FINAL if state is not JobState.FAILED]), JobRun.created_at < before)
        .order_by(JobRun.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = session.scalars(
        sa.delete(JobRun)
        .where(JobRun.id.in_(old.scalar_subquery()))
        .returning(JobRun.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)


def forget_pulses(session: Session, *, before: datetime) -> int:
    """Forget the processes that were last seen before then; returns how many."""
    gone = session.scalars(
        sa.delete(WorkerPulse)
        .where(WorkerPulse.seen_at < before)
        .returning(WorkerPulse.name)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)
