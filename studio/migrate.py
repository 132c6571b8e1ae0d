"""Brings a database to the tables that this program expects, one step at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory

from studio.embedded.urls import normal_database_url
from studio.kit.db import finish_step
from studio.kit.errors import ConflictError
from studio.settings import ROOT

_LOCK = 0x67726E726D
"""Any number will do that nobody else uses on this server: here "grnrm"."""

OnStep = Callable[[int, int, str], None]
"""Told before each step: its number from 1, how many there are, and what it does."""


class DatabaseTooNewError(ConflictError):
    """The database was brought up by a newer program."""

    def __init__(self, *, revision: str) -> None:
        super().__init__(
            "The database is at revision %(revision)s, which this program does not know: it was made by a newer one. "
            "Start the newer program, or restore a backup that was made by this one.",
            revision=revision,
        )


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands, and where this program needs it; `missing` names the steps between, in order."""

    current: str | None
    head: str | None
    missing: tuple[str, ...]

    @property
    def is_at_head(self) -> bool:
        """Whether there is nothing to do."""
        return not self.missing


def status(database_url: str) -> Status:
    """Where the database at `database_url` stands; changes nothing. Raises DatabaseTooNewError."""
    engine = _engine(database_url)
    try:
        with engine.connect() as connection:
            return _status(connection, ScriptDirectory.from_config(_config()))
    finally:
        engine.dispose()


def upgrade(database_url: str, *, on_step: OnStep | None = None) -> int:
    """Have the database at its head, and return how many steps that took; each step is one transaction.

    May be repeated, and may run in several processes at once: one does the work, the
    others wait for it. Killed half way it goes on with the next step. Raises
    DatabaseTooNewError.
    """
    config = _config()
    script = ScriptDirectory.from_config(config)
    engine = _engine(database_url)
    try:
        # The lock has a connection of its own, outside any transaction: an index that is
        # built CONCURRENTLY waits for every transaction that is older than itself.
        with engine.connect() as guard, engine.connect() as connection:
            guard = guard.execution_options(isolation_level="AUTOCOMMIT")  # noqa: PLW2901
            guard.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            missing = _status(connection, script).missing
            connection.rollback()
            config.attributes["connection"] = connection
            for number, revision in enumerate(missing, start=1):
                if on_step is not None:
                    on_step(number, len(missing), _title(script, revision))
                _take(config, script, revision)
                finish_step(connection)
            return len(missing)
    finally:
        # Closing the guard's connection gives the lock back, whatever happened.
        engine.dispose()


def _take(config: Config, script: ScriptDirectory, revision: str) -> None:
    """One step, as `alembic.command.upgrade` does it, which reads every migration anew at each."""

    def steps(current: Any, _context: MigrationContext) -> list[RevisionStep]:
        return script._upgrade_revs(revision, current)  # noqa: SLF001 - What that command calls.

    with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
        script.run_env()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _engine(database_url: str) -> sa.Engine:
    return sa.create_engine(normal_database_url(database_url), poolclass=sa.pool.NullPool)


def _status(connection: sa.Connection, script: ScriptDirectory) -> Status:
    current = MigrationContext.configure(connection).get_current_revision()
    steps = [step.revision for step in script.walk_revisions()]
    steps.reverse()
    if current is not None and current not in steps:
        raise DatabaseTooNewError(revision=current)
    missing = steps[steps.index(current) + 1 :] if current is not None else steps
    return Status(current=current, head=steps[-1] if steps else None, missing=tuple(missing))


def _title(script: ScriptDirectory, revision: str) -> str:
    found = script.get_revision(revision)
    return (found.doc if found is not None else None) or revision
