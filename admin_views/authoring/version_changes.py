"""A comparison as its page shows it: labelled, its words marked at a bounded cost, what is long folded."""

from collections.abc import Iterator
from dataclasses import dataclass

from admin_views.authoring.version_labels import inner_label, part_label, value_label
from studio.authoring.comparing import Comparison, Fate, ItemChange, ListChange, TextChange, ValueChange
from studio.kit.differences import EFFORT, Passage, passages, words
from studio.kit.matching import Effort

MOST_SIGNS = 400_000
"""A page shows so many signs of marked texts; what is beyond is named, not shown."""
MOST_ITEMS = 300
"""So many entries of one list are shown one by one."""


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text with its marks; no passages where the page has no room left."""

    label: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A setting as it was and as it is."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An entry of a list and what became of it; places count from one."""

    fate: Fate
    title: str
    place_before: int | None
    place_after: int | None
    is_moved: bool
    texts: tuple[ShownText, ...]
    values: tuple[ShownValue, ...]


@dataclass(frozen=True, slots=True)
class ShownList:
    """What became of a list; `more` counts changed entries that are left out."""

    label: str
    items: tuple[ShownItem, ...]
    same: int
    more: int


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that the page of a comparison says."""

    texts: tuple[ShownText, ...]
    values: tuple[ShownValue, ...]
    lists: tuple[ShownList, ...]
    is_portrait_changed: bool
    count: int


class _Page:
    """What a page may still spend."""

    def __init__(self) -> None:
        self.effort = Effort(EFFORT)
        self.room = MOST_SIGNS

    def text(self, label: str, change: TextChange) -> ShownText:
        if self.room <= 0:
            return ShownText(label, ())
        shown = tuple(passages(words(change.before, change.after, effort=self.effort)))
        self.room -= sum(len(one.text) for one in shown)
        return ShownText(label, shown)

    def item(self, change: ItemChange) -> ShownItem:
        return ShownItem(
            fate=change.fate,
            title=change.title,
            place_before=None if change.place_before is None else change.place_before + 1,
            place_after=None if change.place_after is None else change.place_after + 1,
            is_moved=change.is_moved,
            texts=tuple(self.text(inner_label(one.key) if one.key else "", one) for one in change.texts),
            values=tuple(_values(change.values, inner=True)),
        )

    def list(self, change: ListChange) -> ShownList:
        return ShownList(
            label=part_label(change.key),
            items=tuple(self.item(one) for one in change.items[:MOST_ITEMS]),
            same=change.same,
            more=max(0, len(change.items) - MOST_ITEMS),
        )


def shown(found: Comparison) -> Shown:
    """The comparison for its page. What is compared first has the most effort: the character's own texts."""
    page = _Page()
    return Shown(
        texts=tuple(page.text(part_label(one.key), one) for one in found.texts),
        values=tuple(_values(found.values, inner=False)),
        lists=tuple(page.list(one) for one in found.lists),
        is_portrait_changed=found.is_portrait_changed,
        count=found.count,
    )


def _values(changes: tuple[ValueChange, ...], *, inner: bool) -> Iterator[ShownValue]:
    for one in changes:
        label = inner_label(one.key) if inner else part_label(one.key)
        yield ShownValue(label, value_label(one.key, one.before), value_label(one.key, one.after))
