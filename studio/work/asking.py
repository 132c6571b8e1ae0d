"""Asking for a job: a row in the transaction of what asks, and a hint to the workers once that is committed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts.permissions import SYSTEM, Actor
from studio.kit.clock import utc_now
from studio.kit.db import on_commit
from studio.work.models import JobRun, JobState
from studio.work.rules import QUEUES, Argument, as_arguments

Nudge: TypeAlias = Callable[[Mapping[str, Sequence[UUID]]], None]
"""Told, after a commit, which jobs became due, by queue. A hint: it may fail or be lost, and the sweep makes it good."""


class Urgent(dict[str, Sequence[UUID]]):
    """What a nudge is told of jobs that come before all that wait: they had begun, and their worker is gone."""


_nudge: Nudge | None = None
_URGENT = "studio.work.urgent"
_WAITING = "studio.work.waiting"
_OPEN = sa.text("state IN ('queued', 'running')")


def set_nudge(nudge: Nudge | None) -> None:
    """Have `nudge` called from now on, in this process; set once by whoever composes the process."""
    global _nudge  # noqa: PLW0603 - One process has one queue; sessions come from many places.
    _nudge = nudge


def ask(
    session: Session,
    name: str,
    *,
    actor: Actor = SYSTEM,
    about: tuple[str, UUID] | None = None,
    queue: str = "default",
    dedupe_key: str | None = None,
    run_after: datetime | None = None,
    max_attempts: int = 5,
    estimate_micro: int = 0,
    pays_by_step: bool = False,
    now: datetime | None = None,
    **ids: Argument,
) -> JobRun:
    """Have the job `name` done after this transaction is committed; if it is rolled back, nothing was asked.

    While a job with the same `dedupe_key` waits, that one is returned: it has not
    looked at anything yet. While one runs, it is returned too, and the work is
    done once more when it ends, because it may have looked too early. `estimate_micro` is what the
    job is expected to cost (millionths): where the budget of the actor has no room for it, the job
    waits and says so; one that `pays_by_step` asks for room itself, before each step (`run.afford`), and stops where there
    is none. `about` names the row on whose page the job is shown. `ids` are the handler's keyword arguments: ids
    and small values, never content (TypeError, ValueError).
    """
    if queue not in QUEUES:
        raise ValueError(f"No worker listens to a queue called {queue}.")
    moment = now or utc_now()
    due = run_after or moment
    values = {
        "id": uuid7(),
        "name": name,
        "arguments": as_arguments(ids),
        "queue": queue,
        "state": JobState.QUEUED,
        "dedupe_key": dedupe_key,
        "asked_by_id": actor.user_id,
        "about_type": about[0] if about else None,
        "about_id": about[1] if about else None,
        "max_attempts": max_attempts,
        "estimate_micro": estimate_micro,
        "needs_micro": 0 if pays_by_step else estimate_micro,
        "created_at": moment,
        "run_after": due,
        # What is due at once is nudged by this commit; what is due later, by the sweep.
        "nudged_at": moment if due <= moment else None,
    }
    if dedupe_key is None:
        job = JobRun(**values)
        session.add(job)
    else:
        session.flush()
        job = _insert_or_find(session, values, dedupe_key=dedupe_key, moment=moment)
    if job.state is JobState.QUEUED and job.run_after <= moment:
        nudge_after_commit(session, queue, [job.id])
    return job


def _insert_or_find(session: Session, values: dict[str, object], *, dedupe_key: str, moment: datetime) -> JobRun:
    statement = (
        insert(JobRun)
        .values(values)
        .on_conflict_do_nothing(index_elements=[JobRun.dedupe_key], index_where=_OPEN)
        .returning(JobRun)
    )
    same = sa.select(JobRun).where(JobRun.dedupe_key == dedupe_key)
    while True:
        made = session.scalars(statement).one_or_none()
        if made is not None:
            return made
        # The lock holds the waiting job back until our change is committed, so that it will see it;
        # a worker that came in the meantime has passed it over, hence the nudge that follows.
        waiting = session.scalars(
            same.where(JobRun.state == JobState.QUEUED)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if waiting is not None:
            return waiting
        running = session.scalars(
            same.where(JobRun.state == JobState.RUNNING)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if running is not None:
            running.asked_again_at = moment
            session.flush()
            return running
        # It ended between the two looks: there is room for a new one now.


def ask_again(session: Session, job: JobRun, *, now: datetime) -> JobRun:
    """Have the work of `job`, which has just ended, done once more by a job of its own."""
    follower = JobRun(
        id=uuid7(),
        name=job.name,
        arguments=dict(job.arguments),
        queue=job.queue,
        state=JobState.QUEUED,
        dedupe_key=job.dedupe_key,
        asked_by_id=job.asked_by_id,
        about_type=job.about_type,
        about_id=job.about_id,
        max_attempts=job.max_attempts,
        estimate_micro=job.estimate_micro,
        # When it was asked for: what it is to do again is what was there then.
        created_at=job.asked_again_at or now,
        run_after=now,
        nudged_at=now,
    )
    # The one that ended must have left the unique index before its follower enters it.
    session.flush()
    session.add(follower)
    nudge_after_commit(session, job.queue, [follower.id])
    return follower


def nudge_after_commit(session: Session, queue: str, job_ids: Iterable[UUID], *, is_urgent: bool = False) -> None:
    """Tell the workers of `job_ids` once this transaction is committed: all of one transaction in one call.

    What is urgent comes before all that waits in the queue.
    """
    place = _URGENT if is_urgent else _WAITING
    root = session.get_transaction()
    kept: tuple[object, dict[str, list[UUID]]] | None = session.info.get(place)
    if kept is None or kept[0] is not root or root is None:
        # What an earlier transaction of this session left behind was rolled back with it.
        kept = (root, {})
        session.info[place] = kept
    waiting = kept[1]
    waiting.setdefault(queue, []).extend(job_ids)

    def tell() -> None:
        session.info.pop(place, None)
        if _nudge is not None:
            _nudge(Urgent(waiting) if is_urgent else waiting)

    on_commit(session, tell, key=place)
