"""An entry of a lorebook by the names that people edit: read from the entry as a card holds it, and set in it again."""

from collections.abc import Mapping
from typing import Any

from studio.cards import coerce
from studio.cards.documents import Json, copy_json
from studio.cards.lore_entries import LOGICS, PLACE_NUMBERS, ROLES, Logic, PlaceKind

DEFAULT_ORDER = 100
PLACES = tuple(PLACE_NUMBERS)
"""The places that an entry's own keys can name; decorators know further ones."""

_ENTRY_ORDER = (
    "keys",
    "content",
    "extensions",
    "enabled",
    "insertion_order",
    "use_regex",
    "case_sensitive",
    "name",
    "priority",
    "id",
    "comment",
    "selective",
    "secondary_keys",
    "constant",
    "position",
)


def blank(order: float = DEFAULT_ORDER) -> Json:
    """An entry that says nothing yet."""
    return {
        "keys": [],
        "content": "",
        "extensions": {},
        "enabled": True,
        "insertion_order": int(order) if float(order).is_integer() else order,
        "use_regex": False,
    }


def values_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a person edits of a normalised entry.

    `logic` is "" where the secondary keys are ignored, `place` one of PLACES. None stands for "as the application
    likes" (is_exact, is_whole), "by its order" (priority) and "as the book" (scan_depth).
    """
    extensions = entry.get("extensions") or {}
    exact = entry.get("case_sensitive")
    is_chance_used = coerce.boolean(extensions.get("useProbability", True)) is not False
    chance = _whole(extensions, "probability") if is_chance_used else None
    depth, role = _whole(extensions, "depth"), _whole(extensions, "role")
    return {
        "name": entry.get("name") or entry.get("comment") or "",
        "keys": list(entry["keys"]),
        "secondary_keys": list(entry.get("secondary_keys", ())),
        "logic": _logic(extensions) if entry.get("selective") else "",
        "content": entry["content"],
        "insertion_order": entry["insertion_order"],
        "priority": entry.get("priority"),
        "place": _place(entry, extensions),
        "depth": 4 if depth is None else max(0, depth),
        "role": ROLES[role] if role is not None and 0 <= role < len(ROLES) else ROLES[0],
        "is_enabled": bool(entry["enabled"]),
        "is_constant": bool(entry.get("constant")),
        "is_exact": coerce.boolean(extensions.get("case_sensitive")) if exact is None else bool(exact),
        "is_whole": coerce.boolean(extensions.get("match_whole_words")),
        "may_be_pattern": bool(entry.get("use_regex")),
        "chance": 100 if chance is None else max(0, min(100, chance)),
        "scan_depth": _whole(extensions, "scan_depth"),
    }


def with_values(entry: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """A copy of the entry that says what `changes` say, by the names of `values_of`; all else stays as it was."""
    changed: Json = copy_json(dict(entry))
    was = values_of(entry)
    for name, value in changes.items():
        if value != was[name] or type(value) is not type(was[name]):
            _SETTERS[name](changed, value)
    return changed


def in_order(entry: Mapping[str, Any]) -> Json:
    """The entry with its keys in the order in which people expect them; PostgreSQL keeps none."""
    return {key: entry[key] for key in _ENTRY_ORDER if key in entry} | dict(entry)


def _place(entry: Mapping[str, Any], extensions: Mapping[str, Any]) -> str:
    number = _whole(extensions, "position")
    for place, known in PLACE_NUMBERS.items():
        if number == known and number > 1:
            return place.value
    return str(entry.get("position") or PlaceKind.BEFORE_CHAR.value)


def _logic(extensions: Mapping[str, Any]) -> str:
    number = _whole(extensions, "selectiveLogic")
    return LOGICS[number if number is not None and 0 <= number < len(LOGICS) else 0].value


def _set_name(entry: Json, value: str) -> None:
    # Applications show either; where both say the same, they go on doing so.
    was = entry.get("name") or entry.get("comment") or ""
    if "comment" in entry and entry.get("comment") in {was, ""}:
        entry["comment"] = value
    if "name" in entry or "comment" not in entry:
        entry["name"] = value


def _set_logic(entry: Json, value: str) -> None:
    entry["selective"] = bool(value)
    if value and (value != _logic(entry["extensions"])):
        entry["extensions"]["selectiveLogic"] = LOGICS.index(Logic(value))


def _set_place(entry: Json, value: str) -> None:
    number = PLACE_NUMBERS[PlaceKind(value)]
    entry["position"] = "before_char" if number == 0 else "after_char"
    if number > 1 or "position" in entry["extensions"]:
        entry["extensions"]["position"] = number


def _set_exact(entry: Json, value: Any) -> None:
    if "case_sensitive" in entry["extensions"]:
        entry["extensions"]["case_sensitive"] = value
    if value is None:
        entry.pop("case_sensitive", None)
    else:
        entry["case_sensitive"] = value


def _set_chance(entry: Json, value: int) -> None:
    entry["extensions"] |= {"probability": value, "useProbability": True}


def _set_optional(key: str, entry: Json, value: Any) -> None:
    if value is None:
        entry.pop(key, None)
    else:
        entry[key] = value


def _set_extension(key: str, entry: Json, value: Any) -> None:
    _set_optional(key, entry["extensions"], value)


_SETTERS: Mapping[str, Any] = {
    "name": _set_name,
    "keys": lambda entry, value: entry.update(keys=list(value)),
    "secondary_keys": lambda entry, value: entry.update(secondary_keys=list(value)),
    "logic": _set_logic,
    "content": lambda entry, value: entry.update(content=value),
    "insertion_order": lambda entry, value: entry.update(insertion_order=value),
    "priority": lambda entry, value: _set_optional("priority", entry, value),
    "place": _set_place,
    "depth": lambda entry, value: _set_extension("depth", entry, value),
    "role": lambda entry, value: _set_extension("role", entry, ROLES.index(value)),
    "is_enabled": lambda entry, value: entry.update(enabled=value),
    "is_constant": lambda entry, value: entry.update(constant=value),
    "is_exact": _set_exact,
    "is_whole": lambda entry, value: _set_extension("match_whole_words", entry, value),
    "may_be_pattern": lambda entry, value: entry.update(use_regex=value),
    "chance": _set_chance,
    "scan_depth": lambda entry, value: _set_extension("scan_depth", entry, value),
}
"""How each value is set in an entry."""

FIELDS = tuple(_SETTERS)


def _whole(owner: Mapping[str, Any], key: str) -> int | None:
    value = coerce.number(owner.get(key))
    return None if value is None else int(value)
