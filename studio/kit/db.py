"""Engines and sessions, and the one place in the program where a transaction is committed."""

import logging
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from pgvector import HalfVector
from pgvector.psycopg.halfvec import HalfVectorBinaryDumper
from sqlalchemy.orm import Session

from studio.kit import exact_json

log = logging.getLogger(__name__)

# Before any engine is made, since each takes these over: a vector needs no look into the database for its type's number.
psycopg.adapters.register_dumper(HalfVector, HalfVectorBinaryDumper)

_AFTER_COMMIT = "studio.after_commit"
_ONLY_READS = "studio.only_reads"
_LEFT_AT = "studio.left_at"
_A_MOMENT = 5.0
"""Seconds."""
_CANNOT_CONNECT = ("08", "57P")
"""Classes of SQLSTATE that mean that the connection is lost or the server is stopping or starting."""


def engine_options(*, pool: int) -> dict[str, Any]:
    """What every process tells SQLAlchemy of its connections; `watched` notices a dead one before it is used."""
    return {
        "pool_size": pool,
        "max_overflow": pool,
        "pool_timeout": 10,
        "pool_recycle": 1800,
        "json_deserializer": exact_json.loads,
        "connect_args": {"connect_timeout": 10, "application_name": "greenroom", "options": "-c timezone=UTC"},
    }


def make_engine(url: str, *, pool: int = 5) -> sa.Engine:
    """An engine for a process without Flask: workers, the scheduler and commands."""
    return watched(sa.create_engine(url, **engine_options(pool=pool)))


def watched(engine: sa.Engine) -> sa.Engine:
    """Have a connection that died in the pool be replaced before it is used; returns `engine`.

    A server that stops says so or closes the connection, and both can be seen without asking it. So one that was used
    a moment ago is only looked at; one that lay longer is asked, since a network may forget it silently.
    """

    @sa.event.listens_for(engine, "checkin")
    def lay_down(_connection: Any, record: Any) -> None:
        record.info[_LEFT_AT] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def look(connection: Any, record: Any, _fairy: Any) -> None:
        left_at = record.info.get(_LEFT_AT)
        if left_at is None or (time.monotonic() - left_at < _A_MOMENT and _is_silent(connection)):
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as lost:
            raise sa.exc.InvalidatePoolError from lost

    return engine


def _is_silent(connection: Any) -> bool:
    """Whether the server has neither said anything unasked nor closed the connection."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)
    except (psycopg.Error, OSError, ValueError):
        return False


def is_connection_loss(error: BaseException) -> bool:
    """Whether `error` says that PostgreSQL went away, is stopping or starting, or cannot be reached."""
    if not isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or str(state).startswith(_CANNOT_CONNECT)


def on_commit(session: Session, effect: Callable[[], None], *, key: object = None) -> None:
    """Have `effect` run once after this transaction is committed; never if it is rolled back.

    Effects with an equal `key` run once. An effect must be a hint that may get
    lost (a nudge): what has to happen belongs into a row.
    """
    effects: dict[object, Callable[[], None]] = session.info.setdefault(_AFTER_COMMIT, {})
    effects[key if key is not None else effect] = effect


@contextmanager
def transaction(session: Session) -> Iterator[Session]:
    """One request, job or command: all of it becomes true, or nothing does."""
    session.info.pop(_AFTER_COMMIT, None)
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        session.info.pop(_AFTER_COMMIT, None)
        raise
    finally:
        session.info.pop(_ONLY_READS, None)
    for effect in session.info.pop(_AFTER_COMMIT, {}).values():
        try:
            effect()
        except Exception as error:  # noqa: BLE001 - Whatever it is, the work is committed.
            # A lost hint is made good by the scheduler's sweep.
            log.warning("an effect after the commit failed (%s)", type(error).__name__)


@contextmanager
def session_scope(engine: sa.Engine) -> Iterator[Session]:
    """A session of its own with one transaction in it."""
    with Session(engine, expire_on_commit=False) as session, transaction(session):
        yield session


def without_writing(session: Session) -> None:
    """Have the session only read, without a transaction around its statements, which saves two ways to the server.

    Each statement sees what was committed before it, as it would within a transaction. Where the session's
    objects were changed nevertheless, flushing raises RuntimeError. A session on a connection of its own is left as it is.
    """
    if session.bind is None or isinstance(session.bind, sa.Engine):
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    session.info[_ONLY_READS] = True


@sa.event.listens_for(Session, "before_flush")
def _refuse_writing(session: Session, *_arguments: Any) -> None:
    if session.info.get(_ONLY_READS):
        raise RuntimeError("This route was declared to read only; nothing was written.")


def finish_step(connection: sa.Connection) -> None:
    """Commit one migration; the next one begins a transaction of its own, so that what was done stays done."""
    connection.commit()
