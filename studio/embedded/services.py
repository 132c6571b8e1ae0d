"""Which database and which queue this process uses: the ones that were named, those already running here, or new ones."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol, Self

import psycopg
from pydantic import BaseModel, SecretStr, ValidationError

from studio.embedded import postgres, valkey
from studio.embedded.children import Restarts, Say, ending
from studio.embedded.errors import AlreadyRunningError, NotRunningError
from studio.embedded.processes import make_folder, never
from studio.embedded.urls import libpq_url, normal_database_url
from studio.kit.errors import StudioError
from studio.settings import Settings

_WAIT_SECONDS = 60.0


class Services(BaseModel):
    """The note under the data folder by which other processes find the servers; only its owner can read it."""

    owner: int
    database_url: str | None = None
    redis_url: str | None = None

    @staticmethod
    def place(settings: Settings) -> Path:
        """Where the note lies."""
        return settings.data / "run" / "services.json"

    @classmethod
    def read(cls, settings: Settings) -> Self | None:
        """The note, or None where there is none that makes sense."""
        try:
            return cls.model_validate_json(cls.place(settings).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, settings: Settings) -> None:
        """Put the note in place, whole or not at all."""
        place = self.place(settings)
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self.model_dump(), file)
        draft.replace(place)


def attach(settings: Settings) -> Settings:
    """A copy of `settings` with both addresses filled, from the servers that run under its data folder where not given.

    Starts nothing. Raises NotRunningError where a server that is needed does not answer;
    servers that were named by the person are not asked, only their addresses are normalised.
    """
    if settings.database_url is not None and settings.redis_url is not None:
        return _filled(settings)
    services = Services.read(settings)
    if services is None or not _alive(services, settings):
        raise NotRunningError
    return _filled(settings, database_url=services.database_url, redis_url=services.redis_url)


@contextmanager
def running(settings: Settings, *, exclusive: bool = False) -> Iterator[Settings]:
    """Have a database and a queue for the duration; yields what `attach` returns.

    What was not given by address and does not run yet under the data folder is
    started, and stopped at the end; the kernel stops it if this process is killed (Linux).
    With `exclusive`, servers of another process are not shared: raises
    AlreadyRunningError. To be called from the main thread.
    """
    if settings.database_url is not None and settings.redis_url is not None and not exclusive:
        yield _filled(settings)
        return
    with ExitStack() as stack:
        if _lock(settings, stack):
            yield stack.enter_context(_started(settings)).settings
        elif exclusive:
            raise AlreadyRunningError(owner=_owner(settings))
        else:
            yield _wait_for_owner(settings)


@contextmanager
def kept(settings: Settings) -> Iterator["Kept"]:
    """As `running` with `exclusive`, for a launcher that also looks after the servers."""
    with ExitStack() as stack:
        if not _lock(settings, stack):
            raise AlreadyRunningError(owner=_owner(settings))
        yield stack.enter_context(_started(settings))


class Server(Protocol):
    """One of the servers that this process may start."""

    name: str
    process: subprocess.Popen[bytes]

    def restart(self, *, give_up: Callable[[], bool]) -> None:
        """Start the server again where it was, after it died."""


class Kept:
    """The servers that this process has started (none, where addresses were given), and the filled settings."""

    def __init__(self, settings: Settings, servers: Sequence[Server]) -> None:
        self.settings = settings
        self._servers = [(server, Restarts(first=0.2)) for server in servers]
        for _, restarts in self._servers:
            restarts.began()

    def look(self, *, say: Say, give_up: Callable[[], bool] = never) -> None:
        """Start again what has died, at the same address; to be called now and then, from the main thread.

        Returns once it answers, or `give_up` says yes. What cannot be started is tried again at a later look.
        """
        for server, restarts in self._servers:
            code = server.process.poll()
            if code is None:
                continue
            if restarts.schedule() is not None:
                say(server.name, f"ended ({ending(code)}); starting it again")
            elif restarts.is_due:
                restarts.began()
                try:
                    server.restart(give_up=give_up)
                except (StudioError, OSError) as problem:
                    say(server.name, str(problem))
                else:
                    say(server.name, "is back")


@contextmanager
def _started(settings: Settings) -> Iterator[Kept]:
    with ExitStack() as stack:
        servers: list[Server] = []
        database_url = redis_url = None
        if settings.database_url is None:
            server = postgres.start(settings.data / "postgres", log=settings.data / "logs" / "postgres.log")
            stack.callback(server.stop)
            servers.append(server)
            database_url = server.url()
        if settings.redis_url is None:
            queue = valkey.start(settings.data / "valkey", log=settings.data / "logs" / "valkey.log")
            stack.callback(queue.stop)
            servers.append(queue)
            redis_url = queue.url()
        Services(owner=os.getpid(), database_url=database_url, redis_url=redis_url).write(settings)
        stack.callback(Services.place(settings).unlink, missing_ok=True)
        yield Kept(_filled(settings, database_url=database_url, redis_url=redis_url), servers)


def _filled(settings: Settings, *, database_url: str | None = None, redis_url: str | None = None) -> Settings:
    if settings.database_url is not None:
        database_url = settings.database_url.get_secret_value()
    update: dict[str, SecretStr] = {}
    if database_url is not None:
        update["database_url"] = SecretStr(normal_database_url(database_url))
    if settings.redis_url is None and redis_url is not None:
        update["redis_url"] = SecretStr(redis_url)
    return settings.model_copy(update=update)


def _alive(services: Services, settings: Settings) -> bool:
    """Whether the servers of the note that we need are there, and are the ones that wrote it: the passwords tell."""
    if settings.redis_url is None and (services.redis_url is None or not valkey.answers(services.redis_url)):
        return False
    if settings.database_url is not None:
        return True
    if services.database_url is None:
        return False
    try:
        psycopg.connect(libpq_url(services.database_url), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _lock(settings: Settings, stack: ExitStack) -> bool:
    """Hold the data folder until `stack` closes, and say whether that was possible; a killed holder lets go by itself."""
    place = make_folder(make_folder(settings.data, mode=0o755) / "run") / "launcher.lock"
    file: IO[str] = stack.enter_context(place.open("a+"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return True


def _owner(settings: Settings) -> str:
    try:
        return f"process {int((settings.data / 'run' / 'launcher.lock').read_text())}"
    except (OSError, ValueError):
        return "another process"


def _wait_for_owner(settings: Settings) -> Settings:
    """What `attach` returns, once the process that holds the data folder has its servers up."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return attach(settings)
        except NotRunningError:
            if time.monotonic() > deadline:
                raise AlreadyRunningError(owner=_owner(settings)) from None
            time.sleep(0.2)
