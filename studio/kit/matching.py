"""Comparing two sequences at a bounded cost: difflib alone takes cubic time on texts that are made for it."""

from collections.abc import Sequence
from difflib import Match, SequenceMatcher
from itertools import accumulate


class Effort:
    """How many elementary steps comparing may still take; several comparisons can share one."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps


class BoundedMatcher(SequenceMatcher[str]):
    """A SequenceMatcher that stops to look for matches when `effort` is used up; what it says then is coarse, and true."""

    def __init__(self, old: Sequence[str], new: Sequence[str], *, effort: Effort, autojunk: bool = True) -> None:
        super().__init__(None, old, new, autojunk)
        self._effort = effort
        # difflib walks over every occurrence in `new` of every piece of the part of `old` that it looks at.
        places: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]  # Documented, but not in its stubs.
        counts = {piece: len(found) + 1 for piece, found in places.items()}
        self._steps = [0, *accumulate(counts.get(piece, 1) for piece in old)]

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """The longest match in these ranges, or an empty one once the effort is used up."""
        end = len(self._steps) - 1 if ahi is None else ahi
        self._effort.left -= self._steps[end] - self._steps[alo]
        if self._effort.left < 0:
            return Match(alo, blo, 0)
        return super().find_longest_match(alo, ahi, blo, bhi)
