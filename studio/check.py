"""Says what the studio needs from its surroundings, whether it is there, and how to get what is missing."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import redis
from psycopg import sql

from studio import migrate
from studio.embedded.urls import libpq_url
from studio.kit.errors import StudioError
from studio.settings import ROOT, Settings

OLDEST_POSTGRES = 150000
"""As `server_version_num` counts: 15. Made and tested on 18."""
OLDEST_VECTOR = (0, 8, 4)
OLDEST_REDIS = (6, 2)

SCREEN_ASSETS = (
    "tabler/tabler.min.css",
    "tabler/tabler.min.js",
    "htmx/htmx.min.js",
    "tom-select/tom-select.min.css",
    "tom-select/tom-select.min.js",
    "chart/chart.min.js",
    "icons/sprite.svg",
)
"""What the pages load from `studio/static/vendor`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found and, where something must be mended, how."""

    subject: str
    found: str
    remedy: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing needs to be done."""
        return self.remedy is None


def run(settings: Settings, *, with_migrations: bool = True) -> list[Finding]:
    """Look at everything that `settings` name; changes nothing but the data folder, where a file is made and removed.

    The addresses of `settings` must be filled, as `studio.embedded.attach` does. Never raises
    for what it finds; `with_migrations` false leaves out the tables, before they are made.
    """
    findings = [*_data_folder(settings), *_screen_assets()]
    if settings.database_url is None:
        findings.append(
            Finding("PostgreSQL", "no address", "Start the studio with `make run`, or set STUDIO_DATABASE_URL.")
        )
    else:
        url = settings.database_url.get_secret_value()
        findings += _guarded("PostgreSQL", lambda: _postgres(url))
        if with_migrations and all(finding.is_well for finding in findings if finding.subject == "PostgreSQL"):
            findings += _guarded("Tables", lambda: _tables(url))
    if settings.redis_url is None:
        findings.append(Finding("Redis", "no address", "Start the studio with `make run`, or set STUDIO_REDIS_URL."))
    else:
        queue = settings.redis_url.get_secret_value()
        findings += _guarded("Redis", lambda: _redis(queue))
    return findings


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What `look` finds, up to where it could not go on."""
    findings: list[Finding] = []
    try:
        for finding in look():
            findings.append(finding)  # noqa: PERF402 - What came before an error is kept.
    except StudioError as problem:
        findings.append(Finding(subject, "refused", str(problem)))
    except (psycopg.Error, redis.RedisError, OSError, ValueError) as problem:
        setting = "STUDIO_REDIS_URL" if subject == "Redis" else "STUDIO_DATABASE_URL"
        # The first line only, and never the address: it holds the password.
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        findings.append(
            Finding(subject, "does not answer", f"Check that it runs and that {setting} is right ({reason}).")
        )
    return findings


def _data_folder(settings: Settings) -> Iterator[Finding]:
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data) as file:
            file.write(b"x")
    except OSError as problem:
        reason = problem.strerror or "unknown reason"
        remedy = f"Give this user the right to write it, or set STUDIO_DATA to another folder ({reason})."
        yield Finding("Data folder", f"{settings.data} cannot be written", remedy)
        return
    yield Finding("Data folder", str(settings.data))


def _screen_assets() -> Iterator[Finding]:
    vendor = ROOT / "studio" / "static" / "vendor"
    missing = [name for name in SCREEN_ASSETS if not (vendor / name).is_file()]
    if missing:
        yield Finding("Screen libraries", f"{len(missing)} of {len(SCREEN_ASSETS)} files missing", "Run `make setup`.")
    else:
        yield Finding("Screen libraries", f"{len(SCREEN_ASSETS)} files")


def _postgres(url: str) -> Iterator[Finding]:
    with psycopg.connect(libpq_url(url), autocommit=True, connect_timeout=5) as connection:
        number = connection.info.server_version
        version = connection.info.parameter_status("server_version") or str(number)
        if number < OLDEST_POSTGRES:
            remedy = "Use PostgreSQL 15 or newer (18 is what the studio is made on), or leave STUDIO_DATABASE_URL empty to have it brought along."
            yield Finding("PostgreSQL", version, remedy)
            return
        yield Finding("PostgreSQL", version)
        encoding = _one(connection, "SHOW server_encoding")
        if encoding != "UTF8":
            remedy = "Make the database anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
            yield Finding("Encoding", encoding, remedy)
        yield from _extension(
            connection, "vector", needed=OLDEST_VECTOR, package=f"postgresql-{number // 10000}-pgvector"
        )
        yield from _extension(connection, "pg_trgm", needed=(1, 5), package="postgresql-contrib")
        yield from _trigrams(connection)


def _one(
    connection: psycopg.Connection[tuple[object, ...]], query: LiteralString | sql.Composed, *values: object
) -> str:
    """The first column of the first row as text, or nothing where there is no row."""
    row = connection.execute(query, values or None).fetchone()
    return "" if row is None or row[0] is None else str(row[0])


def _extension(
    connection: psycopg.Connection[tuple[object, ...]], name: str, *, needed: tuple[int, ...], package: str
) -> Iterator[Finding]:
    subject, least = f"Extension {name}", ".".join(map(str, needed))
    installed = _one(connection, "SELECT extversion FROM pg_extension WHERE extname = %s", name)
    if installed:
        remedy = (
            None
            if _version(installed) >= needed
            else f"Install {package} {least} or newer, then: ALTER EXTENSION {name} UPDATE."
        )
        yield Finding(subject, installed, remedy)
        return
    query = "SELECT default_version FROM pg_available_extensions WHERE name = %s"
    available = _one(connection, query, name)
    if not available or _version(available) < needed:
        found = f"{available} available, {least} needed" if available else "not on this server"
        yield Finding(
            subject, found, f"Install it on the server (Debian: apt-get install {package}), {least} or newer."
        )
    else:
        yield Finding(
            subject, "not made in this database", f"As a superuser, in this database: CREATE EXTENSION {name};"
        )


def _trigrams(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Finding]:
    """With LC_CTYPE=C, pg_trgm takes no Chinese character for a letter: every Chinese search finds nothing, silently."""
    schema = _one(
        connection,
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'",
    )
    if not schema:
        return
    query = sql.SQL("SELECT cardinality({}.show_trgm('你好世界'))").format(sql.Identifier(schema))
    if _one(connection, query) != "0":
        yield Finding("Chinese search", "pg_trgm sees Chinese")
        return
    remedy = (
        "This database has LC_CTYPE=C. Make it anew: CREATE DATABASE … TEMPLATE template0 LC_CTYPE 'C.UTF-8' "
        "(on 17 and newer also LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'), and move the data by pg_dump."
    )
    yield Finding("Chinese search", "pg_trgm is blind to Chinese", remedy)


def _tables(url: str) -> Iterator[Finding]:
    status = migrate.status(url)
    if status.is_at_head:
        yield Finding("Tables", f"at {status.head}" if status.head else "none are defined")
    else:
        count = len(status.missing)
        found = f"{count} step{'s' if count > 1 else ''} behind"
        yield Finding("Tables", found, "Run `python -m studio migrate` (with a backup at hand).")


def _redis(url: str) -> Iterator[Finding]:
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        info = client.info("server")
        version = str(info.get("valkey_version") or info.get("redis_version"))
        name = f"{'Valkey' if 'valkey_version' in info else 'Redis'} {version}"
        remedy = (
            None
            if _version(version) >= OLDEST_REDIS
            else "Use Redis 6.2 or newer, or Valkey, or leave STUDIO_REDIS_URL empty."
        )
        yield Finding("Redis", name, remedy)
        policy = str(client.info("memory").get("maxmemory_policy", "noeviction"))
        remedy = (
            None
            if policy == "noeviction"
            else "Set `maxmemory-policy noeviction`: with any other, jobs vanish when memory is full."
        )
        yield Finding("Redis when full", policy, remedy)
    finally:
        client.close()


def _version(text: str) -> tuple[int, ...]:
    """`8.0.2-alpha` as (8, 0, 2)."""
    numbers: list[int] = []
    for part in text.split("."):
        digits = part.split("-")[0]
        if not digits.isdigit():
            break
        numbers.append(int(digits))
    return tuple(numbers)
