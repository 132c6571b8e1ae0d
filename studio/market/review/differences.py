"""What changed between two cards, text by text."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from studio.cards.views import text_strings
from studio.kit.differences import EFFORT, Change, Piece, words
from studio.kit.matching import Effort
from studio.kit.text import is_cjk

MOST_FIELDS = 60
_SHORT = 100

COMMON_FROM = 12
"""A passage that two texts share is worth a mark from so many signs on; Chinese says as much in a third of them."""

COMMON_FROM_CJK = 5


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One text of the card that is not what it was; the path is that of `text_strings`, without "data.", or that of a list."""

    path: str
    pieces: tuple[Piece, ...]

    @property
    def alike(self) -> int:
        """Signs that stayed in passages long enough to be no chance: short common words are in every text."""
        return sum(len(piece.text) for piece in self.pieces if is_common(piece))


def is_common(piece: Piece) -> bool:
    """Whether two texts share this passage, and it is long enough to mean something."""
    text = piece.text.strip()
    least = COMMON_FROM_CJK if is_cjk(text) else COMMON_FROM
    return piece.change is Change.SAME and len(text) >= least


@dataclass(frozen=True, slots=True)
class Differences:
    """What changed; `more` counts the changed texts that are left out, `paths` names them all."""

    fields: tuple[FieldDifference, ...]
    more: int
    paths: tuple[str, ...] = ()

    def touch(self, field: str) -> bool:
        """Whether anything of this field changed: of a book its entries count, and of the whole ("") anything does."""
        if not field:
            return bool(self.paths)
        return any(path == field or path.startswith((f"{field}.", f"{field}[")) for path in self.paths)


def between(before: Mapping[str, Any], after: Mapping[str, Any], *, whole: Collection[str] = ()) -> Differences:
    """The texts that differ between two JSON objects, in the order of the newer one, then what is gone.

    Those at the paths in `whole` (a price) are not compared word by word: one is gone, the other has come.
    """
    old, new = _texts(before), _texts(after)
    changed = [path for path in (*new, *(path for path in old if path not in new)) if old.get(path) != new.get(path)]
    effort = Effort(EFFORT)
    fields = tuple(
        FieldDifference(path, _swapped(old.get(path, ""), new.get(path, "")))
        if path in whole
        else FieldDifference(path, words(old.get(path, ""), new.get(path, ""), effort=effort))
        for path in changed[:MOST_FIELDS]
    )
    return Differences(fields, more=max(0, len(changed) - MOST_FIELDS), paths=tuple(changed))


def _swapped(old: str, new: str) -> tuple[Piece, ...]:
    pieces = (Piece(Change.GONE, old), Piece(Change.COME, new))
    return tuple(piece for piece in pieces if piece.text)


def beside(one: Mapping[str, Any], other: Mapping[str, Any]) -> Differences:
    """Two cards text beside text, what is equal in full too: for seeing what one has of the other.

    The texts of a card that both have come first, those that are alike in most signs at the top.
    """
    mine, theirs = _texts(one), _texts(other)
    effort = Effort(EFFORT)
    shared = [path for path in mine if path in theirs]
    alone = [path for path in (*mine, *theirs) if path not in mine or path not in theirs]
    fields = [
        FieldDifference(path, words(theirs.get(path, ""), mine.get(path, ""), effort=effort))
        for path in (*shared, *alone)[:MOST_FIELDS]
    ]
    fields.sort(key=lambda field: -field.alike)
    return Differences(tuple(fields), more=max(0, len(shared) + len(alone) - MOST_FIELDS))


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
