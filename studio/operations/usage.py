"""Who uses a character: what would go with it, who would lose it, what stays behind, and what holds it as proof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.authoring.models import Character
from studio.kit.orm import Base

MOST_COUNTED = 100
"""More are told as "more than 100"."""


class Hold(StrEnum):
    """What a use means for deleting."""

    PROOF = "proof"
    """It stays whatever happens, so the character has to stay too."""
    SHARED = "shared"
    """Somebody has it at hand and loses it."""
    OWN = "own"
    """It is the character's, and goes with it."""
    LEFT = "left"
    """It was made for the character, and stays with whoever made it."""


@dataclass(frozen=True, slots=True)
class Use:
    """One kind of use: which table says so, how many rows, and the sentence that a person reads."""

    table: str
    hold: Hold
    count: int
    sentence: str


_SENTENCES: Mapping[str, tuple[Hold, str]] = {
    "character_publications": (
        Hold.PROOF,
        "It was submitted for review (listings: %(count)s). Decisions, sales and licences stay as proof.",
    ),
    "transactions": (Hold.PROOF, "People bought it (%(count)s). Their purchases stay as proof, and they keep it."),
    "character_downloads": (
        Hold.PROOF,
        "People have it with a licence (%(count)s), and can download it whatever happens.",
    ),
    "ledger_transactions": (Hold.PROOF, "The books name it (%(count)s)."),
    "user_favorites": (Hold.SHARED, "People keep it among their favourites (%(count)s)."),
    "character_ratings": (Hold.SHARED, "People rated it (%(count)s)."),
    "chat_sessions": (Hold.OWN, "There are chats with it (%(count)s); they go with it."),
    "character_memories": (Hold.OWN, "Chats made memories of it (%(count)s); they go with it."),
    "test_prompts": (Hold.OWN, "It has test prompts (%(count)s); they go with it."),
    "voice_configurations": (Hold.OWN, "It has voices (%(count)s); they go with it."),
    "speech_synthesis": (
        Hold.LEFT,
        "Speech was made for it (%(count)s); it stays in the history of whoever had it made, with its files.",
    ),
    "image_generations": (
        Hold.LEFT,
        "Pictures were asked for it from prompts (%(count)s); what came of them stays with whoever asked.",
    ),
}
"""What is told of a table that refers to characters; one that is not here and goes with the character is its own part."""

_ORDER = (Hold.PROOF, Hold.SHARED, Hold.OWN, Hold.LEFT)

_OTHER_PROOF = "Other records of the studio hold on to it (%(count)s)."


def users_of(session: Session, *, character_id: UUID) -> Sequence[Use]:
    """Who uses the character and what was made for it, proof first, in one statement.

    Every foreign key to characters is looked at, so a table that is made later is not forgotten: one that
    refuses the deletion (RESTRICT) is proof, even before it has a sentence of its own.
    """
    asked = []
    for name, column, is_proof in _references():
        few = sa.select(sa.literal(1)).where(column == character_id).limit(MOST_COUNTED + 1).subquery()
        if is_proof or name in _SENTENCES:
            asked.append(sa.select(sa.literal(name), sa.literal(is_proof), sa.func.count()).select_from(few))
    found = [
        Use(
            table=name,
            hold=Hold.PROOF if is_proof else _SENTENCES[name][0],
            count=count,
            sentence=_SENTENCES[name][1] if name in _SENTENCES else _OTHER_PROOF,
        )
        for name, is_proof, count in session.execute(sa.union_all(*asked))
        if count
    ]
    return sorted(found, key=lambda use: (_ORDER.index(use.hold), use.table))


def is_proof(character_id: sa.SQLColumnExpression[UUID]) -> sa.ColumnElement[bool]:
    """Whether anything holds the character as proof, so that it can never be deleted: a criterion for statements."""
    held = [sa.exists().where(column == character_id) for _name, column, is_proof in _references() if is_proof]
    return sa.or_(sa.false(), *held)


def _references() -> list[tuple[str, sa.ColumnElement[UUID], bool]]:
    """Name, column and whether it refuses the deletion, for every foreign key to characters."""
    target = Character.__table__
    return [
        (table.name, element.parent, (element.ondelete or "RESTRICT").upper() in {"RESTRICT", "NO ACTION"})
        for table in Base.metadata.sorted_tables
        for element in table.foreign_keys
        if element.column.table is target
    ]
