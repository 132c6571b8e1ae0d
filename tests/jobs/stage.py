"""Jobs that exist only in tests, and processes that know them; their effects are rows of a table of their own."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.registry import JobContext, job
from studio.kit.errors import InvalidError
from studio.providers.errors import ProviderBusyError
from studio.settings import Settings
from studio.work.rules import QUEUES

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.jobs.imported"])

EFFECTS = sa.table("effects", sa.column("number"), sa.column("attempt"), sa.column("pid"))


def create_effects(engine: sa.Engine) -> None:
    """Have the table of effects exist; it has no constraint, so that an effect that happens twice is seen."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE effects (number int, attempt int, pid int, at timestamptz DEFAULT clock_timestamp())")
        )


def _take_effect(session, run: JobContext, number: int) -> None:
    session.execute(sa.insert(EFFECTS).values(number=number, attempt=run.attempt, pid=os.getpid()))


@job("tests.effect")
def effect(run: JobContext, *, number: int) -> None:
    with run.transaction(last=True) as session:
        _take_effect(session, run, number)


@job("tests.slow_effect")
def slow_effect(run: JobContext, *, number: int, seconds: int) -> None:
    """Takes long the first time only, and tells of its progress."""
    began = time.monotonic()
    while run.attempt == 1 and time.monotonic() - began < seconds:
        run.progress("Waiting", 100 * (time.monotonic() - began) / seconds)
        time.sleep(0.05)
    with run.transaction(last=True) as session:
        _take_effect(session, run, number)


@job("tests.deaf_effect")
def deaf_effect(run: JobContext, *, number: int, seconds: int) -> None:
    """Takes long the first time, and looks neither left nor right."""
    if run.attempt == 1:
        time.sleep(seconds)
    with run.transaction(last=True) as session:
        _take_effect(session, run, number)


@job("tests.two_effects")
def two_effects(run: JobContext, *, number: int) -> dict[str, int]:
    """Two transactions, and a result that is returned."""
    for part in (number, number + 1):
        with run.transaction() as session:
            _take_effect(session, run, part)
    return {"parts": 2}


@job("tests.costly")
def costly(run: JobContext, *, number: int, cost: int) -> None:
    """Asks for room, has an effect and pays for it, three times; what is done already is not done again."""
    for part in range(number, number + 3):
        run.progress("Buying", 0)
        with run.transaction() as session:
            done = session.scalar(sa.select(sa.exists(sa.select(EFFECTS).where(EFFECTS.c.number == part))))
        if done:
            continue
        run.afford(cost)
        run.spend(cost, kind="images")
        with run.transaction() as session:
            _take_effect(session, run, part)


@job("tests.pay_and_fail")
def pay_and_fail(run: JobContext) -> None:
    run.spend(5, kind="speech")
    raise ValueError


@job("tests.long", timeout=120)
def long(run: JobContext, *, number: int, parts: int) -> None:
    """One effect after the other, each in its time; makes way for others, and goes on where it was."""
    while True:
        with run.transaction() as session:
            done = session.scalar(sa.select(sa.func.count()).select_from(EFFECTS).where(EFFECTS.c.number == number))
            if done < parts:
                _take_effect(session, run, number)
        if done >= parts:
            return
        time.sleep(0.1)
        run.make_way()


@job("tests.fail")
def fail(run: JobContext) -> None:
    with run.transaction() as session:
        _take_effect(session, run, 1)
        raise ValueError("api_key=sk-abcdefghijklmnop of someone@example.com")


@job("tests.refuse")
def refuse(run: JobContext) -> None:
    raise InvalidError("The card is empty.")


@job("tests.busy")
def busy(run: JobContext) -> None:
    raise ProviderBusyError("The provider is busy.", retry_after=30.0)


@job("tests.cut_off")
def cut_off(run: JobContext) -> None:
    """Loses its connection to the database in the middle of a transaction."""
    with run.transaction() as session:
        _take_effect(session, run, 1)
        session.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))


@job("tests.too_slow", timeout=0.2)
def too_slow(run: JobContext) -> None:
    time.sleep(5)


@job("tests.fail_twice_at_most", max_attempts=2)
def fail_twice_at_most(run: JobContext) -> None:
    raise ValueError


def known() -> Mapping[str, registry.Registered]:
    """The jobs of this module, by name."""
    return {name: entry for name, entry in registry.load().items() if name.startswith("tests.")}


def settings_for(database_url: str, redis_url: str, data: Path, **options) -> Settings:
    """Settings for processes on the servers of this test run, with short waits."""
    quick = {"job_lease": 2.0, "job_sweep": 0.3} | options
    return Settings(
        _env_file=None, data=data, database_url=SecretStr(database_url), redis_url=SecretStr(redis_url), **quick
    )


class Running:
    """A process of this module, as `process` gives it."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid: int = process.pid or 0

    def send_signal(self, number: int) -> None:
        """The signal reaches the process, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """How it ended, or None."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended; raises TimeoutError where it does not."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutError
        return code


@contextmanager
def process(kind: str, settings: Settings, *words: str) -> Iterator[Running]:
    """A worker or scheduler in a process of its own that also knows these jobs; ended at the end.

    `words` are the queues that a worker listens to, all of them where none is named. It is a fork of one that has imported
    everything already (which takes longer than most of these tests), and has opened nothing.
    """
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "STUDIO_DATABASE_URL": settings.database_url.get_secret_value(),
        "STUDIO_REDIS_URL": settings.redis_url.get_secret_value(),
        "STUDIO_DATA": str(settings.data),
        "STUDIO_JOB_LEASE": str(settings.job_lease),
        "STUDIO_JOB_SWEEP": str(settings.job_sweep),
    }
    settings.data.mkdir(parents=True, exist_ok=True)
    begun = _FORKS.Process(target=_serve, args=(kind, words, environment, str(settings.data / f"{kind}.log")))
    begun.start()
    running = Running(begun)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(timeout=15)
        except TimeoutError:
            running.send_signal(signal.SIGKILL)
            running.wait()
        begun.close()


def _serve(kind: str, words: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """What the process runs."""
    from jobs import schedule, worker

    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = Settings(_env_file=None)
    if kind == "scheduler":
        schedule.run(settings)
    else:
        worker.run(settings, queues=words or QUEUES)
