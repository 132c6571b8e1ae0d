"""When a job is tried again, and what may be kept in its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from studio.kit.text import excerpt

Argument: TypeAlias = UUID | int | str | bool | date | None
"""What a job may be given: ids and small values, never content."""

QUEUES = ("default", "pictures", "bulk", "background")
"""The queues that workers listen to, each before the next: `pictures` is for what somebody else's server draws, and may
hang in it for long; `bulk` is for what takes minutes and somebody waits for, `background` for what can wait: what the house does for itself, and bulk jobs over everything."""

MICRO = 1_000_000
"""Costs are whole millionths of one unit of the currency of all prices (STUDIO_LANGUAGE_CURRENCY)."""

COURTESY = timedelta(seconds=1)
"""A job that could run and was not taken for so long has the long jobs of later queues make way for it."""

TURN = timedelta(seconds=15)
"""So long a job may go on before it makes way for somebody else's in its own queue."""

UNEXPECTED = "Something went wrong. The error log knows more."
"""What a job's row says of an error that nobody foresaw."""

FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=10)
OUTAGE_PATIENCE = timedelta(hours=6)
"""For so long from the first time, a job outlasts what it needs being away: such attempts do not use up its own."""
LONGEST_MESSAGE = 500
LONGEST_STEP = 200
LONGEST_ARGUMENT = 200


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


def month_of(now: datetime) -> date:
    """The first day of the calendar month, in UTC, to which `now` belongs."""
    return now.astimezone(UTC).date().replace(day=1)


def told(micro: int, currency: str) -> str:
    """An amount for a sentence: two decimals, more where it would read as nothing, and the currency's code."""
    whole, rest = divmod(micro, MICRO)
    decimals = f"{rest:06d}".rstrip("0")
    return f"{whole}.{decimals[:6] if 0 < micro < MICRO // 100 else f'{decimals:0<2}'[:2]} {currency}"


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
            if len(value) > LONGEST_ARGUMENT:
                raise ValueError(f"A job carries ids, not content: {name} is too long.")
            kept[name] = value
        else:
            raise TypeError(f"A job carries ids, not content: {name} is a {type(value).__name__}.")
    return kept


def brief(text: str, length: int = LONGEST_MESSAGE) -> str:
    """`text` as a row keeps it: one line, bounded."""
    return excerpt(text, length)
