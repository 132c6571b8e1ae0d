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


def is_trusted(*, right: int, judged: int) -> bool:
    """Whether somebody is trusted of whose `judged` reports `right` led to something."""
    return judged >= _JUDGED and right / judged >= _ACCURACY


def is_enough(*, people: int, reviewed: int, has_trusted: bool, is_grave: bool) -> bool:
    """Whether `people` who reported since a moderator last looked are enough.

    `reviewed` are those whom the moderator knew of: after a look that found nothing, as many again are needed.
    """
    if people and (has_trusted or is_grave):
        return True
    return people >= max(ENOUGH, reviewed)


def reopens(*, reporters: int, reviewed: int) -> bool:
    """Whether a closed report is open again: at twice as many people as a moderator knew of."""
    return reporters >= max(ENOUGH, 2 * reviewed)
