"""Which providers are known to fail, kept where all processes see it."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from studio.kit.clock import utc_now
from studio.providers.breaker import MOST_FAILURES, View
from studio.work import asking
from studio.work.models import JobRun, JobState, ProviderCircuit
from studio.work.rules import brief

log = logging.getLogger(__name__)

_APART = timedelta(milliseconds=200)
"""Between one job that is woken and the next: a provider that has just come back is not run down again."""
_MOST_WOKEN = 1_000
"""What waits beyond it comes back by its own time, which is never more than ten minutes away."""


class SharedCircuits:
    """The store that all processes share, for `providers.breaker.share`; where the database is away it knows nothing.

    `scope` gives a session with a transaction of its own, apart from whatever is under way.
    """

    def __init__(
        self, scope: Callable[[], AbstractContextManager[Session]], now: Callable[[], datetime] = utc_now
    ) -> None:
        self._scope = scope
        self._now = now

    def look(self, provider: str) -> View | None:
        """How the provider stands; None where the store cannot be asked."""
        try:
            with self._scope() as session:
                return find(session, provider=provider, now=self._now())
        except SQLAlchemyError as error:
            _tell(error)
            return None

    def may_try(self, provider: str, *, rest: float) -> bool | None:
        """Whether this process is the one that tries a provider whose rest is over; at most one is, for each rest."""
        try:
            with self._scope() as session:
                return try_once(session, provider=provider, rest=rest, now=self._now())
        except SQLAlchemyError as error:
            _tell(error)
            return None

    def keep_trying(self, provider: str, *, rest: float) -> None:
        """Nobody else tries a provider that rests for another `rest` seconds."""
        try:
            with self._scope() as session:
                prolong(session, provider=provider, rest=rest, now=self._now())
        except SQLAlchemyError as error:
            _tell(error)

    def fail(self, provider: str, *, most: int, rest: float, error: str) -> View | None:
        """Count one more failure in a row."""
        try:
            with self._scope() as session:
                return count_failure(session, provider=provider, most=most, rest=rest, error=error, now=self._now())
        except SQLAlchemyError as problem:
            _tell(problem)
            return None

    def succeed(self, provider: str) -> None:
        """The provider works: the failures are forgotten."""
        try:
            with self._scope() as session:
                close(session, provider=provider, now=self._now())
        except SQLAlchemyError as error:
            _tell(error)


def _tell(error: SQLAlchemyError) -> None:
    log.warning("the circuits cannot be read (%s)", type(getattr(error, "orig", None) or error).__name__)


def find(session: Session, *, provider: str, now: datetime) -> View:
    """How the provider stands."""
    row = session.execute(
        sa.select(ProviderCircuit.failures, ProviderCircuit.open_until).where(ProviderCircuit.provider == provider)
    ).one_or_none()
    return View(0, 0.0) if row is None else _view(row[0], row[1], now)


def try_once(session: Session, *, provider: str, rest: float, now: datetime) -> bool:
    """Whether the caller is to try; true for one caller once a rest is over, and the next rest begins with it."""
    won = session.scalar(
        sa.update(ProviderCircuit)
        .where(ProviderCircuit.provider == provider, ProviderCircuit.open_until <= now)
        .values(open_until=now + timedelta(seconds=rest), changed_at=now)
        .returning(ProviderCircuit.provider)
        .execution_options(synchronize_session=False)
    )
    return won is not None


def prolong(session: Session, *, provider: str, rest: float, now: datetime) -> None:
    """The trial of a provider that rests goes on: the next is allowed in `rest` seconds."""
    session.execute(
        sa.update(ProviderCircuit)
        .where(ProviderCircuit.provider == provider, ProviderCircuit.open_until.is_not(None))
        .values(open_until=now + timedelta(seconds=rest), changed_at=now)
        .execution_options(synchronize_session=False)
    )


def count_failure(session: Session, *, provider: str, most: int, rest: float, error: str, now: datetime) -> View:
    """The provider failed once more; after `most` in a row nobody asks it for `rest` seconds."""
    row = insert(ProviderCircuit).values(
        provider=provider,
        failures=1,
        open_until=now + timedelta(seconds=rest) if most <= 1 else None,
        last_error=brief(error),
        changed_at=now,
    )
    opens = sa.case((ProviderCircuit.failures + 1 >= most, now + timedelta(seconds=rest)), else_=None)
    kept = session.execute(
        row.on_conflict_do_update(
            index_elements=[ProviderCircuit.provider],
            set_={
                "failures": sa.func.least(ProviderCircuit.failures + 1, 10_000),
                "open_until": opens,
                "last_error": row.excluded.last_error,
                "changed_at": now,
            },
        ).returning(ProviderCircuit.failures, ProviderCircuit.open_until)
    ).one()
    return _view(kept[0], kept[1], now)


def close(session: Session, *, provider: str, now: datetime) -> None:
    """The provider answers: it is asked as ever, and what it put off goes on (`wake`); may be repeated."""
    closed = session.scalars(
        sa.update(ProviderCircuit)
        .where(ProviderCircuit.provider == provider, ProviderCircuit.failures > 0)
        .values(failures=0, open_until=None, changed_at=now)
        .returning(ProviderCircuit.provider)
        .execution_options(synchronize_session=False)
    ).all()
    if closed:
        wake(session, provider=provider, now=now)


def end_rest(session: Session, *, provider: str, now: datetime, most: int = MOST_FAILURES) -> bool:
    """A provider that rests is tried by the next request, and the job that waits longest for it makes that at once.

    The others wait until that has been answered: it may be down still. Returns whether the provider rested.
    """
    ended = session.scalars(
        sa.update(ProviderCircuit)
        .where(ProviderCircuit.provider == provider, ProviderCircuit.failures >= most)
        .values(open_until=now, changed_at=now)
        .returning(ProviderCircuit.provider)
        .execution_options(synchronize_session=False)
    ).all()
    if ended:
        wake(session, provider=provider, now=now, limit=1)
    return bool(ended)


def wake(session: Session, *, provider: str, now: datetime, limit: int = _MOST_WOKEN) -> int:
    """Jobs that the provider's failures put off are due, the oldest at once and each next one a moment later; how many.

    Each is woken once: it is put off anew only by a failure of its own. What would be due sooner anyway is left alone.
    """
    waiting = (
        sa.select(JobRun.id, JobRun.queue)
        .where(JobRun.put_off_by == provider, JobRun.state == JobState.QUEUED, JobRun.held_for.is_(None))
        .order_by(JobRun.created_at, JobRun.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    rows = session.execute(waiting).all()
    if not rows:
        return 0
    moments = {row.id: now + _APART * place for place, row in enumerate(rows)}
    ids, due_at = list(moments), list(moments.values())
    due = (
        sa.func.unnest(sa.literal(ids, ARRAY(sa.Uuid)), sa.literal(due_at, ARRAY(sa.TIMESTAMP(timezone=True))))
        .table_valued("id", "moment", name="woken")
        .render_derived()
    )
    session.execute(
        sa.update(JobRun)
        .where(JobRun.id == due.c.id)
        # The scheduler hints at the later ones when they are due.
        .values(put_off_by=None, run_after=sa.func.least(JobRun.run_after, due.c.moment), nudged_at=None)
        .execution_options(synchronize_session=False)
    )
    asking.nudge_after_commit(session, rows[0].queue, [rows[0].id])
    return len(rows)


def list_all(session: Session) -> Sequence[ProviderCircuit]:
    """Every provider that failed once, those that rest first."""
    return session.scalars(
        sa.select(ProviderCircuit)
        .order_by(ProviderCircuit.open_until.desc().nulls_last(), ProviderCircuit.provider)
        .limit(100)
    ).all()


def is_resting(circuit: ProviderCircuit, *, most: int = MOST_FAILURES) -> bool:
    """Whether the provider is taken for down."""
    return circuit.failures >= most


def _view(failures: int, open_until: datetime | None, now: datetime) -> View:
    return View(failures, 0.0 if open_until is None else (open_until - now).total_seconds())
