"""What every benchmark needs: results with their goals, sides that take turns, and what the machine is."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Result:
    """One line of the table.

    `ratio` says how many times better ours is than the peer. Where it is given, `goal` is the least
    ratio; where it is None, `goal` is about `ours` itself (`at_most` says in which direction). Without a
    goal the line is there for comparison.
    """

    name: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the goal is reached; a line without a goal has nothing to miss."""
        if self.goal is None:
            return True
        value = self.ours if self.ratio is None else self.ratio
        return value <= self.goal if self.at_most else value >= self.goal

    def as_json(self) -> dict[str, Any]:
        """The line as `results.json` holds it."""
        line = asdict(self) | {"met": self.met}
        del line["at_most"]
        return line


def faster(
    name: str, *, ours: float, peer: float, peer_name: str, goal: float | None = None, unit: str = "requests/s"
) -> Result:
    """A line whose ratio is ours to the peer's: for what is better the more there is of it."""
    return Result(name, unit, ours, peer, peer_name, ratio=ours / peer, goal=goal)


@dataclass(frozen=True)
class Context:
    """What a benchmark may use: a folder that is deleted afterwards, and whether only a small sample is wanted."""

    folder: Path
    quick: bool
    say: Callable[[str], None]

    def size(self, full: int, quick: int) -> int:
        """One of the two sizes."""
        return quick if self.quick else full

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say what is being done, and how long it took."""
        began = time.perf_counter()
        yield
        self.say(f"{what}: {time.perf_counter() - began:.1f} s")


Side = Callable[[], int]
"""Does some of what is measured and returns how many units that was."""


def in_turns(sides: Mapping[str, Side], *, rounds: int, seconds: float) -> dict[str, float]:
    """Units a second of each side: the median over `rounds`, in each of which every side runs for about `seconds`.

    A B A B: whatever else the machine does meanwhile is done to all of them. One unmeasured round goes before.
    """
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()
    for _ in range(rounds):
        for name, side in sides.items():
            units = 0
            began = time.perf_counter()
            while True:
                units += side()
                spent = time.perf_counter() - began
                if spent >= seconds:
                    break
            rates[name].append(units / spent)
    return {name: statistics.median(measured) for name, measured in rates.items()}


def machine() -> str:
    """The machine, in one line."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = psutil.virtual_memory().total / 1e9
    load = os.getloadavg()[0]
    return (
        f"{psutil.cpu_count()} × {model}, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the start"
    )
