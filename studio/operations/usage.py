"""Who uses a character: what would go with it, what would lose it, and what holds it as proof."""

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


@dataclass(frozen=True, slots=True)
class Use:
    """One kind of use: which table says so, how many rows, and the sentence that a person reads."""

    table: str
    hold: Hold
    count: int
    sentence: str


_SENTENCES: Mapping[str, str] = {
    "character_publications": "It was submitted for review (listings: %(count)s). Decisions, sales and licences stay as proof.",
    "chat_sessions": "There are chats with it (%(count)s); they go with it.",
    "user_favorites": "People keep it among their favourites (%(count)s).",
    "character_ratings": "People rated it (%(count)s).",
    "character_memories": "Chats made memories of it (%(count)s); they go with it.",
}
"""What is told of a table that refers to characters. Empty, or not here and going with the character: its own part."""

_OTHER_PROOF = "Other records of the studio hold on to it (%(count)s)."


def users_of(session: Session, *, character_id: UUID) -> Sequence[Use]:
    """Who uses the character, proof first, in one statement.

    Every foreign key to characters is looked at, so a table that is made later is not forgotten: one that
    refuses the deletion (RESTRICT) is proof, even before it has a sentence of its own.
    """
    asked = []
    for name, column, is_proof in _references():
        few = sa.select(sa.literal(1)).where(column == character_id).limit(MOST_COUNTED + 1).subquery()
        if is_proof or _SENTENCES.get(name):
            asked.append(sa.select(sa.literal(name), sa.literal(is_proof), sa.func.count()).select_from(few))
    found = [
        Use(
            table=name,
            hold=Hold.PROOF if is_proof else Hold.SHARED,
            count=count,
            sentence=_SENTENCES.get(name) or _OTHER_PROOF,
        )
        for name, is_proof, count in session.execute(sa.union_all(*asked))
        if count
    ]
    return sorted(found, key=lambda use: (use.hold is not Hold.PROOF, use.table))


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
