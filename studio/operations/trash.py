"""The trash of characters: put in, taken out again, and after thirty days, or by a person's will, gone for good."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor
from studio.authoring import card_imports, drafts, lorebook_edits, queries
from studio.authoring.errors import LiveCharacterError
from studio.authoring.models import CardDocument, Character, CharacterStatus, CharacterVersion
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.editing import autosaves, common_start
from studio.kit.errors import NotFoundError, StaleError
from studio.media import files
from studio.operations import usage
from studio.operations.errors import UsedCharacterError

STAYS = STAYS_IN_TRASH


def put(session: Session, *, actor: Actor, character_id: UUID, now: datetime) -> Character:
    """The character is in the trash: out of every list, with all its data. May be repeated.

    Raises NotFoundError, LiveCharacterError, or UsedCharacterError where proof holds it: what can never be
    deleted does not go into the trash, it is archived.
    """
    trashed = _find(session, actor=actor, character_id=character_id)
    if trashed is not None:
        return trashed
    character = queries.get_writable(session, actor=actor, character_id=character_id)
    if character.status is CharacterStatus.PUBLISHED:
        raise LiveCharacterError
    _refuse_used(session, character)
    character.trashed_at, character.trashed_by_id = now, actor.user_id
    session.flush()
    _record(session, actor, character, "trash")
    return character


def restore(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """The character is where it was before, as it was. May be repeated. Raises NotFoundError."""
    character = _find(session, actor=actor, character_id=character_id)
    if character is None:
        return queries.get_writable(session, actor=actor, character_id=character_id)
    character.trashed_at = character.trashed_by_id = None
    session.flush()
    _record(session, actor, character, "restore")
    return character


def delete(session: Session, *, actor: Actor, character_id: UUID, row_version: int) -> None:
    """The character in the trash is gone for good, with all that only it has; its files go by a job.

    Raises NotFoundError, StaleError where it was taken out and put in again since, or UsedCharacterError.
    """
    character = _find(session, actor=actor, character_id=character_id)
    if character is None:
        raise NotFoundError
    if character.row_version != row_version:
        raise StaleError("This was changed in the meantime. Look at it again, then decide.")
    _refuse_used(session, character)
    erase(session, actor=actor, character=character)


def count_files(session: Session, *, character: Character) -> int:
    """How many pictures and card files it and its versions show: they go with it where nothing else does, and nobody keeps them."""
    return len(_files(session, character))


def erase(session: Session, *, actor: Actor, character: Character) -> None:
    """A locked character that nothing holds as proof is gone for good, with all that only it has; its files go by a job."""
    _record(session, actor, character, "delete", name=character.name)
    _delete(session, character)


def empty(session: Session, *, now: datetime, after: UUID | None = None, limit: int = 20) -> tuple[int, UUID | None]:
    """Delete at most `limit` characters that were in the trash for thirty days; how many, and where to go on.

    What is held as proof by now stays, and is looked at again the next time.
    """
    query = (
        sa.select(Character)
        .where(Character.trashed_at < now - STAYS)
        .order_by(Character.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    due = session.scalars(query if after is None else query.where(Character.id > after)).all()
    gone = 0
    for character in due:
        if not _proof(session, character):
            erase(session, actor=SYSTEM, character=character)
            gone += 1
    return gone, due[-1].id if len(due) == limit else None


def _find(session: Session, *, actor: Actor, character_id: UUID) -> Character | None:
    """The character in the trash, locked, if it is the actor's to change."""
    return session.scalar(
        sa.select(Character)
        .where(queries.trashed_visible_to(actor), Character.id == character_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _proof(session: Session, character: Character) -> Sequence[usage.Use]:
    return [use for use in usage.users_of(session, character_id=character.id) if use.hold is usage.Hold.PROOF]


def _refuse_used(session: Session, character: Character) -> None:
    proof = _proof(session, character)
    if proof:
        raise UsedCharacterError(name=character.name, uses=proof)


def _delete(session: Session, character: Character) -> None:
    file_ids = _files(session, character)
    autosaves.forget(session, document_id=character.id)
    common_start.forget(session, resource=drafts.RESOURCE, document_id=character.id)
    lorebook_edits.forget_starts(session, character_id=character.id)
    # PostgreSQL takes along what is the character's own.
    session.execute(
        sa.delete(Character).where(Character.id == character.id).execution_options(synchronize_session=False)
    )
    session.expunge(character)
    _drop_bytes(session, files.forget(session, file_ids=card_imports.unused(session, file_ids)))


def _files(session: Session, character: Character) -> set[UUID]:
    found = {
        *session.scalars(
            sa.select(CharacterVersion.portrait_id).where(CharacterVersion.character_id == character.id).distinct()
        ),
        *session.scalars(sa.select(CardDocument.portrait_id).where(CardDocument.character_id == character.id)),
        *session.scalars(sa.select(CardDocument.source_file_id).where(CardDocument.character_id == character.id)),
        character.portrait_id,
    }
    return {one for one in found if one is not None}


def _drop_bytes(session: Session, hashes: Iterable[str]) -> None:
    for sha256 in hashes:
        work.ask(session, "media.drop_bytes", dedupe_key=f"media.drop_bytes:{sha256}", sha256=sha256)


def _record(session: Session, actor: Actor, character: Character, verb: str, **after: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"character.{verb}",
        resource=drafts.RESOURCE,
        resource_id=character.id,
        after={**after, "row_version": character.row_version},
    )
