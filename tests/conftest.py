"""What every test may ask for: a real PostgreSQL and Valkey of this run's own, undone or thrown away after each test.

Nobody's own database is touched: servers are started in a temporary folder (once for all workers of
pytest-xdist), unless STUDIO_TEST_DATABASE_URL names a server on which databases may be created.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
import redis
import sqlalchemy as sa
from hypothesis import settings as hypothesis_settings
from jinja2 import FileSystemBytecodeCache
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy.orm import Session

from studio import migrate
from studio.embedded import postgres, valkey
from studio.embedded.urls import libpq_url
from studio.kit.db import make_engine
from studio.settings import ROOT, Settings

TEMPLATE = f"greenroom_template_{os.getpid()}"
MOST_WORKERS = 64
_DROP = "DROP DATABASE IF EXISTS {} WITH (FORCE)"

# How long an example takes says something about the machine, and nothing about the program.
hypothesis_settings.register_profile("studio", deadline=None)
hypothesis_settings.load_profile("studio")

_servers: pytest.StashKey["Servers"] = pytest.StashKey()
_closing: pytest.StashKey[ExitStack] = pytest.StashKey()


@dataclass(frozen=True)
class Servers:
    """Where this run's servers are: an address that may create databases, the studio's own, the template, and Valkey.

    The role of `role_url` owns the tables and is no superuser, as in a studio: what that may not do, no test can do.
    """

    admin_url: str
    role_url: str
    template: str
    redis_url: str


def _start_servers(stack: ExitStack) -> Servers:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greenroom-tests-")))
    admin_url = os.environ.get("STUDIO_TEST_DATABASE_URL", "")
    if not admin_url:
        server = postgres.start(
            folder / "postgres",
            log=folder / "postgres.log",
            durable=False,
            options={"shared_buffers": "256MB", "max_connections": "400", "maintenance_work_mem": "128MB"},
        )
        stack.callback(server.stop)
        admin_url = server.superuser_url()
    queue = valkey.start(folder / "valkey", log=folder / "valkey.log", databases=MOST_WORKERS, durable=False)
    stack.callback(queue.stop)
    role, password = f"greenroom_role_{os.getpid()}", secrets.token_hex(16)
    made = "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}"
    _execute(admin_url, made, role, sql.Literal(password))
    # Tests that plant what triggers refuse do it as somebody with all power over the server would.
    _execute(admin_url, "GRANT SET ON PARAMETER session_replication_role TO {}", role)
    stack.callback(_execute, admin_url, "DROP ROLE {}", role)
    stack.callback(_execute, admin_url, "REVOKE SET ON PARAMETER session_replication_role FROM {}", role)
    role_url = sa.make_url(admin_url).set(username=role, password=password).render_as_string(hide_password=False)
    _execute(admin_url, "CREATE DATABASE {} OWNER {}", TEMPLATE, role)
    stack.callback(_execute, admin_url, _DROP, TEMPLATE)
    with psycopg.connect(libpq_url(_database_url(admin_url, TEMPLATE)), autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for extension in postgres.EXTENSIONS:
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
    migrate.upgrade(_database_url(role_url, TEMPLATE))
    return Servers(admin_url=admin_url, role_url=role_url, template=TEMPLATE, redis_url=queue.url())


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the servers in the process that outlives all workers; they are told in `pytest_configure_node`."""
    parallel = getattr(session.config.option, "numprocesses", None)
    if parallel and not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        session.config.stash[_servers] = _start_servers(_stack_of(session.config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell one worker where the servers are."""
    if _servers not in node.config.stash:
        # pytest-xdist starts its workers in its own `pytest_sessionstart`, which may come before ours.
        node.config.stash[_servers] = _start_servers(_stack_of(node.config))
    node.workerinput["servers"] = asdict(node.config.stash[_servers])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, after the last test of all workers."""
    if _closing in config.stash:
        config.stash[_closing].close()


def _stack_of(config: pytest.Config) -> ExitStack:
    return config.stash.setdefault(_closing, ExitStack())


def _database_url(url: str, database: str) -> str:
    return sa.make_url(url).set(database=database).render_as_string(hide_password=False)


@contextmanager
def a_database(servers: "Servers", what_for: str, *, copied: bool) -> Iterator[str]:
    """The address of a database with a name of its own for the duration: a copy of the migrated one, or an empty one."""
    name = f"greenroom_{what_for}_{secrets.token_hex(6)}"
    # A copy of the template's files; right without durability, and several times faster than a logged copy.
    source = " TEMPLATE {} STRATEGY FILE_COPY" if copied else ""
    role = sa.make_url(servers.role_url).username or ""
    _execute(
        servers.admin_url, "CREATE DATABASE {} OWNER {}" + source, name, role, *([servers.template] if copied else [])
    )
    try:
        yield sa.make_url(servers.role_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(servers.admin_url, _DROP, name)


def _execute(admin_url: str, statement: LiteralString, *parts: str | sql.Literal) -> None:
    named = [sql.Identifier(part) if isinstance(part, str) else part for part in parts]
    with psycopg.connect(libpq_url(admin_url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*named))


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Where this run's servers are; most tests ask for `session` or `settings` instead."""
    given = getattr(pytestconfig, "workerinput", {}).get("servers")
    if given is not None:
        return Servers(**given)
    if _servers not in pytestconfig.stash:
        pytestconfig.stash[_servers] = _start_servers(_stack_of(pytestconfig))
    return pytestconfig.stash[_servers]


@pytest.fixture(scope="session")
def worker_number(pytestconfig: pytest.Config) -> int:
    """0 for the first or only worker of pytest-xdist."""
    name = getattr(pytestconfig, "workerinput", {}).get("workerid", "gw0")
    return int(name.removeprefix("gw")) % MOST_WORKERS


@pytest.fixture(scope="session")
def database_url(servers: Servers, worker_number: int) -> Iterator[str]:
    """The address of this worker's migrated database, in which nothing is ever committed."""
    with a_database(servers, f"worker_{worker_number}", copied=True) as url:
        yield url


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on this worker's database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    """A session whose commits are savepoints: all that the test does is undone after it."""
    with engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        if transaction.is_active:
            transaction.rollback()


@dataclass(frozen=True)
class CommittedDatabase:
    """A database of a test's own, for what needs real commits, threads or processes."""

    url: str
    engine: sa.Engine


@pytest.fixture
def committed_database(servers: Servers) -> Iterator[CommittedDatabase]:
    """A fresh migrated database, dropped after the test together with whoever still is connected."""
    with a_database(servers, "test", copied=True) as url:
        engine = make_engine(url)
        yield CommittedDatabase(url=url, engine=engine)
        engine.dispose()


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """The address of a database without tables or extensions, dropped after the test."""
    with a_database(servers, "empty", copied=False) as url:
        yield url


@pytest.fixture
def redis_url(servers: Servers, worker_number: int) -> str:
    """The address of this worker's own numbered database in Valkey."""
    return servers.redis_url.removesuffix("/0") + f"/{worker_number}"


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of this worker's own numbered database, empty before and after the test."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(scope="session")
def compiled_templates(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> FileSystemBytecodeCache:
    """Templates compiled once for all applications of a test run, whichever worker needs one first."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(pytestconfig, "workerinput"):
        folder = folder.parent
    (folder / "templates").mkdir(exist_ok=True)
    return FileSystemBytecodeCache(str(folder / "templates"))


@pytest.fixture
def settings(tmp_path: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a studio on this run's servers, with a data folder of its own, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith("STUDIO_")]:
        monkeypatch.delenv(name)
    return Settings(
        _env_file=None,
        data=tmp_path / "var",
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        secret_key=SecretStr("a-key-for-tests-and-nothing-else"),
        demo=False,
    )


@pytest.fixture
def now() -> datetime:
    """A moment to pass in where a service asks for the time."""
    return datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of real cards and seeds; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("STUDIO_SAMPLES") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("the samples are not here; set STUDIO_SAMPLES to their folder")
    return folder
