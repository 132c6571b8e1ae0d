"""Bringing many cards at once: a batch takes files, is worked through by a job, and can be undone."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring import batch_queries
from studio.authoring.errors import (
    BatchBusyError,
    BatchClosedError,
    BatchUnfinishedError,
    StorageFullError,
    TooManyBatchesError,
    TooManyFilesError,
)
from studio.authoring.models import (
    FILE_NAME_LENGTH,
    BatchState,
    CardBatch,
    CardBatchItem,
    CardBatchPart,
    ItemState,
    OnDuplicate,
)
from studio.cards import archives, limits, packs
from studio.cards.errors import CardError
from studio.cards.glance import glance
from studio.kit.errors import ForbiddenError, InvalidError
from studio.kit.text import excerpt
from studio.media import files
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import Storage
from studio.work import steering
from studio.work.models import FINAL, JobRun

MOST_FILES = limits.PACK_FILES
MOST_BYTES = limits.PACK_BYTES
MOST_UNFINISHED = 5
MOST_KEPT_BYTES = 10_000 * limits.MB
PART_BYTES = 4 * limits.MB
_EMPTY = "This file is empty."
_NESTED = "An archive inside an archive is not unpacked. Bring it by itself."
_INCOMPLETE = "This file did not arrive whole. Bring it again."


@dataclass(frozen=True)
class Received:
    """How many files a batch took, and how many of those given it had already."""

    taken: int
    known: int


def open_batch(session: Session, *, actor: Actor, on_duplicate: OnDuplicate, now: datetime) -> CardBatch:
    """The actor has a new batch that takes files. Raises ForbiddenError, TooManyBatchesError or StorageFullError."""
    actor.must(Permission.CARD_IMPORT)
    if actor.user_id is None:
        raise ForbiddenError
    unfinished = sa.select(sa.literal(1)).where(
        CardBatch.owner_id == actor.user_id, CardBatch.state.in_((BatchState.RECEIVING, BatchState.IMPORTING))
    )
    counted = unfinished.limit(MOST_UNFINISHED).subquery()
    if (session.scalar(sa.select(sa.func.count()).select_from(counted)) or 0) >= MOST_UNFINISHED:
        raise TooManyBatchesError(most=MOST_UNFINISHED)
    _refuse_full(session, actor.user_id, 0)
    batch = CardBatch(owner_id=actor.user_id, state=BatchState.RECEIVING, on_duplicate=on_duplicate, created_at=now)
    session.add(batch)
    session.flush()
    audit.record(session, actor=actor, action="card_batch.open", resource="card_batch", resource_id=batch.id)
    return batch


def receive(
    session: Session, *, actor: Actor, storage: Storage, batch_id: UUID, given: Sequence[tuple[str, bytes]]
) -> Received:
    """The batch has these files (path, bytes) too; those that it has already are recognised by path and content.

    All of them or none. Raises NotFoundError, BatchClosedError, TooManyFilesError or StorageFullError.
    """
    batch = _receiving(session, actor=actor, batch_id=batch_id)
    return keep(session, storage=storage, batch=batch, given=given, parent_id=None)


def keep(
    session: Session,
    *,
    storage: Storage,
    batch: CardBatch,
    given: Sequence[tuple[str, bytes]],
    parent_id: UUID | None,
    refused: Sequence[tuple[str, CardError]] = (),
) -> Received:
    """As `receive`, for a batch that is locked; `refused` are files of the archive `parent_id` that were not unpacked."""
    named = [(_name(path), data) for path, data in given if not packs.is_junk(path)]
    hashes = [hashlib.sha256(data).hexdigest() for _, data in named]
    wanted = {(name, sha256): data for (name, data), sha256 in zip(named, hashes, strict=True)}
    for path, error in refused:
        wanted.setdefault((_name(path), ""), str(error).encode())
    have = _have(session, batch, [name for name, _ in wanted])
    new = {key: data for key, data in wanted.items() if key not in have}
    _refuse_more(session, batch, files=len(new), size=sum(map(len, new.values())))
    ids = files.put_many(
        session,
        storage=storage,
        contents={sha256: (data, name) for (name, sha256), data in new.items() if sha256 and data},
        owner_id=batch.owner_id,
        purpose=MediaPurpose.CARD,
    )
    reasons = {_name(path): error for path, error in refused}
    rows = [
        {
            "id": uuid7(),
            "batch_id": batch.id,
            "parent_id": parent_id,
            "name": name,
            "sha256": sha256,
            **_taken(
                data, file_id=ids.get(sha256), refusal=None if sha256 else reasons[name], is_inner=parent_id is not None
            ),
        }
        for (name, sha256), data in new.items()
    ]
    if rows:
        # By the thousand: as objects they would cost the session several times as much.
        session.connection().execute(sa.insert(CardBatchItem), rows)
    return Received(taken=len(new), known=len(given) + len(refused) - len(new))


def _taken(data: bytes, *, file_id: UUID | None, refusal: CardError | None, is_inner: bool) -> dict[str, Any]:
    """What the row of a file says as it arrives; `is_inner` files came in an archive."""
    state, message, params = ItemState.WAITING, "", {}
    if refusal is not None:
        state, message, params = ItemState.REFUSED, refusal.msgid, plain(refusal.params)
    elif not data:
        state, message = ItemState.REFUSED, _EMPTY
    elif _is_pack(data):
        state, message = (ItemState.REFUSED, _NESTED) if is_inner else (ItemState.ARCHIVE, "")
    return {
        "size_bytes": 0 if refusal is not None else len(data),
        "looks": glance(data).value if state is ItemState.WAITING else "",
        "file_id": file_id,
        "state": state,
        "message": message,
        "params": params,
    }


def receive_part(
    session: Session,
    *,
    actor: Actor,
    storage: Storage,
    batch_id: UUID,
    path: str,
    size: int,
    number: int,
    total: int,
    data: bytes,
) -> CardBatchItem:
    """The batch has part `number` (from 0) of `total` of a file of `size` bytes; with the last one it has the file.

    The same part may be sent again. Raises NotFoundError, BatchClosedError, TooManyFilesError, StorageFullError, or
    InvalidError where the parts cannot make such a file.
    """
    batch = _receiving(session, actor=actor, batch_id=batch_id)
    is_last = number == total - 1
    expected = size - PART_BYTES * (total - 1) if is_last else PART_BYTES
    if not 0 <= number < total or len(data) != expected or not data:
        raise InvalidError("The parts of this file do not fit together. Bring it again.")
    name = _name(path)
    item = session.scalar(
        sa.select(CardBatchItem).where(
            CardBatchItem.batch_id == batch.id, CardBatchItem.name == name, CardBatchItem.sha256 == ""
        )
    )
    if item is not None and (item.size_bytes != size or item.parts != total):
        raise InvalidError("Another file of this name is arriving. Finish or discard that import first.")
    if item is None:
        _refuse_more(session, batch, files=1, size=size)
        item = CardBatchItem(
            id=uuid7(), batch_id=batch.id, name=name, size_bytes=size, parts=total, state=ItemState.ARRIVING
        )
        session.add(item)
        session.flush()
    have = {one for one, _, _ in batch_queries.parts_of(session, item_id=item.id)}
    if number not in have:
        sha256 = hashlib.sha256(data).hexdigest()
        ids = files.put_many(
            session,
            storage=storage,
            contents={sha256: (data, name)},
            owner_id=batch.owner_id,
            purpose=MediaPurpose.CARD,
        )
        session.add(CardBatchPart(item_id=item.id, number=number, file_id=ids[sha256]))
        session.flush()
    parts = batch_queries.parts_of(session, item_id=item.id)
    if len(parts) == total:
        _complete(session, batch, item, parts)
    return item


def _complete(session: Session, batch: CardBatch, item: CardBatchItem, parts: list[tuple[int, str, int]]) -> None:
    sha256 = hashlib.sha256("".join(part for _, part, _ in parts).encode()).hexdigest()
    if (item.name, sha256) in _have(session, batch, [item.name]):
        session.delete(item)
    else:
        # What it is shows when the job opens it.
        item.sha256, item.state = sha256, ItemState.ARCHIVE
    session.flush()


def arriving(session: Session, *, actor: Actor, batch_id: UUID) -> Mapping[str, list[int]]:
    """Of files in parts that are not whole yet, the numbers of the parts that are here, by name."""
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id)
    found: dict[str, list[int]] = {}
    query = (
        sa.select(CardBatchItem.name, CardBatchPart.number)
        .join(CardBatchPart, CardBatchPart.item_id == CardBatchItem.id)
        .where(CardBatchItem.batch_id == batch.id, CardBatchItem.state == ItemState.ARRIVING)
    )
    for name, number in session.execute(query):
        found.setdefault(name, []).append(number)
    return found


def known(session: Session, *, actor: Actor, batch_id: UUID, hashes: Sequence[str]) -> list[str]:
    """Those of the contents (by SHA-256) that the batch has already."""
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id)
    query = sa.select(CardBatchItem.sha256).where(
        CardBatchItem.batch_id == batch.id, CardBatchItem.sha256.in_(hashes[:MOST_FILES])
    )
    return list(session.scalars(query.distinct()))


def start(session: Session, *, actor: Actor, batch_id: UUID, now: datetime) -> CardBatch:
    """The batch is worked through from now on; also goes on with one that was stopped or failed. May be repeated.

    Raises NotFoundError, BatchUnfinishedError where it is over, or InvalidError where it has no file.
    """
    batch = begin(session, actor=actor, batch_id=batch_id, now=now)
    _ask(session, batch, actor=actor, now=now)
    return batch


def begin(session: Session, *, actor: Actor, batch_id: UUID, now: datetime) -> CardBatch:
    """As `start`, but without a job: the caller works it through."""
    actor.must(Permission.CARD_IMPORT)
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id, lock=True)
    if batch.state not in {BatchState.RECEIVING, BatchState.IMPORTING}:
        raise BatchUnfinishedError
    if session.scalar(sa.select(CardBatchItem.id).where(CardBatchItem.batch_id == batch.id).limit(1)) is None:
        raise InvalidError("No file has arrived yet. Choose cards, a folder of them, or a zip.")
    session.execute(
        sa.update(CardBatchItem)
        .where(CardBatchItem.batch_id == batch.id, CardBatchItem.state == ItemState.ARRIVING)
        .values(state=ItemState.REFUSED, message=_INCOMPLETE, done_at=now)
    )
    batch.state, batch.finished_at = BatchState.IMPORTING, None
    session.flush()
    return batch


def stop(session: Session, *, actor: Actor, batch_id: UUID, now: datetime) -> CardBatch:
    """The job of the batch ends at its next step; what it made stays, the rest waits to be gone on with.

    Raises NotFoundError, or JobIsFinalError where nothing is under way.
    """
    actor.must(Permission.CARD_IMPORT)
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id, lock=True)
    if batch.job_id is None:
        raise BatchUnfinishedError
    steering.cancel(session, actor=actor, job_id=batch.job_id, now=now)
    return batch


def retry(session: Session, *, actor: Actor, batch_id: UUID, now: datetime) -> CardBatch:
    """The refused files of a finished batch are tried once more. Raises NotFoundError or BatchUnfinishedError."""
    actor.must(Permission.CARD_IMPORT)
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id, lock=True)
    if batch.state is not BatchState.FINISHED:
        raise BatchUnfinishedError
    session.execute(
        sa.update(CardBatchItem)
        .where(
            CardBatchItem.batch_id == batch.id,
            CardBatchItem.state == ItemState.REFUSED,
            CardBatchItem.file_id.is_not(None),
        )
        .values(state=ItemState.WAITING, message="", params={}, done_at=None)
    )
    _ask(session, batch, actor=actor, now=now)
    return batch


def undo(session: Session, *, actor: Actor, batch_id: UUID, now: datetime) -> CardBatch:
    """The drafts that the batch made, and nobody touched since, are archived by a job; what was edited stays.

    May be repeated. Raises NotFoundError, BatchBusyError or BatchUnfinishedError.
    """
    actor.must(Permission.CARD_IMPORT)
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id, lock=True)
    if batch.state in {BatchState.UNDOING, BatchState.UNDONE}:
        return batch
    if batch.state not in {BatchState.FINISHED, BatchState.IMPORTING}:
        raise BatchUnfinishedError
    if is_at_work(session, batch):
        raise BatchBusyError
    batch.state = BatchState.UNDOING
    session.flush()
    audit.record(session, actor=actor, action="card_batch.undo", resource="card_batch", resource_id=batch.id)
    job = work.ask(
        session,
        "authoring.undo_card_batch",
        actor=actor,
        queue="bulk",
        about=("card_batch", batch.id),
        dedupe_key=f"authoring.undo_card_batch:{batch.id}",
        now=now,
        batch_id=batch.id,
    )
    session.flush()
    batch.job_id = job.id
    session.flush()
    return batch


def discard(session: Session, *, actor: Actor, batch_id: UUID) -> None:
    """A batch that was not started is gone; its files are deleted by the next sweep. Raises NotFoundError or BatchClosedError."""
    batch = _receiving(session, actor=actor, batch_id=batch_id)
    batch.state = BatchState.DISCARDED
    session.flush()
    audit.record(session, actor=actor, action="card_batch.discard", resource="card_batch", resource_id=batch.id)


def is_at_work(session: Session, batch: CardBatch) -> bool:
    """Whether a job of the batch waits or runs."""
    job = session.get(JobRun, batch.job_id) if batch.job_id is not None else None
    return job is not None and job.state not in FINAL


def _ask(session: Session, batch: CardBatch, *, actor: Actor, now: datetime) -> None:
    batch.state, batch.finished_at = BatchState.IMPORTING, None
    job = work.ask(
        session,
        "authoring.import_cards",
        actor=actor,
        queue="bulk",
        about=("card_batch", batch.id),
        dedupe_key=f"authoring.import_cards:{batch.id}",
        now=now,
        batch_id=batch.id,
    )
    session.flush()
    batch.job_id = job.id
    session.flush()


def _receiving(session: Session, *, actor: Actor, batch_id: UUID) -> CardBatch:
    actor.must(Permission.CARD_IMPORT)
    batch = batch_queries.get_batch(session, actor=actor, batch_id=batch_id, lock=True)
    if batch.state is not BatchState.RECEIVING:
        raise BatchClosedError
    return batch


def _have(session: Session, batch: CardBatch, names: Sequence[str]) -> set[tuple[str, str]]:
    query = sa.select(CardBatchItem.name, CardBatchItem.sha256).where(
        CardBatchItem.batch_id == batch.id, CardBatchItem.name.in_(names)
    )
    return {(name, sha256) for name, sha256 in session.execute(query)}


def _refuse_more(session: Session, batch: CardBatch, *, files: int, size: int) -> None:
    """Raise where the batch would become larger than one may be; archives count with what they hold, not themselves."""
    if not files:
        return
    count, total = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(CardBatchItem.size_bytes), 0)).where(
            CardBatchItem.batch_id == batch.id,
            CardBatchItem.state.not_in((ItemState.ARCHIVE, ItemState.UNPACKED)),
        )
    ).one()
    if count + files > MOST_FILES or total + size > MOST_BYTES:
        raise TooManyFilesError(files=MOST_FILES, megabytes=MOST_BYTES // limits.MB)
    _refuse_full(session, batch.owner_id, size)


def _refuse_full(session: Session, owner_id: UUID, size: int) -> None:
    kept = session.scalar(sa.select(sa.func.sum(MediaFile.size_bytes)).where(MediaFile.owner_id == owner_id)) or 0
    if kept + size >= MOST_KEPT_BYTES:
        raise StorageFullError(gigabytes=MOST_KEPT_BYTES // (1_000 * limits.MB))


def _is_pack(data: bytes) -> bool:
    if not data.startswith(archives.LOCAL_HEADER):
        return False
    try:
        return packs.is_pack(io.BytesIO(data))
    except CardError:
        # Opening it again says why it is refused.
        return True


def _name(path: str) -> str:
    """The path as it is shown: its end, where it is longer than a row keeps."""
    line = excerpt(path.replace("\\", "/").strip("/"), 10 * FILE_NAME_LENGTH)
    return line[-FILE_NAME_LENGTH:] or "?"


def plain(params: Mapping[str, object]) -> dict[str, object]:
    """The values of a sentence as a row keeps them."""
    return {key: value if isinstance(value, int) else excerpt(str(value), 300) for key, value in params.items()}
