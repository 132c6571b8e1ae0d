"""What a person does to a job: stop it, or have it done again. `studio.operations.jobs` also writes it down."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.work import asking, claiming
from studio.work.errors import JobIsFinalError, JobIsOpenError, SameWorkIsOpenError
from studio.work.models import FINAL, JobRun, JobState
from studio.work.queries import OPEN, job_steered_by, job_visible_to


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


def retry(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Have a failed or cancelled job done again, with all its attempts; its last error stays until it succeeds.

    Raises NotFoundError, ForbiddenError, JobIsOpenError where it has not failed or
    been cancelled, or SameWorkIsOpenError where another job does the same.
    """
    job = _locked(session, actor=actor, job_id=job_id)
    if job.state not in {JobState.FAILED, JobState.CANCELLED}:
        raise JobIsOpenError
    if job.dedupe_key is not None and session.scalar(
        sa.select(sa.exists().where(JobRun.dedupe_key == job.dedupe_key, JobRun.state.in_(OPEN)))
    ):
        raise SameWorkIsOpenError
    job.state = JobState.QUEUED
    job.attempts = 0
    job.finished_at = job.cancel_requested_at = job.asked_again_at = None
    job.step, job.percent = "", 0
    job.run_after = job.nudged_at = now
    session.flush()
    asking.nudge_after_commit(session, job.queue, [job.id])
    return job


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
