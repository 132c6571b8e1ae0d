"""A whole studio for browser tests: web, worker and scheduler as real processes on a database of its own."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.orm import Session

from studio import demo
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import make_engine, session_scope
from studio.providers import storage
from studio.settings import ROOT, ModelPrice, Settings
from tests.factories.accounts import PASSWORD, make_user
from tests.fakes.language_server import LanguageServer
from tests.fakes.pictures_server import PicturesServer

_READY_SECONDS = 120.0


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in."""

    id: str
    name: str
    email: str
    password: str = PASSWORD


@dataclass(frozen=True)
class Stage:
    """A studio that is up."""

    address: str
    settings: Settings
    engine: sa.Engine
    language: LanguageServer
    """What answers chats; tests tell it how."""
    pictures: PicturesServer
    """What draws, as WebUI and as ComfyUI; tests say how long it takes."""
    worker: "Process"
    """What does the jobs; a test that kills it starts it again."""
    web: "Process"

    @contextmanager
    def changed(self, **changes: Any) -> Iterator[None]:
        """Have web and worker run with these settings changed for the duration."""
        before = {name: getattr(self.settings, name) for name in changes}
        self._restart(changes)
        try:
            yield
        finally:
            self._restart(before)

    def _restart(self, changes: dict[str, Any]) -> None:
        for process in (self.web, self.worker):
            process.restart(**changes)
        _wait_until_ready(self)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of the studio's database whose work is committed at the end."""
        with session_scope(self.engine) as session:
            yield session

    def person(self, *roles: RoleName, name: str = "") -> Person:
        """A new person, whom no other test knows."""
        mark = secrets.token_hex(3)
        with self.session() as session:
            user = make_user(session, *roles, name=name or f"Person {mark}", email=f"person.{mark}@example.com")
            return Person(str(user.id), user.name, user.email)

    def count(self, table: str, **where: str) -> int:
        """How many rows of `table` have these values."""
        condition = " AND ".join(f"{column} = :{column}" for column in where) or "true"
        with self.engine.connect() as connection:
            return connection.scalar(sa.text(f"SELECT count(*) FROM {table} WHERE {condition}"), where) or 0


@contextmanager
def running(*, url: str, redis_url: str, data: Path) -> Iterator[Stage]:
    """Have a studio with the demo content up for the duration, on the migrated database at `url`."""
    settings = Settings(
        _env_file=None,
        data=data,
        port=_free_port(),
        demo=True,
        database_url=SecretStr(url),
        redis_url=SecretStr(redis_url),
        secret_key=SecretStr("a-key-for-browser-tests-and-nothing-else"),
        job_sweep=0.5,
        job_lease=6.0,
    )
    with ExitStack() as stack:
        language = stack.enter_context(LanguageServer())
        pictures = stack.enter_context(PicturesServer())
        chosen = {"language_provider": "openai", "language_url": language.url, "language_attempts": 1}
        chosen |= {"images_provider": "webui", "images_url": pictures.url, "images_attempts": 1}
        # A thousandth of the currency for each token.
        chosen["language_prices"] = {"gpt-4.1-mini": ModelPrice(input=Decimal(1000), output=Decimal(1000))}
        settings = settings.model_copy(update=chosen)
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        engine = make_engine(url)
        stack.callback(engine.dispose)
        with session_scope(engine) as session:
            # A day ago: what a test makes is always newer than what the demo brings. Nothing was sold, so that no
            # month is closed before a test has sold something in it.
            moment = utc_now() - timedelta(days=1)
            demo.load(session, storage=storage.from_settings(settings), now=moment, has_traded=False)
        processes = {role: Process(role, settings) for role in ("web", "worker", "scheduler")}
        for process in processes.values():
            process.start()
            stack.callback(process.stop)
        stage = Stage(
            address=f"http://127.0.0.1:{settings.port}",
            settings=settings,
            engine=engine,
            language=language,
            pictures=pictures,
            worker=processes["worker"],
            web=processes["web"],
        )
        _wait_until_ready(stage)
        yield stage


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One process of the studio, as the launcher would start it; its words go to a file under the data folder."""

    def __init__(self, role: str, settings: Settings) -> None:
        self._role = role
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it up, unless it is."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._settings.data / f"{self._role}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "studio", self._role],
                cwd=ROOT,
                env=_environment(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def restart(self, **changes: Any) -> None:
        """End it in order, and have it up with these settings changed."""
        self.stop()
        self._settings = self._settings.model_copy(update=changes)
        self.start()

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Tell it to end."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")} | {
        "STUDIO_DATA": str(settings.data),
        "STUDIO_PORT": str(settings.port),
        "STUDIO_DEMO": "true",
        "STUDIO_DATABASE_URL": settings.database_url.get_secret_value(),
        "STUDIO_REDIS_URL": settings.redis_url.get_secret_value(),
        "STUDIO_SECRET_KEY": settings.secret_key.get_secret_value(),
        "STUDIO_JOB_SWEEP": str(settings.job_sweep),
        "STUDIO_JOB_LEASE": str(settings.job_lease),
        "STUDIO_LANGUAGE_PRICES": '{"gpt-4.1-mini": {"input": 1000, "output": 1000}}',
        "STUDIO_LANGUAGE_PROVIDER": settings.language_provider,
        "STUDIO_LANGUAGE_URL": settings.language_url or "",
        "STUDIO_LANGUAGE_ATTEMPTS": str(settings.language_attempts),
        "STUDIO_IMAGES_PROVIDER": settings.images_provider,
        "STUDIO_IMAGES_URL": settings.images_url or "",
        "STUDIO_IMAGES_ATTEMPTS": str(settings.images_attempts),
        "PYTHONUNBUFFERED": "1",
    }


def _wait_until_ready(stage: Stage) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with opener.open(f"{stage.address}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if time.monotonic() > deadline:
                words = {path.name: path.read_text()[-3000:] for path in stage.settings.data.glob("*.log")}
                raise TimeoutError(f"The studio did not get ready: {words}") from error
        time.sleep(0.2)
