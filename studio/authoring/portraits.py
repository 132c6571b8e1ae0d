"""A character's picture: a first prompt from its card, pictures asked for, one of the library chosen as the portrait."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import drafts, queries
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import NotFoundError, StaleError
from studio.media import generations, prompting
from studio.media.generations import Wanted
from studio.media.models import ImageGeneration, MediaFile, MediaPurpose
from studio.media.queries import library_visible_to
from studio.providers.images import ImageProvider


def draft_prompt(session: Session, *, actor: Actor, character_id: UUID, scene: str = "") -> tuple[Character, str]:
    """The character, and a prompt for its picture from what its card says, and a message of its chat. Raises NotFoundError."""
    character = queries.get_draft(session, actor=actor, character_id=character_id)
    prompt = prompting.draft(
        name=character.name,
        tagline=character.tagline,
        description=character.description,
        personality=character.personality,
        tags=character.tags,
        scene=scene,
    )
    return character, prompt


def ask_for_pictures(
    session: Session,
    *,
    actor: Actor,
    wanted: Wanted,
    character_id: UUID | None,
    provider: ImageProvider,
    estimate_micro: int | None,
    currency: str,
    quota: int,
    now: datetime,
) -> ImageGeneration:
    """Pictures are asked for, of this character or of nobody. Raises NotFoundError, or what `generations.ask` raises."""
    if character_id is not None:
        character = queries.get_draft(session, actor=actor, character_id=character_id)
        wanted = replace(wanted, rating=character.content_rating.value)
    return generations.ask(
        session,
        actor=actor,
        wanted=wanted,
        character_id=character_id,
        provider=provider,
        estimate_micro=estimate_micro,
        currency=currency,
        quota=quota,
        now=now,
    )


def use(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    file_id: UUID,
    row_version: int | None,
    now: datetime,
) -> Character:
    """The draft shows this picture of the actor's library. May be repeated.

    Raises NotFoundError, ArchivedCharacterError, or StaleError where `row_version` is given and another one by now.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    # Held, so that nobody deletes it between this look and the end of the transaction.
    picture = session.scalar(
        sa.select(MediaFile)
        .where(library_visible_to(actor), MediaFile.id == file_id, MediaFile.purpose == MediaPurpose.PORTRAIT)
        .with_for_update(read=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    if picture is None:
        raise NotFoundError
    if character.portrait_id == picture.id:
        return character
    if row_version is not None and character.row_version != row_version:
        raise StaleError("Someone else saved this in the meantime. Look at the character again, then choose again.")
    before = {"portrait_id": character.portrait_id}
    character.portrait_id = picture.id
    picture.loose_since = None
    drafts.settle(
        session,
        character,
        actor=actor,
        action="character.set_portrait",
        before=before,
        after={"portrait_id": picture.id},
        now=now,
    )
    drafts.ask_variants(session, character, actor=actor)
    return character


def may_use(session: Session, *, actor: Actor, character: Character) -> bool:
    """Whether the actor may change this character's portrait just now."""
    if character.status is CharacterStatus.ARCHIVED:
        return False
    mine = sa.select(Character.id).where(queries.character_writable_by(actor), Character.id == character.id)
    return session.scalar(mine) is not None
