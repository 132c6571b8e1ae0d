"""What a person does to a job: stop it, have it wait and go on, or have it done again. `studio.operations.jobs` also writes it down."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.work import asking, claiming
from studio.work.errors import JobIsFinalError, JobIsNotPausedError, JobIsOpenError, SameWorkIsOpenError
from studio.work.models import FINAL, Hold, JobRun, JobState
from studio.work.queries import OPEN, job_steered_by, job_visible_to, kind_of_error

_MOST_ATTEMPTS = 20


def cancel(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Stop the job: at once where it waits; where it runs, at its next step, and nothing uncommitted takes effect.

    May be repeated while it runs. Raises NotFoundError, ForbiddenError, or
    JobIsFinalError where it has ended.
    """
    job = _locked(session, actor=actor, job_id=job_id)
    if job.state in FINAL:
        raise JobIsFinalError
    job.cancel_requested_at = job.cancel_requested_at or now
    if job.state is JobState.QUEUED:
        claiming.end(session, job, JobState.CANCELLED, now=now)
    session.flush()
    return job


def pause(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Have the job wait until it is let go on: at once where it waits, at its next step where it runs.

    What it has committed stays; what it was in the middle of is done anew when it goes on. May be repeated.
    Raises NotFoundError, ForbiddenError, or JobIsFinalError.
    """
    job = _locked(session, actor=actor, job_id=job_id)
    if job.state in FINAL:
        raise JobIsFinalError
    if job.state is JobState.QUEUED:
        job.held_for = Hold.PAUSE
    else:
        job.pause_requested_at = job.pause_requested_at or now
    session.flush()
    return job


def resume(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Have a paused job go on where it was. Raises NotFoundError, ForbiddenError, or JobIsNotPausedError."""
    job = _locked(session, actor=actor, job_id=job_id)
    if job.state is JobState.RUNNING and job.pause_requested_at is not None:
        job.pause_requested_at = None
        session.flush()
        return job
    if job.held_for is not Hold.PAUSE:
        raise JobIsNotPausedError
    job.held_for = None
    job.nudged_at = now
    session.flush()
    if job.run_after <= now:
        asking.nudge_after_commit(session, job.queue, [job.id])
    return job


def retry(
    session: Session,
    *,
    actor: Actor,
    job_id: UUID,
    now: datetime,
    run_after: datetime | None = None,
    max_attempts: int | None = None,
) -> JobRun:
    """Have a failed or cancelled job done again, with all its attempts; its last error stays until it succeeds.

    `run_after` puts it off, and `max_attempts` (1 to 20, cut to it) changes how often it is tried. Raises NotFoundError, ForbiddenError, JobIsOpenError where it has not failed or
    been cancelled, or SameWorkIsOpenError where another job does the same.
    """
    job = _locked(session, actor=actor, job_id=job_id)
    if job.state not in {JobState.FAILED, JobState.CANCELLED}:
        raise JobIsOpenError
    if _is_same_work_open(session, job):
        raise SameWorkIsOpenError
    _begin_again(job, now=now)
    if max_attempts is not None:
        job.max_attempts = min(max(max_attempts, 1), _MOST_ATTEMPTS)
    if run_after is not None and run_after > now:
        job.run_after, job.nudged_at = run_after, None
    session.flush()
    if job.run_after <= now:
        asking.nudge_after_commit(session, job.queue, [job.id])
    return job


def requeue_failed(
    session: Session,
    *,
    name: str,
    error_type: str,
    kind: str,
    failed_before: datetime,
    after: UUID | None,
    now: datetime,
    limit: int = 200,
) -> tuple[UUID | None, int]:
    """Have failed jobs of one name and kind of error done again, by id, at most `limit`; where to go on (or None), and how many.

    What is asked for again or open already is left as it failed. Whoever calls this has asked for the permission.
    """
    query = (
        sa.select(JobRun)
        .where(
            JobRun.state == JobState.FAILED,
            JobRun.name == name,
            sa.func.coalesce(JobRun.error_type, "") == error_type,
            kind_of_error() == kind,
            JobRun.finished_at < failed_before,
        )
        .order_by(JobRun.id)
        .limit(limit)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    jobs = session.scalars(query if after is None else query.where(JobRun.id > after)).all()
    count = 0
    for job in jobs:
        if _is_same_work_open(session, job):
            continue
        _begin_again(job, now=now)
        session.flush()
        asking.nudge_after_commit(session, job.queue, [job.id])
        count += 1
    return (jobs[-1].id if len(jobs) == limit else None), count


def _is_same_work_open(session: Session, job: JobRun) -> bool:
    return job.dedupe_key is not None and bool(
        session.scalar(sa.select(sa.exists().where(JobRun.dedupe_key == job.dedupe_key, JobRun.state.in_(OPEN))))
    )


def _begin_again(job: JobRun, *, now: datetime) -> None:
    job.state = JobState.QUEUED
    job.attempts = 0
    job.started_at = job.finished_at = job.cancel_requested_at = job.asked_again_at = job.outage_since = None
    job.step, job.percent = "", 0
    job.run_after = job.nudged_at = now


def _locked(session: Session, *, actor: Actor, job_id: UUID) -> JobRun:
    if not (actor.may(Permission.JOB_STEER_OWN) or actor.may(Permission.JOB_STEER_ANY)):
        raise ForbiddenError
    job = session.scalars(
        sa.select(JobRun)
        .where(job_visible_to(actor), JobRun.id == job_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if job is None:
        raise NotFoundError
    if not session.scalar(sa.select(sa.exists().where(job_steered_by(actor), JobRun.id == job_id))):
        raise ForbiddenError
    return job
