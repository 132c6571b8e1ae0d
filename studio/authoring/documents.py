"""The card of a character's draft: the document that it came from, with the edits since then set in it."""

from typing import Any

from sqlalchemy.orm import Session

from studio.authoring import fields, lorebooks, queries
from studio.authoring.fields import Parts
from studio.authoring.models import Character
from studio.cards.documents import Json, parse_again
from studio.cards.editing import apply_edits
from studio.cards.normalise import Normalised, normalise

_BLANK: Json = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "data": {
        "name": "",
        "description": "",
        "personality": "",
        "scenario": "",
        "first_mes": "",
        "mes_example": "",
        "creator_notes": "",
        "system_prompt": "",
        "post_history_instructions": "",
        "alternate_greetings": [],
        "group_only_greetings": [],
        "tags": [],
        "creator": "",
        "character_version": "",
        "extensions": {},
    },
}


def document_of(session: Session, character: Character) -> Json:
    """The document of `read_of` alone."""
    return read_of(session, character)[0]


def read_of(session: Session, character: Character) -> tuple[Json, Normalised | None]:
    """The verbatim document that the character came from, changed only where the character was edited since.

    Unknown keys and their order survive; a character that was written here starts from an empty V3 card. Beside it stands
    its normalised form where it had to be made in any case.
    """
    source = queries.find_source(session, character_id=character.id)
    raw = _BLANK if source is None else parse_again(queries.raw_of(session, source))
    normalised = normalise(raw)
    card = normalised.card
    wanted = fields.edits(
        card,
        values=values_of(character),
        greetings=queries.greetings_of(session, character_id=character.id),
        parts=parts_of(session, character),
    )
    book = lorebooks.book_of(session, character_id=character.id)
    if book != card["data"].get("character_book"):
        wanted["character_book"] = book
    # What was only read is nobody else's: without an edit it is the document, and no copy is made of megabytes.
    return (apply_edits(raw, wanted), None) if wanted or source is None else (raw, normalised)


def card_of(session: Session, character: Character) -> Json:
    """The V3 object {spec, spec_version, data} of the draft."""
    return normalise(document_of(session, character)).card


def parts_of(session: Session, character: Character) -> Parts:
    """The fallback replies, scenes and context settings as somebody writes them."""
    return Parts(
        replies=tuple(queries.replies_of(session, character_id=character.id)),
        scenes=tuple(queries.scenes_of(session, character_id=character.id)),
        context=queries.context_of(session, character_id=character.id),
    )


def values_of(character: Character) -> dict[str, Any]:
    """The columns that a person edits, by name."""
    return {column: getattr(character, column) for column in (*fields.CARD_KEYS, *fields.PROFILE)}
