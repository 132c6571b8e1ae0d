"""What staff do to jobs, and the record of who did it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.work import steering
from studio.work.models import JobRun


def cancel(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Stop the job: at once where it waits, at its next step where it runs. Raises as `work.steering.cancel`."""
    job = steering.cancel(session, actor=actor, job_id=job_id, now=now)
    _record(session, actor=actor, job=job, verb="cancel")
    return job


def pause(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Have the job wait until it is let go on. Raises as `work.steering.pause`."""
    job = steering.pause(session, actor=actor, job_id=job_id, now=now)
    _record(session, actor=actor, job=job, verb="pause")
    return job


def resume(session: Session, *, actor: Actor, job_id: UUID, now: datetime) -> JobRun:
    """Have a paused job go on. Raises as `work.steering.resume`."""
    job = steering.resume(session, actor=actor, job_id=job_id, now=now)
    _record(session, actor=actor, job=job, verb="resume")
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
    """Have a failed or cancelled job done again with all its attempts. Raises as `work.steering.retry`."""
    job = steering.retry(session, actor=actor, job_id=job_id, now=now, run_after=run_after, max_attempts=max_attempts)
    _record(session, actor=actor, job=job, verb="retry")
    return job


def _record(session: Session, *, actor: Actor, job: JobRun, verb: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"job.{verb}",
        resource="job",
        resource_id=job.id,
        after={"name": job.name, "state": job.state.value},
    )
