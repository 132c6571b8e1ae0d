"""Backyard's archive (BYAF, version 1): a manifest, its first character, and the scenarios in which it was met.

The specification is the repository ahoylabs/byaf (`specs/v1/*.md`, `schemas/v1/*.schema.json`). Its texts write
macros with single braces, `{character}` and `#{user}:`; they stay as written, and the reader notes them.
"""

from typing import Any

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import CardFormat
from studio.cards.notes import Notebook

MANIFEST_PATH = "manifest.json"
ENVELOPE = ("manifest", "character", "scenarios")
"""What the container puts into one document: the parsed files of the archive by their part in it."""

_FROM_CHARACTER = {"name", "displayName", "persona", "loreItems", "images"}
_FROM_SCENARIO = {"narrative", "firstMessages", "exampleMessages", "formattingInstructions"}
# A chat is its reader's own and no part of the character; it stays in the file that was brought.
_CHAT = "messages"


def recognises(document: Json) -> bool:
    """By the envelope that the container makes of the archive."""
    return isinstance(document.get("manifest"), dict) and isinstance(document.get("character"), dict)


def content(document: Json, notes: Notebook) -> Json:
    """Persona, first scenario and lore under V3's names; later scenarios greet in their own way; the rest is kept."""
    manifest, character = document["manifest"], document["character"]
    scenarios = [one for one in _listed(document.get("scenarios")) if isinstance(one, dict)]
    first = scenarios[0] if scenarios else {}
    found: Json = {
        "name": _first_text(character.get("displayName"), character.get("name")),
        "description": copy_json(character.get("persona", "")),
        "scenario": copy_json(first.get("narrative", "")),
        "first_mes": _greeting(first),
        "mes_example": _examples(first.get("exampleMessages")),
        "system_prompt": copy_json(first.get("formattingInstructions", "")),
        "alternate_greetings": _others([_greeting(one) for one in scenarios]),
        "tags": ["NSFW"] if character.get("isNSFW") is True else [],
    }
    short = character.get("name")
    if isinstance(short, str) and short.strip() and short != found["name"]:
        found["nickname"] = short
    author = manifest.get("author")
    if isinstance(author, dict) and isinstance(author.get("name"), str):
        found["creator"] = author["name"]
    if lore := _listed(character.get("loreItems")):
        found["character_book"] = {"entries": [_entry(item, order) for order, item in enumerate(lore)]}
    if assets := _assets(document, scenarios):
        found["assets"] = assets
    if any(one.get(_CHAT) for one in scenarios):
        notes.warn("chat_left_out", "", "The archive holds a chat; it is left out of the card and stays in your file.")
    found["extensions"] = {"byaf": _rest(manifest, character, scenarios)}
    notes.keep("byaf")
    return found


def image_paths(document: Json) -> list[tuple[str, str]]:
    """The pictures that the character names, as paths inside the archive with their labels."""
    manifest, character = document.get("manifest", {}), document.get("character", {})
    named = _listed(manifest.get("characters"))
    folder = named[0].rpartition("/")[0] if named and isinstance(named[0], str) else ""
    return [
        (f"{folder}/{image['path']}".lstrip("/"), str(image.get("label") or ""))
        for image in _listed(character.get("images"))
        if isinstance(image, dict) and isinstance(image.get("path"), str) and image["path"]
    ]


def _rest(manifest: Json, character: Json, scenarios: list[Json]) -> Json:
    """What V3 has no name for; of later scenarios all but their chats."""
    return {
        "manifest": {
            key: copy_json(value) for key, value in manifest.items() if key not in {"characters", "scenarios"}
        },
        "character": {key: copy_json(value) for key, value in character.items() if key not in _FROM_CHARACTER},
        "scenarios": [
            {
                key: copy_json(value)
                for key, value in scenario.items()
                if key != _CHAT and (number > 0 or key not in _FROM_SCENARIO)
            }
            for number, scenario in enumerate(scenarios)
        ],
    }


def _assets(document: Json, scenarios: list[Json]) -> list[Json]:
    assets = [
        {
            "type": "icon",
            "uri": f"embeded://{path}",
            "name": "main" if number == 0 else label or f"icon-{number}",
            "ext": path.rpartition(".")[2].lower(),
        }
        for number, (path, label) in enumerate(image_paths(document))
    ]
    backgrounds = [one.get("backgroundImage") for one in scenarios]
    for number, path in enumerate(dict.fromkeys(path for path in backgrounds if isinstance(path, str) and path)):
        name = "main" if number == 0 else f"background-{number}"
        assets.append(
            {"type": "background", "uri": f"embeded://{path}", "name": name, "ext": path.rpartition(".")[2].lower()}
        )
    return assets


def _greeting(scenario: Json) -> str:
    """The specification allows one first message; of more, as of older exports, the first counts."""
    for message in _listed(scenario.get("firstMessages")):
        if isinstance(message, dict) and isinstance(message.get("text"), str):
            return str(message["text"])
    return ""


def _others(greetings: list[str]) -> list[str]:
    first, *others = greetings or [""]
    return [text for text in dict.fromkeys(others) if text and text != first]


def _examples(value: Any) -> str:
    texts = [message.get("text") for message in _listed(value) if isinstance(message, dict)]
    return "\n".join(f"<START>\n{text}" for text in texts if isinstance(text, str) and text)


def _entry(item: Any, order: int) -> Any:
    if not isinstance(item, dict):
        return copy_json(item)
    key = item.get("key")
    keys = [part.strip() for part in key.split(",") if part.strip()] if isinstance(key, str) else []
    rest = {name: copy_json(value) for name, value in item.items() if name not in {"key", "value"}}
    return {
        "keys": keys,
        "content": copy_json(item.get("value", "")),
        "extensions": {"byaf": rest} if rest else {},
        "enabled": True,
        "insertion_order": order,
    }


def _first_text(*values: Any) -> str:
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


FORMAT = CardFormat(
    key="byaf",
    title="Backyard archive",
    spec_version="1.0",
    recognises=recognises,
    content=content,
)
