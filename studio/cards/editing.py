"""Editing a stored card: only the keys that changed are touched in the original document."""

from collections.abc import Mapping
from typing import Any

from studio.cards import lore_patching, round_trip
from studio.cards.documents import Json, copy_json, storable
from studio.cards.errors import CardError
from studio.cards.formats import v2
from studio.cards.formats.base import V1_KEYS, V2_TEXT_KEYS
from studio.cards.normalise import normalise
from studio.cards.notes import Notebook

# Sources and dates are kept by programs, not written by people (V3 says so).
EDITABLE_KEYS = (
    *V1_KEYS,
    *V2_TEXT_KEYS,
    "nickname",
    "alternate_greetings",
    "group_only_greetings",
    "tags",
    "creator_notes_multilingual",
    "character_book",
    "extensions",
    "assets",
)
_OPTIONAL_KEYS = frozenset({"nickname", "creator_notes_multilingual", "character_book", "assets"})
_TEXT_KEYS = frozenset({*V1_KEYS, *V2_TEXT_KEYS, "nickname"})
_TEXT_LIST_KEYS = frozenset({"alternate_greetings", "group_only_greetings", "tags"})
_OBJECT_KEYS = frozenset({"creator_notes_multilingual", "character_book", "extensions"})


def editable(document: Mapping[str, Any]) -> Json:
    """A copy of what a person may edit, by V3's keys; optional keys that are absent are None.

    `document` is a stored original or a normalised card. Raises a CardError where it is no card.
    """
    data = normalise(dict(document)).card["data"]
    return {key: copy_json(data.get(key)) for key in EDITABLE_KEYS}


def apply_edits(raw_document: Mapping[str, Any], edits: Mapping[str, Any]) -> Json:
    """The stored document with the edited keys set, everything else and its order as it was.

    `edits` names V3's `data` keys with whole new values; None removes an optional key. An edit equal to what stands
    there changes nothing, so applying the same edits again does neither. Root mirrors that exist follow. A document
    in a foreign format becomes a V3 document, since its own names cannot hold every edit. Raises InvalidError with
    `fields` where a value has the wrong type or the key is not to be edited; the original is never changed.
    """
    _check(edits)
    document: Json = storable(raw_document)
    if not edits:
        return document
    normalised = normalise(document)
    current = normalised.card["data"]
    wanted = {key: _as_stored(key, value) for key, value in storable(edits).items()}
    changed = {key: value for key, value in wanted.items() if current.get(key) != value}
    if not changed:
        return document
    if not normalised.format.is_native:
        document = copy_json(normalised.card)
    elif normalised.format.key != "v1" and (
        not isinstance(document.get("data"), dict) or v2.is_content_at_root(document)
    ):
        # The first edit would make `data` look complete and hide what still stands at the root.
        document["data"] = copy_json(current)
    if isinstance(document.get("data"), dict):
        # What a V2 export of ours kept aside comes back first, or an edit of the extensions would lose it.
        round_trip.restore(document["data"])
    _patch(document, changed, current)
    # What was written must read back; a lorebook beyond the limits is refused here, not at the next opening.
    normalise(document)
    return document


def _check(edits: Mapping[str, Any]) -> None:
    wrong: dict[str, str] = {}
    for key, value in edits.items():
        if key not in EDITABLE_KEYS:
            wrong[key] = "This cannot be edited."
        elif value is None:
            if key not in _OPTIONAL_KEYS:
                wrong[key] = "This may be empty, but not missing."
        elif not _has_right_type(key, value):
            wrong[key] = "This value has the wrong type."
    if wrong:
        raise CardError("Some changes cannot be stored; the card is as it was.", fields=wrong)


def _has_right_type(key: str, value: Any) -> bool:
    if key in _TEXT_KEYS:
        return isinstance(value, str)
    if key in _TEXT_LIST_KEYS:
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if key in _OBJECT_KEYS:
        return isinstance(value, Mapping)
    return isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)


def _as_stored(key: str, value: Any) -> Any:
    """An edited book or asset list in normalised form, so that comparing it with what stands there is fair."""
    if key not in {"character_book", "assets"} or value is None:
        return value
    probe = {"spec": "chara_card_v3", "spec_version": "3.0", "data": {"name": "", "first_mes": "", key: value}}
    return normalise(probe, Notebook()).card["data"].get(key)


def _patch(document: Json, changed: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    data = document.get("data") if isinstance(document.get("data"), dict) else None
    owner = data if data is not None else document
    for key, value in changed.items():
        if key == "character_book" and value is not None and current.get(key) is not None:
            # Of a book with hundreds of entries only those that were edited are touched.
            value = lore_patching.patched(owner.get(key), was=current[key], wanted=value)  # noqa: PLW2901
        _set(owner, key, value)
    if data is None:
        return
    for mirror, key in v2.ROOT_MIRRORS.items():
        if mirror in document and key in changed:
            _set(document, mirror, copy_json(changed[key]))


def _set(owner: Json, key: str, value: Any) -> None:
    if value is None:
        owner.pop(key, None)
    else:
        owner[key] = value
