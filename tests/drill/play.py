"""One play of the drill: the same disturbances at the same progress, whatever carries the jobs, and then a count."""

import contextlib
import hashlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import redis

from tests.drill import stage
from tests.drill.house import House
from tests.drill.programs import Program

Say: TypeAlias = Callable[[str], None]

_LOOK = 0.04
_GIVEN_UP = 10.0
"""Seconds after which a program that believes that it is done is believed."""


@dataclass(frozen=True)
class Plan:
    """How much is played; `patience` is the seconds without any progress after which what is missing counts as lost."""

    jobs: int
    kills: int
    workers: int
    patience: float = 60.0
    disk_is_full_for: float = 5.0
    seed: int = 5


@dataclass
class Report:
    """What came of it. `recoveries` are seconds by kind of disturbance, from the blow to the next work done."""

    name: str
    title: str
    jobs: int
    kills: int
    effects: int = 0
    distinct: int = 0
    torn: int = 0
    missing_files: int = 0
    # Files that were left on their way, by processes that were killed in the middle of a write.
    staging: int = 0
    # Payments beyond the first for a job, and kills that struck a worker with a job in hand, which only ours can tell.
    paid_twice: int = 0
    hits: int = 0
    seconds: float = 0.0
    cut_short: bool = False
    disk: str = ""
    refused_by_disk: int = 0
    recoveries: dict[str, list[float]] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Jobs that had no effect."""
        return self.jobs - self.distinct

    @property
    def twice(self) -> int:
        """Effects beyond the first of a job."""
        return self.effects - self.distinct

    @property
    def is_perfect(self) -> bool:
        """Nothing was lost, nothing happened twice, no file is torn or missing; only kills cost a payment or left a file."""
        return (
            not (self.lost or self.twice or self.torn or self.missing_files)
            and self.paid_twice <= self.hits
            and self.staging <= self.hits
        )

    @property
    def slowest(self) -> float:
        """The longest recovery in seconds."""
        return max((seconds for found in self.recoveries.values() for seconds in found), default=0.0)

    def lines(self) -> Iterator[str]:
        """The report for people."""
        yield f"lost {self.lost:,} of {self.jobs:,}; effects twice {self.twice:,}; files torn {self.torn}, missing {self.missing_files}"
        yield f"kills known to have struck a job {self.hits} of {self.kills}; paid twice {self.paid_twice:,}; files left on their way {self.staging}"
        yield f"took {self.seconds:.0f} s{' (cut short: nothing moved any more)' if self.cut_short else ''}; disk: {self.disk}, {self.refused_by_disk} jobs met it full"
        for kind, found in self.recoveries.items():
            ordered = sorted(found)
            yield f"recovery after {kind}: median {ordered[len(ordered) // 2]:.1f} s, slowest {ordered[-1]:.1f} s ({len(ordered)})"


class Drill:
    """The state of one play."""

    def __init__(self, program: Program, house: House, plan: Plan, say: Say) -> None:
        self._program, self._house, self._plan, self._say = program, house, plan, say
        self._random = random.Random(plan.seed)
        self._hurt: list[tuple[float, str]] = []
        self.report = Report(program.name, program.title, plan.jobs, plan.kills, disk=house.disk.how)
        # Four fifths are asked for at the start, the rest while Valkey is dead.
        self._first = plan.jobs * 4 // 5

    def play(self) -> Report:
        """Everything, from the first job to the count."""
        self._house.ask("SELECT 1")
        began = time.monotonic()
        self._program.ask(range(self._first))
        self._program.start(self._plan.workers)
        try:
            self._run()
        finally:
            if self._house.disk.is_full:
                self._house.disk.empty(self._program.worker_pids())
            self.report.seconds = time.monotonic() - began
            self._program.stop()
        self._count()
        return self.report

    def _run(self) -> None:
        events = self._events()
        moved_at, last = time.monotonic(), 0
        while True:
            self._program.revive()
            self._notice_recoveries()
            done = self._done()
            if done > last:
                moved_at, last = time.monotonic(), done
            if done >= self._plan.jobs and not events and not self._hurt:
                return
            stalled = time.monotonic() - moved_at
            # What is lost never comes: the rest of the disturbances come by the clock then.
            while events and (done >= events[0][0] * self._plan.jobs or (stalled > 5 and self._program.is_idle())):
                _, strike = events.pop(0)
                strike()
                moved_at = time.monotonic()
                break
            else:
                # At the start every process has to load the program first.
                if stalled > self._plan.patience * (1 if last else 4):
                    self.report.cut_short = True
                    return
            time.sleep(_LOOK)

    def _events(self) -> list[tuple[float, Callable[[], None]]]:
        kills = [((n + 1) / (self._plan.kills + 2), self._kill) for n in range(self._plan.kills)]
        others = [
            (0.26, self._lose_valkey),
            (0.46, partial(self._restart_postgres, "a fast restart of PostgreSQL", signal.SIGINT)),
            (0.66, partial(self._restart_postgres, "an immediate restart of PostgreSQL", signal.SIGQUIT)),
            (0.86, self._fill_disk),
        ]
        return sorted([*kills, *others], key=lambda event: event[0])

    # The disturbances

    def _kill(self) -> None:
        pids = self._program.worker_pids()
        if not pids:
            return
        self._random.shuffle(pids)
        job = self._program.kill(pids)
        struck_at = time.monotonic()
        if job is not None:
            self.report.hits += 1
            self._hurt.append((struck_at, job))

    def _lose_valkey(self) -> None:
        self._say(f"Valkey is killed and flushed, {self._plan.jobs - self._first:,} jobs are asked for meanwhile")
        struck_at = time.monotonic()
        before = self._done()
        self._house.kill_valkey()
        later = list(range(self._first, self._plan.jobs))
        # Ours needs no queue for asking; a program that does asks again once it is back.
        with contextlib.suppress(redis.RedisError):
            self._program.ask(later)
            later = []
        self._house.revive_valkey()
        if later:
            self._program.ask(later)
        self._await("the loss of Valkey", struck_at, before)

    def _restart_postgres(self, kind: str, how: signal.Signals) -> None:
        self._say(kind)
        before = self._done()
        struck_at = time.monotonic()
        self._house.restart_postgres(how)
        self._await(kind, struck_at, before)

    def _fill_disk(self) -> None:
        self._say(f"the disk is full ({self._house.disk.how})")
        self._house.disk.fill(self._program.worker_pids())
        until = time.monotonic() + self._plan.disk_is_full_for
        while time.monotonic() < until:
            self._program.revive()
            time.sleep(_LOOK)
        met = self._house.ask("SELECT count(*) FROM job_runs WHERE error_type = 'StorageError'")
        self.report.refused_by_disk = int(str(met[0][0])) if met else 0
        before = self._done()
        freed_at = time.monotonic()
        self._house.disk.empty(self._program.worker_pids())
        self._await("a full disk", freed_at, before)

    def _await(self, kind: str, struck_at: float, before: int) -> None:
        """Wait for the next effect, and note how long it took."""
        ends = time.monotonic() + self._plan.patience
        while time.monotonic() < ends:
            self._program.revive()
            self._notice_recoveries()
            if self._done() > before:
                self.report.recoveries.setdefault(kind, []).append(time.monotonic() - struck_at)
                return
            if before >= self._plan.jobs:
                return
            if time.monotonic() - struck_at > _GIVEN_UP and self._program.is_idle():
                break
            time.sleep(_LOOK)
        self._say(f"nothing moved any more after {kind}")

    # Looking

    def _notice_recoveries(self) -> None:
        for struck_at, job in list(self._hurt):
            if self._program.is_done(job):
                self._hurt.remove((struck_at, job))
                self.report.recoveries.setdefault("kill -9 of a worker", []).append(time.monotonic() - struck_at)

    def _done(self) -> int:
        rows = self._house.ask("SELECT count(DISTINCT number) FROM drill_effects")
        if not rows:
            return self._last_done
        self._last_done = int(str(rows[0][0]))
        return self._last_done

    _last_done = 0

    def _count(self) -> None:
        """Count effects and files; the rows and the disk are the witnesses, not the program."""
        rows = self._house.ask("SELECT number, sha256 FROM drill_effects")
        self.report.effects = len(rows)
        self.report.distinct = len({row[0] for row in rows})
        kept, self.report.torn, self.report.staging = _files(self._house.settings.media_folder)
        # Whoever is killed while the provider works cannot know that it was paid.
        payments = [path.name.partition(".")[0] for path in self._house.paid.iterdir()]
        self.report.paid_twice = len(payments) - len(set(payments))
        self.report.missing_files = len({str(row[1]) for row in rows} - kept)


def _files(folder: Path) -> tuple[set[str], int, int]:
    """The hashes of whole files, how many files are not what their name says, and how many were left on their way.

    What a killed worker was writing lies beside its place under another name; nobody can ever read it as an object.
    """
    whole, torn, staging = set(), 0, 0
    for path in folder.rglob("*"):
        if not path.is_file() or path.name == "filler":
            continue
        if len(path.name) != 64:
            staging += 1
        elif hashlib.sha256(path.read_bytes()).hexdigest() == path.name:
            whole.add(path.name)
        else:
            torn += 1
    return whole, torn, staging


def play(program: Program, house: House, plan: Plan, say: Say) -> Report:
    """Play `plan` with `program` in `house`, which is new."""
    import psycopg

    from studio.embedded.urls import libpq_url

    with psycopg.connect(libpq_url(house.database_url), autocommit=True) as connection:
        connection.execute(stage.CREATE)
    return Drill(program, house, plan, say).play()
