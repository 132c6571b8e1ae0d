"""Texts with the passages marked that a check wants a person to look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 20_000
"""Characters of one text that a screen shows; what is marked beyond is still listed with its excerpt."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text, and the evidence about it where there is one."""

    text: str
    evidence: Mapping[str, Any] | None = None


def segments(text: str, evidence: Iterable[Mapping[str, Any]], *, longest: int = LONGEST) -> list[Segment]:
    """`text` (its first `longest` characters) cut at the marked passages; of overlapping ones the weightier wins.

    Joined, the segments give the text back. Evidence whose offsets lie outside is left out.
    """
    shown = text[:longest]
    found: list[Segment] = []
    position = 0
    for item in _without_overlap(evidence):
        start, end = int(item["start"]), min(int(item["end"]), len(shown))
        if start >= end:
            continue
        if start > position:
            found.append(Segment(shown[position:start]))
        found.append(Segment(shown[start:end], item))
        position = end
    if position < len(shown):
        found.append(Segment(shown[position:]))
    return found


_WEIGHTS = {"severe": 0, "warning": 1, "info": 2}


def _without_overlap(evidence: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    chosen: list[Mapping[str, Any]] = []
    weighty = sorted(evidence, key=lambda item: (_WEIGHTS.get(str(item.get("severity")), 3), int(item["start"])))
    for item in weighty:
        start, end = int(item["start"]), int(item["end"])
        if 0 <= start < end and all(end <= int(o["start"]) or int(o["end"]) <= start for o in chosen):
            chosen.append(item)
    return sorted(chosen, key=lambda item: int(item["start"]))
