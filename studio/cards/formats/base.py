"""What a card format is: how it is recognised, and how its document reads in V3's names."""

from collections.abc import Callable
from dataclasses import dataclass

from studio.cards.documents import Json
from studio.cards.notes import Notebook

V1_KEYS = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
V2_TEXT_KEYS = ("creator_notes", "system_prompt", "post_history_instructions", "creator", "character_version")
V2_KEYS = (*V1_KEYS, *V2_TEXT_KEYS, "alternate_greetings", "tags", "extensions", "character_book")
# What only V3 knows; a V2 export keeps these under our own extension.
V3_ONLY_KEYS = (
    "assets",
    "nickname",
    "creator_notes_multilingual",
    "source",
    "group_only_greetings",
    "creation_date",
    "modification_date",
)
V3_KEYS = (*V2_KEYS, *V3_ONLY_KEYS)


@dataclass(frozen=True)
class CardFormat:
    """A kind of card document.

    `recognises` looks at a parsed document and touches nothing. `content` returns a fresh object in the names of
    V3's `data`, with values as they were found: putting them right is the normaliser's work. Formats with
    `is_native` keep V3's names, so that an edit may patch the stored document in place.
    """

    key: str
    title: str
    spec_version: str
    recognises: Callable[[Json], bool]
    content: Callable[[Json, Notebook], Json]
    is_native: bool = False


def clean_spec(document: Json) -> str:
    """The `spec` without the zero-width characters and the capitals that real files put into it."""
    spec = document.get("spec")
    if not isinstance(spec, str):
        return ""
    return "".join(letter for letter in spec if letter.isascii() and letter.isprintable()).strip().lower()


def has_text(document: Json, key: str) -> bool:
    """Whether the key holds a string that says something."""
    value = document.get(key)
    return isinstance(value, str) and bool(value.strip())
