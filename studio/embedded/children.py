"""The processes that a launcher keeps running: started again when they die, their words told with a name in front."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from studio.embedded.processes import spawn

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_SETTLED = 60.0
"""Seconds after which a process that runs is no longer thought to die at once."""

Say = Callable[[str, str], None]
"""Told each line of a process: the process's name, and the line."""


class Restarts:
    """When something that died is started again: after `first` seconds, and each time twice as late while it keeps dying."""

    def __init__(self, *, first: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = self._pause = first
        self._clock = clock
        self._began = 0.0
        self._due: float | None = None

    def began(self) -> None:
        """It has just been started."""
        self._began, self._due = self._clock(), None

    def schedule(self) -> float | None:
        """It is dead: return in how many seconds it is to be started, and None where that was asked already."""
        if self._due is not None:
            return None
        now = self._clock()
        if now - self._began > _SETTLED:
            self._pause = self._first
        pause, self._due = self._pause, now + self._pause
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)
        return pause

    @property
    def is_due(self) -> bool:
        """Whether it is to be started now."""
        return self._due is not None and self._clock() >= self._due


class Child:
    """One process of the studio, by the name under which its lines are told."""

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], say: Say
    ) -> None:
        self.name = name
        self._command = list(command)
        self._folder = folder
        self._environment = dict(environment)
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = Restarts(first=1.0)

    @property
    def pid(self) -> int | None:
        """The process id, once there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether the process is there just now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; to be called from the main thread."""
        self._restarts.began()
        self._process = spawn(
            self._command,
            folder=self._folder,
            death_signal=signal.SIGTERM,
            output=subprocess.PIPE,
            environment=self._environment,
        )
        threading.Thread(target=self._tell, args=(self._process,), name=f"lines of {self.name}", daemon=True).start()

    def look(self) -> None:
        """Start the process again if it died, each time a little later; to be called now and then."""
        if self.is_running or self._process is None:
            return
        pause = self._restarts.schedule()
        if pause is not None:
            self._say(self.name, f"ended ({ending(self._process.returncode)}); starting it again in {pause:.0f} s")
        elif self._restarts.is_due:
            self.start()

    def ask_to_end(self) -> None:
        """Send SIGTERM; the process finishes what it is at."""
        if self._process is not None and self.is_running:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> bool:
        """Whether the process is gone within `seconds`."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Have the process and all that it started be gone at once."""
        if self._process is None:
            return
        try:
            family = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        if self.is_running:
            self._process.kill()
            self._process.wait()
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue

    def _tell(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            return
        with process.stdout:
            for line in process.stdout:
                text = line.decode(errors="replace").rstrip()
                if text:
                    self._say(self.name, text)


def stop_all(children: Sequence[Child], *, patience: float) -> None:
    """Have all be gone, in the given order: each is asked at once, and after `patience` seconds none is asked any more."""
    deadline = time.monotonic() + patience
    for child in children:
        child.ask_to_end()
    for child in children:
        child.wait(deadline - time.monotonic())
    for child in children:
        child.end()


def python(*words: str) -> list[str]:
    """The command line of one of the studio's own commands."""
    return [sys.executable, "-m", "studio", *words]


def ending(code: int | None) -> str:
    """How a process ended, in a word or two."""
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
