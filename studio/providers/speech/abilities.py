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
    """What one voice can be told: the range of each number that it uses, whether it takes words, and how long a text.

    `no_voices` are those of the provider that the model does not have. One that `converses` answers where others read
    out: what it said is checked against the text. One that `thinks` is told how much.
    """

    ranges: Mapping[str, Range]
    manners: bool
    instructions: bool
    most: int
    unit: Literal["characters", "bytes"]
    no_voices: frozenset[str] = frozenset()
    converses: bool = False
    thinks: bool = False

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
class Closing:
    """The day on which a provider takes a model away, and the model that it names in its place; empty for none."""

    day: date
    instead: str = ""


@dataclass(frozen=True, slots=True)
class _Exception:
    model: str = "*"
    voice: str = "*"
    without: frozenset[str] = frozenset()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    most: int | None = None
    unit: Literal["characters", "bytes"] | None = None
    no_voices: frozenset[str] = frozenset()
    converses: bool = False
    thinks: bool = False
    closes: date | None = None
    instead: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    ranges: Mapping[str, Range]
    most: int
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    manners: bool = False
    instructions: bool = False
    unit: Literal["characters", "bytes"] = "characters"
    but: tuple[_Exception, ...] = field(default=())


def of(kind: str, *, model: str = "", voice: str = "") -> Abilities:
    """What this voice of this model can be told. Raises KeyError for a kind that there is not."""
    known = _kinds()[kind]
    without: set[str] = set()
    ranges, most, unit = dict(known.ranges), known.most, known.unit
    no_voices: frozenset[str] = frozenset()
    converses = thinks = False
    for one in _exceptions(known, model=model, voice=voice):
        without |= one.without
        ranges |= one.ranges
        most, unit = one.most or most, one.unit or unit
        no_voices |= one.no_voices
        converses, thinks = converses or one.converses, thinks or one.thinks
    return Abilities(
        ranges={name: ranges[name] for name in NUMBERS if name in ranges and name not in without},
        manners=known.manners and "manners" not in without,
        instructions=known.instructions and "instructions" not in without,
        most=most,
        unit=unit,
        no_voices=no_voices,
        converses=converses,
        thinks=thinks,
    )


def models_of(kind: str) -> tuple[str, ...]:
    """The models that people may choose from, the usual one first; none where the voice says it all."""
    return _kinds()[kind].models


def closing_of(kind: str, *, model: str = "") -> Closing | None:
    """When a provider takes this model of its own away, where it has named a day."""
    for one in _exceptions(_kinds()[kind], model=model):
        if one.closes is not None:
            return Closing(one.closes, one.instead)
    return None


def voices_of(kind: str) -> tuple[str, ...]:
    """The voices of a provider that has no list to ask for."""
    return _kinds()[kind].voices


def _exceptions(known: _Kind, *, model: str, voice: str = "") -> list[_Exception]:
    return [one for one in known.but if fnmatchcase(model, one.model) and fnmatchcase(voice, one.voice)]


@lru_cache(maxsize=1)
def _kinds() -> Mapping[str, _Kind]:
    return {name: _kind(table) for name, table in tomllib.loads(_DATA.read_text(encoding="utf-8")).items()}


def _kind(table: Mapping[str, Any]) -> _Kind:
    more = {key: value for key, value in table.items() if key not in {"ranges", "but", "models", "voices"}}
    return _Kind(
        ranges=_ranges(table["ranges"]),
        models=tuple(table.get("models", ())),
        voices=tuple(table.get("voices", ())),
        but=tuple(_exception(one) for one in table.get("but", ())),
        **more,
    )


def _exception(table: Mapping[str, Any]) -> _Exception:
    return _Exception(
        **{
            **table,
            "without": frozenset(table.get("without", ())),
            "ranges": _ranges(table.get("ranges", {})),
            "no_voices": frozenset(table.get("no_voices", ())),
        }
    )


def _ranges(pairs: Mapping[str, Sequence[float]]) -> dict[str, Range]:
    unknown = set(pairs) - set(NUMBERS)
    if unknown:
        raise ValueError(f"{_DATA.name} gives ranges of settings that there are not: {', '.join(sorted(unknown))}.")
    return {name: Range(float(low), float(high)) for name, (low, high) in pairs.items()}
