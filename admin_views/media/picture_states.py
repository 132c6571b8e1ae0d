"""Where a request for pictures stands: what is being done, why nothing came, and whether it may be asked for again."""

from flask_babel import format_decimal, ngettext
from sqlalchemy.orm import Session

from admin_views.base import Permission
from admin_views.media.labels import why_failed
from admin_views.session import current_actor
from admin_views.work.jobs import waits_because
from admin_views.work.labels import step_label, told_to
from studio.kit.clock import utc_now
from studio.media.models import GenerationState, ImageGeneration
from studio.work import budgets, queues
from studio.work.models import JobRun, JobState

OPEN = frozenset({GenerationState.PENDING, GenerationState.RUNNING})
_VAIN = frozenset({GenerationState.FAILED, GenerationState.CANCELLED})


def can_again(row: ImageGeneration, job: JobRun | None, state: GenerationState) -> bool:
    """Whether the same may be asked for once more."""
    return state in _VAIN and job is not None and not row.details.get("is_refused")


def why_of(row: ImageGeneration, job: JobRun | None, state: GenerationState) -> str:
    """Why no picture came, in the reader's words; empty where one did, or may come."""
    if state is not GenerationState.FAILED:
        return ""
    # A job that ended without its handler (a lost worker, too long) says why itself.
    told = why_failed(row, is_staff=is_staff())
    return told or (
        told_to(job.error_message, {}, is_staff=is_staff()) if job is not None and job.error_message else ""
    )


def step_of(session: Session, job: JobRun, *, budget_micro: int) -> str:
    """What is being done just now, or what it waits for."""
    if job.state is not JobState.QUEUED:
        return step_label(job.step)
    is_paused = any(one.queue == job.queue for one in queues.list_pauses(session))
    is_too_dear = budgets.is_too_dear(session, job, default_micro=budget_micro, now=utc_now())
    waits = waits_because(job, now=utc_now(), is_queue_paused=is_paused, is_too_dear=is_too_dear)
    # Here is no error beside it that would say why.
    is_later = job.error_message and job.held_for is None and job.run_after > utc_now()
    return f"{waits} {told_to(job.error_message or '', {}, is_staff=is_staff())}" if is_later else waits


def took(row: ImageGeneration) -> str:
    """How long it took, in words; empty where it has not begun or ended."""
    if row.finished_at is None or row.started_at is None:
        return ""
    seconds = max((row.finished_at - row.started_at).total_seconds(), 0)
    return str(
        ngettext("%(count)s second", "%(count)s seconds", round(seconds, 1), count=format_decimal(round(seconds, 1)))
    )


def is_staff() -> bool:
    """Whether the reader may know what is the staff's to mend."""
    return current_actor().may(Permission.HEALTH_READ)
