"""What a chat needs of a character: its card and what the studio keeps beside it, of the draft or of a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from studio.authoring import documents, fields, versions
from studio.authoring.models import Character, CharacterVersion
from studio.cards import macros
from studio.cards.documents import Json
from studio.cards.normalise import normalise
from studio.kit.errors import NotFoundError

MOST_GREETINGS = 30
"""Ways to begin that a chat offers; a card may have more."""


@dataclass(frozen=True)
class Definition:
    """A character as a chat reads it: the `data` of its card, normalised, and the studio's own parts."""

    data: Json
    studio: Mapping[str, Any]

    @property
    def char(self) -> str:
        """What `{{char}}` stands for."""
        return macros.display_name(self.data)

    @property
    def greetings(self) -> tuple[str, ...]:
        """The ways to begin, the first message first; a card without any begins with nothing said."""
        texts = (self.data.get("first_mes") or "", *self.data.get("alternate_greetings", ()))
        return tuple(text for text in texts if text.strip())[:MOST_GREETINGS]

    def rendered(self, text: str, *, user_name: str) -> str:
        """The text with its macros resolved for this person."""
        return macros.render(text, char=self.char, user=user_name)

    @property
    def scenes(self) -> tuple[Mapping[str, Any], ...]:
        """The scenes in their order."""
        return tuple(self.studio.get("scenes") or ())

    @property
    def replies(self) -> tuple[Mapping[str, Any], ...]:
        """The fallback replies in their order."""
        return tuple(self.studio.get("fallback_replies") or ())

    @property
    def profile(self) -> Mapping[str, Any]:
        """The columns that cards have no place for."""
        return fields.profile_in(self.studio)

    @property
    def context_window(self) -> int | None:
        """How many messages of a chat the model is shown; None is as many as fit."""
        found = (self.studio.get("context") or {}).get("context_window")
        return found if isinstance(found, int) and found > 0 else None


def of_draft(session: Session, character: Character) -> Definition:
    """The draft as it is saved just now."""
    return Definition(
        data=documents.card_of(session, character)["data"], studio=versions.beside_the_card(session, character)
    )


def of_version(session: Session, *, character_id: UUID, version_id: UUID) -> Definition:
    """A version of that character; raises NotFoundError."""
    version = session.scalar(
        sa.select(CharacterVersion)
        .where(CharacterVersion.id == version_id, CharacterVersion.character_id == character_id)
        .options(undefer(CharacterVersion.card), undefer(CharacterVersion.studio))
    )
    if version is None:
        raise NotFoundError
    return Definition(data=normalise(version.card).card["data"], studio=version.studio)


def of(session: Session, character: Character, version_id: UUID | None) -> Definition:
    """The version, or the draft where none is named; raises NotFoundError."""
    if version_id is None:
        return of_draft(session, character)
    return of_version(session, character_id=character.id, version_id=version_id)
