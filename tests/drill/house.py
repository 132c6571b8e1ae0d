"""Servers of the drill's own, and a disk that can be filled up."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from pydantic import SecretStr

from studio import migrate
from studio.embedded import postgres, valkey
from studio.embedded.postgres import PostgresServer
from studio.embedded.urls import libpq_url
from studio.embedded.valkey import ValkeyServer
from studio.settings import Settings

_MEGABYTES = 128
_KEEPS = {"synchronous_commit": "on"}
"""What was committed outlives an immediate stop of the server, though not (unless it is durable) the loss of power."""


class Disk:
    """Where files lie: a file system of its own of 128 MB where that can be mounted, and a limit on processes elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.is_mounted = (
            os.geteuid() == 0
            and subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=0700", "tmpfs", str(folder)],
                check=False,
                capture_output=True,
            ).returncode
            == 0
        )
        self._filler = folder / "filler"
        self.is_full = False

    @property
    def how(self) -> str:
        """By what means it is full."""
        return f"a file system of {_MEGABYTES} MB" if self.is_mounted else "RLIMIT_FSIZE on the workers"

    def fill(self, pids: Iterable[int]) -> None:
        """From now on no write goes through: ENOSPC on the small file system, else EFBIG in the processes `pids`."""
        self.is_full = True
        if not self.is_mounted:
            self.limit(pids)
            return
        with self._filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def limit(self, pids: Iterable[int]) -> None:
        """Hold these processes to the full disk, if it is full by a limit on processes."""
        if self.is_mounted:
            return
        size = 1_000 if self.is_full else resource.RLIM_INFINITY
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, OSError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def empty(self, pids: Iterable[int]) -> None:
        """There is room again."""
        self.is_full = False
        if self.is_mounted:
            self._filler.unlink()
        else:
            self.limit(pids)

    def close(self) -> None:
        """Let the file system go."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)


@dataclass
class House:
    """The servers, where they are, and what can be done to them; in `paid` the provider counts what it was paid for."""

    postgres: PostgresServer
    valkey: ValkeyServer
    settings: Settings
    disk: Disk
    logs: Path
    paid: Path
    _connection: "psycopg.Connection[tuple[object, ...]] | None" = field(default=None)

    @property
    def database_url(self) -> str:
        """The database as the studio's own role knows it."""
        return self.postgres.url()

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """The rows of `query`; none while the database is away."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(libpq_url(self.database_url), autocommit=True, connect_timeout=3)
            return self._connection.execute(query, values or None).fetchall()
        except psycopg.Error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return []

    def restart_postgres(self, how: signal.Signals) -> None:
        """Stop the database, SIGINT is fast and SIGQUIT immediate, and start it again where it was."""
        self.postgres.process.send_signal(how)
        self.postgres.process.wait(timeout=60)
        self.postgres.restart()

    def kill_valkey(self) -> None:
        """Kill Valkey."""
        self.valkey.process.kill()
        self.valkey.process.wait(timeout=30)

    def revive_valkey(self) -> None:
        """Start Valkey again, and have it forget whatever it may have kept."""
        import redis

        self.valkey.restart()
        with redis.Redis.from_url(self.valkey.url()) as client:
            client.flushall()


def family(pid: int) -> list[psutil.Process]:
    """The process and its children."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def opened(folder: Path, *, durable: bool = True, **changes: object) -> Iterator[House]:
    """A migrated database, a queue and a small disk under `folder`; `changes` go into the settings."""
    with ExitStack() as stack:
        logs = folder / "logs"
        logs.mkdir(parents=True)
        server = postgres.start(folder / "postgres", log=logs / "postgres.log", options=_KEEPS, durable=durable)
        stack.callback(server.stop)
        queue = valkey.start(folder / "valkey", log=logs / "valkey.log", durable=durable)
        stack.callback(queue.stop)
        migrate.upgrade(server.url())
        data = folder / "var"
        data.mkdir()
        settings = Settings(
            _env_file=None,
            data=data,
            database_url=SecretStr(server.url()),
            redis_url=SecretStr(queue.url()),
        ).model_copy(update=changes)
        disk = Disk(settings.media_folder)
        stack.callback(disk.close)
        paid = folder / "paid"
        paid.mkdir()
        house = House(server, queue, settings, disk, logs, paid)
        stack.callback(lambda: house._connection and house._connection.close())
        yield house
