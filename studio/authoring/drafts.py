"""What every change to a draft has in common: the lock, the version token, the parts' rows, and what follows from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified
from uuid_utils.compat import uuid7

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.accounts.rules import fingerprint
from studio.authoring import documents, queries, rules
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.errors import ArchivedCharacterError, Difference, StaleCharacterError
from studio.authoring.models import (
    Character,
    CharacterScene,
    CharacterStatus,
    ContextAwarenessConfig,
    FallbackReply,
    Greeting,
    GreetingKind,
)
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.editing import common_start

RESOURCE = "character"


def locked(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """The character, locked and open to changes by the actor; raises NotFoundError or ArchivedCharacterError."""
    character = queries.get_writable(session, actor=actor, character_id=character_id)
    if character.status is CharacterStatus.ARCHIVED:
        raise ArchivedCharacterError
    return character


def state(session: Session, character: Character) -> dict[str, Any]:
    """All that a person edits, by the names that forms and `Difference` use."""
    parts = documents.parts_of(session, character)
    return {
        **documents.values_of(character),
        "greetings": queries.greetings_of(session, character_id=character.id),
        "replies": list(parts.replies),
        "scenes": list(parts.scenes),
        "context": parts.context,
    }


def write_part(session: Session, character: Character, name: str, value: Any) -> None:
    """The character has exactly this part, as `state` names it: greetings, replies, scenes or context."""
    _WRITERS[name](session, character, value)


def refuse_stale(session: Session, character: Character, *, row_version: int, wanted: Mapping[str, Any]) -> None:
    """Raise StaleCharacterError, with both texts and their start, where the character was saved since `row_version` was read.

    A save that would leave everything as it stands is let through: the second of two clicks is no conflict.
    """
    if character.row_version == row_version:
        return
    theirs = state(session, character)
    differences = tuple(
        Difference(field=key, theirs=theirs[key], mine=mine) for key, mine in wanted.items() if theirs[key] != mine
    )
    if differences:
        raise StaleCharacterError(
            row_version=character.row_version,
            differences=differences,
            theirs=theirs,
            mine=wanted,
            base=common_start.find(
                session,
                resource=RESOURCE,
                document_id=character.id,
                row_version=row_version,
                current={key: theirs[key] for key in wanted},
            ),
        )


def write_greetings(session: Session, character: Character, greetings: Greetings) -> None:
    """The character has exactly these greetings."""
    session.execute(sa.delete(Greeting).where(Greeting.character_id == character.id))
    session.add_all(Greeting(**values) for values in greeting_values(character.id, greetings))
    session.flush()


def greeting_values(character_id: UUID, greetings: Greetings) -> list[dict[str, Any]]:
    """The greetings as the values of rows."""
    kinds = (
        (GreetingKind.FIRST, (greetings.first,) if greetings.first else ()),
        (GreetingKind.ALTERNATE, greetings.alternate),
        (GreetingKind.GROUP_ONLY, greetings.group_only),
    )
    return [
        {"id": uuid7(), "character_id": character_id, "kind": kind, "position": position, "content": content}
        for kind, contents in kinds
        for position, content in enumerate(contents)
    ]


def write_replies(session: Session, character: Character, replies: Sequence[ReplyDraft]) -> None:
    """The character has exactly these fallback replies, in this order."""
    session.execute(sa.delete(FallbackReply).where(FallbackReply.character_id == character.id))
    session.add_all(
        FallbackReply(
            character_id=character.id,
            position=position,
            content=reply.content,
            weight=reply.weight,
            language=reply.language,
        )
        for position, reply in enumerate(replies)
    )
    session.flush()


def write_scenes(session: Session, character: Character, scenes: Sequence[SceneDraft]) -> None:
    """The character has exactly these scenes, in this order."""
    session.execute(sa.delete(CharacterScene).where(CharacterScene.character_id == character.id))
    session.add_all(
        CharacterScene(character_id=character.id, position=position, **asdict(scene))
        for position, scene in enumerate(scenes)
    )
    session.flush()


def write_context(session: Session, character: Character, context: ContextSettings) -> None:
    """The character's chats are run by these settings."""
    row = session.scalar(sa.select(ContextAwarenessConfig).where(ContextAwarenessConfig.character_id == character.id))
    if row is None:
        row = ContextAwarenessConfig(character_id=character.id)
        session.add(row)
    for name, value in asdict(context).items():
        setattr(row, name, value)
    session.flush()


_WRITERS: Mapping[str, Callable[[Session, Character, Any], None]] = {
    "greetings": write_greetings,
    "replies": write_replies,
    "scenes": write_scenes,
    "context": write_context,
}
PARTS = tuple(_WRITERS)
"""What of `state` stands in rows of its own, not in the character's."""


def settle(
    session: Session,
    character: Character,
    *,
    actor: Actor,
    action: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    now: datetime,
) -> None:
    """What search reads is computed anew, the change is in the audit log, and a new embedding is asked for if needed.

    What was there before is kept a while, as the common start of a merge.
    `before` and `after` hold what changed, by field. Of texts the log keeps lengths and hashes only.
    """
    refresh(session, character, now=now)
    audit.record(
        session,
        actor=actor,
        action=action,
        resource=RESOURCE,
        resource_id=character.id,
        before=_audited(before),
        after=_audited(after),
    )
    common_start.keep(
        session,
        actor=actor,
        resource=RESOURCE,
        document_id=character.id,
        row_version=character.row_version,
        before=before,
        now=now,
    )
    if rules.EMBEDDED & after.keys():
        ask_embedding(session, character, actor=actor)


def refresh(session: Session, character: Character, *, now: datetime | None = None) -> None:
    """The content hash and what search reads say what the card says; changed at `now`, where it is given."""
    if now is not None:
        character.updated_at = now
    # The parts are read from their rows.
    session.flush()
    values = documents.values_of(character)
    character.content_hash = rules.content_hash(documents.card_of(session, character))
    character.search_text = rules.search_text(values)
    character.bigrams = rules.bigrams(character.search_text)
    if now is not None and session.is_modified(character):
        # Else the database's clock would say when it was changed.
        character.updated_at = now
        flag_modified(character, "updated_at")
    session.flush()


def ask_embedding(session: Session, character: Character, *, actor: Actor) -> None:
    """The character's embedding is computed after the commit, once however often it is asked for."""
    work.ask(
        session,
        "memory.embed_character",
        actor=actor,
        about=("character", character.id),
        dedupe_key=f"memory.embed_character:{character.id}",
        character_id=character.id,
    )


def ask_variants(session: Session, character: Character, *, actor: Actor) -> None:
    """The sizes of the portrait that screens use are made after the commit."""
    if character.portrait_id is not None:
        work.ask(
            session,
            "media.make_variants",
            actor=actor,
            about=("character", character.id),
            dedupe_key=f"media.make_variants:{character.portrait_id}",
            file_id=character.portrait_id,
        )


_PLAIN = frozenset(
    {"tags", "language", "content_rating", "license", "ai_model", "status", "portrait_id", "row_version"}
)


def _audited(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _audited_value(key, value) for key, value in values.items()}


def _audited_value(key: str, value: Any) -> Any:
    if isinstance(value, Greetings):
        texts = (value.first, *value.alternate, *value.group_only)
        return {"count": sum(bool(text) for text in texts), **fingerprint("\n".join(texts))}
    if key == "replies":
        return {"count": len(value), **fingerprint("\n".join(f"{r.weight} {r.language} {r.content}" for r in value))}
    if key == "scenes":
        return {"count": len(value), **fingerprint("\n".join(repr(scene) for scene in value))}
    if isinstance(value, ContextSettings):
        return asdict(value)
    if key in _PLAIN or not isinstance(value, str):
        return str(value) if isinstance(value, UUID) else value
    return fingerprint(value)
