"""A database with a table of effects, a runtime in this process, and a way to wait for what other processes do."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobs import queue
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio import work
from studio.kit import db
from studio.settings import Settings
from studio.work.models import JobRun
from tests.jobs import stage


@dataclass
class House:
    """One studio without screens: database, queue, settings; asks for jobs and looks at what became of them."""

    settings: Settings
    engine: sa.Engine
    resources: Resources
    told: list[list] = field(default_factory=list)

    def ask(self, name: str, **options) -> JobRun:
        with db.session_scope(self.engine) as session:
            return work.ask(session, name, **options)

    def change(self, use_case: Callable, **options):
        with db.session_scope(self.engine) as session:
            return use_case(session, **options)

    def job(self, job: JobRun) -> JobRun:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.get_one(JobRun, job.id)

    def states(self) -> dict[str, int]:
        with Session(self.engine) as session:
            query = sa.select(JobRun.state, sa.func.count()).where(JobRun.name.startswith("tests."))
            return {row[0].value: row[1] for row in session.execute(query.group_by(JobRun.state))}

    def effects(self) -> list[tuple[int, int]]:
        """Every effect that was committed: its number, and the attempt that made it."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT number, attempt FROM effects ORDER BY at"))
            return [(row[0], row[1]) for row in rows]

    def wait_for(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        """Return once `what` says so; fails with what the processes logged otherwise."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-3000:] for path in self.settings.data.glob("*.log"))
                pytest.fail(f"not within {seconds} s; states {self.states()}\n{logs}")
            time.sleep(0.05)


@pytest.fixture
def house(committed_database, redis_url, redis_client, tmp_path) -> Iterator[House]:
    """A studio on a database and a queue of this test's own, whose asks are hinted at as in a real process."""
    stage.create_effects(committed_database.engine)
    settings = stage.settings_for(committed_database.url, redis_url, tmp_path / "var")
    resources = Resources(settings)
    work.set_nudge(queue.nudge(resources.redis))
    yield House(settings=settings, engine=committed_database.engine, resources=resources)
    work.set_nudge(None)
    resources.close()


@pytest.fixture
def runtime(house) -> Runtime:
    """A runtime in this process whose heartbeat does not beat by itself."""
    return Runtime(house.resources, Pulse(house.resources, name="here", kind="worker"), stage.known())
