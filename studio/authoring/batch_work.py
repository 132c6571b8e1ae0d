"""The work of a bulk import, a few files at a time: each file gets its outcome, and none stops the others."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio import work
from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.authoring import batch_archives, batch_queries, card_batches, card_imports, reports, rules
from studio.authoring.models import (
    BatchState,
    CardBatch,
    CardBatchItem,
    CardDocument,
    Character,
    CharacterStatus,
    DocumentState,
    ItemState,
    OnDuplicate,
)
from studio.authoring.queries import not_in_trash
from studio.cards import limits
from studio.cards.documents import copy_json
from studio.cards.errors import CardError
from studio.cards.reader import read_card
from studio.cards.reading import CardReading
from studio.kit import db
from studio.kit.errors import ForbiddenError, InvalidError, StudioError
from studio.kit.orm import insert_new, lock_one, lock_row
from studio.media import files
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import MissingObjectError, Storage, key_of

log = logging.getLogger(__name__)

AT_ONCE = 50
_BYTES_AT_ONCE = 8 * limits.MB
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_UNEXPECTED = (
    "This file could not be brought in, for a reason that is not yours. Try it again; if it stays, tell the staff."
)
_SAME_FILE = "The same file as a character that you have."
_SAME_CONTENT = "The same content as a character that you have."
_PORTRAIT = "Used as the portrait of the card of the same name."


@dataclass(frozen=True)
class Step:
    """How far a batch is: the files that this step settled, and those of all that are settled, of how many."""

    settled: int
    done: int
    total: int


@dataclass
class _Read:
    """A file that was read as a card, on its way to become a character."""

    item: CardBatchItem
    reading: CardReading
    sha256: str
    file_id: UUID
    picture: bytes | None


def take(session: Session, *, storage: Storage, batch_id: UUID, now: datetime) -> Step:
    """The next few waiting files of a started batch have their outcome; nothing is left to do where `settled` is 0.

    Works as the batch's owner, whose permission is asked for anew. Raises ForbiddenError or StorageError.
    """
    batch = lock_row(session, CardBatch, batch_id)
    if batch is None or batch.state is not BatchState.IMPORTING:
        return Step(0, 0, 0)
    actor = owner_of(session, batch)
    # Two batches of one person with the same cards take turns, so that each sees what the other made.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(batch.owner_id.int & (2**62 - 1))))
    items = _next(session, batch)
    readings: list[_Read] = []
    for item in items:
        try:
            readings.append(_read(session, storage, batch, item))
        except CardError as refusal:
            _refuse(item, refusal, now=now)
        except MissingObjectError as refusal:
            _refuse(item, refusal, now=now)
        except (SQLAlchemyError, StudioError):
            raise
        except Exception:
            log.exception("a file of the bulk import %s could not be read", batch.id)
            _refuse(item, InvalidError(_UNEXPECTED), now=now)
    _give_portraits(session, storage, batch, readings, now=now)
    readings = [one for one in readings if one.item.state is ItemState.WAITING]
    if batch.on_duplicate is OnDuplicate.SKIP:
        readings = _without_duplicates(session, batch, readings, now=now)
    _make_all(session, storage, actor, batch, readings, now=now)
    session.flush()
    counts = batch_queries.counts_of(session, batch_ids=[batch.id])[batch.id]
    left = sum(counts[state] for state in batch_queries.OPEN_ITEMS)
    return Step(len(items), counts.total() - left, counts.total())


def finish(session: Session, *, batch_id: UUID, now: datetime) -> dict[str, int]:
    """The batch has come to its end; embeddings and the sizes of portraits are asked for, each in one job.

    Returns how many files had which outcome.
    """
    batch = lock_one(session, CardBatch, batch_id, key_share=False)
    counts = batch_queries.counts_of(session, batch_ids=[batch.id])[batch.id]
    if batch.state is not BatchState.IMPORTING:
        return _plain(counts)
    batch.state, batch.finished_at = BatchState.FINISHED, now
    if counts[ItemState.MADE]:
        actor = owner_of(session, batch)
        audit.record(
            session,
            actor=actor,
            action="card_batch.finish",
            resource="card_batch",
            resource_id=batch.id,
            after=_plain(counts),
        )
        work.ask(
            session,
            "memory.embed_missing",
            # Nobody waits for it: another import goes before it.
            queue="background",
            dedupe_key="memory.embed_missing:after_import",
            now=now,
        )
        work.ask(
            session,
            "authoring.make_batch_variants",
            actor=actor,
            queue="bulk",
            about=("card_batch", batch.id),
            dedupe_key=f"authoring.make_batch_variants:{batch.id}",
            now=now,
            batch_id=batch.id,
        )
    session.flush()
    return _plain(counts)


def owner_of(session: Session, batch: CardBatch) -> Actor:
    """The batch's owner as services know them; raises ForbiddenError where they may not import cards any more."""
    owner = session.get_one(User, batch.owner_id)
    if not owner.active:
        raise ForbiddenError
    owner.actor.must(Permission.CARD_IMPORT)
    return owner.actor


def _next(session: Session, batch: CardBatch) -> list[CardBatchItem]:
    waiting = session.scalars(
        sa.select(CardBatchItem)
        .where(CardBatchItem.batch_id == batch.id, CardBatchItem.state == ItemState.WAITING)
        .order_by(CardBatchItem.id)
        .limit(AT_ONCE)
    ).all()
    size = 0
    items: list[CardBatchItem] = []
    for item in waiting:
        size += item.size_bytes
        if items and size > _BYTES_AT_ONCE:
            break
        items.append(item)
    return items


def _read(session: Session, storage: Storage, batch: CardBatch, item: CardBatchItem) -> _Read:
    data, sha256, file_id = _content(session, storage, batch, item)
    reading = read_card(data, filename=PurePosixPath(item.name).name)
    if wrong := card_imports.problems_of(reading.card, item.name):
        field, sentence = next(iter(wrong.items()))
        raise CardError(sentence, field=field)
    return _Read(item, reading, sha256, file_id, reading.picture.data if reading.picture is not None else None)


def _content(session: Session, storage: Storage, batch: CardBatch, item: CardBatchItem) -> tuple[bytes, str, UUID]:
    """The bytes of a file, their hash, and the row that keeps them; parts are joined into one file first."""
    if item.parts is None and item.file_id is not None:
        return storage.get(key_of(item.sha256)), item.sha256, item.file_id
    data = b"".join(storage.get(key_of(sha256)) for sha256, _ in batch_archives.parts_of(session, item))
    sha256 = hashlib.sha256(data).hexdigest()
    ids = files.put_many(
        session,
        storage=storage,
        contents={sha256: (data, item.name)},
        owner_id=batch.owner_id,
        purpose=MediaPurpose.CARD,
    )
    item.file_id = ids[sha256]
    return data, sha256, ids[sha256]


def _give_portraits(
    session: Session, storage: Storage, batch: CardBatch, readings: Sequence[_Read], *, now: datetime
) -> None:
    """A card without a picture takes the one of its own name beside it, as text-generation-webui keeps them."""
    bare = {_stem(one.item.name): one for one in readings if one.picture is None}
    if not bare:
        return
    wanted = [f"{stem}{ending}" for stem in bare for ending in (*_PICTURES, *map(str.upper, _PICTURES))]
    beside = session.scalars(
        sa.select(CardBatchItem).where(
            CardBatchItem.batch_id == batch.id,
            CardBatchItem.name.in_(wanted),
            CardBatchItem.state.in_((ItemState.WAITING, ItemState.REFUSED)),
            CardBatchItem.file_id.is_not(None),
            CardBatchItem.parts.is_(None),
        )
    ).all()
    for item in beside:
        card = bare[_stem(item.name)]
        if card.picture is not None:
            continue
        try:
            data = storage.get(key_of(item.sha256))
        except MissingObjectError:
            continue
        try:
            read_card(data)
        except CardError:
            card.picture = data
            item.state, item.message, item.params, item.done_at = ItemState.PORTRAIT, _PORTRAIT, {}, now


def _stem(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and "/" not in ending else name


def _without_duplicates(session: Session, batch: CardBatch, readings: Sequence[_Read], *, now: datetime) -> list[_Read]:
    """Those readings that are no character of the owner's yet; the others have their outcome."""
    by_file = made_from(session, batch.owner_id, [one.sha256 for one in readings])
    by_content = _saying(session, batch.owner_id, [one.reading.content_hash for one in readings])
    left: list[_Read] = []
    first: dict[str, _Read] = {}
    for one in readings:
        character_id = by_file.get(one.sha256) or by_content.get(one.reading.content_hash)
        earlier = first.get(one.reading.content_hash)
        if character_id is None and earlier is None:
            first[one.reading.content_hash] = one
            left.append(one)
            continue
        is_file = one.sha256 in by_file or (earlier is not None and earlier.sha256 == one.sha256)
        item = one.item
        item.state, item.character_id, item.done_at = ItemState.DUPLICATE, character_id, now
        item.message, item.format = _SAME_FILE if is_file else _SAME_CONTENT, one.reading.format
        if character_id is None and earlier is not None:
            item.params = {"item": str(earlier.item.id)}
    return left


def made_from(session: Session, owner_id: UUID, hashes: Iterable[str]) -> dict[str, UUID]:
    """The owner's characters, archived ones aside, by the hash of the file that they came from."""
    query = (
        sa.select(MediaFile.sha256, CardDocument.character_id)
        .join(CardDocument, CardDocument.source_file_id == MediaFile.id)
        .join(Character, Character.id == CardDocument.character_id)
        .where(
            MediaFile.owner_id == owner_id,
            MediaFile.sha256.in_(list(hashes)),
            Character.owner_id == owner_id,
            Character.status != CharacterStatus.ARCHIVED,
            not_in_trash(),
        )
    )
    return {sha256: character_id for sha256, character_id in session.execute(query) if character_id is not None}


def _saying(session: Session, owner_id: UUID, hashes: Iterable[str]) -> dict[str, UUID]:
    """The owner's characters, archived ones aside, by the hash of what they say or said when they came in."""
    wanted = list(hashes)
    mine = sa.and_(Character.owner_id == owner_id, Character.status != CharacterStatus.ARCHIVED, not_in_trash())
    now_saying = sa.select(Character.content_hash, Character.id).where(mine, Character.content_hash.in_(wanted))
    once_saying = (
        sa.select(CardDocument.content_hash, Character.id)
        .join(Character, Character.id == CardDocument.character_id)
        .where(mine, CardDocument.content_hash.in_(wanted))
    )
    return dict(session.execute(now_saying.union(once_saying)).all())


def _make_all(
    session: Session, storage: Storage, actor: Actor, batch: CardBatch, readings: Sequence[_Read], *, now: datetime
) -> None:
    """A character of each; where one of them cannot be stored, each is tried by itself and that one is refused."""
    try:
        with session.begin_nested():
            made = _made(session, storage, actor, batch, readings, now=now)
    except (SQLAlchemyError, StudioError) as error:
        if db.is_connection_loss(error) or (isinstance(error, StudioError) and not isinstance(error, InvalidError)):
            raise
        made = {}
        for one in readings:
            made |= _made_alone(session, storage, actor, batch, one, now=now)
    for one in readings:
        if (character := made.get(one.item.id)) is not None:
            item = one.item
            item.state, item.character_id, item.format = ItemState.MADE, character, one.reading.format
            item.warnings, item.done_at = len(one.reading.warnings), now
    by_item = {str(item_id): character_id for item_id, character_id in made.items()}
    for item in session.scalars(
        sa.select(CardBatchItem).where(
            CardBatchItem.batch_id == batch.id,
            CardBatchItem.state == ItemState.DUPLICATE,
            CardBatchItem.character_id.is_(None),
        )
    ):
        item.character_id = by_item.get(item.params.get("item", ""))


def _made_alone(
    session: Session, storage: Storage, actor: Actor, batch: CardBatch, one: _Read, *, now: datetime
) -> dict[UUID, UUID]:
    try:
        with session.begin_nested():
            return _made(session, storage, actor, batch, [one], now=now)
    except InvalidError as refusal:
        _refuse(one.item, refusal, now=now)
    except SQLAlchemyError as error:
        if db.is_connection_loss(error):
            raise
        log.exception("a card of the bulk import %s could not be stored", batch.id)
        _refuse(one.item, InvalidError(_UNEXPECTED), now=now)
    return {}


def _made(
    session: Session, storage: Storage, actor: Actor, batch: CardBatch, readings: Sequence[_Read], *, now: datetime
) -> dict[UUID, UUID]:
    """The characters of these cards by the ids of their files: rows of a kind go in together, not card by card."""
    pairs: list[tuple[_Read, CardDocument, Character]] = []
    for one in readings:
        document = _document(session, storage, actor, batch, one, now=now)
        character = card_imports.new_character(document, one.reading.card, now=now)
        character.content_hash = _content_hash(one.reading, character)
        values = {column: getattr(character, column) for column in rules.SEARCHED} | {"tags": character.tags}
        character.search_text = rules.search_text(values)
        character.bigrams = rules.bigrams(character.search_text)
        document.character_id = character.id
        pairs.append((one, document, character))
    session.flush()
    insert_new(session, (character for _, _, character in pairs))
    insert_new(session, (document for _, document, _ in pairs))
    card_imports.write_parts(session, [(character, one.reading.card) for one, _, character in pairs])
    for _, document, character in pairs:
        audit.record(
            session,
            actor=actor,
            action="character.import",
            resource="character",
            resource_id=character.id,
            after={
                "document_id": str(document.id),
                "batch_id": str(batch.id),
                "format": document.format,
                "content_hash": character.content_hash,
            },
        )
    session.flush()
    return {one.item.id: character.id for one, _, character in pairs}


def _document(
    session: Session, storage: Storage, actor: Actor, batch: CardBatch, one: _Read, *, now: datetime
) -> CardDocument:
    reading, name = one.reading, PurePosixPath(one.item.name).name
    report = reports.of(reading, name=card_imports.name_of(reading.card, name), problems={})
    portrait_id = None
    if one.picture is not None:
        portrait, refusal = card_imports.keep_portrait(
            session, actor=actor, storage=storage, data=one.picture, filename=name
        )
        portrait_id = portrait.id if portrait is not None else None
        if refusal is not None:
            report["warnings"].append(refusal)
    return CardDocument(
        id=uuid7(),
        owner_id=batch.owner_id,
        state=DocumentState.CONFIRMED,
        source_file_id=one.file_id,
        portrait_id=portrait_id,
        original_name=name,
        format=reading.format,
        spec_version=reading.spec_version,
        raw=reading.raw_bytes,
        report=report,
        content_hash=reading.content_hash,
        created_at=now,
        confirmed_at=now,
    )


def _content_hash(reading: CardReading, character: Character) -> str:
    """What the draft's card says: what the file says, and the name that a nameless card took from its file."""
    if reading.name == character.name or reading.name.strip():
        return reading.content_hash
    named = copy_json(reading.card)
    named["data"]["name"] = character.name
    return rules.content_hash(named)


def _refuse(item: CardBatchItem, refusal: StudioError, *, now: datetime) -> None:
    item.state, item.message, item.done_at = ItemState.REFUSED, refusal.msgid, now
    item.params = card_batches.plain(refusal.params)


def _plain(counts: Counter[ItemState]) -> dict[str, int]:
    return {state.value: count for state, count in sorted(counts.items())}
