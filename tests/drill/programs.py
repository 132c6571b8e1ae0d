"""The two programs of the drill: ours, and plain RQ 3 with the retries that its manual advises."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import psutil
import redis
from rq import Queue, Retry

from jobs import queue
from studio import work
from studio.embedded.urls import libpq_url
from studio.kit import db
from studio.settings import ROOT
from tests.drill import stage
from tests.drill.house import House, family

_AT_ONCE = 500
_TRIES = 100
_BETWEEN_TRIES = 0.02
"""Seconds for which a worker that has no job in hand goes on, before it is looked at again."""


class Program(Protocol):
    """What carries jobs to workers."""

    name: str
    title: str

    def start(self, workers: int) -> None:
        """Have the processes up."""

    def ask(self, numbers: Sequence[int]) -> None:
        """Ask for these jobs. Raises what it raises where that was not possible."""

    def revive(self) -> None:
        """Start again what has ended."""

    def worker_pids(self) -> list[int]:
        """The processes that do jobs."""

    def kill(self, pids: Sequence[int]) -> str | None:
        """Kill one of these workers with its children; the job that it was certainly in the middle of, where that is known."""

    def is_done(self, job: str) -> bool:
        """Whether that job has been done since."""

    def is_idle(self) -> bool:
        """Whether the program itself thinks that nothing is left to do."""

    def stop(self) -> None:
        """End every process."""


class Processes:
    """Processes of one program, started again when they end."""

    def __init__(self, house: House, environment: dict[str, str]) -> None:
        self._house = house
        self._environment = {"PATH": os.environ.get("PATH", ""), **environment}
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def add(self, kind: str) -> None:
        """One more process of this kind."""
        self._running.append((kind, self._spawn(kind)))

    def _spawn(self, kind: str) -> "subprocess.Popen[bytes]":
        with (self._house.logs / f"{kind}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", "from tests.drill import stage; stage.main()", kind],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._house.disk.limit([process.pid])
        return process

    def revive(self) -> None:
        """Start again what has ended, as a supervisor would."""
        for place, (kind, process) in enumerate(self._running):
            if process.poll() is not None:
                self._running[place] = (kind, self._spawn(kind))

    def pids(self, kind: str) -> list[int]:
        """The processes of this kind that run."""
        return [process.pid for each, process in self._running if each == kind and process.poll() is None]

    def stop(self) -> None:
        """End them all: told first, killed then."""
        for _, process in self._running:
            process.send_signal(signal.SIGTERM)
        for _, process in self._running:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                for member in family(process.pid):
                    member.kill()
                process.wait()
        self._running.clear()


def _each(members: Sequence[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            act(member)


class Ours:
    """Rows in PostgreSQL, hints in Valkey."""

    name = "ours"
    title = "Greenroom"

    def __init__(self, house: House) -> None:
        self._house = house
        self._engine = db.make_engine(house.database_url, pool=2)
        settings = house.settings
        self._redis = queue.connect(settings)
        self._processes = Processes(
            house,
            {
                "STUDIO_DATABASE_URL": house.database_url,
                "STUDIO_REDIS_URL": house.valkey.url(),
                "STUDIO_DATA": str(settings.data),
                "STUDIO_JOB_LEASE": str(settings.job_lease),
                "STUDIO_JOB_SWEEP": str(settings.job_sweep),
                "DRILL_PAID": str(house.paid),
            },
        )

    def start(self, workers: int) -> None:
        """The scheduler and the workers."""
        work.set_nudge(queue.nudge(self._redis))
        for kind in ["scheduler", *["worker"] * workers]:
            self._processes.add(kind)

    def ask(self, numbers: Sequence[int]) -> None:
        """Some hundred rows in a transaction."""
        for start in range(0, len(numbers), _AT_ONCE):
            with db.session_scope(self._engine) as session:
                for number in numbers[start : start + _AT_ONCE]:
                    work.ask(session, "tests.drill", number=number)

    def revive(self) -> None:
        """As the launcher does."""
        self._processes.revive()

    def worker_pids(self) -> list[int]:
        """The workers."""
        return self._processes.pids("worker")

    def kill(self, pids: Sequence[int]) -> str | None:
        """Strike one in the middle of a job: each is stopped, and goes on where its row says that it has none in hand."""
        for attempt in range(_TRIES):
            pid = pids[attempt % len(pids)]
            members = family(pid)
            _each(members, psutil.Process.suspend)
            job = self._in_hand(pid)
            if job is not None or attempt == _TRIES - 1:
                _each(members, psutil.Process.kill)
                return job
            _each(members, psutil.Process.resume)
            time.sleep(_BETWEEN_TRIES)
        return None

    def _in_hand(self, pid: int) -> str | None:
        rows = self._house.ask(
            "SELECT id::text FROM job_runs WHERE state = 'running' AND claimed_by LIKE %s", f"worker-%-{pid}-%"
        )
        return str(rows[0][0]) if rows else None

    def is_done(self, job: str) -> bool:
        """The row says so."""
        return bool(self._house.ask("SELECT 1 FROM job_runs WHERE id = %s::uuid AND state = 'succeeded'", job))

    def is_idle(self) -> bool:
        """No row is open."""
        return self._house.ask(
            "SELECT count(*) FROM job_runs WHERE name = 'tests.drill' AND state IN ('queued', 'running')"
        ) == [(0,)]

    def stop(self) -> None:
        """The processes end."""
        self._processes.stop()
        work.set_nudge(None)
        self._redis.close()
        self._engine.dispose()


class Plain:
    """RQ 3 with its own workers, its scheduler and five retries."""

    name = "plain"
    title = "Plain RQ 3"

    def __init__(self, house: House) -> None:
        self._house = house
        self._redis = redis.Redis.from_url(house.valkey.url())
        self._processes = Processes(
            house,
            {
                "DRILL_DATABASE": libpq_url(house.database_url),
                "DRILL_REDIS": house.valkey.url(),
                "DRILL_MEDIA": str(house.settings.media_folder),
                "DRILL_PAID": str(house.paid),
            },
        )

    def start(self, workers: int) -> None:
        """The workers; each brings a scheduler along."""
        for _ in range(workers):
            self._processes.add("plain")

    def ask(self, numbers: Sequence[int]) -> None:
        """Some hundred jobs in a pipeline."""
        jobs = Queue("default", connection=self._redis)
        for start in range(0, len(numbers), _AT_ONCE):
            jobs.enqueue_many(
                [
                    Queue.prepare_data(
                        stage.drill_plainly,
                        args=(number,),
                        timeout=120,
                        result_ttl=0,
                        retry=Retry(max=5, interval=[1, 2, 4, 8, 16]),
                    )
                    for number in numbers[start : start + _AT_ONCE]
                ]
            )

    def revive(self) -> None:
        """As a supervisor does."""
        self._processes.revive()

    def worker_pids(self) -> list[int]:
        """The workers."""
        return self._processes.pids("plain")

    def kill(self, pids: Sequence[int]) -> str | None:
        """Nothing is known of what the worker was doing."""
        for member in family(pids[0]):
            member.kill()
        return None

    def is_done(self, job: str) -> bool:
        """Not known."""
        return False

    def is_idle(self) -> bool:
        """The queue is empty."""
        try:
            return not Queue("default", connection=self._redis).count
        except redis.RedisError:
            return False

    def stop(self) -> None:
        """The processes end."""
        self._processes.stop()
        self._redis.close()
