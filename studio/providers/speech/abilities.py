"""What each provider's voices can be told: read from `abilities.toml`, by kind, model and voice."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

_DATA = Path(__file__).with_name("abilities.toml")

NUMBERS = ("speed", "pitch", "stability", "similarity", "style")
"""The settings that are numbers, in the order in which screens show them."""

WORDS = ("manner", "instructions")
"""The settings that are words: a manner by its name, and instructions in one's own words."""


@dataclass(frozen=True, slots=True)
class Range:
    """From where to where a number may go, both included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether `value` lies within, a hair's breadth of rounding allowed."""
        return self.low - 1e-9 <= value <= self.high + 1e-9


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one voice can be told: the range of each number that it uses, whether it takes words, and how long a text."""

    ranges: Mapping[str, Range]
    manners: bool
    instructions: bool
    most: int
    unit: Literal["characters", "bytes"]

    def uses(self, name: str) -> bool:
        """Whether the voice uses the setting of this name (of NUMBERS or WORDS)."""
        if name == "manner":
            return self.manners
        if name == "instructions":
            return self.instructions
        return name in self.ranges

    def length_of(self, text: str) -> int:
        """How long a text is as the provider counts."""
        return len(text.encode()) if self.unit == "bytes" else len(text)


@dataclass(frozen=True, slots=True)
class _Exception:
    model: str = "*"
    voice: str = "*"
    without: frozenset[str] = frozenset()
    most: int | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    ranges: Mapping[str, Range]
    most: int
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    manners: bool = False
    instructions: bool = False
    unit: Literal["characters", "bytes"] = "characters"
    closes: date | None = None
    but: tuple[_Exception, ...] = field(default=())


def of(kind: str, *, model: str = "", voice: str = "") -> Abilities:
    """What this voice of this model can be told. Raises KeyError for a kind that there is not."""
    known = _kinds()[kind]
    without: set[str] = set()
    most = known.most
    for one in known.but:
        if fnmatchcase(model, one.model) and fnmatchcase(voice, one.voice):
            without |= one.without
            most = one.most or most
    return Abilities(
        ranges={name: known.ranges[name] for name in NUMBERS if name in known.ranges and name not in without},
        manners=known.manners and "manners" not in without,
        instructions=known.instructions and "instructions" not in without,
        most=most,
        unit=known.unit,
    )


def models_of(kind: str) -> tuple[str, ...]:
    """The models that people may choose from, the usual one first; none where the voice says it all."""
    return _kinds()[kind].models


def closes_on(kind: str, *, model: str = "") -> date | None:
    """The day on which a provider takes this model of its own away, where it has named one."""
    known = _kinds()[kind]
    return known.closes if model in known.models else None


def voices_of(kind: str) -> tuple[str, ...]:
    """The voices of a provider that has no list to ask for."""
    return _kinds()[kind].voices


@lru_cache(maxsize=1)
def _kinds() -> Mapping[str, _Kind]:
    return {name: _kind(table) for name, table in tomllib.loads(_DATA.read_text(encoding="utf-8")).items()}


def _kind(table: Mapping[str, Any]) -> _Kind:
    pairs: Mapping[str, Sequence[float]] = table["ranges"]
    unknown = set(pairs) - set(NUMBERS)
    if unknown:
        raise ValueError(f"{_DATA.name} gives ranges of settings that there are not: {', '.join(sorted(unknown))}.")
    more = {key: value for key, value in table.items() if key not in {"ranges", "but", "models", "voices"}}
    return _Kind(
        ranges={name: Range(float(low), float(high)) for name, (low, high) in pairs.items()},
        models=tuple(table.get("models", ())),
        voices=tuple(table.get("voices", ())),
        but=tuple(_Exception(**{**one, "without": frozenset(one.get("without", ()))}) for one in table.get("but", ())),
        **more,
    )
