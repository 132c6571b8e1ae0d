"""When reports weigh enough for a moderator to look. Pure."""

from studio.market.models import ReportReason

MOST_A_DAY = 20
"""So many listings a person can report within 24 hours."""

ENOUGH = 2
"""So many different people bring a listing to the desk."""

GRAVE = frozenset({ReportReason.MINORS})
"""Reasons for which one person is enough."""

_JUDGED = 3
_ACCURACY = 0.8
_WRONG_TOO_OFTEN = 5


def is_trusted(*, right: int, judged: int) -> bool:
    """Whether somebody is trusted of whose `judged` reports `right` led to something."""
    return judged >= _JUDGED and right / judged >= _ACCURACY


def is_heard(*, right: int, judged: int) -> bool:
    """Whether somebody counts among the people who bring a listing to the desk.

    Not of whom all of several reports were found wrong: their words are read, but they set nothing going. One that was
    right makes up for them.
    """
    return right > 0 or judged < _WRONG_TOO_OFTEN


def is_enough(*, people: int, has_trusted: bool, is_grave: bool) -> bool:
    """Whether a listing goes to the desk of which `people` different ones said what nobody has answered yet."""
    return has_trusted or is_grave or people >= ENOUGH


def reopens(*, reporters: int, reviewed: int) -> bool:
    """Whether a closed report is open again: at twice as many people as a moderator knew of when they closed this one."""
    return reporters >= max(ENOUGH, 2 * reviewed)
