"""Our own extension: what an older format or another container cannot say is kept here and put back on reading."""

from collections.abc import Mapping
from typing import Any

from studio.cards import decorators
from studio.cards.documents import Json
from studio.cards.formats.base import V3_ONLY_KEYS

NAMESPACE = "greenroom"
# Given by the V3 specification for readers that know V2 only.
V2_NOTICE = (
    "This character card is Character Card V3, but it is loaded as a Character Card V2. "
    "Please use a Character Card V3 compatible application to use this character card properly."
)
_V3 = "v3"
_ICON = "icon"
ICON_ABSENT = "absent"


def lower(data: Json, *, notice: bool) -> list[str]:
    """Turns V3 `data` into V2's in place and returns the paths that V2's readers will not see.

    Repeating it changes nothing. `restore` puts everything back, in content equal to what it was.
    """
    hidden: list[str] = []
    kept: Json = {}
    for key in V3_ONLY_KEYS:
        if key in data:
            value = data.pop(key)
            if value or key != "group_only_greetings":
                kept[key] = value
                hidden.append(f"data.{key}")
    if notice:
        kept["notice"] = True
        data["creator_notes"] = "\n\n".join(part for part in (data.get("creator_notes", ""), V2_NOTICE) if part)
    if kept:
        _set(data, _V3, kept)
    book = data.get("character_book")
    if isinstance(book, dict):
        for entry in book["entries"]:
            hidden += [path for path in _lower_entry(entry) if path not in hidden]
    return hidden


def _lower_entry(entry: Json) -> list[str]:
    path = "data.character_book.entries[*]"
    kept: Json = {}
    hidden: list[str] = []
    if entry.pop("use_regex", False):
        kept["use_regex"] = True
        hidden.append(f"{path}.use_regex")
    if isinstance(entry.get("id"), str):
        kept["id"] = entry.pop("id")
        hidden.append(f"{path}.id")
    head, body = decorators.split(entry["content"])
    if head:
        kept["decorators"] = head
        entry["content"] = body
        hidden.append(f"{path}.content (decorators)")
    if kept:
        _set(entry, _V3, kept)
    return hidden


def restore(data: Json) -> None:
    """Puts back in place what `lower` and `mark_icon` kept, where the card came back with our extension."""
    kept = _take(data, _V3)
    if kept.pop("notice", False) and isinstance(data.get("creator_notes"), str):
        data["creator_notes"] = data["creator_notes"].removesuffix(V2_NOTICE).removesuffix("\n\n")
    for key in V3_ONLY_KEYS:
        if key in kept:
            data.setdefault(key, kept[key])
    book = data.get("character_book")
    entries = book.get("entries") if isinstance(book, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            _restore_entry(entry)
    _restore_icon(data)


def _restore_entry(entry: Json) -> None:
    kept = _take(entry, _V3)
    if kept.get("use_regex") is True:
        entry.setdefault("use_regex", True)
    if isinstance(kept.get("id"), str):
        entry.setdefault("id", kept["id"])
    if isinstance(kept.get("decorators"), str) and isinstance(entry.get("content"), str):
        entry["content"] = kept["decorators"] + entry["content"]


def mark_icon(data: Json, uri: str, extension: str) -> None:
    """Names the portrait inside a CHARX as the card's icon, and keeps how the card named it before."""
    assets = data.get("assets")
    _set(data, _ICON, {"uri": uri, "before": ICON_ABSENT if assets is None else "ccdefault:"})
    if assets is None:
        data["assets"] = [{"type": "icon", "uri": uri, "name": "main", "ext": extension}]
        return
    for asset in assets:
        if is_default_icon(asset):
            asset["uri"] = uri
            return


def is_default_icon(asset: Mapping[str, Any]) -> bool:
    """Whether this asset says that the card's own picture is the icon."""
    return asset.get("type") == "icon" and asset.get("uri") == "ccdefault:"


def holds_own(document: Json) -> bool:
    """Whether our extension stands somewhere in the document."""
    data = document.get("data")
    owner = data if isinstance(data, dict) else document
    book = owner.get("character_book")
    entries = book.get("entries") if isinstance(book, dict) else None
    holders = [owner, document, *(entries if isinstance(entries, list) else [])]
    return any(
        isinstance(holder, dict) and isinstance(holder.get("extensions"), dict) and NAMESPACE in holder["extensions"]
        for holder in holders
    )


def without_own(document: Json) -> Json:
    """The document without our extension at any place where we write one; what it holds beside is shared, not copied."""
    data = document.get("data")
    owner = data if isinstance(data, dict) else document
    bare = _bare(owner)
    book = bare.get("character_book")
    if isinstance(book, dict) and isinstance(book.get("entries"), list):
        entries = [_bare(entry) if isinstance(entry, dict) else entry for entry in book["entries"]]
        bare["character_book"] = {**book, "entries": entries}
    if owner is document:
        return bare
    return {**_bare(document), "data": bare}


def _bare(owner: Json) -> Json:
    extensions = owner.get("extensions")
    if not isinstance(extensions, dict) or NAMESPACE not in extensions:
        return dict(owner)
    return {**owner, "extensions": {key: value for key, value in extensions.items() if key != NAMESPACE}}


def _restore_icon(data: Json) -> None:
    kept = _take(data, _ICON)
    assets = data.get("assets")
    if not kept or not isinstance(assets, list):
        return
    ours = [asset for asset in assets if isinstance(asset, dict) and asset.get("uri") == kept.get("uri")]
    if not ours:
        return
    if kept.get("before") != ICON_ABSENT:
        ours[0]["uri"] = "ccdefault:"
    elif len(assets) == 1:
        del data["assets"]
    else:
        assets.remove(ours[0])


def _set(owner: Json, key: str, value: Json) -> None:
    extensions = owner.setdefault("extensions", {})
    own = extensions.setdefault(NAMESPACE, {})
    if isinstance(own, dict):
        own[key] = value


def _take(owner: Json, key: str) -> Json:
    """Removes what was kept under the key, and our namespace with it once that is empty."""
    extensions = owner.get("extensions")
    own = extensions.get(NAMESPACE) if isinstance(extensions, dict) else None
    if not isinstance(extensions, dict) or not isinstance(own, dict) or not isinstance(own.get(key), dict):
        return {}
    kept: Json = own.pop(key)
    if not own:
        del extensions[NAMESPACE]
    return kept
