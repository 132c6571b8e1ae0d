"""Bringing cards in: a dry run that keeps the file and reports, then a confirmation that makes the character."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring import drafts, fields, lorebooks, queries, reports
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.errors import (
    DocumentConfirmedError,
    DocumentDiscardedError,
    TooManyPreviewsError,
    UnusableCardError,
)
from studio.authoring.models import (
    CardDocument,
    Character,
    CharacterOrigin,
    CharacterStatus,
    DocumentState,
    Greeting,
    Lorebook,
    LorebookEntry,
)
from studio.cards.documents import Json, parse_again
from studio.cards.normalise import normalise
from studio.cards.reader import read_card
from studio.kit.errors import ForbiddenError, InvalidError
from studio.kit.text import excerpt, one_line
from studio.media import files
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import Storage

PREVIEWS_LAST = timedelta(days=7)
MOST_PREVIEWS = 200
_SWEPT_AT_ONCE = 200
_NAME_LENGTH = 200


def preview(
    session: Session, *, actor: Actor, storage: Storage, data: bytes, filename: str, now: datetime
) -> CardDocument:
    """The file is kept with a report of what was read in it; no character is made yet.

    The same file given again while its preview is open gives the same preview. What the studio cannot
    keep (a text beyond its limits) stands in the report's `problems` and holds back the confirmation only.
    Raises ForbiddenError, TooManyPreviewsError, or CardError with one sentence where the file holds no card; then
    nothing is kept.
    """
    actor.must(Permission.CARD_IMPORT)
    if actor.user_id is None:
        raise ForbiddenError
    reading = read_card(data, filename=filename)
    source = files.keep(session, actor=actor, storage=storage, data=data, purpose=MediaPurpose.CARD, name=filename)
    # Keeping the file took a lock on its content: of two clicks the second comes here after the first.
    open_one = session.scalar(
        sa.select(CardDocument)
        .where(
            CardDocument.owner_id == actor.user_id,
            CardDocument.source_file_id == source.id,
            CardDocument.state == DocumentState.PREVIEWED,
        )
        .order_by(CardDocument.id)
        .limit(1)
    )
    if open_one is not None:
        return open_one
    waiting = sa.select(sa.literal(1)).where(
        CardDocument.owner_id == actor.user_id, CardDocument.state == DocumentState.PREVIEWED
    )
    counted = waiting.limit(MOST_PREVIEWS).subquery()
    if (session.scalar(sa.select(sa.func.count()).select_from(counted)) or 0) >= MOST_PREVIEWS:
        raise TooManyPreviewsError(most=MOST_PREVIEWS)
    portrait, refusal = None, None
    if reading.picture is not None:
        portrait, refusal = keep_portrait(
            session, actor=actor, storage=storage, data=reading.picture.data, filename=filename
        )
    document = CardDocument(
        owner_id=actor.user_id,
        state=DocumentState.PREVIEWED,
        source_file_id=source.id,
        portrait_id=portrait.id if portrait is not None else None,
        original_name=source.original_name,
        format=reading.format,
        spec_version=reading.spec_version,
        raw=reading.raw_bytes,
        report=reports.of(reading, name=name_of(reading.card, filename), problems=problems_of(reading.card, filename)),
        content_hash=reading.content_hash,
        created_at=now,
    )
    if refusal is not None:
        document.report["warnings"].append(refusal)
    session.add(document)
    session.flush()
    return document


def confirm(session: Session, *, actor: Actor, document_id: UUID, now: datetime) -> Character:
    """The previewed card is a draft character of the actor's, with greetings, lorebook and portrait.

    Confirming again gives the same character. Its portrait's sizes and its embedding are asked for.
    Raises NotFoundError for others' imports, DocumentDiscardedError, or UnusableCardError with a sentence
    for each field that is beyond the studio's limits.
    """
    actor.must(Permission.CARD_IMPORT)
    document = queries.get_document(session, actor=actor, document_id=document_id, lock=True)
    if document.state is DocumentState.DISCARDED:
        raise DocumentDiscardedError
    if document.character_id is not None:
        return queries.get_character(session, actor=actor, character_id=document.character_id)
    card = normalise(parse_again(document.raw)).card
    if wrong := problems_of(card, document.original_name):
        raise UnusableCardError(
            "Some of this card's texts are too long to keep. Shorten them and upload the card again.", fields=wrong
        )
    character = new_character(document, card, now=now)
    session.add(character)
    session.flush()
    write_parts(session, [(character, card)])
    document.state, document.character_id, document.confirmed_at = DocumentState.CONFIRMED, character.id, now
    session.flush()
    drafts.refresh(session, character)
    audit.record(
        session,
        actor=actor,
        action="character.import",
        resource="character",
        resource_id=character.id,
        after={"document_id": str(document.id), "format": document.format, "content_hash": character.content_hash},
    )
    drafts.ask_variants(session, character, actor=actor)
    drafts.ask_embedding(session, character, actor=actor)
    return character


def discard(session: Session, *, actor: Actor, document_id: UUID) -> CardDocument:
    """The previewed card makes no character; its file is deleted by the next sweep. May be repeated.

    Raises NotFoundError for others' imports, or DocumentConfirmedError.
    """
    actor.must(Permission.CARD_IMPORT)
    document = queries.get_document(session, actor=actor, document_id=document_id, lock=True)
    if document.state is DocumentState.CONFIRMED:
        raise DocumentConfirmedError
    document.state = DocumentState.DISCARDED
    session.flush()
    return document


def sweep_previews(session: Session, *, now: datetime, limit: int = _SWEPT_AT_ONCE) -> tuple[int, list[str]]:
    """Discarded imports, and previews older than seven days, are gone with the files that only they used.

    Returns how many imports, at most `limit`, and the hashes for `media.files.drop_unused` after the commit.
    """
    due = session.scalars(
        sa.select(CardDocument)
        .where(
            sa.or_(
                CardDocument.state == DocumentState.DISCARDED,
                sa.and_(CardDocument.state == DocumentState.PREVIEWED, CardDocument.created_at < now - PREVIEWS_LAST),
            )
        )
        .order_by(CardDocument.created_at)
        .limit(limit)
        # One that is being confirmed at this moment is left to the next sweep.
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    file_ids = {file_id for document in due for file_id in (document.source_file_id, document.portrait_id) if file_id}
    for document in due:
        session.delete(document)
    session.flush()
    return len(due), files.forget(session, file_ids=unused(session, file_ids))


def keep_portrait(
    session: Session, *, actor: Actor, storage: Storage, data: bytes, filename: str
) -> tuple[MediaFile | None, dict[str, Any] | None]:
    """The card's picture as a portrait; where it cannot be used, the card comes in without it, with a warning."""
    try:
        portrait = files.keep(
            session, actor=actor, storage=storage, data=data, purpose=MediaPurpose.PORTRAIT, name=filename
        )
    except InvalidError as error:
        return None, reports.remark("portrait_unusable", error.msgid, error.params)
    return portrait, None


def new_character(document: CardDocument, card: Json, *, now: datetime) -> Character:
    """The draft that a card makes, not yet in a session; its greetings and other parts follow by `write_parts`."""
    values, _ = fields.read(card)
    values["name"] = values["name"] or name_of(card, document.original_name)
    return Character(
        id=uuid7(),
        origin=CharacterOrigin.CREATOR,
        owner_id=document.owner_id,
        status=CharacterStatus.DRAFT,
        portrait_id=document.portrait_id,
        created_at=now,
        updated_at=now,
        **values,
    )


def write_parts(session: Session, made: Sequence[tuple[Character, Json]]) -> None:
    """The characters, which are new, have the greetings, replies, scenes, settings and lorebooks of their cards.

    Rows of a kind go in together, and what no card has costs no statement.
    """
    books: list[tuple[Lorebook, Json]] = []
    said: list[dict[str, Any]] = []
    for character, card in made:
        greetings, _ = fields.read_greetings(card)
        said += drafts.greeting_values(character.id, greetings)
        parts = fields.read_parts(card)
        if parts.replies:
            drafts.write_replies(session, character, parts.replies)
        if parts.scenes:
            drafts.write_scenes(session, character, parts.scenes)
        if parts.context != ContextSettings():
            drafts.write_context(session, character, parts.context)
        book = card["data"].get("character_book")
        if book is not None:
            books.append((lorebooks.new_book(character.id, book), book))
    session.add_all(lorebook for lorebook, _ in books)
    session.flush()
    # Rows that come by the dozen go in as plain values: as objects they would cost the session several times as much.
    _insert(session, Greeting, said)
    _insert(
        session, LorebookEntry, [entry for lorebook, book in books for entry in lorebooks.entry_values(lorebook, book)]
    )


def _insert(session: Session, table: type[Greeting] | type[LorebookEntry], rows: list[dict[str, Any]]) -> None:
    if rows:
        session.connection().execute(sa.insert(table), rows)


def problems_of(card: Json, filename: str) -> dict[str, str]:
    """A sentence for each field of a normalised card that the studio cannot keep."""
    _, wrong = fields.read(card)
    if "name" in wrong and not one_line(card["data"]["name"]) and name_of(card, filename):
        # A nameless card takes its file's name.
        del wrong["name"]
    _, wrong_greetings = fields.read_greetings(card)
    return wrong | wrong_greetings | lorebooks.problems(card)


def name_of(card: Json, filename: str) -> str:
    """The character's name, or where the card has none, its file's."""
    stem = PurePath(filename.replace("\\", "/")).stem
    return one_line(card["data"]["name"]) or excerpt(stem, _NAME_LENGTH) or "?"


def unused(session: Session, file_ids: set[UUID]) -> list[UUID]:
    """Those of the files that nothing shows any more and nobody keeps in their library."""
    return files.loose(session, file_ids=file_ids)
