"""How a chat with the character is to be run: what each setting may be, and what it is where nobody chose."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from studio.authoring.models import NAME_LENGTH
from studio.authoring.models.limits import (
    CONTEXT_TOKENS,
    CONTEXT_WINDOW,
    MEMORY_COUNT,
    RETENTION_DAYS,
    SHARE,
    Range,
)
from studio.kit import text as texts

DEFAULT_CONTEXT_TOKENS = 8192
EMOTIONS = ("joy", "affection", "sadness", "anger", "fear", "surprise", "shame", "disgust")
"""The emotions that the editor asks for; a card may bring others."""
MOST_EMOTIONS = 20
_EMOTION_LENGTH = 40


@dataclass(frozen=True)
class ContextSettings:
    """How much a chat with the character looks back on, remembers and weighs."""

    context_window: int = 20
    """Messages of the chat that are sent to the model."""
    memory_count: int = 10
    """Memories that are recalled for an answer."""
    emotion_weight: float = 0.3
    """How much a memory's emotion counts in choosing it, from 0 to 1."""
    learning_rate: float = 0.1
    """How fast what people do changes what the character expects of them, from 0 to 1."""
    consistency: float = 0.8
    """How closely the character keeps to its definition rather than to the mood of the chat, from 0 to 1."""


RANGES: Mapping[str, Range] = {
    "context_window": CONTEXT_WINDOW,
    "memory_count": MEMORY_COUNT,
    "emotion_weight": SHARE,
    "learning_rate": SHARE,
    "consistency": SHARE,
}
# Whole sentences, so that each can be translated.
_OUT_OF_RANGE = {
    CONTEXT_WINDOW: "This is a whole number from 1 to 1,000.",
    MEMORY_COUNT: "This is a whole number from 0 to 1,000.",
    SHARE: "This is a number from 0 to 1, such as 0.3.",
    CONTEXT_TOKENS: "A model's window is a whole number from 512 to 10,000,000 tokens.",
    RETENTION_DAYS: "Memories are kept for 1 to 3,650 whole days; leave this empty to keep them for good.",
}
_UNKNOWN = "This cannot be changed here."


@dataclass(frozen=True)
class ModelWindow:
    """A model that people choose often, by the name that its provider uses, and how many tokens it reads at once."""

    name: str
    tokens: int


_KNOWN: Mapping[str, int] = json.loads(Path(__file__).with_name("known_models.json").read_text(encoding="utf-8"))


def models(further: Mapping[str, int]) -> list[ModelWindow]:
    """The models that the editor offers: those of `known_models.json` as their makers state them, changed by `further`.

    `further` is what the settings say (STUDIO_LANGUAGE_WINDOWS): those come first, and a window of 0 takes a model out.
    An author can always type another model and another window.
    """
    return [
        ModelWindow(name, tokens)
        for name, tokens in {**further, **{n: t for n, t in _KNOWN.items() if n not in further}}.items()
        if tokens
    ]


def cleaned_context(given: Mapping[str, Any] | ContextSettings) -> tuple[ContextSettings, dict[str, str]]:
    """The settings as they are kept, and a sentence under "context.<name>" for each that cannot be.

    Numbers may come as text, as forms send them; what is missing or empty is the default.
    """
    values = asdict(given) if isinstance(given, ContextSettings) else given
    kept: dict[str, Any] = {}
    wrong: dict[str, str] = {f"context.{name}": _UNKNOWN for name in values if name not in RANGES}
    for setting in fields(ContextSettings):
        value = values.get(setting.name, "")
        if value is None or value == "":
            continue
        number = _number(value, RANGES[setting.name], is_whole=setting.type in {int, "int"})
        if number is None:
            wrong[f"context.{setting.name}"] = _OUT_OF_RANGE[RANGES[setting.name]]
        else:
            kept[setting.name] = number
    return ContextSettings(**kept), wrong


def cleaned_context_tokens(value: Any) -> tuple[int, str]:
    """The model's window in tokens; empty is the default."""
    if value is None or value == "":
        return DEFAULT_CONTEXT_TOKENS, ""
    number = _number(value, CONTEXT_TOKENS, is_whole=True)
    return (DEFAULT_CONTEXT_TOKENS, _OUT_OF_RANGE[CONTEXT_TOKENS]) if number is None else (int(number), "")


def cleaned_retention(value: Any) -> tuple[int | None, str]:
    """For how many days memories are kept; empty means for good."""
    if value is None or value == "":
        return None, ""
    number = _number(value, RETENTION_DAYS, is_whole=True)
    return (None, _OUT_OF_RANGE[RETENTION_DAYS]) if number is None else (int(number), "")


def cleaned_model(value: Any) -> tuple[str, str]:
    """The name of a model on one line."""
    text = texts.one_line(value if isinstance(value, str) else "")
    return text, "This has more than 200 characters. Shorten it." if len(text) > NAME_LENGTH else ""


def cleaned_emotions(value: Any) -> tuple[dict[str, float], str]:
    """How strongly the character shows each emotion, from 0 to 1; one that is left empty is not limited."""
    if not isinstance(value, Mapping):
        return {}, "This value has the wrong type." if value else ""
    kept: dict[str, float] = {}
    for name, strength in value.items():
        emotion = texts.one_line(name if isinstance(name, str) else "")
        if not emotion or strength is None or strength == "":
            continue
        number = _number(strength, SHARE, is_whole=False)
        if number is None:
            return kept, "The strength of an emotion is a number from 0 to 1, such as 0.3."
        kept[emotion] = float(number)
    if len(kept) > MOST_EMOTIONS or any(len(name) > _EMOTION_LENGTH for name in kept):
        return kept, "There are at most 20 emotions, each named in at most 40 characters."
    return kept, ""


def _number(value: Any, allowed: Range, *, is_whole: bool) -> float | int | None:
    """The number that `value` says, if it lies within; a comma may stand for the decimal point."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        text = value.strip().replace(",", "" if is_whole else ".")
        if len(text) > 20 or not text.isascii():  # noqa: PLR2004 - No number of ours is longer.
            return None
        try:
            value = int(text) if is_whole else float(text)
        except ValueError:
            return None
    if not math.isfinite(value) or (is_whole and value != int(value)) or value not in allowed:
        return None
    return int(value) if is_whole else float(value)
