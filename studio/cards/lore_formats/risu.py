"""RisuAI's lorebook: keys in one text, and decorators for what it has no key for."""

from typing import Any

from studio.cards import decorators
from studio.cards.documents import Json
from studio.cards.lore_entries import PlaceKind, place_of
from studio.cards.lore_formats.base import (
    LoreFormat,
    Losses,
    lost,
    lost_settings,
    rows,
    split_keys,
    title_of,
    without_empty,
)

_KNOWN = frozenset(
    {
        "key",
        "secondkey",
        "comment",
        "content",
        "alwaysActive",
        "insertorder",
        "selective",
        "activationPercent",
        "useRegex",
    }
)
_NAMESPACE = "risuai"
# Risu's entries are always on; this decorator keeps one silent.
_OFF = "@@dont_activate\n"
_NEEDS_DECORATORS = frozenset({"depth", "role", "match_whole_words", "scan_depth", "position"})


def _recognises(document: Json) -> bool:
    return document.get("type") == "risu" and isinstance(document.get("data"), list)


def _read(document: Json) -> Json:
    return {"entries": [_read_entry(entry) for entry in rows(document["data"])], "extensions": {}}


def _read_entry(given: Json) -> Json:
    is_pattern = bool(given.get("useRegex"))
    content = given.get("content")
    is_off = isinstance(content, str) and content.startswith(_OFF)
    extensions: Json = {}
    if given.get("activationPercent") is not None:
        extensions |= {"probability": given["activationPercent"], "useProbability": True}
    if rest := {key: value for key, value in given.items() if key not in _KNOWN}:
        extensions[_NAMESPACE] = rest
    secondary = split_keys(given.get("secondkey"))
    return without_empty(
        {
            "keys": [given["key"]]
            if is_pattern and isinstance(given.get("key"), str)
            else split_keys(given.get("key")),
            "content": content.removeprefix(_OFF) if isinstance(content, str) else content,
            "extensions": extensions,
            "enabled": not is_off,
            "insertion_order": given.get("insertorder", 100),
            "use_regex": is_pattern,
            "name": given.get("comment"),
            "comment": given.get("comment"),
            "selective": bool(given.get("selective")) and bool(secondary),
            "secondary_keys": secondary or None,
            "constant": bool(given.get("alwaysActive")),
        }
    )


def _write(book: Json) -> tuple[Json, Losses]:
    entries = book["entries"]
    losses = lost_settings(book, ("name", "description", "scan_depth", "token_budget", "recursive_scanning"))
    losses += lost(
        entries,
        "patterns_left",
        "Of %(count)s entries with several keys, some of them patterns, only the first is kept.",
        lambda entry: entry["use_regex"] and len(entry["keys"]) > 1,
    )
    losses += lost(
        entries,
        "commas_split",
        "A key with a comma becomes two in %(count)s entries.",
        lambda entry: not entry["use_regex"] and any("," in key for key in entry["keys"]),
    )
    losses += lost(
        entries, "priority_left", "The priority of %(count)s entries is left out.", lambda entry: "priority" in entry
    )
    losses += lost(
        entries,
        "logic_left",
        "Secondary keys of %(count)s entries lose their logic: any of them is enough.",
        lambda entry: entry.get("selective") and entry.get("extensions", {}).get("selectiveLogic"),
    )
    losses += lost(
        entries,
        "extensions_left",
        "What other applications keep in %(count)s entries (chance, depth, groups and the like) is left out.",
        lambda entry: (
            entry.get("extensions", {}).keys() - {_NAMESPACE, "probability", "useProbability"} - _NEEDS_DECORATORS
        ),
    )
    return {"type": "risu", "ver": 1, "data": [_write_entry(entry) for entry in entries]}, losses


def _write_entry(entry: Json) -> Json:
    extensions = entry.get("extensions", {})
    own = extensions.get(_NAMESPACE)
    keys = entry["keys"]
    made: Json = {
        "key": (keys[0] if keys else "") if entry["use_regex"] else ", ".join(keys),
        "secondkey": ", ".join(entry.get("secondary_keys", ())),
        "comment": title_of(entry),
        "content": ("" if entry["enabled"] else _OFF) + _head(entry, extensions) + entry["content"],
        "mode": "normal",
        "alwaysActive": bool(entry.get("constant")),
        "insertorder": entry["insertion_order"],
        "selective": bool(entry.get("selective")),
    }
    if entry["use_regex"]:
        made["useRegex"] = True
    if extensions.get("useProbability", True) is not False and extensions.get("probability") is not None:
        made["activationPercent"] = extensions["probability"]
    return made | (own if isinstance(own, dict) else {})


def _head(entry: Json, extensions: Json) -> str:
    said, _body = decorators.read(entry["content"])
    lines: list[tuple[str, Any]] = []
    place = place_of(entry, extensions, said)
    if place.kind is PlaceKind.AT_DEPTH and not said.has("depth"):
        lines.append(("depth", place.depth))
        if not said.has("role"):
            lines.append(("role", place.role))
    if extensions.get("match_whole_words") is True and not said.has("match_full_word"):
        lines.append(("match_full_word", ""))
    if isinstance(extensions.get("scan_depth"), int) and not said.has("scan_depth"):
        lines.append(("scan_depth", extensions["scan_depth"]))
    return "".join(f"@@{name} {value}".rstrip() + "\n" for name, value in lines)


FORMAT = LoreFormat("risu", "RisuAI", _recognises, _read, _write)
