"""Who may do a job, and how it ends: a claim is a token, and whoever lost it can change nothing any more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.work import asking, budgets
from studio.work.errors import CancelRequestedError, ClaimLostError
from studio.work.models import Hold, JobRun, JobState
from studio.work.queries import is_in_paused_queue
from studio.work.rules import OUTAGE_PATIENCE, Failure, brief, wait_before_next


@dataclass(frozen=True, slots=True)
class Sign:
    """What a heartbeat learns: whether the claim still holds, and whether a person asked the job to stop or to wait."""

    holds: bool
    is_cancelled: bool
    is_paused: bool = False


def claim(
    session: Session, *, job_id: UUID, worker: str, now: datetime, default_budget_micro: int = 0
) -> JobRun | None:
    """Make the job this worker's and count the attempt; None where it is not due, taken, held, or gone.

    May be repeated by any number of workers at once: one gets it. `claim_token` of
    the returned row is what every later call must show. Nothing is taken from a queue that is paused, and
    a job for which its person's budget has no room waits for more from now on.
    """
    job = session.scalars(
        sa.select(JobRun)
        .where(
            JobRun.id == job_id,
            JobRun.state == JobState.QUEUED,
            JobRun.held_for.is_(None),
            JobRun.run_after <= now,
            JobRun.attempts < JobRun.max_attempts,
            ~is_in_paused_queue(),
        )
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if job is None:
        return None
    if job.asked_by_id is not None and not budgets.has_room(
        session,
        user_id=job.asked_by_id,
        estimate_micro=job.needs_micro,
        default_micro=default_budget_micro,
        now=now,
    ):
        job.held_for = Hold.BUDGET
        session.flush()
        return None
    job.state = JobState.RUNNING
    job.put_off_by = None
    job.attempts += 1
    job.claim_token = uuid4()
    job.claimed_by = worker
    job.started_at = job.heartbeat_at = now
    job.step, job.percent = "", 0
    # This attempt will see whatever had changed when the work was asked for again.
    job.asked_again_at = None
    session.flush()
    return job


def beat(session: Session, *, job_id: UUID, token: UUID, now: datetime) -> Sign:
    """Say that the job is being done; what is returned must stop a job that lost its claim or was cancelled."""
    row = session.execute(
        sa.update(JobRun)
        .where(JobRun.id == job_id, JobRun.claim_token == token)
        .values(heartbeat_at=now)
        .returning(JobRun.cancel_requested_at, JobRun.pause_requested_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return sign_of(row)


def sign_of(row: "sa.Row[datetime | None, datetime | None] | None") -> Sign:
    """What (cancel_requested_at, pause_requested_at) of a job mean, or that there is no such claim any more."""
    if row is None:
        return Sign(holds=False, is_cancelled=False)
    return Sign(holds=True, is_cancelled=row[0] is not None, is_paused=row[1] is not None)


def hold(session: Session, *, job_id: UUID, token: UUID) -> JobRun:
    """Lock the job until this transaction ends, so that what it does counts only while the claim holds.

    Called last before a commit: from here on nobody can take the job back or cancel
    it before the commit is through. Raises ClaimLostError, or CancelRequestedError
    where a person asked it to stop.
    """
    job = _held(session, job_id=job_id, token=token)
    if job.cancel_requested_at is not None:
        raise CancelRequestedError
    return job


def succeed(session: Session, *, job_id: UUID, token: UUID, result: dict[str, Any] | None, now: datetime) -> None:
    """Record that the job is done, in the transaction of its last effect. Raises as `hold` does."""
    job = hold(session, job_id=job_id, token=token)
    job.result = result
    job.percent = 100
    job.error_type = job.error_message = job.error_reference = None
    end(session, job, JobState.SUCCEEDED, now=now)


def fail(
    session: Session,
    *,
    job_id: UUID,
    token: UUID,
    failure: Failure,
    is_final: bool,
    chance: float,
    now: datetime,
    at_least: float | None = None,
    is_outage: bool = False,
    put_off_by: str | None = None,
) -> JobRun:
    """Record that this attempt failed: it waits for the next, or, after the last or where `is_final`, has failed for good.

    `chance` (0 to 1) spreads the wait; `at_least` is the seconds that a provider asked for.
    Where something that the job needs was away (`is_outage`), it is allowed one attempt more, for
    OUTAGE_PATIENCE after the first time in a row. `put_off_by` is the provider that failed: when it answers again, the job is
    woken (`circuits.wake`).
    A job that a person asked to stop is cancelled instead. Raises ClaimLostError.
    """
    job = _held(session, job_id=job_id, token=token)
    job.outage_since = (job.outage_since or now) if is_outage else None
    if job.outage_since is not None and not is_final and now - job.outage_since < OUTAGE_PATIENCE:
        job.max_attempts = max(job.max_attempts, job.attempts + 1)
    let_go(session, job, failure=failure, is_final=is_final, now=now)
    if job.state is JobState.QUEUED:
        job.run_after = now + wait_before_next(job.attempts, chance=chance, at_least=at_least)
        job.nudged_at = None
        job.put_off_by = put_off_by
    return job


def cancelled(session: Session, *, job_id: UUID, token: UUID, now: datetime) -> None:
    """Record that the job has stopped because a person asked for it. Raises ClaimLostError."""
    end(session, _held(session, job_id=job_id, token=token), JobState.CANCELLED, now=now)


def give_back(
    session: Session,
    *,
    job_id: UUID,
    token: UUID,
    now: datetime,
    held_for: Hold | None = None,
    needs_micro: int = 0,
) -> bool:
    """Have another worker do the job, at once and with its attempt returned; False where the claim was lost already.

    For a process that has been told to end, and for a job that makes way. With `held_for` the job waits until it is let
    go; `needs_micro` is what it is expected to cost from here on, at the least.
    """
    try:
        job = _held(session, job_id=job_id, token=token)
    except ClaimLostError:
        return False
    if job.cancel_requested_at is not None:
        end(session, job, JobState.CANCELLED, now=now)
        return True
    if job.pause_requested_at is not None:
        held_for = Hold.PAUSE
    job.attempts -= 1
    if needs_micro:
        # Else it would be let go at once, only to find again that its next step has no room.
        job.needs_micro = needs_micro
        job.estimate_micro = max(job.estimate_micro, job.cost_micro + needs_micro)
    # It was at work, whatever had been away before.
    job.outage_since = None
    _unclaim(job)
    job.state = JobState.QUEUED
    job.held_for = held_for
    job.run_after = job.nudged_at = now
    session.flush()
    if held_for is None:
        asking.nudge_after_commit(session, job.queue, [job.id])
    return True


def let_go(session: Session, job: JobRun, *, failure: Failure, is_final: bool, now: datetime) -> None:
    """Take the claim off a locked, running job after an attempt that failed.

    It becomes queued and due at once (the caller may put it off), failed where
    that was the last attempt, or cancelled where a person asked for it.
    """
    job.error_type = brief(failure.type, 200)
    job.error_message = brief(failure.message)
    job.error_reference = failure.reference
    if job.cancel_requested_at is not None:
        end(session, job, JobState.CANCELLED, now=now)
    elif is_final or job.attempts >= job.max_attempts:
        end(session, job, JobState.FAILED, now=now)
    else:
        is_paused = job.pause_requested_at is not None
        _unclaim(job)
        job.state = JobState.QUEUED
        job.held_for = Hold.PAUSE if is_paused else None
        job.run_after = job.nudged_at = now
        session.flush()


def end(session: Session, job: JobRun, state: JobState, *, now: datetime) -> None:
    """Bring a locked job to its final `state`; work that was asked for again while it ran gets a job of its own."""
    again = job.asked_again_at is not None and (
        job.cancel_requested_at is None or job.cancel_requested_at < job.asked_again_at
    )
    _unclaim(job)
    job.held_for = None
    job.state = state
    job.finished_at = now
    session.flush()
    if again:
        asking.ask_again(session, job, now=now)


def _held(session: Session, *, job_id: UUID, token: UUID) -> JobRun:
    job = session.scalars(
        sa.select(JobRun)
        .where(JobRun.id == job_id, JobRun.claim_token == token)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if job is None:
        raise ClaimLostError
    return job


def _unclaim(job: JobRun) -> None:
    job.claim_token = None
    job.claimed_by = None
    job.heartbeat_at = None
    job.pause_requested_at = None
