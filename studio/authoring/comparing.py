"""What differs between two moments of a character: word by word in texts, by id and content in lists, by value in settings.

Pure, and generic: whatever a card or what stands beside it holds is compared, whether anybody here knows its name or not.
Finding what differs costs little more than reading it; marking words is left to whoever shows them (`studio.kit.differences`).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from studio.authoring import fields, rules
from studio.authoring.chat_settings import ContextSettings
from studio.cards import round_trip
from studio.cards.documents import Json, canonical

_SHORT = 100
_ALIKE = 0.4
_READ = 2_000
_SHINGLE = 3
# Comparing each with each: beyond so many pairs, entries are told apart by their ids and titles alone.
_MOST_PAIRS = 2_500
_BOOK = "character_book"
# Programs keep these, not people; a version is not another one because of a date.
_BOOKKEEPING = frozenset({"creation_date", "modification_date"})
# People think of these as texts, however short.
_TEXTS = frozenset({*rules.SHORT_TEXTS, *rules.LONG_TEXTS}) - {"language"}
_LISTS = ("alternate_greetings", "group_only_greetings", "tags", "assets")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A character at one moment: its V3 object, what stands beside it, and its portrait."""

    card: Json
    studio: Mapping[str, Any]
    portrait_id: UUID | None


@dataclass(frozen=True, slots=True)
class TextChange:
    """A text that is not what it was."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A setting that is not what it was; None where it did not stand there."""

    key: str
    before: Any
    after: Any


class Fate(StrEnum):
    """What became of one item of a list."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One item of a list that came, went, changed or only stands elsewhere; places count from zero."""

    fate: Fate
    title: str
    place_before: int | None
    place_after: int | None
    texts: tuple[TextChange, ...] = ()
    values: tuple[ValueChange, ...] = ()
    is_moved: bool = False


@dataclass(frozen=True, slots=True)
class ListChange:
    """What became of the items of one list, in the order of the newer one; `same` counts those that stayed."""

    key: str
    items: tuple[ItemChange, ...]
    same: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs between two snapshots."""

    texts: tuple[TextChange, ...]
    values: tuple[ValueChange, ...]
    lists: tuple[ListChange, ...]
    is_portrait_changed: bool

    @property
    def count(self) -> int:
        """How many changes a person would name."""
        items = sum(len(one.items) for one in self.lists)
        return len(self.texts) + len(self.values) + items + self.is_portrait_changed


@dataclass
class _Contents:
    """A snapshot taken apart into what is compared in the same way."""

    texts: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, list[Any]] = field(default_factory=dict)

    def put(self, key: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                self.put(f"{key}.{name}" if key else str(name), inner)
        elif isinstance(value, list | tuple):
            self.lists[key] = list(value)
        elif isinstance(value, str) and (len(value) > _SHORT or "\n" in value):
            self.texts[key] = value
        elif value not in (None, ""):
            self.values[key] = value


def compare(before: Snapshot, after: Snapshot) -> Comparison:
    """Everything in which `after` is not `before`, in the order in which cards hold it."""
    old, new = _contents(before), _contents(after)
    texts, values = _changes(old, new)
    lists = (_list_change(key, old.lists.get(key, []), new.lists.get(key, [])) for key in _keys(old.lists, new.lists))
    return Comparison(
        texts,
        values,
        tuple(one for one in lists if one.items),
        is_portrait_changed=before.portrait_id != after.portrait_id,
    )


def _changes(old: "_Contents", new: "_Contents") -> tuple[tuple[TextChange, ...], tuple[ValueChange, ...]]:
    # What is short at one side and long at the other is a text on both.
    long = {*old.texts, *new.texts}
    texts = (TextChange(key, _text(old, key), _text(new, key)) for key in _keys(old.texts, new.texts))
    values = (
        ValueChange(key, old.values.get(key), new.values.get(key))
        for key in _keys(old.values, new.values)
        if key not in long
    )
    return (
        tuple(one for one in texts if one.before != one.after),
        tuple(one for one in values if one.before != one.after),
    )


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*new, *(key for key in old if key not in new)]


def _text(contents: _Contents, key: str) -> str:
    return contents.texts.get(key) or str(contents.values.get(key, ""))


def _contents(snapshot: Snapshot) -> _Contents:
    found = _Contents()
    data = snapshot.card.get("data") or {}
    profile = fields.profile_in(snapshot.studio)
    for column, key in fields.CARD_KEYS.items():
        if key not in _LISTS:
            found.texts[column] = data.get(key) or ""
    found.texts["greeting_first"] = data.get("first_mes") or ""
    for column, value in profile.items():
        if column in _TEXTS:
            found.texts[column] = value or ""
        else:
            found.put(column, value)
    for key in _LISTS:
        found.lists[key] = list(data.get(key) or ())
    # Settings that nobody chose are as they are by default, and not kept.
    beside = {**snapshot.studio, "context": {**asdict(ContextSettings()), **(snapshot.studio.get("context") or {})}}
    for key, value in beside.items():
        if key != "profile":
            found.put(key, value)
    _put_rest(found, data)
    return found


def _put_rest(found: _Contents, data: Json) -> None:
    """The lorebook, and whatever else the card holds."""
    book = dict(data.get(_BOOK) or {})
    found.lists["lorebook"] = list(book.pop("entries", ()))
    found.put("lorebook", book)
    known = {*fields.CARD_KEYS.values(), *_LISTS, *_BOOKKEEPING, "first_mes", _BOOK, "extensions"}
    for key, value in data.items():
        if key not in known:
            found.put(key, value)
    # Our own extension says again what stands beside the card.
    extensions = data.get("extensions") or {}
    found.put("extensions", {name: inner for name, inner in extensions.items() if name != round_trip.NAMESPACE})


# Lists


def _list_change(key: str, old: Sequence[Any], new: Sequence[Any]) -> ListChange:
    pairs = _paired(old, new)
    moved = _moved(pairs)
    ordered: list[tuple[tuple[int, int, int], ItemChange]] = []
    same = 0
    for b, a in pairs:
        change = _item_change(old[b], new[a], b, a, is_moved=a in moved)
        if change is None:
            same += 1
        else:
            ordered.append(((a, 0, 0), change))
    known_old, known_new = {b for b, _ in pairs}, {a for _, a in pairs}
    for a, item in enumerate(new):
        if a not in known_new:
            ordered.append(((a, 0, 0), _whole(item, Fate.ADDED, a)))
    steady = [(b, a) for b, a in pairs if a not in moved]
    firsts = [b for b, _ in steady]
    for b, item in enumerate(old):
        if b not in known_old:
            # What went is shown behind what stood before it.
            place = bisect_left(firsts, b)
            anchor = steady[place - 1][1] if place else -1
            ordered.append(((anchor, 1, b), _whole(item, Fate.REMOVED, b)))
    ordered.sort(key=lambda one: one[0])
    return ListChange(key, tuple(change for _, change in ordered), same)


def _paired(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[int, int]]:
    """Which item became which, by content first, then by id, then by title, then by likeness; in the new order."""
    pairs: dict[int, int] = {}
    free_old, free_new = dict(enumerate(old)), dict(enumerate(new))

    def settle(b: int, a: int) -> None:
        pairs[a] = b
        del free_old[b], free_new[a]

    by_content: defaultdict[str, list[int]] = defaultdict(list)
    for b, item in _by_text(old):
        by_content[item].append(b)
    for places in by_content.values():
        places.reverse()
    for a, item in _by_text(new):
        if by_content.get(item):
            settle(by_content[item].pop(), a)
    for mark in (_identity, _title_key):
        old_marks, new_marks = _unique(mark, free_old), _unique(mark, free_new)
        for known, b in old_marks.items():
            if known in new_marks:
                settle(b, new_marks[known])
    for b, a in _alike(free_old, free_new):
        settle(b, a)
    return sorted(((b, a) for a, b in pairs.items()), key=lambda pair: pair[1])


def _by_text(items: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """The places of items, each with a text that is equal where the items say the same."""
    for place, item in enumerate(items):
        yield place, item if isinstance(item, str) else canonical(item).decode()


def _unique(mark: Any, items: Mapping[int, Any]) -> dict[Any, int]:
    marks = {place: mark(item) for place, item in items.items()}
    counts = Counter(marks.values())
    return {known: place for place, known in marks.items() if known not in (None, "") and counts[known] == 1}


def _identity(item: Any) -> Any:
    known = item.get("id") if isinstance(item, Mapping) else None
    return known if isinstance(known, int | str) and not isinstance(known, bool) else None


def _title_key(item: Any) -> str:
    return title_of(item) if isinstance(item, Mapping) else ""


def _alike(old: Mapping[int, Any], new: Mapping[int, Any]) -> list[tuple[int, int]]:
    """Pairs of items that share much of their text, the most alike first, each item once."""
    if not old or not new or len(old) * len(new) > _MOST_PAIRS:
        return []
    old_parts = {place: _shingles(item) for place, item in old.items()}
    new_parts = {place: _shingles(item) for place, item in new.items()}
    scored = []
    for b, left in old_parts.items():
        for a, right in new_parts.items():
            score = len(left & right) / max(len(left), len(right), 1)
            if score >= _ALIKE:
                scored.append((-score, abs(b - a), b, a))
    found: list[tuple[int, int]] = []
    used_old, used_new = set[int](), set[int]()
    for _score, _distance, b, a in sorted(scored):
        if b not in used_old and a not in used_new:
            used_old.add(b)
            used_new.add(a)
            found.append((b, a))
    return found


def _shingles(item: Any) -> frozenset[str]:
    text = item if isinstance(item, str) else "\n".join(value for value in _strings(item))
    text = text[:_READ].casefold()
    return frozenset(text[at : at + _SHINGLE] for at in range(max(1, len(text) - _SHINGLE + 1)))


def _strings(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, Mapping):
        for value in item.values():
            yield from _strings(value)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from _strings(value)


def _moved(pairs: Sequence[tuple[int, int]]) -> set[int]:
    """The new places of those that left the order of the others: all but a longest run that kept its order."""
    ends: list[int] = []
    holders: list[int] = []
    before: list[int] = []
    for index, (b, _) in enumerate(pairs):
        place = bisect_left(ends, b)
        before.append(holders[place - 1] if place else -1)
        if place == len(ends):
            ends.append(b)
            holders.append(index)
        else:
            ends[place], holders[place] = b, index
    kept: set[int] = set()
    at = holders[-1] if holders else -1
    while at >= 0:
        kept.add(at)
        at = before[at]
    return {a for index, (_, a) in enumerate(pairs) if index not in kept}


def _item_change(before: Any, after: Any, b: int, a: int, *, is_moved: bool) -> ItemChange | None:
    texts, values = _changes(_item_contents(before), _item_contents(after))
    if not texts and not values and not is_moved:
        return None
    fate = Fate.CHANGED if texts or values else Fate.MOVED
    return ItemChange(fate, title_of(after), b, a, texts, values, is_moved)


def _whole(item: Any, fate: Fate, place: int) -> ItemChange:
    contents = _item_contents(item)
    is_added = fate is Fate.ADDED
    return ItemChange(
        fate,
        title_of(item),
        None if is_added else place,
        place if is_added else None,
        texts=tuple(
            TextChange(key, "" if is_added else text, text if is_added else "")
            for key, text in contents.texts.items()
            if text
        ),
    )


def _item_contents(item: Any) -> _Contents:
    found = _Contents()
    if not isinstance(item, Mapping):
        found.texts[""] = item if isinstance(item, str) else canonical(item).decode()
        return found
    for key, value in item.items():
        if key == "content" and isinstance(value, str):
            found.texts[key] = value
        elif isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            found.put(key, ", ".join(value))
        elif isinstance(value, list | tuple):
            found.put(key, canonical(list(value)).decode())
        else:
            found.put(key, value)
    return found


def title_of(item: Any) -> str:
    """What an item is called: its name, title or keys; "" for what is only a text."""
    if not isinstance(item, Mapping):
        return ""
    for key in ("name", "title", "comment"):
        if isinstance(item.get(key), str) and item[key].strip():
            return str(item[key]).strip()[:_SHORT]
    keys = item.get("keys")
    return ", ".join(str(key) for key in keys)[:_SHORT] if isinstance(keys, list | tuple) else ""
