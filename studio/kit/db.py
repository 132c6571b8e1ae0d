"""Engines and sessions, and the one place in the program where a transaction is committed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

_AFTER_COMMIT = "studio.after_commit"
_CANNOT_CONNECT = ("08", "57P")
"""Classes of SQLSTATE that mean that the connection is lost or the server is stopping or starting."""


def engine_options(*, pool: int) -> dict[str, Any]:
    """What every process tells SQLAlchemy of its connections; a dead one is noticed before it is used."""
    return {
        "pool_size": pool,
        "max_overflow": pool,
        "pool_timeout": 10,
        "pool_pre_ping": True,
        "pool_recycle": 1800,
        "connect_args": {"connect_timeout": 10, "application_name": "greenroom", "options": "-c timezone=UTC"},
    }


def make_engine(url: str, *, pool: int = 5) -> sa.Engine:
    """An engine for a process without Flask: workers, the scheduler and commands."""
    return sa.create_engine(url, **engine_options(pool=pool))


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


def finish_step(connection: sa.Connection) -> None:
    """Commit one migration; the next one begins a transaction of its own, so that what was done stays done."""
    connection.commit()
