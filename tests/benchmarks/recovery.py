"""How soon a job runs again whose worker was killed: ours, and RQ 3 by its own means."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from pydantic import SecretStr

from jobs.registry import JobContext, job
from studio import migrate, tables, work
from studio.embedded import postgres, valkey
from studio.kit import db
from studio.settings import ROOT, Settings
from tests.benchmarks.harness import Context, Result

GOAL_SECONDS = 20.0
REPEATS = 3
PEER_PATIENCE = 60.0
"""Plain RQ needed 807 seconds where nobody cut it short; waiting that long would teach nothing new."""
QUICK_PATIENCE = 3.0


@job("bench.hold", timeout=600)
def hold(run: JobContext, *, place: str) -> None:
    """Say that the job has started, and hold on to it the first time."""
    hold_plainly(place)


def hold_plainly(place: str) -> None:
    """What the job does in both programs: note when and by whom it was started; the first holds it for ten minutes."""
    with Path(place).open("a") as file:
        file.write(f"{time.time()} {os.getpid()}\n")
    if len(_starts(place)) == 1:
        time.sleep(600)


def run(context: Context) -> list[Result]:
    """Measure both; ours is the slowest of three (of one, where it is to be quick)."""
    folder = context.folder
    patience = QUICK_PATIENCE if context.quick else PEER_PATIENCE
    with ExitStack() as stack:
        server = postgres.start(folder / "postgres", log=folder / "postgres.log")
        stack.callback(server.stop)
        queue = valkey.start(folder / "valkey", log=folder / "valkey.log")
        stack.callback(queue.stop)
        migrate.upgrade(server.url())
        settings = Settings(
            _env_file=None,
            data=folder / "var",
            database_url=SecretStr(server.url()),
            redis_url=SecretStr(queue.url(0)),
        )
        ours = 0.0
        for number in range(1 if context.quick else REPEATS):
            seconds = _ours(settings, folder / f"ours-{number}")
            context.say(f"ours: started again {seconds:.1f} s after kill -9")
            ours = max(ours, seconds)
        context.say(f"plain RQ: waiting for up to {patience:.0f} s")
        peer = _peer(queue.url(1), folder / "peer", patience=patience)
    cut = "" if peer is not None else f", cut short after {patience:.0f} s"
    return [
        Result(
            name="a job's next start after kill -9 of its worker",
            unit="s",
            ours=ours,
            peer=peer if peer is not None else patience,
            peer_name=f"RQ 3 by its own means{cut}",
            goal=GOAL_SECONDS,
            at_most=True,
        )
    ]


def _ours(settings: Settings, place: Path) -> float:
    environment = {
        "STUDIO_DATABASE_URL": settings.database_url.get_secret_value() if settings.database_url else "",
        "STUDIO_REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
        "STUDIO_DATA": str(settings.data),
    }
    with (
        _process("scheduler", environment),
        _process("worker", environment) as one,
        _process("worker", environment) as two,
    ):
        engine = db.make_engine(environment["STUDIO_DATABASE_URL"], pool=1)
        with db.session_scope(engine) as session:
            # No hint is sent from here: the scheduler finds the job.
            work.ask(session, "bench.hold", place=str(place))
        engine.dispose()
        return _kill_and_wait(place, [one, two], patience=120.0) or float("inf")


def _peer(url: str, place: Path, *, patience: float) -> float | None:
    from redis import Redis
    from rq import Queue

    with _process("plain", {"URL": url}) as one, _process("plain", {"URL": url}) as two:
        with Redis.from_url(url) as client:
            Queue("default", connection=client).enqueue(hold_plainly, str(place), job_timeout=600)
        return _kill_and_wait(place, [one, two], patience=patience)


def _kill_and_wait(place: Path, workers: list["subprocess.Popen[bytes]"], *, patience: float) -> float | None:
    """Kill the worker that holds the job, with its children, and return the seconds until the job's next start."""
    _wait(lambda: len(_starts(place)) == 1, patience=60.0)
    _, holder = _starts(place)[0]
    family = next(
        members
        for members in ([psutil.Process(w.pid), *psutil.Process(w.pid).children(recursive=True)] for w in workers)
        if holder in {member.pid for member in members}
    )
    killed_at = time.time()
    for member in family:
        member.send_signal(signal.SIGKILL)
    if not _wait(lambda: len(_starts(place)) > 1, patience=patience):
        return None
    return _starts(place)[1][0] - killed_at


def _starts(place: str | Path) -> list[tuple[float, int]]:
    try:
        lines = [line.split() for line in Path(place).read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [(float(line[0]), int(line[1])) for line in lines]


def _wait(what: Callable[[], bool], *, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.02)
    return what()


@contextmanager
def _process(kind: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    running = subprocess.Popen(
        [sys.executable, "-c", "from tests.benchmarks import recovery; recovery.main()", kind],
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        for member in psutil.Process(running.pid).children(recursive=True) if running.poll() is None else []:
            member.kill()
        running.kill()
        running.wait()


def main() -> None:
    """What the processes run."""
    kind = sys.argv[1]
    if kind == "plain":
        from redis import Redis
        from rq import Worker

        Worker(["default"], connection=Redis.from_url(os.environ["URL"])).work()
        return
    from jobs import schedule, worker

    assert tables.metadata
    {"worker": worker.run, "scheduler": schedule.run}[kind](Settings(_env_file=None))
