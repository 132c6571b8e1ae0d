"""The trash of lorebooks: a whole book put in, given back to its character, and after thirty days gone for good."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor
from studio.authoring import drafts, lorebook_edits, lorebooks, queries
from studio.authoring.errors import OtherLorebookError
from studio.authoring.models import Character, LorebookEntry, TrashedLorebook
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.kit.errors import NotFoundError


def trashed_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Books of characters that the actor may change; of a character in the trash, once that is taken out again."""
    return TrashedLorebook.character_id.in_(sa.select(Character.id).where(queries.character_writable_by(actor)))


def put(session: Session, *, actor: Actor, character_id: UUID, row_version: int, now: datetime) -> TrashedLorebook:
    """The character has no lorebook any more; the whole book waits in the trash. Versions keep the one they have.

    Raises NotFoundError, ArchivedCharacterError, or StaleError where the book was changed since `row_version` was read.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    lorebook = queries.find_lorebook(session, character_id=character.id)
    if lorebook is None:
        raise NotFoundError
    lorebook_edits.refuse_stale(lorebook, row_version)
    book = lorebooks.whole_book(session, lorebook)
    trashed = TrashedLorebook(
        character_id=character.id,
        name=lorebook.name,
        entries=len(book["entries"]),
        book=book,
        trashed_at=now,
        trashed_by_id=actor.user_id,
    )
    session.add(trashed)
    lorebook_edits.forget_starts(session, character_id=character.id)
    lorebooks.replace(session, character, None)
    _settle(session, character, actor=actor, verb="trash", entries=trashed.entries, now=now)
    return trashed


def restore(session: Session, *, actor: Actor, trashed_id: UUID, now: datetime) -> Character:
    """The character has the book again, as it was.

    Raises NotFoundError, ArchivedCharacterError, or OtherLorebookError where the character has entries by now.
    """
    trashed = get(session, actor=actor, trashed_id=trashed_id)
    character = drafts.locked(session, actor=actor, character_id=trashed.character_id)
    present = queries.find_lorebook(session, character_id=character.id)
    if present is not None and session.scalar(sa.select(sa.exists().where(LorebookEntry.lorebook_id == present.id))):
        raise OtherLorebookError(name=character.name)
    book, entries = trashed.book, trashed.entries
    session.delete(trashed)
    lorebooks.replace(session, character, book)
    _settle(session, character, actor=actor, verb="restore", entries=entries, now=now)
    return character


def delete(session: Session, *, actor: Actor, trashed_id: UUID) -> None:
    """The book is gone for good. Raises NotFoundError."""
    trashed = get(session, actor=actor, trashed_id=trashed_id)
    _record_deleted(session, actor, trashed)
    session.delete(trashed)
    session.flush()


def empty(session: Session, *, now: datetime, limit: int = 100) -> int:
    """Delete at most `limit` books that were in the trash for thirty days; returns how many."""
    due = session.scalars(
        sa.select(TrashedLorebook)
        .where(TrashedLorebook.trashed_at < now - STAYS_IN_TRASH)
        .order_by(TrashedLorebook.trashed_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for trashed in due:
        _record_deleted(session, SYSTEM, trashed)
        session.delete(trashed)
    session.flush()
    return len(due)


def get(session: Session, *, actor: Actor, trashed_id: UUID) -> TrashedLorebook:
    """The book in the trash, locked, with its content; raises NotFoundError."""
    found = session.scalar(
        sa.select(TrashedLorebook)
        .where(trashed_visible_to(actor), TrashedLorebook.id == trashed_id)
        .options(undefer(TrashedLorebook.book))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFoundError
    return found


def _settle(session: Session, character: Character, *, actor: Actor, verb: str, entries: int, now: datetime) -> None:
    lorebook_edits.settle_character(
        session,
        character,
        actor=actor,
        action=f"lorebook.{verb}",
        before={} if verb == "restore" else {"entries": entries},
        after={"entries": entries} if verb == "restore" else {},
        now=now,
    )


def _record_deleted(session: Session, actor: Actor, trashed: TrashedLorebook) -> None:
    audit.record(
        session,
        actor=actor,
        action="lorebook.delete",
        resource=drafts.RESOURCE,
        resource_id=trashed.character_id,
        before={"entries": trashed.entries, "name": trashed.name},
    )
