"""What staff do to queues and to what has failed, and the record of who did it."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import InvalidError
from studio.work import circuits, figures, queues, rules, schedules, steering
from studio.work.models import Hold, JobRun


def pause(session: Session, *, actor: Actor, queue: str, reason: str, now: datetime) -> None:
    """No worker takes anything from the queue until it is let go on. Raises ForbiddenError or NotFoundError."""
    actor.must(Permission.QUEUE_STEER)
    queues.pause(session, queue=queue, by=actor.user_id, reason=reason, now=now)
    _record(session, actor=actor, action="queue.pause", what=queue, reason=reason)


def resume(session: Session, *, actor: Actor, queue: str) -> bool:
    """Workers take jobs of the queue again; False where it was not paused. Raises ForbiddenError or NotFoundError."""
    actor.must(Permission.QUEUE_STEER)
    was_paused = queues.resume(session, queue=queue)
    if was_paused:
        _record(session, actor=actor, action="queue.resume", what=queue)
    return was_paused


def requeue(session: Session, *, actor: Actor, name: str, error_type: str, kind: str, now: datetime) -> JobRun:
    """Every job of this name that failed for good by this kind of error is done again; a job sees to it. Raises ForbiddenError."""
    actor.must(Permission.JOB_STEER_ANY)
    if not name or max(len(name), len(error_type), len(kind)) > rules.LONGEST_ARGUMENT:
        raise InvalidError("There is no such group of failed jobs.")
    job = work.ask(
        session,
        "operations.requeue_failed",
        actor=actor,
        dedupe_key=f"operations.requeue_failed:{name}:{error_type}:{sha256(kind.encode()).hexdigest()[:16]}",
        job_name=name,
        error_type=error_type,
        kind=kind,
        now=now,
    )
    _record(session, actor=actor, action="job.requeue_group", what=name, reason=error_type)
    return job


def run_now(session: Session, *, actor: Actor, name: str, now: datetime) -> JobRun:
    """The periodic job of that name is done now, and at its next time as ever. Raises ForbiddenError or InvalidError.

    Who asks while one waits that was started by hand gets the same, and has it go on where it was paused. It takes the
    queue of its last run.
    """
    actor.must(Permission.SCHEDULE_RUN)
    if schedules.find(name) is None:
        raise InvalidError("There is no such schedule.")
    last = figures.last_runs(session, names=[name]).get(name)
    job = work.ask(
        session,
        name,
        actor=actor,
        dedupe_key=f"by-hand:{name}",
        queue=last.queue if last is not None else rules.QUEUES[-1],
        max_attempts=3,
        now=now,
    )
    if job.held_for is Hold.PAUSE:
        steering.resume(session, actor=actor, job_id=job.id, now=now)
    _record(session, actor=actor, action="schedule.run", what=name)
    return job


def try_provider(session: Session, *, actor: Actor, provider: str, now: datetime) -> None:
    """A provider that rests after failures is tried at once, by the job that waits longest for it; others follow if it answers.

    Raises ForbiddenError.
    """
    actor.must(Permission.QUEUE_STEER)
    circuits.end_rest(session, provider=provider, now=now)
    _record(session, actor=actor, action="provider.try", what=provider)


def _record(session: Session, *, actor: Actor, action: str, what: str, reason: str = "") -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=action.split(".", 1)[0],
        resource_id=None,
        after={"name": what},
        reason=reason or None,
    )
