"""Agnai's memory book: keywords, weight and priority."""

from studio.cards.documents import Json
from studio.cards.lore_formats.base import (
    LoreFormat,
    Losses,
    lost,
    lost_extensions,
    rows,
    split_keys,
    title_of,
    without_empty,
)

_NAMES = {
    "keys": "keywords",
    "content": "entry",
    "insertion_order": "weight",
    "enabled": "enabled",
    "priority": "priority",
    "id": "id",
    "comment": "comment",
    "selective": "selective",
    "secondary_keys": "secondaryKeys",
    "constant": "constant",
    "position": "position",
    "name": "name",
}
_BOOK_NAMES = {
    "name": "name",
    "description": "description",
    "scan_depth": "scanDepth",
    "token_budget": "tokenBudget",
    "recursive_scanning": "recursiveScanning",
    "extensions": "extensions",
}
_OWN = frozenset({"kind", "entries", *_BOOK_NAMES.values()})


def _read(document: Json) -> Json:
    book = {key: document[name] for key, name in _BOOK_NAMES.items() if name in document}
    book |= {key: value for key, value in document.items() if key not in _OWN}
    book["entries"] = [_read_entry(entry) for entry in rows(document.get("entries"))]
    return book


def _read_entry(given: Json) -> Json:
    entry: Json = {key: given[name] for key, name in _NAMES.items() if given.get(name) is not None}
    entry["keys"] = split_keys(given.get("keywords"))
    entry["extensions"] = given["extensions"] if isinstance(given.get("extensions"), dict) else {}
    known = {*_NAMES.values(), "extensions"}
    return entry | {key: value for key, value in given.items() if key not in known and key not in entry}


def _write(book: Json) -> tuple[Json, Losses]:
    entries = book["entries"]
    document: Json = {"kind": "memory", **{name: book[key] for key, name in _BOOK_NAMES.items() if key in book}}
    document.setdefault("name", "")
    document["entries"] = [_write_entry(entry) for entry in entries]
    losses = lost(
        entries,
        "patterns_literal",
        "%(count)s entries have patterns for keys; this format takes them for plain words.",
        lambda entry: entry["use_regex"] and any(key.startswith("/") for key in entry["keys"]),
    )
    losses += lost(
        entries,
        "case_left",
        "That upper and lower case count is left out of %(count)s entries.",
        lambda entry: entry.get("case_sensitive"),
    )
    return document, losses + lost_extensions(entries)


def _write_entry(entry: Json) -> Json:
    made: Json = {name: entry[key] for key, name in _NAMES.items() if key in entry}
    made["name"] = title_of(entry)
    made.setdefault("priority", entry["insertion_order"])
    return without_empty(made)


FORMAT = LoreFormat("agnai_memory", "Agnai", lambda document: document.get("kind") == "memory", _read, _write)
