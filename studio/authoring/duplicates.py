"""Characters that a card about to come in may already be."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import queries
from studio.authoring.models import CardDocument, Character
from studio.media.models import MediaFile


class Likeness(StrEnum):
    """What two characters share, the strongest first."""

    FILE = "file"
    CONTENT = "content"
    NAME = "name"


@dataclass(frozen=True)
class Duplicate:
    """A character that the actor may see, and the strongest thing that it shares."""

    character: Character
    likeness: Likeness


def find(session: Session, *, actor: Actor, document: CardDocument) -> list[Duplicate]:
    """Characters visible to the actor with the same file, content or name as the import, each once, at most 30."""
    sha256 = session.scalar(sa.select(MediaFile.sha256).where(MediaFile.id == document.source_file_id))
    name = str(document.report.get("name", ""))
    found: dict[UUID, Likeness] = {}
    searches: Iterable[tuple[Likeness, list[UUID]]] = (
        (Likeness.FILE, queries.same_file(session, actor=actor, sha256=sha256) if sha256 else []),
        (Likeness.CONTENT, queries.same_content(session, actor=actor, content_hash=document.content_hash)),
        (Likeness.NAME, queries.same_name(session, actor=actor, name=name) if name else []),
    )
    for likeness, ids in searches:
        for character_id in ids:
            if character_id != document.character_id:
                found.setdefault(character_id, likeness)
    if not found:
        return []
    characters = {
        character.id: character for character in session.scalars(sa.select(Character).where(Character.id.in_(found)))
    }
    return [Duplicate(characters[key], likeness) for key, likeness in found.items() if key in characters]
