"""Lorebook decorators (`@@depth 4`) at the start of an entry's content: set apart, and read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_LINE = re.compile(r"@@(@?)([a-z][a-z0-9_]*)(?:\s+(.*))?\Z", re.DOTALL)
# A line above this is no number that counts messages or percents.
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Decorators:
    """What the decorators of one entry say; a value has the type that its name asks for.

    `values` maps a name to its value: an integer, a text, a list of texts, or True where the name stands alone.
    `additional_keys` holds one list per line, since it may be repeated. `ignored` are the lines that nobody
    understands, as they stand.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    additional_keys: tuple[tuple[str, ...], ...] = ()
    ignored: tuple[str, ...] = ()

    def number(self, name: str) -> int | None:
        """The number after `@@name`, or None."""
        value = self.values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, name: str) -> str | None:
        """The word after `@@name`, or None."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """The list after `@@name`, perhaps empty."""
        value = self.values.get(name)
        return value if isinstance(value, tuple) else ()

    def has(self, name: str) -> bool:
        """Whether `@@name` stands there, alone or with a value."""
        return name in self.values


def split(content: str) -> tuple[str, str]:
    """The decorator lines with the newlines around them, and the text behind; joined they give `content` again."""
    position = end_of_head = 0
    for line in content.splitlines(keepends=True):
        stripped = line.strip()
        is_decorator = stripped.startswith("@@") and len(stripped) > len("@@")
        if stripped and not is_decorator:
            break
        position += len(line)
        if is_decorator:
            end_of_head = position
    # Blank lines belong to the head only where a decorator stands before them.
    cut = position if end_of_head else 0
    return content[:cut], content[cut:]


def read(content: str) -> tuple[Decorators, str]:
    """What the decorators say, and the text without them and the newlines around them.

    The first of two equal names counts, except for `additional_keys`. A `@@@` line counts where the one above it is
    unknown or invalid, however long the chain. Unknown lines are ignored and named.
    """
    head, body = split(content)
    if not head:
        return Decorators(), content
    values: dict[str, Any] = {}
    additional: list[tuple[str, ...]] = []
    ignored: list[str] = []
    is_settled = True
    for line in (stripped for raw in head.splitlines() if (stripped := raw.strip())):
        match = _LINE.match(line)
        is_fallback = line.startswith("@@@")
        if is_fallback and is_settled:
            continue
        name, value = (match[2], _value(match[2], (match[3] or "").strip())) if match else ("", None)
        is_settled = value is not None
        if value is None:
            ignored.append(line)
        elif name == "additional_keys":
            additional.append(value)
        else:
            values.setdefault(name, value)
    return Decorators(values, tuple(additional), tuple(ignored)), body


def _whole(text: str) -> int | None:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        return None
    return sign * int(digits)


def _positive(text: str) -> int | None:
    number = _whole(text)
    return number if number is not None and number > 0 else None


def _percent(text: str) -> int | None:
    number = _whole(text)
    return number if number is not None and 0 <= number <= 100 else None  # noqa: PLR2004


def _list(text: str) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def _alone(text: str) -> bool | None:
    # What stands behind a name that takes no value does no harm.
    del text
    return True


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda text: text.lower() if text.lower() in words else None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "activate_only_after": _whole,
    "activate_only_every": _positive,
    "keep_activate_after_match": _alone,
    "dont_activate_after_match": _alone,
    "depth": _whole,
    "instruct_depth": _whole,
    "reverse_depth": _whole,
    "reverse_instruct_depth": _whole,
    "role": _one_of("assistant", "system", "user"),
    "scan_depth": _whole,
    "instruct_scan_depth": _whole,
    "is_greeting": _whole,
    "position": _one_of("after_desc", "before_desc", "personality", "scenario"),
    "ignore_on_max_context": _alone,
    "additional_keys": _list,
    "exclude_keys": _list,
    "is_user_icon": lambda text: text or None,
    "dont_activate": _alone,
    "activate": _alone,
    "disable_ui_prompt": _one_of("post_history_instructions", "system_prompt"),
    # RisuAI's own.
    "probability": _percent,
    "exclude_keys_all": _list,
    "match_full_word": _alone,
    "match_partial_word": _alone,
}


def _value(name: str, text: str) -> Any:
    reader = _READERS.get(name)
    return None if reader is None else reader(text)
