"""The servers of a benchmark: its own PostgreSQL and Valkey, and web processes, all ended with it."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

from studio import migrate
from studio.embedded import postgres, valkey
from studio.embedded.urls import libpq_url
from studio.kit.db import make_engine
from studio.settings import ROOT, Settings

_START_SECONDS = 60.0


@dataclass(frozen=True)
class Servers:
    """Where a benchmark's servers are, and the settings of a studio on them."""

    database_url: str
    superuser_url: str
    redis_url: str
    settings: Settings
    engine: sa.Engine

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which another process finds them."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
        assert self.settings.secret_key is not None
        return kept | {
            "STUDIO_DATABASE_URL": self.database_url,
            "STUDIO_REDIS_URL": self.redis_url,
            "STUDIO_DATA": str(self.settings.data),
            "STUDIO_SECRET_KEY": self.settings.secret_key.get_secret_value(),
            "STUDIO_LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
        }

    def admin(self) -> "psycopg.Connection[tuple[object, ...]]":
        """An autocommitting connection as the superuser to the studio's database."""
        return psycopg.connect(libpq_url(self.superuser_url), autocommit=True)


@contextmanager
def servers(folder: Path, **changes: object) -> Iterator[Servers]:
    """A migrated database and a queue below `folder`; `changes` go into the studio's settings.

    Nothing is forced to the disk, which is to the good of all sides alike. Autovacuum is off: each benchmark
    says when it vacuums, so that it does not run through somebody's measurement.
    """
    with ExitStack() as stack:
        server = postgres.start(
            folder / "postgres",
            log=folder / "postgres.log",
            durable=False,
            options={"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_utility": "off"},
        )
        stack.callback(server.stop)
        queue = valkey.start(folder / "valkey", log=folder / "valkey.log", durable=False)
        stack.callback(queue.stop)
        migrate.upgrade(server.url())
        settings = Settings(
            _env_file=None,
            data=folder / "data",
            database_url=SecretStr(server.url()),
            redis_url=SecretStr(queue.url()),
            secret_key=SecretStr("a-key-for-benchmarks-and-nothing-else"),
            demo=False,
        ).model_copy(update=changes)
        engine = make_engine(server.url())
        stack.callback(engine.dispose)
        here = Servers(server.url(), server.superuser_url("greenroom"), queue.url(), settings, engine)
        with here.admin() as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        yield here


@contextmanager
def web_server(target: str, *, environment: Mapping[str, str], log: Path, ready: str) -> Iterator[int]:
    """Serve the WSGI application `target` by granian, one worker with eight threads, until the end; yields the port.

    Yields once `ready` (a path) is answered; raises RuntimeError with the log's end if it never is.
    """
    port = postgres.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "8", "--no-ws", "--log-level", "warning", target]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    try:
        _wait(process, port=port, path=ready, log=log)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", *, port: int, path: str, log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError(f"The web server did not come up:\n{log.read_text()[-2000:]}")
