"""The whole studio by one command, whose servers are killed, and which is told to stop as by Ctrl-C."""

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from jobs.resources import prepare_tables
from studio.embedded.postgres import free_port
from studio.embedded.urls import normal_database_url
from studio.kit import db
from studio.work import ask
from studio.work.models import JobRun, JobState
from tests.resilience.processes import program, wait_for_answer

pytestmark = pytest.mark.slow


@dataclass
class House:
    """A studio that is up, on servers of its own."""

    launcher: psutil.Process
    folder: Path
    address: str

    def server(self, name: str) -> psutil.Process | None:
        """The server of that name, where the launcher has one just now."""
        found = [child for child in self.launcher.children() if child.name().startswith(name)]
        return found[0] if found else None

    def kill(self, name: str) -> None:
        """Kill the server of that name, and return once the launcher has another that answers."""
        killed = self.server(name)
        killed.kill()
        killed.wait(20)
        self.wait_for(lambda: (other := self.server(name)) is not None and other.pid != killed.pid)

    def does_a_job(self) -> None:
        """Ask for a job by its row alone, as where the hint was lost, and return once it is done."""
        note = json.loads((self.folder / "run" / "services.json").read_text())
        engine = db.make_engine(normal_database_url(note["database_url"]), pool=1)
        try:
            self.wait_for(lambda: _answers(engine))
            with db.session_scope(engine) as session:
                job = ask(session, "operations.prune_jobs")

            def is_done() -> bool:
                with Session(engine) as session:
                    return session.get_one(JobRun, job.id).state is JobState.SUCCEEDED

            self.wait_for(is_done)
        finally:
            engine.dispose()

    def wait_for(self, what, seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                pytest.fail((self.folder / "up.log").read_text()[-4000:])
            time.sleep(0.1)


def _answers(engine) -> bool:
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    prepare_tables()
    with tempfile.TemporaryDirectory(prefix="greenroom-launcher-") as name:
        folder = Path(name) / "a folder with 中文"
        port = free_port()
        environment = {"STUDIO_DATA": str(folder), "STUDIO_PORT": str(port), "STUDIO_JOB_WORKERS": "1"}
        with program("up", log=folder / "up.log", environment=environment) as process:
            wait_for_answer(f"http://127.0.0.1:{port}/readyz", process)
            yield House(psutil.Process(process.pid), folder, f"http://127.0.0.1:{port}")


class TestKilledPostgres:
    def test_is_started_again_and_jobs_go_on(self, house):
        house.kill("postgres")
        house.does_a_job()


class TestKilledValkey:
    def test_is_started_again_and_jobs_go_on(self, house):
        house.kill("valkey")
        house.does_a_job()


class TestCtrlC:
    def test_stops_everything_in_order(self, tmp_path):
        folder = tmp_path / "var"
        environment = {"STUDIO_DATA": str(folder), "STUDIO_PORT": str(free_port()), "STUDIO_JOB_WORKERS": "1"}
        log = tmp_path / "up.log"
        with program("up", log=log, environment=environment) as process:
            wait_for_answer(f"http://127.0.0.1:{environment['STUDIO_PORT']}/readyz", process)
            family = psutil.Process(process.pid).children(recursive=True)
            deadline = time.monotonic() + 30
            while "Answering at" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(40) == 0
        assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        assert "Everything has stopped." in log.read_text()
        told = log.read_text()
        assert "Traceback" not in told
        # The address stands there once it answers, and not before.
        assert "Listening at" not in told
        assert told.count("Answering at http://127.0.0.1:") == 1
        assert told.index("Spawning worker-1") < told.index("Answering at")
        assert not (folder / "run" / "services.json").exists()
