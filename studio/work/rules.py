"""When a job is tried again, and what may be kept in its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias
from uuid import UUID

from studio.kit.text import excerpt

Argument: TypeAlias = UUID | int | str | bool | date | None
"""What a job may be given: ids and small values, never content."""

QUEUES = ("default", "bulk")
"""The queues that workers listen to, the first before the second: `bulk` is for what takes minutes."""

FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)
OUTAGE_PATIENCE = timedelta(hours=6)
"""For so long after it was asked for, a job outlasts what it needs being away: such attempts do not use up its own."""
LONGEST_MESSAGE = 500
LONGEST_STEP = 200
_LONGEST_ARGUMENT = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """What the row keeps of an attempt that failed: the error's type, a sentence, and the reference in the error log."""

    type: str
    message: str
    reference: str | None = None


WORKER_LOST = Failure("WorkerLost", "The process that did this job stopped answering.")


def wait_before_next(attempts: int, *, chance: float, at_least: float | None = None) -> timedelta:
    """How long to wait after `attempts` failed attempts: doubled each time, at most ten minutes, spread by `chance`.

    `chance` is a random number from 0 to 1; half of the wait depends on it, so that jobs
    which failed together do not come back together. `at_least` is the seconds
    that a provider asked for; they are kept within the same limit.
    """
    doubled = FIRST_WAIT * (1 << min(max(attempts, 1) - 1, 20))
    wait = min(doubled, LONGEST_WAIT) * (0.5 + chance / 2)
    return max(wait, min(timedelta(seconds=at_least or 0), LONGEST_WAIT))


def as_arguments(given: Mapping[str, Argument]) -> dict[str, str | int | bool | None]:
    """`given` as the row keeps it, in JSON.

    Raises TypeError for anything but ids and small values, and ValueError for long texts: a
    job reads what it needs when it runs, so that it never works on what was true once.
    """
    kept: dict[str, str | int | bool | None] = {}
    for name, value in given.items():
        if value is None or isinstance(value, (bool, int)):
            kept[name] = value
        elif isinstance(value, (UUID, date)):
            kept[name] = value.isoformat() if isinstance(value, date) else str(value)
        elif isinstance(value, str):
            if len(value) > _LONGEST_ARGUMENT:
                raise ValueError(f"A job carries ids, not content: {name} is too long.")
            kept[name] = value
        else:
            raise TypeError(f"A job carries ids, not content: {name} is a {type(value).__name__}.")
    return kept


def brief(text: str, length: int = LONGEST_MESSAGE) -> str:
    """`text` as a row keeps it: one line, bounded."""
    return excerpt(text, length)
