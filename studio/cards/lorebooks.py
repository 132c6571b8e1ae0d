"""The lorebook inside a card, normalised; and what kind of standalone lorebook a document is."""

from typing import Any

from studio.cards import coerce, limits, lore_formats
from studio.cards.documents import Json
from studio.cards.errors import TooLargeError
from studio.cards.lore_formats import world_info
from studio.cards.notes import Notebook

BOOK_KEYS = frozenset(
    {"name", "description", "scan_depth", "token_budget", "recursive_scanning", "extensions", "entries"}
)
ENTRY_KEYS = frozenset(
    {
        "keys",
        "content",
        "extensions",
        "enabled",
        "insertion_order",
        "use_regex",
        "constant",
        "case_sensitive",
        "selective",
        "secondary_keys",
        "priority",
        "position",
        "name",
        "comment",
        "id",
    }
)

# SillyTavern's world info keeps its entries in other words.
_WORLD_INFO_NAMES = {
    "uid": "id",
    "key": "keys",
    "keysecondary": "secondary_keys",
    "order": "insertion_order",
}


def standalone_kind(document: Json) -> str | None:
    """Which kind of standalone lorebook this document is, a key of `lore_formats`, or None."""
    kind = lore_formats.detect(document)
    return None if kind is None else kind.key


def normalise_book(value: Any, notes: Notebook, path: str, *, is_v3: bool) -> Json | None:
    """The book with every key of the right type, unknown keys kept; None where there is no book.

    `is_v3` says whether keys that only V3 demands count as missing. Raises TooLargeError beyond 2,000 entries.
    """
    if isinstance(value, list) and value:
        notes.repair("retyped", path, "A lorebook given as a list of entries became a book.")
        value = {"entries": value}
    if not isinstance(value, dict):
        _not_a_book(value, notes, path)
        return None
    _keep_strangers(value, BOOK_KEYS, notes, path)
    book: Json = dict(value)
    _settings(book, notes, path)
    _extensions(book, notes, path)
    book["entries"] = _entries(book.get("entries"), notes, f"{path}.entries", is_v3=is_v3)
    return book


def _not_a_book(value: Any, notes: Notebook, path: str) -> None:
    if value is None or value in ([], ""):
        notes.repair("empty_removed", path, "An empty value stands for 'absent' and was removed.")
    else:
        coerce.dropped(notes, path)


def _settings(book: Json, notes: Notebook, path: str) -> None:
    for key in ("name", "description"):
        if key in book:
            text = None if book[key] is None else coerce.text(book[key], notes, f"{path}.{key}")
            _replace(book, key, text, notes, path)
    for key in ("scan_depth", "token_budget"):
        if key in book:
            _replace(book, key, coerce.number(book[key]), notes, path)
    if "recursive_scanning" in book:
        _replace(book, "recursive_scanning", coerce.boolean(book["recursive_scanning"]), notes, path)


def _keep_strangers(owner: Json, known: frozenset[str], notes: Notebook, path: str) -> None:
    for key in owner:
        if key not in known:
            notes.keep(f"{path}.{key}")


def _extensions(owner: Json, notes: Notebook, path: str) -> None:
    owner["extensions"] = dict(coerce.mapping(owner.get("extensions"), notes, f"{path}.extensions"))
    for namespace in owner["extensions"]:
        notes.keep(f"{path}.extensions.{namespace}")


def _entries(value: Any, notes: Notebook, path: str, *, is_v3: bool) -> list[Json]:
    if isinstance(value, dict):
        notes.repair("entries_object", path, "Entries given as an object became a list, in the order of their keys.")
        value = [value[key] for key in sorted(value, key=_object_order)]
    if value is None:
        coerce.filled(notes, path)
        value = []
    if not isinstance(value, list):
        coerce.dropped(notes, path)
        value = []
    if len(value) > limits.ENTRIES:
        raise TooLargeError("The lorebook has more than %(limit)s entries; split it.", limit=limits.ENTRIES)
    entries = []
    for index, entry in enumerate(value):
        if isinstance(entry, dict):
            entries.append(_entry(entry, index, notes, f"{path}[*]", is_v3=is_v3))
        else:
            coerce.dropped(notes, f"{path}[*]")
    return entries


def _object_order(key: str) -> tuple[int, int]:
    # JavaScript, which wrote these objects, puts whole numbers first and leaves the rest as they came.
    return (0, int(key)) if key.isascii() and key.isdigit() and len(key) < 16 else (1, 0)  # noqa: PLR2004


def _entry(value: Json, index: int, notes: Notebook, path: str, *, is_v3: bool) -> Json:
    is_world_info = "keys" not in value and "key" in value
    entry = _from_world_info(value, notes, path) if is_world_info else dict(value)
    _keep_strangers(entry, ENTRY_KEYS, notes, path)
    entry["keys"] = coerce.texts(entry.get("keys"), notes, f"{path}.keys")
    entry["content"] = coerce.text(entry.get("content"), notes, f"{path}.content")
    _extensions(entry, notes, path)
    _required(entry, "enabled", coerce.boolean(entry.get("enabled")), True, notes, path)
    _required(entry, "insertion_order", coerce.number(entry.get("insertion_order")), index, notes, path)
    if "use_regex" in entry or is_v3:
        _required(entry, "use_regex", coerce.boolean(entry.get("use_regex")), False, notes, path)
    else:
        entry["use_regex"] = False
    _optional_keys(entry, notes, path)
    _position(entry, notes, path)
    return entry


def _optional_keys(entry: Json, notes: Notebook, path: str) -> None:
    for key in ("constant", "case_sensitive", "selective"):
        if key in entry:
            _replace(entry, key, coerce.boolean(entry[key]), notes, path)
    if "priority" in entry:
        _replace(entry, "priority", coerce.number(entry["priority"]), notes, path)
    if "secondary_keys" in entry:
        entry["secondary_keys"] = coerce.texts(entry["secondary_keys"], notes, f"{path}.secondary_keys", split_at=",")
    for key in ("name", "comment"):
        if key in entry:
            entry[key] = coerce.text(entry[key], notes, f"{path}.{key}")
    if "id" in entry and (isinstance(entry["id"], bool) or not isinstance(entry["id"], int | float | str)):
        _replace(entry, "id", None, notes, path)


def _position(entry: Json, notes: Notebook, path: str) -> None:
    position = entry.get("position")
    if "position" not in entry or (isinstance(position, str) and position in {"before_char", "after_char"}):
        return
    if position is None:
        _replace(entry, "position", None, notes, path)
        return
    notes.repair("position", f"{path}.position", "A position in another spelling became before_char or after_char.")
    entry["position"] = "before_char" if position in (0, "0", "") and position is not False else "after_char"


def _from_world_info(value: Json, notes: Notebook, path: str) -> Json:
    notes.repair("world_info_entry", path, "An entry in SillyTavern's world info form was translated.")
    entry: Json = {}
    extensions = dict(value["extensions"]) if isinstance(value.get("extensions"), dict) else {}
    for key, item in value.items():
        if key == "disable":
            entry["enabled"] = not coerce.boolean(item)
        elif key in _WORLD_INFO_NAMES:
            entry.setdefault(_WORLD_INFO_NAMES[key], item)
        elif key in world_info.EXTENSIONS:
            extensions.setdefault(world_info.EXTENSIONS[key], item)
        elif key != "extensions":
            entry[key] = item
    if isinstance(value.get("position"), int):
        extensions.setdefault("position", value["position"])
    entry["extensions"] = extensions
    return entry


def _required(entry: Json, key: str, value: Any, default: Any, notes: Notebook, path: str) -> None:
    if value is None:
        coerce.filled(notes, f"{path}.{key}")
        entry[key] = default
    elif type(value) is not type(entry[key]):
        _replace(entry, key, value, notes, path)


def _replace(owner: Json, key: str, value: Any, notes: Notebook, path: str) -> None:
    """Puts the coerced value in place; None removes the optional key."""
    if value is None:
        if owner[key] is None:
            notes.repair("empty_removed", f"{path}.{key}", "An empty value stands for 'absent' and was removed.")
        else:
            coerce.dropped(notes, f"{path}.{key}")
        del owner[key]
    elif value != owner[key] or type(value) is not type(owner[key]):
        notes.repair("retyped", f"{path}.{key}", "A value of the wrong type was turned into the right one.")
        owner[key] = value
