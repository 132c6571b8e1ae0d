"""Agnai's JSON: a persona by attributes, greetings and prompts under camel-case names."""

from typing import Any

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import CardFormat
from studio.cards.notes import Notebook

_NAMES = {
    "name": "name",
    "description": "creator_notes",
    "scenario": "scenario",
    "greeting": "first_mes",
    "sampleChat": "mes_example",
    "alternateGreetings": "alternate_greetings",
    "systemPrompt": "system_prompt",
    "postHistoryInstructions": "post_history_instructions",
    "tags": "tags",
    "creator": "creator",
    "characterVersion": "character_version",
}


def recognises(document: Json) -> bool:
    """By its kind."""
    return document.get("kind") == "character"


def content(document: Json, notes: Notebook) -> Json:
    """The texts under V3's names, the persona as description; the rest under `extensions.agnai`."""
    found: Json = {_NAMES[key]: copy_json(value) for key, value in document.items() if key in _NAMES}
    found["description"] = _persona(document)
    book = document.get("characterBook")
    if isinstance(book, dict):
        found["character_book"] = _book(book)
    own = {"kind", "characterBook", "avatar"}
    rest = {key: copy_json(value) for key, value in document.items() if key not in _NAMES and key not in own}
    for key in rest:
        notes.keep(key)
    avatar = document.get("avatar")
    if isinstance(avatar, str) and avatar.startswith("data:image/"):
        kind = avatar[len("data:image/") :].partition(";")[0]
        found["assets"] = [{"type": "icon", "uri": avatar, "name": "main", "ext": kind}]
    found["extensions"] = {"agnai": rest} if rest else {}
    return found


def _persona(document: Json) -> str:
    persona = document.get("persona")
    lines: list[str] = []
    if isinstance(persona, str):
        lines.append(persona)
    elif isinstance(persona, dict) and isinstance(persona.get("attributes"), dict):
        is_text = persona.get("kind") == "text"
        for key, values in persona["attributes"].items():
            said = ", ".join(map(str, values)) if isinstance(values, list) else str(values)
            lines.append(said if is_text else f"{key}: {said}")
    if isinstance(document.get("appearance"), str) and document["appearance"]:
        lines.append(f"Appearance: {document['appearance']}")
    return "\n".join(lines)


def _book(book: Json) -> Json:
    """A memory book in the words of a character book; a book that already is one stays as it is."""
    entries = book.get("entries")
    if not isinstance(entries, list):
        entries = []
    plain = {key: copy_json(value) for key, value in book.items() if key not in {"kind", "entries"}}
    return {**plain, "entries": [_entry(entry) for entry in entries]}


def _entry(entry: Any) -> Any:
    names = {"entry": "content", "keywords": "keys", "weight": "insertion_order"}
    if not isinstance(entry, dict) or "keywords" not in entry:
        return copy_json(entry)
    return {names.get(key, key): copy_json(value) for key, value in entry.items()}


FORMAT = CardFormat(
    key="agnai",
    title="Agnai JSON",
    spec_version="1.0",
    recognises=recognises,
    content=content,
)
