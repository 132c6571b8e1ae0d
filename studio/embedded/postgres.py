"""The PostgreSQL of this machine: made once, started on a free loopback port, mended after a crash, stopped in order."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from studio.embedded.binaries import MAJOR, postgres_programs
from studio.embedded.errors import DataVersionError, ServerFailedError
from studio.embedded.processes import (
    Identity,
    end_leftover,
    identity_for,
    last_words,
    leftover,
    leftovers,
    make_folder,
    never,
    open_log,
    spawn,
    stop,
)

DATABASE = "greenroom"
ROLE = "greenroom"
EXTENSIONS: tuple[LiteralString, ...] = ("vector", "pg_trgm", "btree_gin")

_SUPERUSER = "postgres"
_PASSWORD_FILE = "superuser.password"  # noqa: S105 - The name of a file, not what is in it.
_ATTEMPTS = 4
_ENOUGH_SHARED_MEMORY = 1_000_000_000  # Bytes.
_START_SECONDS = 300.0  # Recovery after a crash may take minutes on a large database.


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder with all that starting its server takes."""

    folder: Path
    log: Path
    identity: Identity
    programs: Path
    settings: Mapping[str, str]

    def spawn(self, port: int) -> "subprocess.Popen[bytes]":
        """Start a server on `port`, after ending whatever an earlier one left behind."""
        _clear_leftovers(self.folder)
        data = _as_seen_by(self.identity, self.folder)
        command: list[str | Path] = [self.programs / "postgres", "-D", data, "-p", str(port)]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with open_log(self.log) as output:
            return spawn(
                command,
                folder=self.folder,
                identity=self.identity,
                death_signal=signal.SIGINT,
                output=output,
                environment=_environment(),
            )


class PostgresServer:
    """One running cluster; `start` makes it, `stop` ends it, and the kernel ends it should this process die."""

    name = "postgres"

    def __init__(self, cluster: Cluster, *, port: int, superuser_password: str) -> None:
        self.folder = cluster.folder
        self.port = port
        self._cluster = cluster
        self._superuser_password = superuser_password
        # A new one at each start: nothing that leaked earlier opens this database.
        self._password = secrets.token_urlsafe(24)
        self.process = cluster.spawn(port)

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self.process.pid

    def url(self, database: str = DATABASE) -> str:
        """The address of `database` for SQLAlchemy, as the studio's own role."""
        return self._url(ROLE, self._password, database)

    def superuser_url(self, database: str = _SUPERUSER) -> str:
        """The address of `database` for SQLAlchemy, as the superuser."""
        return self._url(_SUPERUSER, self._superuser_password, database)

    def stop(self, *, patience: float = 20.0) -> None:
        """Close every connection and write everything down (a fast shutdown); may be repeated."""
        stop(self.process, gently=signal.SIGINT, firmly=signal.SIGQUIT, patience=patience)

    def restart(self, *, give_up: Callable[[], bool] = never) -> None:
        """Start the server again where it was, after it died: whoever knew its address comes back by itself.

        To be called from the main thread. Waits until the data are recovered, or until `give_up` says
        yes. Raises ServerFailedError if it does not start; it may be tried again then.
        """
        self.process = self._cluster.spawn(self.port)
        try:
            self.wait(give_up=give_up)
            if not give_up():
                self.prepare()
        except (ServerFailedError, psycopg.Error) as problem:
            self.stop(patience=1.0)
            raise ServerFailedError(
                server="PostgreSQL", log=str(self._cluster.log), last=last_words(self._cluster.log)
            ) from problem

    def _url(self, role: str, password: str, database: str) -> str:
        return (
            f"postgresql+psycopg://{role}:{quote(password, safe='')}@127.0.0.1:{self.port}/{quote(database, safe='')}"
        )

    def prepare(self) -> None:
        """Have the studio's role, its database and the extensions exist; may be repeated."""
        with self._connect("postgres") as connection:
            verb: LiteralString = "ALTER" if _exists(connection, "pg_roles", "rolname", ROLE) else "CREATE"
            statement = sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(ROLE), sql.Literal(self._password)))
            if not _exists(connection, "pg_database", "datname", DATABASE):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE))
                )
        self.add_extensions(DATABASE)

    def add_extensions(self, database: str) -> None:
        """Have the extensions exist in `database`, in the version that this server brings; may be repeated."""
        with self._connect(database) as connection:
            for extension in EXTENSIONS:
                name = sql.Identifier(extension)
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(name))
                # A newer package brings newer extensions; this says so to a folder made by an older one.
                connection.execute(sql.SQL("ALTER EXTENSION {} UPDATE").format(name))

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_SUPERUSER,
            password=self._superuser_password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
            options="-c client_min_messages=warning",
        )

    def wait(self, *, give_up: Callable[[], bool] = never) -> None:
        """Return once the server answers queries or `give_up` says yes; raises ServerFailedError if it ends or never does."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
            if give_up():
                return
        log = self._cluster.log
        raise ServerFailedError(server="PostgreSQL", log=str(log), last=last_words(log))


def start(folder: Path, *, log: Path, options: Mapping[str, str] | None = None, durable: bool = True) -> PostgresServer:
    """Start the cluster in `folder`, making it first if there is none, ready for the studio's role.

    `options` are settings of PostgreSQL that go before ours. With `durable` false
    nothing is forced to the disk: for tests, whose data may be lost with the power.
    A server that an earlier launcher left behind is stopped first. Raises
    DataVersionError, DataOwnerError, DataFolderError, NoBinariesError or ServerFailedError.
    """
    identity = identity_for(folder)
    make_folder(folder.parent)
    programs = postgres_programs(identity)
    if not (folder / "PG_VERSION").exists():
        _initialise(folder, identity=identity, programs=programs, log=log, durable=durable)
    found = (folder / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise DataVersionError(found=found, needed=MAJOR)
    password = (folder / _PASSWORD_FILE).read_text().strip()
    settings = _settings() | ({} if durable else _CARELESS) | dict(options or {})
    cluster = Cluster(folder=folder, log=log, identity=identity, programs=programs, settings=settings)
    for attempt in range(1, _ATTEMPTS + 1):
        server = PostgresServer(cluster, port=free_port(), superuser_password=password)
        try:
            server.wait()
            server.prepare()
        except ServerFailedError:
            server.stop(patience=1.0)
            # Somebody took the port in between, or the last of a killed server's processes still holds its memory.
            if attempt == _ATTEMPTS:
                raise
            time.sleep(0.5 * attempt)
        except BaseException:
            server.stop()
            raise
        else:
            return server
    raise AssertionError("unreachable")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def _settings() -> dict[str, str]:
    """What we tell PostgreSQL beside its defaults, scaled to this machine's memory (sizes in MB)."""
    memory = psutil.virtual_memory().total // 1_000_000
    return {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": f"{min(1024, max(128, memory // 8))}MB",
        "effective_cache_size": f"{max(256, memory // 2)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{min(1024, max(64, memory // 16))}MB",
        "dynamic_shared_memory_type": _shared_memory(),
        "max_wal_size": "2GB",
        "wal_compression": "on",
        "random_page_cost": "1.1",
        "jit": "off",
        "TimeZone": "UTC",
        "log_timezone": "UTC",
        # What a row or a statement holds (a card's text, an address) stays out of the log.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }


def _shared_memory() -> str:
    """`posix` lies in /dev/shm, of which containers often have 64 MB: too little for an index built in parallel."""
    try:
        room = shutil.disk_usage("/dev/shm").total  # noqa: S108 - Only measured.
    except OSError:
        return "posix"
    return "posix" if room >= _ENOUGH_SHARED_MEMORY else "mmap"


def _environment() -> dict[str, str]:
    """Nothing of ours: no secret, and no PGDATA or PGPORT that would contradict the command line."""
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _as_seen_by(identity: Identity, folder: Path) -> str:
    """The path by which the server finds its data.

    Another user may be unable to walk down to `folder` (a checkout under /root, say). Its
    working directory is that folder already, and Linux has a path to it that needs no walking.
    """
    return "/proc/self/cwd" if identity.is_other and sys.platform == "linux" else str(folder)


def _initialise(folder: Path, *, identity: Identity, programs: Path, log: Path, durable: bool) -> None:
    """Make a new cluster at `folder`: the whole of it, or (killed half way) nothing that the next start would take for one."""
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    make_folder(draft, identity)
    password = secrets.token_urlsafe(32)
    with tempfile.TemporaryFile() as secret, open_log(log) as output:
        secret.write(password.encode())
        secret.flush()
        if identity.uid is not None and identity.gid is not None:
            os.fchown(secret.fileno(), identity.uid, identity.gid)
        secret.seek(0)
        process = spawn(
            [
                programs / "initdb",
                f"--pgdata={_as_seen_by(identity, draft)}",
                f"--username={_SUPERUSER}",
                "--auth=scram-sha-256",
                f"--pwfile=/dev/fd/{secret.fileno()}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                # With LC_CTYPE=C, pg_trgm would see no Chinese at all, and say nothing of it.
                "--lc-ctype=C.UTF-8",
                "--no-instructions",
                *([] if durable else ["--no-sync"]),
            ],
            folder=draft,
            identity=identity,
            death_signal=signal.SIGKILL,
            output=output,
            environment=_environment(),
            pass_fds=[secret.fileno()],
        )
        try:
            failed = process.wait(timeout=_START_SECONDS) != 0
        except BaseException:
            process.kill()
            process.wait()
            raise
    if failed:
        raise ServerFailedError(server="PostgreSQL", log=str(log), last=last_words(log))
    descriptor = os.open(draft / _PASSWORD_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
        if identity.uid is not None and identity.gid is not None:
            os.fchown(file.fileno(), identity.uid, identity.gid)
    draft.rename(folder)


def _clear_leftovers(folder: Path) -> None:
    """End a server that a killed launcher left at work in `folder`, and forget one that is gone."""
    note = folder / "postmaster.pid"
    try:
        pid = int(note.read_text().splitlines()[0])
    except FileNotFoundError:
        return
    except (ValueError, IndexError):
        pid = 0
    if pid > 0 and (process := leftover(pid, name="postgres", folder=folder)) is not None:
        end_leftover(process, gently=signal.SIGINT, firmly=signal.SIGQUIT, patience=30.0)
    # A killed postmaster may leave a process behind that is busy with a query: until that ends, no new server can start.
    for process in leftovers(name="postgres", folder=folder):
        end_leftover(process, gently=signal.SIGQUIT, firmly=signal.SIGQUIT, patience=2.0)
    # PostgreSQL itself would believe this note if some other process of its user had got the same id since.
    note.unlink(missing_ok=True)


def _exists(
    connection: psycopg.Connection[tuple[object, ...]], table: LiteralString, column: LiteralString, name: str
) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(column))
    return connection.execute(query, [name]).fetchone() is not None
