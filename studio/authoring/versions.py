"""Versions: what a character was at one moment, never changed afterwards."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.authoring import documents, drafts, fields, queries, rules
from studio.authoring.models import Character, CharacterVersion
from studio.kit.text import excerpt

_NOTE_LENGTH = 500
# These stand in every version; others only where somebody chose them, so that older versions still equal their drafts.
_ALWAYS = ("tagline", "relationships", "current_state", "language", "content_rating")


def make(
    session: Session, *, actor: Actor, character_id: UUID, change_note: str = "", now: datetime
) -> CharacterVersion:
    """The draft as it stands is kept under the next number; equal to the newest version, that one is returned.

    Raises NotFoundError or ArchivedCharacterError.
    """
    # The lock on the character makes the numbers follow each other without a gap.
    character = drafts.locked(session, actor=actor, character_id=character_id)
    card = documents.card_of(session, character)
    studio = beside_the_card(session, character)
    content_hash = rules.content_hash(card)
    newest = next(iter(queries.list_versions(session, character_id=character.id, limit=1)), None)
    if (
        newest is not None
        and (newest.content_hash, newest.portrait_id) == (content_hash, character.portrait_id)
        and newest.studio == studio
    ):
        return newest
    version = CharacterVersion(
        character_id=character.id,
        version_number=newest.version_number + 1 if newest is not None else 1,
        name=character.name,
        card=card,
        studio=studio,
        portrait_id=character.portrait_id,
        content_hash=content_hash,
        change_note=excerpt(change_note, _NOTE_LENGTH),
        created_by_id=actor.user_id,
        created_at=now,
    )
    session.add(version)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="character.make_version",
        resource="character",
        resource_id=character.id,
        after={"version_number": version.version_number, "content_hash": content_hash},
    )
    return version


def beside_the_card(session: Session, character: Character) -> dict[str, Any]:
    """What a version keeps and card formats have no place for, as JSON: profile, replies, scenes, context settings."""
    values = documents.values_of(character)
    parts = fields.plain(documents.parts_of(session, character))
    return {
        "profile": {**{column: values[column] for column in _ALWAYS}, **fields.profile_of(values)},
        "fallback_replies": parts.get("replies", []),
        "scenes": parts.get("scenes", []),
        **({"context": parts["context"]} if "context" in parts else {}),
    }
