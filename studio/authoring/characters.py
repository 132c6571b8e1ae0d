"""Characters as their authors work on them: made, changed, given a portrait, archived and brought back."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring import chat_settings, documents, drafts, queries, rules
from studio.authoring import scenes as scene_rules
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.errors import LiveCharacterError
from studio.authoring.models import Character, CharacterOrigin, CharacterStatus, DormancyNotice
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.kit.errors import ForbiddenError, InvalidError, StaleError
from studio.media import files
from studio.media.models import MediaPurpose
from studio.providers.storage import Storage

_INVALID = "Some fields need another look. Nothing was saved yet, and nothing is lost."


def create(session: Session, *, actor: Actor, changes: Mapping[str, Any], now: datetime) -> Character:
    """The actor has a new draft with these fields (`rules.FIELDS`), of which only the name is needed.

    Raises ForbiddenError, or InvalidError with a sentence for each field.
    """
    actor.must(Permission.CHARACTER_WRITE_OWN)
    if actor.user_id is None:
        raise ForbiddenError
    values, wrong = rules.cleaned({"name": "", **changes})
    if wrong:
        raise InvalidError(_INVALID, fields=wrong)
    character = Character(
        origin=CharacterOrigin.CREATOR, owner_id=actor.user_id, status=CharacterStatus.DRAFT, **values
    )
    character.created_at = now
    session.add(character)
    session.flush()
    drafts.settle(session, character, actor=actor, action="character.create", before={}, after=values, now=now)
    return character


def update(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    row_version: int,
    changes: Mapping[str, Any],
    greetings: Greetings | None = None,
    replies: Sequence[ReplyDraft] | None = None,
    scenes: Sequence[SceneDraft] | None = None,
    context: ContextSettings | Mapping[str, Any] | None = None,
    now: datetime,
) -> Character:
    """The draft says what was given: fields by name (`rules.FIELDS`), and each part (`drafts.PARTS`) where given.

    All of it or nothing; saving what stands there already changes nothing, so a second click is harmless.
    Raises NotFoundError, ArchivedCharacterError, InvalidError with a sentence for each field, or
    StaleCharacterError with both texts where somebody saved since `row_version` was read.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    wanted = _cleaned(changes, greetings=greetings, replies=replies, scenes=scenes, context=context)
    drafts.refuse_stale(session, character, row_version=row_version, wanted=wanted)
    was = drafts.state(session, character)
    changed = {key: value for key, value in wanted.items() if was[key] != value}
    if not changed:
        return character
    for key, value in changed.items():
        if key in drafts.PARTS:
            drafts.write_part(session, character, key, value)
        else:
            setattr(character, key, value)
    drafts.settle(
        session,
        character,
        actor=actor,
        action="character.update",
        before={key: was[key] for key in changed},
        after=changed,
        now=now,
    )
    return character


def set_portrait(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    character_id: UUID,
    row_version: int,
    data: bytes | None,
    name: str = "",
    now: datetime,
) -> Character:
    """The draft shows this picture, or none where `data` is None; its smaller sizes are asked for.

    Raises NotFoundError, ArchivedCharacterError, StaleError, or InvalidError where the picture cannot be used.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    portrait = None
    if data is not None:
        portrait = files.keep(
            session, actor=actor, storage=storage, data=data, purpose=MediaPurpose.PORTRAIT, name=name
        )
    portrait_id = portrait.id if portrait is not None else None
    if portrait_id == character.portrait_id:
        return character
    if character.row_version != row_version:
        raise StaleError("Someone else saved this in the meantime. Look at the portrait again, then upload it again.")
    before = {"portrait_id": character.portrait_id}
    character.portrait_id = portrait_id
    drafts.settle(
        session,
        character,
        actor=actor,
        action="character.set_portrait",
        before=before,
        after={"portrait_id": portrait_id},
        now=now,
    )
    drafts.ask_variants(session, character, actor=actor)
    return character


def archive(session: Session, *, actor: Actor, character_id: UUID, now: datetime) -> Character:
    """The draft is out of the way, with all its data. May be repeated. Raises NotFoundError or LiveCharacterError."""
    character = queries.get_writable(session, actor=actor, character_id=character_id)
    if character.status is CharacterStatus.PUBLISHED:
        raise LiveCharacterError
    return _set_status(session, character, actor=actor, status=CharacterStatus.ARCHIVED, now=now)


def restore(session: Session, *, actor: Actor, character_id: UUID, now: datetime) -> Character:
    """An archived character is a draft again. May be repeated. Raises NotFoundError."""
    character = queries.get_writable(session, actor=actor, character_id=character_id)
    if character.status is not CharacterStatus.ARCHIVED:
        return character
    session.execute(sa.delete(DormancyNotice).where(DormancyNotice.character_id == character.id))
    return _set_status(session, character, actor=actor, status=CharacterStatus.DRAFT, now=now)


def facts_of(session: Session, character: Character) -> rules.Facts:
    """What `rules.completeness` looks at."""
    return rules.Facts(
        values=documents.values_of(character),
        greeting=queries.greetings_of(session, character_id=character.id).first,
        replies=len(queries.list_replies(session, character_id=character.id)),
        has_portrait=character.portrait_id is not None,
    )


def _set_status(
    session: Session, character: Character, *, actor: Actor, status: CharacterStatus, now: datetime
) -> Character:
    if character.status is status:
        return character
    was = character.status
    character.status = status
    character.updated_at = now
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="character.archive" if status is CharacterStatus.ARCHIVED else "character.restore",
        resource="character",
        resource_id=character.id,
        before={"status": was},
        after={"status": status},
    )
    return character


def as_kept(changes: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """The fields and parts as a save would leave them, by the names of `drafts.state`; what is wrong in them is not said."""
    kept, _wrong = rules.cleaned(changes)
    return kept | {name: _CLEANERS[name](part)[0] for name, part in parts.items() if part is not None}


def _cleaned(changes: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    wanted, wrong = rules.cleaned(changes)
    for name, part in parts.items():
        if part is not None:
            wanted[name], more = _CLEANERS[name](part)
            wrong |= more
    if wrong:
        raise InvalidError(_INVALID, fields=wrong)
    return wanted


_CLEANERS: Mapping[str, Callable[[Any], tuple[Any, dict[str, str]]]] = {
    "greetings": rules.cleaned_greetings,
    "replies": rules.cleaned_replies,
    "scenes": scene_rules.cleaned,
    "context": chat_settings.cleaned_context,
}
