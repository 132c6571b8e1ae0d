"""What forms, imports and PostgreSQL accept, each number in one place: the longest texts and the ranges of settings."""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

# The longest of each text, in characters; real cards stay below (see docs).
NAME_LENGTH = 200
TITLE_LENGTH = 200
SHORT_LENGTH = 500
TEXT_LENGTH = 200_000
REPLY_LENGTH = 10_000

STAYS_IN_TRASH = timedelta(days=30)
"""How long what was thrown away can be taken out again."""


class Range(NamedTuple):
    """The least and the most that a number may be, both included."""

    least: float
    most: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.least <= value <= self.most


PERCENT = Range(0, 100)
SHARE = Range(0, 1)
WEIGHT = Range(1, 1000)
CONTEXT_WINDOW = Range(1, 1000)
MEMORY_COUNT = Range(0, 1000)
CONTEXT_TOKENS = Range(512, 10_000_000)
RETENTION_DAYS = Range(1, 3650)
MOST_WARNINGS = 20


def within(column: str, allowed: Range, *, name: str) -> sa.CheckConstraint:
    """The CHECK that the number in `column` stands within the range; forms read the same one."""
    return sa.CheckConstraint(f"{column} BETWEEN {allowed.least} AND {allowed.most}", name=name)
