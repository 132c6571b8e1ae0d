"""What may stand in a lorebook: the entries and settings that a person typed, cleaned, with a sentence for what cannot."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from studio.authoring.models import TEXT_LENGTH, TITLE_LENGTH
from studio.authoring.models.limits import PERCENT, Range
from studio.cards.documents import Json
from studio.cards.lore_entries import ROLES, Logic
from studio.cards.lore_values import PLACES, values_of
from studio.kit.text import one_line, storable

MOST_KEYS = 500
KEY_LENGTH = 1_000
NUMBER = Range(-1_000_000_000, 1_000_000_000)
DEPTH = Range(0, 10_000)
SCAN_DEPTH = Range(0, 1_000)
TOKEN_BUDGET = Range(0, 10_000_000)

SETTINGS = ("name", "description", "scan_depth", "token_budget", "recursive_scanning")
"""What a person edits of a book as a whole, by V3's names; None where the book says nothing."""

_NOT_A_NUMBER = "Write a number."


def cleaned(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values as they are kept, by the names of `lore_values.values_of`, and a sentence for each that cannot be."""
    return _cleaned(changes, _CLEANERS)


def cleaned_settings(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of a book as they are kept, and a sentence for each that cannot be."""
    return _cleaned(changes, _SETTING_CLEANERS)


def shown(document: Json) -> dict[str, Any]:
    """What a form shows of an entry: its values, tidied as they would come back."""
    values = values_of(document)
    tidied, wrong = cleaned(values)
    # What is beyond the limits came in with a card, and stays as it is until somebody shortens it.
    return values | {name: value for name, value in tidied.items() if name not in wrong}


def fingerprint(document: Mapping[str, Any]) -> str:
    """A short text that is another one as soon as the entry says something else."""
    plain = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(plain.encode(errors="replace")).hexdigest()[:32]


_IN_THE_GRID = (
    "name",
    "keys",
    "secondary_keys",
    "is_enabled",
    "is_constant",
    "insertion_order",
    "place",
    "tokens",
)


def grid_token(entry: Any) -> str:
    """The version token of an entry's row in the grid: another one as soon as the row would show something else."""
    return fingerprint({name: getattr(entry, name) for name in _IN_THE_GRID})


def changed_settings(document: Mapping[str, Any], values: Mapping[str, Any]) -> Json:
    """The book's document with those settings set that differ from what a form shows of it."""
    made = dict(document)
    for name, value in values.items():
        was, _ = cleaned_settings({name: document.get(name)})
        if was.get(name) == value:
            continue
        if value in (None, ""):
            made.pop(name, None)
        else:
            made[name] = value
    return made


Cleaner = Callable[[Any], Any]


class _WrongError(Exception):
    """What was typed cannot be kept, in a sentence."""


def _cleaned(changes: Mapping[str, Any], cleaners: Mapping[str, Cleaner]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in changes.items():
        try:
            values[name] = cleaners[name](value)
        except _WrongError as why:
            wrong[name] = str(why)
    return values, wrong


def _text(length: int, sentence: str, *, is_line: bool) -> Cleaner:
    def clean(value: Any) -> str:
        text = one_line(str(value or "")) if is_line else storable(str(value or ""))
        if len(text) > length:
            raise _WrongError(sentence)
        return text

    return clean


def _keys(value: Any) -> list[str]:
    keys = list(dict.fromkeys(key for text in value or () if (key := one_line(str(text)))))
    if len(keys) > MOST_KEYS:
        raise _WrongError("An entry may have 500 keys at most. Make a second entry.")
    if any(len(key) > KEY_LENGTH for key in keys):
        raise _WrongError("A key may have 1,000 characters at most.")
    return keys


def _number(allowed: Range, sentence: str, *, is_whole: bool = True, is_optional: bool = False) -> Cleaner:
    def clean(value: Any) -> float | None:
        if value is None and is_optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or value not in allowed:
            raise _WrongError(sentence)
        return int(value) if is_whole or float(value).is_integer() else float(value)

    return clean


def _one_of(*choices: Any) -> Cleaner:
    def clean(value: Any) -> Any:
        if value not in choices:
            raise _WrongError("Choose one of the list.")
        return value

    return clean


def _flag(value: Any) -> bool:
    return bool(value)


_CLEANERS: Mapping[str, Cleaner] = {
    "name": _text(TITLE_LENGTH, "A name may have 200 characters at most.", is_line=True),
    "keys": _keys,
    "secondary_keys": _keys,
    "logic": _one_of("", *(logic.value for logic in Logic)),
    "content": _text(TEXT_LENGTH, "An entry may have 200,000 characters at most. Split it.", is_line=False),
    "insertion_order": _number(NUMBER, _NOT_A_NUMBER, is_whole=False),
    "priority": _number(NUMBER, _NOT_A_NUMBER, is_whole=False, is_optional=True),
    "place": _one_of(*(place.value for place in PLACES)),
    "depth": _number(DEPTH, "The depth is a whole number from 0 to 10,000."),
    "role": _one_of(*ROLES),
    "is_enabled": _flag,
    "is_constant": _flag,
    "is_exact": _one_of(None, True, False),
    "is_whole": _one_of(None, True, False),
    "may_be_pattern": _flag,
    "chance": _number(PERCENT, "The chance is a whole number from 0 to 100."),
    "scan_depth": _number(SCAN_DEPTH, "The scan depth is a whole number from 0 to 1,000.", is_optional=True),
}
_SETTING_CLEANERS: Mapping[str, Cleaner] = {
    "name": _CLEANERS["name"],
    "description": _text(TEXT_LENGTH, "A description may have 200,000 characters at most.", is_line=False),
    "scan_depth": _CLEANERS["scan_depth"],
    "token_budget": _number(TOKEN_BUDGET, "The budget is a whole number from 0 to 10,000,000.", is_optional=True),
    "recursive_scanning": _one_of(None, True, False),
}
