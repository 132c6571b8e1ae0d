"""What a job is given: transactions that count only while it is its own, a way to tell its progress, and resources."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from jobs.resources import Resources
from studio.kit import db
from studio.kit.clock import utc_now
from studio.settings import Settings
from studio.work import claiming, progress
from studio.work.claiming import Sign
from studio.work.errors import CancelRequestedError, ClaimLostError, JobInterruptedError

_BETWEEN_LOOKS = 0.5
"""Seconds; `check` may be called for each of a million rows."""


class GivenBackError(JobInterruptedError):
    """This process has been told to end; the job goes on in another."""


class Signals(Protocol):
    """What the heartbeat and the process tell the job under way."""

    @property
    def is_stopping(self) -> bool:
        """Whether the process has been told to end, and its patience is over."""

    @property
    def is_lost(self) -> bool:
        """Whether a heartbeat found the claim gone."""


@dataclass(slots=True)
class JobContext:
    """One attempt at one job, for its handler.

    `result` may be set before the last transaction ends; a dict that the handler returns is kept otherwise.
    """

    job_id: UUID
    name: str
    attempt: int
    resources: Resources
    token: UUID
    signals: Signals
    result: Mapping[str, Any] | None = None
    is_done: bool = False
    _step: str = ""
    _percent: int = 0
    _cost_minor: int = 0
    _looked_at: float = field(default=0.0)

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self.resources.settings

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return utc_now()

    @contextmanager
    def transaction(self, *, last: bool = False) -> Iterator[Session]:
        """One transaction: committed at the end if this job is still ours to do, rolled back otherwise.

        The job's row is locked just before the commit, so a process that was taken
        for dead can have no effect, and a person's cancel is either seen or too late.
        With `last`, the job's success is written in the same transaction: what it did
        and that it was done become true together. Raises JobInterruptedError.
        """
        if self.is_done:
            raise RuntimeError("The job's last transaction is through; nothing can follow it.")
        self._heed()
        with db.session_scope(self.resources.engine) as session:
            yield session
            session.flush()
            if last:
                claiming.succeed(
                    session, job_id=self.job_id, token=self.token, result=_plain(self.result), now=self.now()
                )
            else:
                claiming.hold(session, job_id=self.job_id, token=self.token)
        self.is_done = last

    def progress(self, step: str, percent: float) -> None:
        """Have screens show `step` (a short English sentence, a msgid) and `percent` (0 to 100).

        May be called often: what changes little is written twice a second. Raises JobInterruptedError.
        """
        shown = min(max(int(percent), 0), 100)
        is_new = step != self._step
        self._step, self._percent = step, shown
        if is_new:
            self._look()
        else:
            self.check()

    def spend(self, cost_minor: int) -> None:
        """Add to what the job has cost, in minor units; written with the next progress."""
        self._cost_minor += cost_minor

    def check(self) -> None:
        """Return if the job is to go on; raises JobInterruptedError where it was cancelled, taken over, or is to end."""
        self._heed()
        if time.monotonic() - self._looked_at >= _BETWEEN_LOOKS:
            self._look()

    def _look(self) -> None:
        self._heed()
        if self.is_done:
            return
        self._looked_at = time.monotonic()
        try:
            with db.session_scope(self.resources.side_engine) as session:
                sign = progress.tell(
                    session,
                    job_id=self.job_id,
                    token=self.token,
                    step=self._step,
                    percent=self._percent,
                    cost_minor=self._cost_minor,
                    now=self.now(),
                )
        except (OperationalError, InterfaceError):
            # The database restarts. What screens show can wait; the next commit asks for the claim in any case.
            return
        self._cost_minor = 0
        _heed_sign(sign)

    def _heed(self) -> None:
        if self.signals.is_lost:
            raise ClaimLostError
        if self.signals.is_stopping and not self.is_done:
            raise GivenBackError


def _heed_sign(sign: Sign) -> None:
    if not sign.holds:
        raise ClaimLostError
    if sign.is_cancelled:
        raise CancelRequestedError


def _plain(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if result is None else dict(result)
