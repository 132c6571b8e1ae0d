"""One attempt at one job: claim it, run its handler, and write down how it went."""

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from jobs import registry
from jobs.context import GivenBackError, JobContext
from jobs.pulse import Pulse
from jobs.resources import Resources
from studio.kit import context, db
from studio.kit.clock import utc_now
from studio.kit.errors import StaleError, StudioError, UnavailableError
from studio.operations import error_log
from studio.operations.models import ErrorSource
from studio.work import claiming
from studio.work.errors import (
    BudgetReachedError,
    CancelRequestedError,
    ClaimLostError,
    JobInterruptedError,
    MakeWayError,
    PauseRequestedError,
)
from studio.work.models import Hold, JobRun, JobState
from studio.work.rules import QUEUES, UNEXPECTED, Failure

log = logging.getLogger(__name__)

T = TypeVar("T")

_AWAY = "The database did not answer. The job is done again when it does."
_WAITS = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5)
"""Seconds between the attempts to write down how a job went: eight of them, so as to outlast a restart of the database."""


class JobTimeoutError(Exception):
    """The job took longer than it may."""


class UnknownJobError(StudioError):
    """The row asks for a job that this program does not have."""

    def __init__(self, *, name: str) -> None:
        super().__init__("This program has no job called %(name)s.", name=name)


class Runtime:
    """What a process needs to do jobs; one per process, made by `jobs.worker`."""

    def __init__(
        self,
        resources: Resources,
        pulse: Pulse,
        jobs: Mapping[str, registry.Registered],
        queues: Sequence[str] = QUEUES,
    ) -> None:
        self.resources = resources
        self.pulse = pulse
        self._jobs = jobs
        self._queues = queues

    def perform(self, job_id: UUID) -> bool:
        """Do the job if it is due and nobody else does it; returns whether this process did it.

        May be told of the same job any number of times. Raises SQLAlchemyError only where the job could not be claimed.
        """
        self.pulse.expect()
        try:
            return not self.pulse.is_stop_requested and self._perform(job_id)
        finally:
            self.pulse.finish()

    def _perform(self, job_id: UUID) -> bool:
        with db.session_scope(self.resources.engine) as session:
            job = claiming.claim(
                session,
                job_id=job_id,
                worker=self.pulse.name,
                default_budget_micro=self.resources.settings.budget_micro,
                now=utc_now(),
            )
        if job is None or job.claim_token is None:
            return False
        began = time.monotonic()
        entry = self._jobs.get(job.name)
        run = JobContext(
            job_id=job.id,
            name=job.name,
            attempt=job.attempts,
            resources=self.resources,
            token=job.claim_token,
            signals=self.pulse,
            queue=job.queue,
            listens_to=self._queues,
            asked_at=job.created_at,
            owner_id=job.asked_by_id,
            earlier=dict(job.result or {}),
        )
        limit = entry.timeout if entry is not None else 60.0
        self.pulse.begin(job_id=job.id, name=job.name, token=job.claim_token, timeout=limit)
        reference = context.request_id.set(f"job-{job.id}")
        try:
            outcome = self._attempt(run, job, entry)
        finally:
            context.request_id.reset(reference)
        seconds = time.monotonic() - began
        log.info("job %s %s: %s, attempt %d, %.2f s", job.name, job.id, outcome, job.attempts, seconds)
        return True

    def _attempt(self, run: JobContext, job: JobRun, entry: registry.Registered | None) -> str:
        try:
            try:
                returned = _handle(run, job, entry)
                if not run.is_done:
                    self._succeed(run, returned)
            except Exception as error:  # noqa: BLE001 - Whatever a handler raises is this attempt's failure.
                if run.has_failed:
                    return "failed for good"
                if run.is_done:
                    # The success is committed; what came after it cannot take it back, but must be seen.
                    self._report(run, error)
                    return "succeeded"
                return self._fail(run, error, most=entry.max_attempts if entry is not None else None)
        except JobInterruptedError as interruption:
            if isinstance(interruption, BudgetReachedError):
                hold = partial(_given_back, held_for=Hold.BUDGET, needs_micro=interruption.needed_micro)
                return self._settle(run, "waits for its person's budget", hold)
            stop = _STOPS.get(type(interruption))
            return "lost to another process" if stop is None else self._settle(run, *stop)
        return "succeeded"

    def _succeed(self, run: JobContext, returned: Mapping[str, Any] | None) -> None:
        result = returned if returned is not None else run.result
        plain = dict(result) if result is not None else None

        def write(session: Session) -> None:
            run.write_costs(session)
            claiming.succeed(session, job_id=run.job_id, token=run.token, result=plain, now=utc_now())

        self._write(write)

    def _fail(self, run: JobContext, error: Exception, *, most: int | None) -> str:
        failure, is_final = self._judge(run, error)
        is_outage = not is_final and (isinstance(error, UnavailableError) or db.is_connection_loss(error))
        is_final = is_final or (not is_outage and most is not None and run.attempt >= most)
        at_least: float | None = getattr(error, "retry_after", None)
        put_off_by: str | None = getattr(error, "breaker", None)
        # Not for secrets: it keeps jobs that failed together from coming back together.
        chance = random.random()  # noqa: S311

        def write(session: Session) -> JobRun:
            run.write_costs(session)
            return claiming.fail(
                session,
                job_id=run.job_id,
                token=run.token,
                failure=failure,
                is_final=is_final,
                chance=chance,
                at_least=at_least,
                is_outage=is_outage,
                put_off_by=put_off_by,
                now=utc_now(),
            )

        try:
            job = self._write(write)
        except (OperationalError, InterfaceError):
            return "failed, and the database is away: the sweep will take it back"
        kept = f" ({failure.reference})" if failure.reference else ""
        if job.state is JobState.QUEUED:
            return f"failed{kept}, waits for its next attempt"
        return f"{job.state.value} for good{kept}"

    def _judge(self, run: JobContext, error: Exception) -> tuple[Failure, bool]:
        """What the row keeps of the error, and whether trying again is in vain."""
        kind = type(error).__name__
        if isinstance(error, UnavailableError):
            return Failure(kind, str(error)), not getattr(error, "is_transient", True)
        if isinstance(error, StudioError):
            # A refusal: it will be refused again, unless somebody only saved in between.
            return Failure(kind, str(error)), not isinstance(error, StaleError)
        if db.is_connection_loss(error):
            return Failure(kind, _AWAY), False
        reference = self._report(run, error)
        sentence = str(error) if isinstance(error, JobTimeoutError) else UNEXPECTED
        return Failure(kind, sentence, reference), False

    def _report(self, run: JobContext, error: Exception) -> str:
        return error_log.report(
            self.resources.engine,
            data=self.resources.settings.data,
            error=error,
            source=ErrorSource.JOB,
            place=run.name,
            job_id=run.job_id,
            now=utc_now(),
        )

    def _settle(self, run: JobContext, outcome: str, write: Callable[[Session, JobContext], None]) -> str:
        try:
            self._write(lambda session: write(session, run))
        except ClaimLostError:
            return "lost to another process"
        except (OperationalError, InterfaceError):
            return f"{outcome}, and the database is away: the sweep will take it back"
        return outcome

    def _write(self, change: Callable[[Session], T]) -> T:
        """Make `change` in a transaction of its own, again and again through a restart of the database.

        Each change shows the claim's token, and takes the claim away: doing it twice finds the claim lost.
        """
        for wait in _WAITS:
            try:
                with db.session_scope(self.resources.engine) as session:
                    return change(session)
            except (OperationalError, InterfaceError):
                time.sleep(wait)
        with db.session_scope(self.resources.engine) as session:
            return change(session)


def _handle(run: JobContext, job: JobRun, entry: registry.Registered | None) -> Mapping[str, Any] | None:
    if entry is None:
        raise UnknownJobError(name=job.name)
    arguments = entry.arguments(job.arguments)
    with time_limit(entry.timeout):
        return entry.handler(run, **arguments)


def _cancelled(session: Session, run: JobContext) -> None:
    claiming.cancelled(session, job_id=run.job_id, token=run.token, now=utc_now())


def _given_back(session: Session, run: JobContext, held_for: Hold | None = None, needs_micro: int = 0) -> None:
    run.write_costs(session)
    claiming.give_back(
        session, job_id=run.job_id, token=run.token, held_for=held_for, needs_micro=needs_micro, now=utc_now()
    )


_STOPS: Mapping[type[JobInterruptedError], tuple[str, Callable[[Session, JobContext], None]]] = {
    CancelRequestedError: ("cancelled", _cancelled),
    PauseRequestedError: ("paused", partial(_given_back, held_for=Hold.PAUSE)),
    MakeWayError: ("makes way for others", _given_back),
    GivenBackError: ("given back", _given_back),
}
"""What is written when a job stops in the middle; of a claim that is lost there is nothing to write."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise JobTimeoutError in the body after `seconds`; only the main thread of a process can be interrupted so.

    Elsewhere, and where the body waits in C code, the heartbeat's own limit ends the process later.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise JobTimeoutError(f"The job took longer than {seconds:g} seconds.")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_runtime: Runtime | None = None


def install(runtime: Runtime | None) -> None:
    """Have `perform` do jobs with `runtime` from now on, in this process."""
    global _runtime  # noqa: PLW0603 - RQ calls a function by its name; there is one runtime per process.
    _runtime = runtime


def perform(job_id: str) -> None:
    """What RQ calls: a hint that the job may be due. Raises where it could not be claimed; the sweep hints again then."""
    if _runtime is None:
        raise RuntimeError("This process has no runtime; workers are started by jobs.worker.")
    _runtime.perform(UUID(job_id))
