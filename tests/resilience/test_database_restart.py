"""PostgreSQL stopped and started while people read pages and jobs run, with the studio's processes as they really run."""

import re
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import migrate
from studio.accounts import people
from studio.accounts.permissions import SYSTEM, RoleName
from studio.embedded import postgres, valkey
from studio.kit import db
from studio.work import ask
from studio.work.models import JobRun, JobState
from tests.jobs import stage
from tests.resilience.processes import web

pytestmark = pytest.mark.slow

EMAIL, PASSWORD = "reader@example.org", "a quiet place by the lake"
JOBS = 40


class House:
    """A PostgreSQL of this module's own, with web, worker and scheduler at work on it."""

    def __init__(self, server: postgres.PostgresServer, engine: sa.Engine, address: str, settings) -> None:
        self.server = server
        self.engine = engine
        self.address = address
        self.settings = settings

    def states(self) -> dict[JobState, int]:
        with Session(self.engine) as session:
            query = sa.select(JobRun.state, sa.func.count()).where(JobRun.name.startswith("tests."))
            return {row[0]: row[1] for row in session.execute(query.group_by(JobRun.state))}

    def effects(self) -> list[int]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(sa.text("SELECT number FROM effects")))

    def wait_for(self, what, seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-3000:] for path in self.settings.data.glob("*.log"))
                pytest.fail(f"not within {seconds} s; states {self.states()}\n{logs}")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greenroom-restart-")))
        server = postgres.start(folder / "postgres", log=folder / "postgres.log")
        stack.callback(server.stop)
        queue = valkey.start(folder / "valkey", log=folder / "valkey.log", durable=False)
        stack.callback(queue.stop)
        migrate.upgrade(server.url())
        engine = db.make_engine(server.url())
        stack.callback(engine.dispose)
        stage.create_effects(engine)
        with db.session_scope(engine) as session:
            people.create(
                session, actor=SYSTEM, email=EMAIL, name="Reader", password=PASSWORD, roles=[RoleName.CREATOR]
            )
        settings = stage.settings_for(server.url(), queue.url(), folder / "var", job_lease=6.0)
        address = stack.enter_context(web(settings))
        stack.enter_context(stage.process("scheduler", settings))
        stack.enter_context(stage.process("worker", settings))
        yield House(server, engine, address, settings)


def sign_in(client: httpx2.Client) -> None:
    page = client.get("/sign-in").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page).group(1)
    answer = client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD, "csrf_token": token})
    assert answer.status_code == 302, answer.text


@contextmanager
def readers(house: House, number: int = 3) -> Iterator[list[int]]:
    """People who read a page that needs the database, one look after the other; yields the answers' statuses."""
    statuses: list[int] = []
    ended = threading.Event()

    def read(client: httpx2.Client) -> None:
        while not ended.is_set():
            statuses.append(client.get("/characters/").status_code)
            time.sleep(0.05)

    with ExitStack() as stack:
        clients = []
        for _ in range(number):
            client = stack.enter_context(httpx2.Client(base_url=house.address, timeout=60, trust_env=False))
            sign_in(client)
            clients.append(client)
        threads = [threading.Thread(target=read, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        try:
            house.wait_for(lambda: len(statuses) >= number)
            yield statuses
            seen = len(statuses)
            house.wait_for(lambda: len(statuses) >= seen + 2 * number)
        finally:
            ended.set()
            for thread in threads:
                thread.join()


class TestRestart:
    @pytest.mark.parametrize(
        "how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "immediate", "killed"]
    )
    def test_shows_no_reader_an_error_and_does_every_job_once(self, house, how):
        with house.engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE effects; DELETE FROM job_runs WHERE name LIKE 'tests.%'"))
        with readers(house) as statuses:
            with db.session_scope(house.engine) as session:
                for number in range(JOBS):
                    name, more = ("tests.slow_effect", {"seconds": 4}) if number == 5 else ("tests.effect", {})
                    ask(session, name, number=number, **more)
            house.wait_for(lambda: house.states().get(JobState.RUNNING, 0) == 1)
            house.server.process.send_signal(how)
            house.server.process.wait(30)
            house.server.restart()
            house.wait_for(lambda: house.states() == {JobState.SUCCEEDED: JOBS})
        assert set(statuses) == {200}
        assert house.effects() == list(range(JOBS))
