"""The heartbeat: a thread that keeps a process and its job known to be alive, and ends a process that hangs."""

import contextlib
import logging
import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from jobs.resources import Resources
from studio.kit import db
from studio.kit.clock import utc_now
from studio.work import claiming, pulses

log = logging.getLogger(__name__)

BEATS_IN_A_LEASE = 4
EXIT_HUNG = 70
"""The exit status of a process whose job would not end; EX_SOFTWARE."""

_HANG_GRACE = 15.0
_STOP_GRACE = 2.0


@dataclass(slots=True)
class UnderWay:
    """The job that this process does; what the heartbeat learns of it is read by the job's thread."""

    job_id: UUID
    name: str
    token: UUID
    deadline: float
    is_lost: bool = False


class Pulse:
    """One thread per process: writes its sign of life, and the heartbeat of its job, four times in a lease.

    It has database connections of its own. When the process was told to stop and the
    job under way is not done within `patience` seconds, the job is given back; the claim is gone
    then, and nothing that the job still does can be committed.
    """

    def __init__(
        self, resources: Resources, *, name: str, kind: Literal["worker", "scheduler"], patience: float = 5.0
    ) -> None:
        self.name = name
        self._resources = resources
        self._kind: Literal["worker", "scheduler"] = kind
        self._patience = patience
        self._interval = resources.settings.job_lease / BEATS_IN_A_LEASE
        self._started_at = utc_now()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._stop_at: float | None = None
        self._lock = threading.Lock()
        self._under_way: UnderWay | None = None
        self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat; the first sign of life is written at once."""
        self._thread.start()

    def request_stop(self) -> None:
        """Have the job under way end within the patience, or be given back; safe in a signal handler, may be repeated."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._patience
        self._wake.set()

    def close(self) -> None:
        """Stop beating, and have the process forgotten; may be repeated."""
        self._ended.set()
        self._wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=10)
        self._forget()

    @property
    def is_stop_requested(self) -> bool:
        """Whether the process was told to end; the job under way may still finish."""
        return self._stop_at is not None

    @property
    def is_stopping(self) -> bool:
        """Whether the patience for the job under way is over."""
        return self._stop_at is not None and time.monotonic() >= self._stop_at

    @property
    def is_lost(self) -> bool:
        """Whether the job under way is no longer ours."""
        under_way = self._under_way
        return under_way is not None and under_way.is_lost

    @property
    def is_busy(self) -> bool:
        """Whether a job is being claimed or under way; a signal must not break into it."""
        return self._is_busy

    def expect(self) -> None:
        """A job is about to be claimed; `finish` follows in any case."""
        self._is_busy = True

    def begin(self, *, job_id: UUID, name: str, token: UUID, timeout: float) -> None:
        """Keep this job alive from now on; claiming it was its first heartbeat."""
        with self._lock:
            self._under_way = UnderWay(
                job_id=job_id, name=name, token=token, deadline=time.monotonic() + timeout + _HANG_GRACE
            )

    def finish(self) -> None:
        """The job has ended, one way or the other."""
        with self._lock:
            self._under_way = None
            self._is_busy = False

    def _forget(self) -> None:
        with contextlib.suppress(SQLAlchemyError), db.session_scope(self._resources.side_engine) as session:
            pulses.remove(session, name=self.name)

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            self._beat(utc_now())
            self._give_up_where_needed()
            wait = self._interval - (time.monotonic() - began)
            if self._stop_at is not None and self.is_busy:
                wait = min(wait, max(self._stop_at - time.monotonic(), 0.25))
            if self._wake.wait(max(wait, 0.05)):
                self._wake.clear()

    def _beat(self, now: datetime) -> None:
        with self._lock:
            under_way = self._under_way
        try:
            with db.session_scope(self._resources.side_engine) as session:
                pulses.record(
                    session,
                    name=self.name,
                    kind=self._kind,
                    started_at=self._started_at,
                    job_id=under_way.job_id if under_way else None,
                    now=now,
                )
                if under_way is not None:
                    sign = claiming.beat(session, job_id=under_way.job_id, token=under_way.token, now=now)
                    under_way.is_lost = not sign.holds
        except SQLAlchemyError as error:
            # The database restarts, or the row is locked: the next beat tries again, and the lease allows for that.
            log.warning("no heartbeat: %s", type(getattr(error, "orig", None) or error).__name__)

    def _give_up_where_needed(self) -> None:
        with self._lock:
            under_way = self._under_way
        if under_way is None:
            return
        if self.is_stopping and not under_way.is_lost:
            self._give_back(under_way)
        # Python cannot stop a thread that waits in C code. The claim is or will be taken
        # back, so that whatever this process still did would be refused.
        if self._stop_at is not None and time.monotonic() > self._stop_at + _STOP_GRACE:
            log.warning("job %s %s would not stop; the process ends without it", under_way.name, under_way.job_id)
            self._forget()
            os._exit(0)
        if time.monotonic() > under_way.deadline:
            log.error("job %s %s would not end in its time; the process ends", under_way.name, under_way.job_id)
            os._exit(EXIT_HUNG)

    def _give_back(self, under_way: UnderWay) -> None:
        try:
            with db.session_scope(self._resources.side_engine) as session:
                given = claiming.give_back(session, job_id=under_way.job_id, token=under_way.token, now=utc_now())
        except SQLAlchemyError as error:
            log.warning("a job could not be given back yet: %s", type(error).__name__)
            return
        under_way.is_lost = True
        if given:
            log.info("job %s %s given back", under_way.name, under_way.job_id)
