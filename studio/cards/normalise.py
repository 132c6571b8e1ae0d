"""Any card document as one V3 object of known types: the copy that the studio works with."""

import hashlib
from dataclasses import dataclass
from typing import Any

from studio.cards import coerce, formats, limits, round_trip
from studio.cards.documents import Json, canonical
from studio.cards.errors import TooLargeError
from studio.cards.formats import v2
from studio.cards.formats.base import V1_KEYS, V2_TEXT_KEYS, CardFormat
from studio.cards.lorebooks import normalise_book
from studio.cards.notes import Notebook

ASSET_KEYS = ("type", "uri", "name", "ext")
# The last second of the year 9999; later moments are no dates.
_LAST_SECOND = 253_402_300_799
# Dates, sources and the version's label change without the character changing; `fav` is one reader's bookmark.
_UNSEMANTIC_KEYS = frozenset({"creation_date", "modification_date", "character_version", "source"})
_DEMANDED_BY_V2 = frozenset({*V1_KEYS, *V2_TEXT_KEYS, "alternate_greetings", "tags", "extensions"})
# Filling a key that the card's own format demands is a repair; filling one that it cannot know is none.
_DEMANDED = {
    "v1": frozenset(V1_KEYS),
    "v2": _DEMANDED_BY_V2,
    "v3": _DEMANDED_BY_V2 | {"group_only_greetings"},
}
_UNSEMANTIC_EXTENSIONS = frozenset({round_trip.NAMESPACE, "fav"})


@dataclass(frozen=True)
class Normalised:
    """The V3 object {spec, spec_version, data}, and the format that it was read from."""

    format: CardFormat
    card: Json


@dataclass(frozen=True)
class MirrorDifference:
    """A key that a file states twice, differently: `used` counts, `other` stands at `where` (root or chara)."""

    where: str
    key: str
    used: Any
    other: Any


def normalise(document: Json, notes: Notebook | None = None) -> Normalised:
    """The document as V3; the document itself is left as it is.

    Normalising the result again changes nothing. Raises NotACardError, LorebookError, or TooLargeError where
    there are more entries, greetings or tags than the limits allow.
    """
    notes = notes if notes is not None else Notebook()
    kind = formats.detect(document)
    data = kind.content(document, notes)
    round_trip.restore(data)
    demanded = _DEMANDED.get(kind.key, frozenset())
    _texts(data, notes, demanded)
    _lists(data, notes, demanded)
    if "extensions" in data or "extensions" in demanded:
        data["extensions"] = coerce.mapping(data.get("extensions"), notes, "data.extensions")
    else:
        data["extensions"] = {}
    # A foreign format's other keys were named as kept already, before they became our extension.
    for namespace in data["extensions"] if kind.is_native else ():
        notes.keep(f"data.extensions.{namespace}")
    _book(data, notes, is_v3=kind.key == "v3")
    _v3_only(data, notes)
    _check_counts(data)
    return Normalised(kind, {"spec": "chara_card_v3", "spec_version": "3.0", "data": data})


def content_hash(card: Json) -> str:
    """SHA-256 (hex) of the card's meaning: everything in `data` but dates, sources, version label and bookkeeping."""
    data = {key: value for key, value in card["data"].items() if key not in _UNSEMANTIC_KEYS}
    data["extensions"] = {
        key: value for key, value in data.get("extensions", {}).items() if key not in _UNSEMANTIC_EXTENSIONS
    }
    return hashlib.sha256(canonical(data)).hexdigest()


def root_differences(document: Json, card: Json) -> list[MirrorDifference]:
    """Where the root of a V2 or V3 document says something else than its `data`; `data` counts."""
    if not isinstance(document.get("data"), dict) or v2.is_content_at_root(document):
        return []
    differences = []
    for mirror, key in v2.ROOT_MIRRORS.items():
        if mirror not in document or key in {"extensions", "character_book", "assets"}:
            continue
        used, other = card["data"].get(key), document[mirror]
        # Empty in either spelling is no contradiction.
        if used != other and (used or other):
            differences.append(MirrorDifference("root", mirror, used, other))
    return differences


def _texts(data: Json, notes: Notebook, demanded: frozenset[str]) -> None:
    for key in (*V1_KEYS, *V2_TEXT_KEYS):
        if key in data or key in demanded:
            data[key] = coerce.text(data.get(key), notes, f"data.{key}")
        else:
            data[key] = ""
    if not data["name"].strip():
        notes.warn("no_name", "data.name", "The character has no name; give it one before you publish it.")


def _lists(data: Json, notes: Notebook, demanded: frozenset[str]) -> None:
    for key in ("alternate_greetings", "tags", "group_only_greetings"):
        if key in data or key in demanded:
            data[key] = coerce.texts(data.get(key), notes, f"data.{key}")
        else:
            data[key] = []


def _book(data: Json, notes: Notebook, *, is_v3: bool) -> None:
    if "character_book" not in data:
        return
    book = normalise_book(data["character_book"], notes, "data.character_book", is_v3=is_v3)
    if book is None:
        del data["character_book"]
    else:
        data["character_book"] = book


def _v3_only(data: Json, notes: Notebook) -> None:
    if "nickname" in data:
        _optional(
            data,
            "nickname",
            None if data["nickname"] is None else coerce.text(data["nickname"], notes, "data.nickname"),
            notes,
        )
    if "source" in data:
        _optional(
            data,
            "source",
            None if data["source"] is None else coerce.texts(data["source"], notes, "data.source"),
            notes,
        )
    for key in ("creation_date", "modification_date"):
        if key in data:
            seconds = coerce.number(data[key])
            _optional(data, key, seconds if seconds is not None and 0 <= seconds <= _LAST_SECOND else None, notes)
    if "creator_notes_multilingual" in data:
        _optional(data, "creator_notes_multilingual", _multilingual(data["creator_notes_multilingual"], notes), notes)
    if "assets" in data:
        _optional(data, "assets", _assets(data["assets"], notes), notes)


def _multilingual(value: Any, notes: Notebook) -> Json | None:
    if not isinstance(value, dict):
        return None
    kept = {key: item for key, item in value.items() if isinstance(item, str)}
    if len(kept) != len(value):
        coerce.dropped(notes, "data.creator_notes_multilingual.*")
    return kept


def _assets(value: Any, notes: Notebook) -> list[Json] | None:
    if not isinstance(value, list):
        return None
    if len(value) > limits.ASSET_COUNT:
        raise TooLargeError("The card names more than %(limit)s assets.", limit=limits.ASSET_COUNT)
    assets = []
    for asset in value:
        if not isinstance(asset, dict):
            coerce.dropped(notes, "data.assets[*]")
            continue
        for key in asset:
            if key not in ASSET_KEYS:
                notes.keep(f"data.assets[*].{key}")
        assets.append(
            {**asset, **{key: coerce.text(asset.get(key), notes, f"data.assets[*].{key}") for key in ASSET_KEYS}}
        )
    return assets


def _optional(data: Json, key: str, value: Any, notes: Notebook) -> None:
    """Puts the coerced value of an optional key in place; None removes the key."""
    if value is None:
        if data[key] is None:
            notes.repair("empty_removed", f"data.{key}", "An empty value stands for 'absent' and was removed.")
        else:
            coerce.dropped(notes, f"data.{key}")
        del data[key]
        return
    if type(value) is not type(data[key]) and not isinstance(value, str | list):
        notes.repair("retyped", f"data.{key}", "A value of the wrong type was turned into the right one.")
    data[key] = value


def _check_counts(data: Json) -> None:
    for key, limit in (
        ("alternate_greetings", limits.GREETINGS),
        ("group_only_greetings", limits.GREETINGS),
        ("tags", limits.TAGS),
    ):
        if len(data[key]) > limit:
            raise TooLargeError("The card has more than %(limit)s values under %(key)s.", limit=limit, key=key)
