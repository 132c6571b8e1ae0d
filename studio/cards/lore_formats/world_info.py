"""SillyTavern's world info: entries as an object keyed by their uid, in SillyTavern's own words."""

from typing import Any

from studio.cards.documents import Json, copy_json
from studio.cards.lore_formats.base import LoreFormat, Losses, lost, lost_settings, rows, title_of, whole

EXTENSIONS = {
    "depth": "depth",
    "role": "role",
    "selectiveLogic": "selectiveLogic",
    "probability": "probability",
    "useProbability": "useProbability",
    "excludeRecursion": "exclude_recursion",
    "preventRecursion": "prevent_recursion",
    "delayUntilRecursion": "delay_until_recursion",
    "group": "group",
    "groupOverride": "group_override",
    "groupWeight": "group_weight",
    "scanDepth": "scan_depth",
    "caseSensitive": "case_sensitive",
    "matchWholeWords": "match_whole_words",
    "useGroupScoring": "use_group_scoring",
    "automationId": "automation_id",
    "vectorized": "vectorized",
    "sticky": "sticky",
    "cooldown": "cooldown",
    "delay": "delay",
    "displayIndex": "display_index",
    "matchPersonaDescription": "match_persona_description",
    "matchCharacterDescription": "match_character_description",
    "matchCharacterPersonality": "match_character_personality",
    "matchCharacterDepthPrompt": "match_character_depth_prompt",
    "matchScenario": "match_scenario",
    "matchCreatorNotes": "match_creator_notes",
    "triggers": "triggers",
    "ignoreBudget": "ignore_budget",
    "outletName": "outlet_name",
}
"""SillyTavern's words for what a card's entry keeps among its extensions."""

_DEFAULTS: Json = {
    "vectorized": False,
    "selectiveLogic": 0,
    "probability": 100,
    "useProbability": True,
    "depth": 4,
    "excludeRecursion": False,
    "preventRecursion": False,
    "delayUntilRecursion": False,
    "group": "",
    "groupOverride": False,
    "groupWeight": 100,
    "scanDepth": None,
    "caseSensitive": None,
    "matchWholeWords": None,
    "role": None,
}
_ORIGINAL = "originalData"


def _recognises(document: Json) -> bool:
    entries = document.get("entries")
    if "first_mes" in document or not isinstance(entries, dict | list):
        return False
    return isinstance(entries, dict) or any("key" in entry or "uid" in entry for entry in rows(entries)[:1])


def _read(document: Json) -> Json:
    # SillyTavern keeps the card's book beside its own entries; what was edited since stands in the entries alone.
    book: Json = {key: value for key, value in document.items() if key != _ORIGINAL}
    entries = copy_json(document["entries"])
    for entry in rows(entries):
        # Its keys are patterns wherever they are written so.
        entry.setdefault("use_regex", True)
    book["entries"] = entries
    return book


def _write(book: Json) -> tuple[Json, Losses]:
    entries = book["entries"]
    used: set[int] = set()
    made = {str(uid): _entry(entry, uid) for entry in entries if (uid := _uid(entry, used)) is not None}
    losses = lost_settings(book, ("description", "scan_depth", "token_budget", "recursive_scanning", "extensions"))
    losses += lost(
        entries, "priority_left", "The priority of %(count)s entries is left out.", lambda entry: "priority" in entry
    )
    losses += lost(
        entries,
        "pattern_made",
        "Keys of %(count)s entries are written like patterns; this format takes them for patterns.",
        lambda entry: not entry["use_regex"] and any(key.startswith("/") for key in entry["keys"]),
    )
    document: Json = {"entries": made}
    if book.get("name"):
        document["name"] = book["name"]
    return document, losses


def _uid(entry: Json, used: set[int]) -> int:
    wanted = entry.get("id")
    uid = wanted if isinstance(wanted, int) and wanted >= 0 else 0
    while uid in used:
        uid += 1
    used.add(uid)
    return uid


def _entry(entry: Json, uid: int) -> Json:
    extensions = entry.get("extensions", {})
    made: Json = {
        "uid": uid,
        "key": list(entry["keys"]),
        "keysecondary": list(entry.get("secondary_keys", ())),
        "comment": entry.get("comment") or title_of(entry),
        "content": entry["content"],
        "constant": bool(entry.get("constant")),
        "selective": bool(entry.get("selective")),
        "order": entry["insertion_order"],
        "position": _position(entry, extensions),
        "disable": not entry["enabled"],
        "addMemo": True,
        **_DEFAULTS,
    }
    known = set(EXTENSIONS.values()) | {"position"}
    made |= {word: extensions[key] for word, key in EXTENSIONS.items() if key in extensions}
    if entry.get("case_sensitive") is not None:
        made["caseSensitive"] = entry["case_sensitive"]
    if rest := {key: value for key, value in extensions.items() if key not in known}:
        made["extensions"] = rest
    return made


def _position(entry: Json, extensions: Json) -> Any:
    number = extensions.get("position")
    if isinstance(number, int) and number > 1:
        return whole(number)
    return 1 if entry.get("position") == "after_char" else 0


FORMAT = LoreFormat("world_info", "SillyTavern", _recognises, _read, _write)
