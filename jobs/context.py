"""What a job is given: transactions that count only while it is its own, a way to tell its progress, and resources."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from jobs.resources import Resources
from studio.kit import db
from studio.kit.clock import utc_now
from studio.kit.errors import StudioError
from studio.operations import error_log
from studio.operations.models import ErrorSource
from studio.settings import Settings
from studio.work import budgets, claiming, paid, progress, queries
from studio.work.claiming import Sign
from studio.work.errors import (
    BudgetReachedError,
    CancelRequestedError,
    ClaimLostError,
    JobInterruptedError,
    MakeWayError,
    PauseRequestedError,
)
from studio.work.paid import Held
from studio.work.rules import QUEUES, TURN, Failure

_BETWEEN_LOOKS = 0.5
"""Seconds; `check` may be called for each of a million rows."""

_BETWEEN_COURTESIES = 2.0
"""Seconds between two looks at whether somebody else's work waits."""

_INSISTENCE = 600.0
"""Seconds for which what was paid for is offered to a database that is away: nothing else could be done meanwhile."""

_BETWEEN_OFFERS, _LONGEST_BETWEEN_OFFERS = 0.1, 0.8
"""Seconds from the first to the second, doubled each time, and at most: it must be there before another worker begins."""


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
    `asked_at` is when the job was asked for, the same for every attempt, and `owner_id` by whom.
    """

    job_id: UUID
    name: str
    attempt: int
    resources: Resources
    token: UUID
    signals: Signals
    queue: str = "default"
    listens_to: Sequence[str] = QUEUES
    asked_at: datetime = field(default_factory=utc_now)
    owner_id: UUID | None = None
    result: Mapping[str, Any] | None = None
    earlier: Mapping[str, Any] = field(default_factory=dict)
    """What attempts before this one noted, before they were paused or made way."""
    is_done: bool = False
    has_failed: bool = False
    _step: str = ""
    _percent: int = 0
    _costs: list[tuple[str, int]] = field(default_factory=list)
    _looked_at: float = field(default=0.0)
    _courteous_at: float = field(default_factory=time.monotonic)
    _began_at: float = field(default_factory=time.monotonic)

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
        self._refuse_done()
        self._heed()
        written = 0
        with db.session_scope(self.resources.engine) as session:
            yield session
            session.flush()
            if last:
                written = self.write_costs(session)
                claiming.succeed(
                    session, job_id=self.job_id, token=self.token, result=_plain(self.result), now=self.now()
                )
            else:
                claiming.hold(session, job_id=self.job_id, token=self.token)
        if last:
            del self._costs[:written]
        self.is_done = last

    @contextmanager
    def giving_up(self, error: StudioError) -> Iterator[Session]:
        """The last transaction of a job that fails for good with `error`, which the handler raises afterwards.

        What the body writes of the failure and the job's own become true together: no later attempt takes a refusal
        that was told for something to try again. Raises JobInterruptedError.
        """
        self._refuse_done()
        self._heed()
        with db.session_scope(self.resources.engine) as session:
            yield session
            session.flush()
            written = self.write_costs(session)
            claiming.fail(
                session,
                job_id=self.job_id,
                token=self.token,
                failure=Failure(type(error).__name__, str(error)),
                is_final=True,
                chance=0.0,
                now=self.now(),
            )
        del self._costs[:written]
        self.is_done = self.has_failed = True

    def find_paid(self, thing_id: UUID) -> Held | None:
        """What a provider was paid for at an earlier attempt to make this row, and was not kept; None where nothing is."""
        with db.session_scope(self.resources.engine) as session:
            return paid.find(session, thing_id=thing_id)

    def hold_paid(
        self, thing_id: UUID, *, facts: Mapping[str, Any], parts: Sequence[bytes], cost_micro: int, kind: str
    ) -> None:
        """Hold a provider's answer, and count what it cost (as `spend`), before anything else is done with it.

        Both become true together, and wait for a database that is away: whatever becomes of this attempt, a
        later one goes on from here and asks nobody (`find_paid`). Whoever has kept it, or finds that it is worth nothing, calls
        `paid.drop` in the same transaction.
        """

        def write(session: Session) -> None:
            paid.hold(
                session,
                thing_id=thing_id,
                job_id=self.job_id,
                user_id=self.owner_id,
                facts=facts,
                parts=parts,
                now=self.now(),
            )
            budgets.record_of_job(session, job_id=self.job_id, kind=kind, cost_micro=cost_micro, now=self.now())

        self._insist(write)

    def _insist(self, write: Callable[[Session], None]) -> None:
        """Have `write` committed, whoever has the job by now, and however long (within reason) the database is away."""
        ends = time.monotonic() + _INSISTENCE
        wait = _BETWEEN_OFFERS
        while True:
            try:
                with db.session_scope(self.resources.engine) as session:
                    return write(session)
            except (OperationalError, InterfaceError):
                if time.monotonic() > ends:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_BETWEEN_OFFERS)

    def report(self, error: Exception) -> str:
        """Have staff read of an error that does not end the job; returns its reference."""
        return error_log.report(
            self.resources.engine,
            data=self.settings.data,
            error=error,
            source=ErrorSource.JOB,
            place=self.name,
            job_id=self.job_id,
            now=self.now(),
        )

    def _refuse_done(self) -> None:
        if self.is_done:
            raise RuntimeError("The job's last transaction is through; nothing can follow it.")

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

    def spend(self, cost_micro: int, *, kind: str) -> None:
        """Add to what the job, and its person's month, have cost: millionths, and language, embeddings, images or speech.

        Written at once, in a transaction of its own, since the provider was paid whatever becomes of the job;
        where the database is away just now, with what the job writes next.
        """
        if cost_micro <= 0:
            return
        self._costs.append((kind, cost_micro))
        with suppress(OperationalError, InterfaceError):
            with db.session_scope(self.resources.side_engine) as session:
                written = self.write_costs(session)
            del self._costs[:written]

    def spend_for_house(self, cost_micro: int, *, kind: str, requests: int) -> None:
        """Add to what the studio itself spends in a month: for what a person's job does on the studio's behalf.

        Written at once, in a transaction of its own; where the database is away just now, it goes uncounted.
        """
        if not requests:
            return
        with suppress(OperationalError, InterfaceError), db.session_scope(self.resources.side_engine) as session:
            budgets.record_of_house(session, kind=kind, cost_micro=cost_micro, requests=requests, now=self.now())

    def write_costs(self, session: Session) -> int:
        """Have `session` write what was spent and is not written yet; returns how many entries that are."""
        for kind, cost in self._costs:
            budgets.record_of_job(session, job_id=self.job_id, kind=kind, cost_micro=cost, now=self.now())
        return len(self._costs)

    def afford(self, cost_micro: int) -> None:
        """Return if the person's budget has room for what the next step is expected to cost (millionths).

        Where it has not, the job stops here and waits for the next month or a raised budget; it goes on with a new
        attempt, which must find out by itself what is done already. Until it is spent, the room is this job's. Raises
        JobInterruptedError.
        """
        if cost_micro <= 0 or self.owner_id is None:
            return
        with db.session_scope(self.resources.engine) as session:
            fits = budgets.has_room(
                session,
                user_id=self.owner_id,
                estimate_micro=cost_micro,
                default_micro=self.settings.budget_micro,
                now=self.now(),
                but_job=self.job_id,
            )
            if fits:
                # Under the same lock: of two steps for which there is room once, one goes on.
                budgets.reserve(session, job_id=self.job_id, needs_micro=cost_micro)
        if not fits:
            raise BudgetReachedError(cost_micro)

    def make_way(self) -> None:
        """Return if nobody else's work waits; else the job stops here, and goes on when that is done.

        What waits in an earlier queue comes first at once, somebody else's in the same queue after a turn of this job's.
        For the steps of long jobs, between which nothing is half done: a new attempt finds by itself what is
        left to do. May be called often. Raises JobInterruptedError.
        """
        self.check()
        if time.monotonic() - self._courteous_at < _BETWEEN_COURTESIES:
            return
        self._courteous_at = time.monotonic()
        with db.session_scope(self.resources.engine) as session:
            is_wanted = queries.is_others_turn(
                session,
                queue=self.queue,
                now=self.now(),
                owner_id=self.owner_id,
                listens_to=self.listens_to,
                had_turn=time.monotonic() - self._began_at >= TURN.total_seconds(),
            )
        if is_wanted:
            raise MakeWayError

    def note(self, session: Session, counts: Mapping[str, Any]) -> None:
        """Have the job's row say what was done so far, in the transaction of the last step of it; last in that."""
        progress.note(session, job_id=self.job_id, token=self.token, counts=counts)

    def done_earlier(self, name: str) -> int:
        """What attempts before this one counted under this name."""
        found = self.earlier.get(name, 0)
        return found if isinstance(found, int) else 0

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
                    now=self.now(),
                )
        except (OperationalError, InterfaceError):
            # The database restarts. What screens show can wait; the next commit asks for the claim in any case.
            return
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
    if sign.is_paused:
        raise PauseRequestedError


def _plain(result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if result is None else dict(result)
