"""Setting an edited lorebook in the card that it came from: what was not edited stays there letter by letter."""

from collections.abc import Mapping, Sequence
from typing import Any

from studio.cards import coerce
from studio.cards.documents import Json, canonical
from studio.cards.lore_values import in_order


def patched(raw: Any, *, was: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """The book as it stands in a document, `raw`, changed so that it says what `wanted` says.

    `was` is `raw` normalised, `wanted` a normalised book. Entries that are equal before and after stay as they were
    written; of an entry that was edited only the changed keys are touched. A book in another program's form becomes
    the normalised one.
    """
    entries = list(wanted["entries"])
    plain = {**wanted, "entries": [in_order(entry) for entry in entries]}
    if not isinstance(raw, dict) or not isinstance(raw.get("entries"), list):
        return plain
    written = [entry for entry in raw["entries"] if isinstance(entry, dict)]
    if len(written) != len(was["entries"]):
        return plain
    book = _merged(raw, was, wanted)
    book["entries"] = [
        in_order(entry)
        if place is None
        else _entry(written[place], was["entries"][place], entry, has_moved=place != number)
        for number, (entry, place) in enumerate(zip(entries, _places(was["entries"], entries), strict=True))
    ]
    return book


def _entry(raw: Json, was: Json, wanted: Json, *, has_moved: bool) -> Json:
    is_plain = "keys" in raw or "key" not in raw
    # An entry without an order has that of its place: elsewhere it must be written down.
    needs_order = has_moved and coerce.number(raw.get("insertion_order" if is_plain else "order")) is None
    if was == wanted and not needs_order:
        return raw
    # SillyTavern's own words for keys cannot take an edit.
    made = _merged(raw, was, wanted) if is_plain else in_order(wanted)
    return made | {"insertion_order": wanted["insertion_order"]} if needs_order else made


def _merged(raw: Mapping[str, Any], was: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    merged: Json = {key: value for key, value in raw.items() if key in wanted or key not in was}
    for key, value in wanted.items():
        if key != "entries" and (key not in was or was[key] != value):
            merged[key] = value
    return merged


def _places(was: Sequence[Json], wanted: Sequence[Json]) -> list[int | None]:
    """For each wanted entry the one that it was: equal, else with its id, else with its content or its keys."""
    free = dict.fromkeys(range(len(was)))
    places: list[int | None] = [None] * len(wanted)
    for fingerprint in (canonical, _id, _content, _keys):
        known: dict[Any, list[int]] = {}
        for index in free:
            known.setdefault(fingerprint(was[index]), []).append(index)
        for number, entry in enumerate(wanted):
            if places[number] is not None:
                continue
            mark = fingerprint(entry)
            found = known.get(mark) if mark is not None else None
            if found:
                place = found.pop(0)
                places[number] = place
                del free[place]
    return places


def _id(entry: Json) -> Any:
    return repr(entry["id"]) if "id" in entry else None


def _content(entry: Json) -> Any:
    return entry["content"] or None


def _keys(entry: Json) -> Any:
    return tuple(entry["keys"]) or None
