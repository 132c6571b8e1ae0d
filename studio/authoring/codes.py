"""Codes of stories (B001) and of their characters (B001C001): read however they are padded, sorted by number, given in turn."""

import re
import unicodedata
from dataclasses import dataclass

MOST_DIGITS = 9
"""A number of a code has at most so many digits; PostgreSQL keeps it as an integer."""

_CODE = re.compile(r"B([0-9]{1,9})(?:C([0-9]{1,9}))?")
_FIRST_STORY = "B001"


@dataclass(frozen=True, slots=True, order=True)
class Code:
    """What a code means, however it is written: the numbers of a story and, where it names one, of its character."""

    story: int
    character: int = -1

    @property
    def is_character(self) -> bool:
        """Whether the code names a character and not a story."""
        return self.character >= 0


def parse(text: str) -> Code | None:
    """The code that `text` is, in either case and width, padded or not; None where it is none."""
    found = _CODE.fullmatch(unicodedata.normalize("NFKC", text[:100]).strip().upper())
    if found is None:
        return None
    return Code(int(found[1]), int(found[2]) if found[2] is not None else -1)


def next_story(newest: str | None) -> str | None:
    """The code after that of the story with the highest number, padded alike; None where no number is left."""
    return _FIRST_STORY if newest is None else _after("B", newest.removeprefix("B"))


def next_character(story: str, newest: str | None) -> str | None:
    """The code after that of the story's character with the highest number; the first is padded as its story is."""
    last = "0" * len(story.removeprefix("B")) if newest is None else newest.rpartition("C")[2]
    return _after(f"{story}C", last)


def _after(start: str, digits: str) -> str | None:
    number = str(int(digits) + 1).zfill(len(digits))
    return f"{start}{number}" if len(number) <= MOST_DIGITS else None
