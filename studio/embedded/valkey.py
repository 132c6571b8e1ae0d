"""The Valkey of this machine: what carries job ids and rate limits, and may lose them."""

import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import redis

from studio.embedded.binaries import valkey_program
from studio.embedded.errors import ServerFailedError
from studio.embedded.postgres import free_port
from studio.embedded.processes import (
    Identity,
    end_leftover,
    identity_for,
    last_words,
    leftover,
    make_folder,
    never,
    open_log,
    spawn,
    stop,
)

_ATTEMPTS = 4
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """A data folder with all that starting its server takes."""

    folder: Path
    log: Path
    identity: Identity
    program: Path
    settings: Mapping[str, object]

    def spawn(self, port: int, password: str) -> "subprocess.Popen[bytes]":
        """Start a server on `port`, after ending one that was left behind."""
        _clear_leftovers(self.folder)
        settings = {**self.settings, "port": port, "requirepass": password}
        with open_log(self.log) as output:
            process = spawn(
                # Settings come by standard input: a command line shows its password to everybody on the machine.
                [self.program, "-"],
                folder=self.folder,
                identity=self.identity,
                death_signal=signal.SIGTERM,
                output=output,
                feed="".join(f"{name} {value}\n" for name, value in settings.items()).encode(),
                environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            )
        make_folder(_note(self.folder).parent)
        _note(self.folder).write_text(str(process.pid))
        return process


class ValkeyServer:
    """One running server; `start` makes it, `stop` ends it, and the kernel ends it should this process die."""

    name = "valkey"

    def __init__(self, place: Place, *, port: int) -> None:
        self.port = port
        self._place = place
        self._password = secrets.token_urlsafe(24)
        self.process = place.spawn(port, self._password)

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.process.pid

    def url(self, database: int = 0) -> str:
        """The address of the numbered database."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/{database}"

    def stop(self, *, patience: float = 10.0) -> None:
        """Write the snapshot and end; may be repeated."""
        stop(self.process, gently=signal.SIGTERM, firmly=signal.SIGTERM, patience=patience)

    def restart(self, *, give_up: Callable[[], bool] = never) -> None:
        """Start the server again where it was, after it died, with the snapshot that it had.

        To be called from the main thread. Raises ServerFailedError if it does not start; it may be tried again then.
        """
        self.process = self._place.spawn(self.port, self._password)
        try:
            self.wait(give_up=give_up)
        except ServerFailedError:
            self.stop(patience=1.0)
            raise

    def wait(self, *, give_up: Callable[[], bool] = never) -> None:
        """Return once the server answers or `give_up` says yes; raises ServerFailedError if it ends or never does."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if answers(self.url()) or give_up():
                return
            time.sleep(0.02)
        log = self._place.log
        raise ServerFailedError(server="Valkey", log=str(log), last=last_words(log))


def start(folder: Path, *, log: Path, databases: int = 16, durable: bool = True) -> ValkeyServer:
    """Start Valkey with its snapshot in `folder`, on a free loopback port, with a new password.

    A server that an earlier launcher left behind is stopped first. Raises
    DataOwnerError, DataFolderError, NoBinariesError or ServerFailedError.
    """
    identity = identity_for(folder)
    make_folder(folder, identity)
    program = valkey_program(identity)
    settings = {
        "bind": "127.0.0.1",
        "databases": databases,
        "save": '"300 1"' if durable else '""',
        "appendonly": "no",
        # A full memory must be an error that is seen, not a job that is quietly forgotten.
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "pidfile": '""',
        "logfile": '""',
        "loglevel": "notice",
    }
    place = Place(folder=folder, log=log, identity=identity, program=program, settings=settings)
    for attempt in range(1, _ATTEMPTS + 1):
        server = ValkeyServer(place, port=free_port())
        try:
            server.wait()
        except ServerFailedError:
            server.stop(patience=1.0)
            if attempt == _ATTEMPTS:
                raise
            time.sleep(0.2 * attempt)
        except BaseException:
            server.stop()
            raise
        else:
            return server
    raise AssertionError("unreachable")


def answers(url: str) -> bool:
    """Whether a Redis or Valkey answers at `url`, within two seconds."""
    client = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _note(folder: Path) -> Path:
    return folder.parent / "run" / "valkey.pid"


def _clear_leftovers(folder: Path) -> None:
    """End a server that a killed launcher left at work in `folder`."""
    try:
        pid = int(_note(folder).read_text())
    except (FileNotFoundError, ValueError):
        return
    if pid > 0 and (process := leftover(pid, name="valkey", folder=folder)) is not None:
        end_leftover(process, gently=signal.SIGTERM, firmly=signal.SIGTERM, patience=10.0)
    _note(folder).unlink(missing_ok=True)
