"""Pygmalion's and Gradio's JSON: `char_name`, `char_persona` and three more strings."""

from studio.cards.documents import Json, copy_json
from studio.cards.formats.base import CardFormat
from studio.cards.notes import Notebook

_NAMES = {
    "char_name": "name",
    "char_persona": "description",
    "char_greeting": "first_mes",
    "example_dialogue": "mes_example",
    "world_scenario": "scenario",
}


def recognises(document: Json) -> bool:
    """By its name key, which no other format has."""
    return "char_name" in document


def content(document: Json, notes: Notebook) -> Json:
    """The five texts under V3's names; other keys under `extensions.pygmalion`."""
    found: Json = {_NAMES[key]: copy_json(value) for key, value in document.items() if key in _NAMES}
    rest = {key: copy_json(value) for key, value in document.items() if key not in _NAMES}
    for key in rest:
        notes.keep(key)
    found["extensions"] = {"pygmalion": rest} if rest else {}
    return found


FORMAT = CardFormat(
    key="pygmalion",
    title="Pygmalion / Gradio JSON",
    spec_version="1.0",
    recognises=recognises,
    content=content,
)
