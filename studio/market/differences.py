"""What changed between two cards, text by text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.cards.views import text_strings
from studio.kit.differences import EFFORT, Piece, words
from studio.kit.matching import Effort

MOST_FIELDS = 60
_SHORT = 100


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One text of the card that is not what it was; the path is that of `text_strings`, without "data.", or that of a list."""

    path: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """What changed; `more` counts the changed texts that are left out."""

    fields: tuple[FieldDifference, ...]
    more: int


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """The texts that differ between two JSON objects, in the order of the newer one, then what is gone."""
    old, new = _texts(before), _texts(after)
    changed = [path for path in (*new, *(path for path in old if path not in new)) if old.get(path) != new.get(path)]
    effort = Effort(EFFORT)
    fields = tuple(
        FieldDifference(path, words(old.get(path, ""), new.get(path, ""), effort=effort))
        for path in changed[:MOST_FIELDS]
    )
    return Differences(fields, more=max(0, len(changed) - MOST_FIELDS))


def _texts(document: Mapping[str, Any]) -> dict[str, str]:
    """The texts by path; a list of short ones (tags, keys) reads as one text."""
    texts = {path: value for path, value in text_strings(document) if value and not path.endswith("~key")}
    lists: dict[str, list[str]] = {}
    for path, value in texts.items():
        if path.endswith("]"):
            lists.setdefault(path[: path.rindex("[")], []).append(value)
    found: dict[str, str] = {}
    for path, value in texts.items():
        owner = path[: path.rindex("[")] if path.endswith("]") else ""
        if owner and all(len(item) <= _SHORT for item in lists[owner]):
            found[owner] = ", ".join(lists[owner])
        else:
            found[path] = value
    return found
