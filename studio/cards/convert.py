"""One card document in another version's form: unknown keys kept, losses named."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from studio.cards import round_trip
from studio.cards.documents import Json, copy_json, storable
from studio.cards.errors import ExportError
from studio.cards.formats import v2
from studio.cards.formats.base import V1_KEYS, V3_KEYS, CardFormat
from studio.cards.normalise import Normalised, normalise
from studio.cards.notes import Note, Notebook

VERSIONS = ("v1", "v2", "v3")
_SPECS = {"v2": ("chara_card_v2", "2.0"), "v3": ("chara_card_v3", "3.0")}
_OWN_KEYS = frozenset({"spec", "spec_version", "data"})


def convert(
    document: Mapping[str, Any],
    *,
    to: str,
    now: datetime | None,
    source_url: str | None = None,
    is_storable: bool = False,
    known: Normalised | None = None,
) -> tuple[Json, tuple[Note, ...]]:
    """The document as V1, V2 or V3, and what its new readers will not see.

    Starts from the document as it is: order and unknown keys stay, root mirrors follow `data`. V3 gets `now`, where given,
    as its modification date (a card that is only put into another form was not modified) and `source_url` behind its
    sources. V2 keeps V3's keys under our own extension, from where reading restores them; V1 loses them.
    `is_storable` and `known` save work as `write_card` says. Raises ExportError for another version, or CardError for no card.
    """
    if to not in VERSIONS:
        raise ExportError("Cards are written as v1, v2 or v3, not as %(to)s.", to=to)
    # Nothing of the original is changed below, so one that is known to be storable needs no copy.
    original: Json = document if is_storable and isinstance(document, dict) else storable(document)
    normalised = known if known is not None else normalise(original)
    if to == "v1":
        return _to_v1(original, normalised)
    # The normalised copy is nobody else's, so it may become the new document.
    data: Json = normalised.card["data"]
    if to == "v3":
        if now is not None:
            data["modification_date"] = int(now.timestamp())
        if source_url and source_url not in data.get("source", []):
            data["source"] = [*data.get("source", []), source_url]
        return _wrap(original, data, to, normalised.format), ()
    hidden = round_trip.lower(data, notice=False)
    loss = tuple(
        Note("hidden_in_v2", path, "V2 cannot say this; it is kept in an extension and comes back on reading here.")
        for path in hidden
    )
    return _wrap(original, data, to, normalised.format), loss


def added(original: Mapping[str, Any], document: Json) -> tuple[Note, ...]:
    """The keys that a document of `convert`'s has since its version demands them, and the original had not.

    Of an original in another application's form nothing is said: all its keys have other names.
    """
    owner, data = original.get("data"), document.get("data")
    if not isinstance(data, dict) or original.get("spec") not in {spec for spec, _version in _SPECS.values()}:
        return ()
    if not isinstance(owner, dict):
        owner = original
    notes = Notebook()
    _name_added(notes, owner, data, "data")
    old, new = owner.get("character_book"), data.get("character_book")
    if isinstance(old, dict) and isinstance(new, dict):
        path = "data.character_book"
        _name_added(notes, old, new, path)
        entries = old.get("entries")
        kept = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        # World info's entries were translated, which the report of the import says.
        for entry, became in zip(kept, new["entries"], strict=False):
            if "keys" in entry:
                _name_added(notes, entry, became, f"{path}.entries[*]")
    return notes.repairs


def _name_added(notes: Notebook, old: Mapping[str, Any], new: Json, path: str) -> None:
    for key, value in new.items():
        if key not in old and value in ("", [], {}, False):
            notes.repair("added", f"{path}.{key}", "The format demands this key; it is added and says nothing.")


def backfill(document: Json) -> Json:
    """A V3 document of `convert`'s as the V2 copy that older readers find beside it, with the notice for them."""
    data = _loose_copy(document["data"])
    round_trip.lower(data, notice=True)
    return _wrap(document, data, "v2")


def _loose_copy(data: Json) -> Json:
    """A copy of as much as `round_trip.lower` changes; the rest is shared."""
    copied: Json = {**data, "extensions": _own_copied(data["extensions"])}
    book = data.get("character_book")
    if book:
        entries = [{**entry, "extensions": _own_copied(entry["extensions"])} for entry in book["entries"]]
        copied["character_book"] = {**book, "entries": entries}
    return copied


def _own_copied(extensions: Json) -> Json:
    own = extensions.get(round_trip.NAMESPACE)
    return {**extensions, round_trip.NAMESPACE: dict(own)} if isinstance(own, dict) else dict(extensions)


def _wrap(original: Json, data: Json, to: str, kind: CardFormat | None = None) -> Json:
    """`data` with its root; `kind` is the original's format, where it is not V2 or V3 for sure."""
    spec, version = _SPECS[to]
    root: Json = {"spec": spec, "spec_version": version, "data": data}
    if kind is None or kind.key in _SPECS:
        # Keys keep the places that they had in the original.
        root = {key: root.get(key, value) for key, value in original.items()} | root
    elif kind.is_native:
        root |= _strangers(original)
    for mirror, key in v2.ROOT_MIRRORS.items():
        if mirror not in root:
            continue
        if key in data:
            root[mirror] = copy_json(data[key])
        else:
            del root[mirror]
    return root


def _to_v1(original: Json, normalised: Normalised) -> tuple[Json, tuple[Note, ...]]:
    data = normalised.card["data"]
    if normalised.format.key == "v1":
        document: Json = {}
        for key, value in original.items():
            if key not in V3_KEYS:
                document[key] = value
            elif key in data:
                document[key] = copy_json(data[key])
        for key in V1_KEYS:
            document.setdefault(key, data[key])
        return document, ()
    document = {key: data[key] for key in V1_KEYS}
    if normalised.format.is_native:
        document |= _strangers(original)
    loss = tuple(
        Note("lost_in_v1", f"data.{key}", "V1 cannot say this; it is left out.")
        for key, value in data.items()
        if key not in V1_KEYS and value not in ("", [], {}, None)
    )
    return document, loss


def _strangers(original: Json) -> Json:
    """The root's keys that no version of the format knows."""
    return {
        key: copy_json(value) for key, value in original.items() if key not in _OWN_KEYS and key not in v2.ROOT_MIRRORS
    }
