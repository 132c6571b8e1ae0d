"""text-generation-webui's characters, in YAML today and in JSON before: name, greeting, context."""

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import CardFormat
from studio.cards.notes import Notebook

_NAMES = {
    "name": "name",
    "context": "description",
    "greeting": "first_mes",
    "example_dialogue": "mes_example",
}


def recognises(document: Json) -> bool:
    """Name, greeting and context together."""
    return all(key in document for key in ("name", "greeting", "context"))


def content(document: Json, notes: Notebook) -> Json:
    """The texts under V3's names; other keys under `extensions.text_generation`."""
    found: Json = {_NAMES[key]: copy_json(value) for key, value in document.items() if key in _NAMES}
    rest = {key: copy_json(value) for key, value in document.items() if key not in _NAMES}
    for key in rest:
        notes.keep(key)
    found["extensions"] = {"text_generation": rest} if rest else {}
    return found


FORMAT = CardFormat(
    key="text_generation",
    title="text-generation-webui character",
    spec_version="1.0",
    recognises=recognises,
    content=content,
)
