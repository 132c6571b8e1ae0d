"""What a lorebook format is, and what its readers and writers share."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from studio.cards import coerce
from studio.cards.documents import Json
from studio.cards.notes import Note

Losses = list[Note]


@dataclass(frozen=True)
class LoreFormat:
    """A kind of lorebook file.

    `recognises` looks at a parsed document and touches nothing. `read` returns a fresh book in V3's names, its values
    as they were found: putting them right is the normaliser's work. `write` makes the document of a normalised book,
    and says what that document cannot hold. What `write` makes, `recognises` knows and `read` reads back.
    """

    key: str
    title: str
    recognises: Callable[[Json], bool]
    read: Callable[[Json], Json]
    write: Callable[[Json], tuple[Json, Losses]]


def lost(entries: Sequence[Json], code: str, message: str, is_lost: Callable[[Json], Any]) -> Losses:
    """The note that something of so many entries is left out, where there are any; `message` has %(count)s."""
    count = sum(bool(is_lost(entry)) for entry in entries)
    return [Note(code, "entries[*]", message, {"count": count})] if count else []


def lost_settings(book: Json, keys: Iterable[str]) -> Losses:
    """The note that settings of the whole book are left out."""
    is_lost = any(book.get(key) not in (None, "", {}, []) for key in keys)
    message = "The book's own settings (description, scan depth, budget, recursion) are left out."
    return [Note("settings_left", "", message)] if is_lost else []


def lost_extensions(entries: Sequence[Json], own: Iterable[str] = ()) -> Losses:
    """The note that what other programs keep in entries is left out; `own` are the namespaces that stay."""
    known = set(own)
    return lost(
        entries,
        "extensions_left",
        "What other applications keep in %(count)s entries (chance, depth, groups and the like) is left out.",
        lambda entry: entry.get("extensions", {}).keys() - known,
    )


def split_keys(value: Any) -> list[str]:
    """Keys that a program keeps in one text, with commas between them."""
    if isinstance(value, list):
        return [key for key in value if isinstance(key, str)]
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else []


def rows(value: Any) -> list[Json]:
    """The objects of a list, or of an object's values; anything else is left out."""
    if isinstance(value, dict):
        value = list(value.values())
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def title_of(entry: Json) -> str:
    """What the entry is called."""
    return entry.get("name") or entry.get("comment") or ""


def whole(value: Any, default: int = 0) -> int:
    """A number without its fraction."""
    number = coerce.number(value)
    return default if number is None else int(number)


def without_empty(values: Json) -> Json:
    """The pairs whose value is not None."""
    return {key: value for key, value in values.items() if value is not None}
