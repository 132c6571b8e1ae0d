"""NovelAI's lorebook: order by budget priority; what only NovelAI knows is kept and given back."""

from typing import Any

from studio.cards.documents import Json, copy_json
from studio.cards.lore_formats.base import LoreFormat, Losses, lost, lost_settings, rows, title_of, whole, without_empty

_NAMESPACE = "novelai"
_VERSION = 5
_KNOWN = frozenset({"text", "keys", "displayName", "enabled", "forceActivation"})
_BOOK_KNOWN = frozenset({"entries", "lorebookVersion"})
_CONTEXT: Json = {
    "prefix": "",
    "suffix": "\n",
    "tokenBudget": 2048,
    "reservedTokens": 0,
    "budgetPriority": 400,
    "trimDirection": "trimBottom",
    "insertionType": "newline",
    "maximumTrimType": "sentence",
    "insertionPosition": -1,
}
_ENTRY: Json = {
    "searchRange": 1000,
    "keyRelative": False,
    "nonStoryActivatable": False,
    "category": "",
    "loreBiasGroups": [],
}


def _read(document: Json) -> Json:
    rest = {key: value for key, value in document.items() if key not in _BOOK_KNOWN}
    return {
        "entries": [_read_entry(entry) for entry in rows(document.get("entries"))],
        "extensions": {_NAMESPACE: copy_json(rest)} if rest else {},
    }


def _read_entry(given: Json) -> Json:
    context = given.get("contextConfig")
    priority = context.get("budgetPriority") if isinstance(context, dict) else None
    return without_empty(
        {
            "keys": given.get("keys"),
            "content": given.get("text"),
            "extensions": {_NAMESPACE: {key: value for key, value in given.items() if key not in _KNOWN}},
            "enabled": given.get("enabled"),
            "insertion_order": priority if priority is not None else 400,
            # A key is a pattern where it is written /so/.
            "use_regex": True,
            "name": given.get("displayName"),
            "comment": given.get("displayName"),
            "constant": bool(given.get("forceActivation")),
        }
    )


def _write(book: Json) -> tuple[Json, Losses]:
    entries = book["entries"]
    losses = lost_settings(book, ("name", "description", "scan_depth", "token_budget", "recursive_scanning"))
    losses += lost(
        entries,
        "secondary_left",
        "Secondary keys of %(count)s entries are left out: each key alone calls them up.",
        lambda entry: entry.get("selective") and entry.get("secondary_keys"),
    )
    losses += lost(
        entries, "priority_left", "The priority of %(count)s entries is left out.", lambda entry: "priority" in entry
    )
    losses += lost(
        entries,
        "place_left",
        "The place of %(count)s entries is left out.",
        lambda entry: entry.get("position") == "after_char",
    )
    losses += lost(
        entries,
        "fraction_left",
        "The order of %(count)s entries loses its fraction.",
        lambda entry: entry["insertion_order"] != int(entry["insertion_order"]),
    )
    losses += lost(
        entries,
        "extensions_left",
        "What other applications keep in %(count)s entries (chance, depth, groups and the like) is left out.",
        lambda entry: entry.get("extensions", {}).keys() - {_NAMESPACE},
    )
    own = book.get("extensions", {}).get(_NAMESPACE)
    rest = copy_json(own) if isinstance(own, dict) else {}
    return {
        "lorebookVersion": _VERSION,
        "entries": [_write_entry(entry) for entry in entries],
        "settings": {"orderByKeyLocations": False},
        "categories": [],
    } | rest, losses


def _write_entry(entry: Json) -> Json:
    own: Any = entry.get("extensions", {}).get(_NAMESPACE)
    kept: Json = copy_json(own) if isinstance(own, dict) else {}
    context = kept.get("contextConfig")
    kept["contextConfig"] = {
        **(context if isinstance(context, dict) else _CONTEXT),
        "budgetPriority": whole(entry["insertion_order"]),
    }
    return {
        "text": entry["content"],
        "displayName": title_of(entry),
        "keys": list(entry["keys"]),
        "enabled": entry["enabled"],
        "forceActivation": bool(entry.get("constant")),
        **(_ENTRY if not isinstance(own, dict) else {}),
        **kept,
    }


FORMAT = LoreFormat("novelai", "NovelAI", lambda document: "lorebookVersion" in document, _read, _write)
