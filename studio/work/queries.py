"""Which jobs are there, and who may see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.work.models import FINAL, JobRun, JobState, QueuePause, WorkerPulse
from studio.work.rules import COURTESY, QUEUES

OPEN = (JobState.QUEUED, JobState.RUNNING)

LONGEST_KIND = 150
"""Characters of a kind of error."""

_PARTICULAR = r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}|\d{5,}"
"""Ids and long numbers, as PostgreSQL's pattern."""


def is_in_paused_queue() -> sa.ColumnElement[bool]:
    """The job's queue is paused: no worker takes anything from it."""
    return sa.exists().where(QueuePause.queue == JobRun.queue)


def is_ready(now: datetime) -> sa.ColumnElement[bool]:
    """The job could be taken this moment, if a worker were free."""
    return sa.and_(
        JobRun.state == JobState.QUEUED, JobRun.held_for.is_(None), JobRun.run_after <= now, ~is_in_paused_queue()
    )


def job_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff and admins see every job; everybody else those that they asked for."""
    if actor.may(Permission.JOB_READ_ANY):
        return sa.true()
    if actor.may(Permission.JOB_READ_OWN) and actor.user_id is not None:
        return JobRun.asked_by_id == actor.user_id
    return sa.false()


def job_steered_by(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff may cancel and repeat every job; everybody else those that they asked for."""
    if actor.may(Permission.JOB_STEER_ANY):
        return sa.true()
    if actor.may(Permission.JOB_STEER_OWN) and actor.user_id is not None:
        return JobRun.asked_by_id == actor.user_id
    return sa.false()


def get_job(session: Session, *, actor: Actor, job_id: UUID) -> JobRun:
    """The job as it is now. Raises NotFoundError where it does not exist or is not the actor's to see."""
    job = session.scalars(sa.select(JobRun).where(job_visible_to(actor), JobRun.id == job_id)).one_or_none()
    if job is None:
        raise NotFoundError
    return job


def find_open(session: Session, *, dedupe_key: str) -> JobRun | None:
    """The job for this work that waits or runs, or None."""
    return session.scalars(
        sa.select(JobRun).where(JobRun.dedupe_key == dedupe_key, JobRun.state.in_(OPEN))
    ).one_or_none()


def list_jobs_about(
    session: Session, *, actor: Actor, about: tuple[str, UUID], limit: int = 20, open_only: bool = False
) -> Sequence[JobRun]:
    """The newest jobs about one row that the actor may see."""
    query = (
        sa.select(JobRun)
        .where(job_visible_to(actor), JobRun.about_type == about[0], JobRun.about_id == about[1])
        .order_by(JobRun.created_at.desc(), JobRun.id.desc())
        .limit(limit)
    )
    if open_only:
        query = query.where(JobRun.state.in_(OPEN))
    return session.scalars(query).all()


def list_open_own(session: Session, *, actor: Actor, limit: int) -> Sequence[JobRun]:
    """The actor's own jobs that wait or run, newest first."""
    if actor.user_id is None:
        return []
    return session.scalars(
        sa.select(JobRun)
        .where(JobRun.asked_by_id == actor.user_id, JobRun.state.in_(OPEN))
        .order_by(JobRun.created_at.desc(), JobRun.id.desc())
        .limit(limit)
    ).all()


def list_tray(
    session: Session, *, actor: Actor, now: datetime, recent: timedelta = timedelta(minutes=2), limit: int = 8
) -> Sequence[JobRun]:
    """The actor's own jobs that run, wait or have just ended, in this order, newest first: what the job tray shows.

    For everybody alike it is what they asked for themselves; all jobs have a page of their own.
    """
    if actor.user_id is None:
        return []
    return session.scalars(
        sa.select(JobRun)
        .where(
            JobRun.asked_by_id == actor.user_id,
            sa.or_(
                JobRun.state.in_(OPEN),
                sa.and_(JobRun.state.in_(FINAL), JobRun.finished_at >= now - recent),
            ),
            # No job that ended lately was asked for long ago, but one may be held for months; the indexes on
            # (asked_by_id, created_at) and on what is held stay in use.
            sa.or_(JobRun.created_at >= now - timedelta(days=40), JobRun.held_for.is_not(None)),
        )
        .order_by(
            sa.case((JobRun.state == JobState.RUNNING, 0), (JobRun.state == JobState.QUEUED, 1), else_=2),
            JobRun.created_at.desc(),
            JobRun.id.desc(),
        )
        .limit(limit)
    ).all()


def count_by_state(session: Session, *, actor: Actor, since: datetime) -> Mapping[JobState, int]:
    """How many of the jobs asked for since then, that the actor may see, stand where; every state is a key."""
    rows = session.execute(
        sa.select(JobRun.state, sa.func.count())
        .where(job_visible_to(actor), JobRun.created_at >= since)
        .group_by(JobRun.state)
    )
    return dict.fromkeys(JobState, 0) | {row[0]: row[1] for row in rows}


def oldest_due(session: Session, *, now: datetime) -> datetime | None:
    """Since when the job that has waited longest could have run; None where nothing waits."""
    return session.scalar(sa.select(sa.func.min(JobRun.run_after)).where(is_ready(now)))


def is_others_turn(
    session: Session,
    *,
    queue: str,
    now: datetime,
    owner_id: UUID | None = None,
    had_turn: bool = False,
    listens_to: Sequence[str] = QUEUES,
) -> bool:
    """Whether a job of an earlier queue than `queue` could run and is not taken by anybody.

    Only queues that the asking worker `listens_to` count: in vain it would make way for what it does not take.

    Where the asking job `had_turn`, a job in its own queue that is of somebody else than `owner_id` counts as well: so two
    people's imports go on in turns, and neither waits for the end of the other.
    """
    before = QUEUES[: QUEUES.index(queue)] if queue in QUEUES else ()
    earlier = [name for name in before if name in listens_to]
    before_it: sa.ColumnElement[bool] = JobRun.queue.in_(earlier) if earlier else sa.false()
    if had_turn:
        others = sa.and_(JobRun.queue == queue, JobRun.asked_by_id.is_distinct_from(owner_id))
        before_it = sa.or_(before_it, others)
    elif not earlier:
        return False
    return bool(session.scalar(sa.select(sa.exists().where(is_ready(now - COURTESY), before_it))))


def list_pulses(session: Session) -> Sequence[WorkerPulse]:
    """The processes that do and schedule jobs, most recently seen first."""
    return session.scalars(sa.select(WorkerPulse).order_by(WorkerPulse.seen_at.desc()).limit(200)).all()


def find_trouble(session: Session, *, actor: Actor, names: Sequence[str], since: datetime) -> JobRun | None:
    """The newest job of these names that was tried since then, if it failed or has to be tried again; else None."""
    newest = session.scalars(
        sa.select(JobRun)
        .where(
            job_visible_to(actor), JobRun.name.in_(names), JobRun.created_at >= since, JobRun.started_at.is_not(None)
        )
        .order_by(JobRun.created_at.desc(), JobRun.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None or newest.error_type is None or newest.state is JobState.SUCCEEDED:
        return None
    return newest


def kind_of_error() -> sa.ColumnElement[str]:
    """What a job's error says without the ids and long numbers in it: errors of one cause say the same."""
    said = sa.func.coalesce(JobRun.error_message, "")
    return sa.func.left(sa.func.regexp_replace(said, _PARTICULAR, "…", "g"), LONGEST_KIND)
