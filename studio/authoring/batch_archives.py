"""The archives of a bulk import: opened from their parts in the storage, and unpacked a few files at a time."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.authoring import batch_queries, card_batches
from studio.authoring.models import BatchState, CardBatch, CardBatchItem, CardBatchPart, ItemState
from studio.cards import archives, limits, packs
from studio.cards.errors import CardError
from studio.cards.packs import Member
from studio.kit.errors import StudioError
from studio.kit.orm import lock_one
from studio.providers.storage import Storage, key_of

_GROUP_FILES = 50
_GROUP_BYTES = 8 * limits.MB


@dataclass(frozen=True)
class Archive:
    """One file of a batch that may be an archive: which, and where its bytes lie (hash and size of each part)."""

    item_id: UUID
    parts: tuple[tuple[str, int], ...]


class PartsFile(io.RawIOBase):
    """A file made of objects of the storage, of which one is in memory at a time."""

    def __init__(self, storage: Storage, parts: Sequence[tuple[str, int]]) -> None:
        self._storage = storage
        self._parts = parts
        self._size = sum(size for _, size in parts)
        self._position = 0
        self._loaded: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position from the beginning."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position from the beginning, from here, or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` from the part that the position lies in; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # RawIOBase gives a writable buffer.
        start = 0
        for number, (sha256, size) in enumerate(self._parts):
            if start <= self._position < start + size:
                if self._loaded[0] != number:
                    self._loaded = (number, self._storage.get(key_of(sha256)))
                within = self._position - start
                piece = self._loaded[1][within : within + len(view)]
                view[: len(piece)] = piece
                self._position += len(piece)
                return len(piece)
            start += size
        return 0


def next_archive(session: Session, *, batch_id: UUID) -> Archive | None:
    """The first archive of a started batch that is not unpacked yet."""
    item = session.scalar(
        sa.select(CardBatchItem)
        .join(CardBatch, CardBatch.id == CardBatchItem.batch_id)
        .where(
            CardBatchItem.batch_id == batch_id,
            CardBatch.state == BatchState.IMPORTING,
            CardBatchItem.state == ItemState.ARCHIVE,
        )
        .order_by(CardBatchItem.id)
        .limit(1)
    )
    return None if item is None else Archive(item.id, tuple(parts_of(session, item)))


def parts_of(session: Session, item: CardBatchItem) -> list[tuple[str, int]]:
    """Where the bytes of a file lie: the hash and the size of each of its parts."""
    if item.parts is None:
        return [(item.sha256, item.size_bytes)]
    return [(sha256, size) for _, sha256, size in batch_queries.parts_of(session, item_id=item.id)]


def opened(storage: Storage, archive: Archive) -> IO[bytes]:
    """The archive's file, of which little is in memory."""
    return io.BufferedReader(PartsFile(storage, archive.parts), buffer_size=1 << 16)


def is_pack(file: IO[bytes]) -> bool:
    """Whether the file is an archive of cards and not a card itself; raises CardError where its directory is bad."""
    head = file.read(4)
    return head == archives.LOCAL_HEADER and packs.is_pack(file)


def groups(file: IO[bytes]) -> Iterator[list[Member]]:
    """The archive's files, a few at a time; raises CardError where the archive is not to be trusted."""
    group: list[Member] = []
    size = 0
    for member in packs.members_of(file):
        group.append(member)
        size += len(member.data)
        if len(group) >= _GROUP_FILES or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def keep(session: Session, *, storage: Storage, archive: Archive, members: Sequence[Member]) -> None:
    """The batch has these files of the archive; those that it has already are recognised.

    Raises TooManyFilesError or StorageFullError.
    """
    item = session.get_one(CardBatchItem, archive.item_id)
    batch = lock_one(session, CardBatch, item.batch_id, key_share=False)
    card_batches.keep(
        session,
        storage=storage,
        batch=batch,
        parent_id=item.id,
        given=[(_path(item, member), member.data) for member in members if member.refusal is None],
        refused=[(_path(item, member), member.refusal) for member in members if member.refusal is not None],
    )


def close(session: Session, *, archive: Archive, problem: StudioError | None, is_card: bool, now: datetime) -> None:
    """The archive is done with: unpacked, a card after all (then it waits to be read), or refused with its reason."""
    item = session.get_one(CardBatchItem, archive.item_id)
    if is_card:
        item.state = ItemState.WAITING
        return
    item.done_at = now
    if problem is None:
        item.state = ItemState.UNPACKED
    else:
        item.state, item.message = ItemState.REFUSED, problem.msgid
        item.params = card_batches.plain(problem.params)
    if problem is None or isinstance(problem, CardError):
        # Nobody opens it again; its bytes may go with the next sweep.
        item.file_id = None
        session.execute(sa.delete(CardBatchPart).where(CardBatchPart.item_id == item.id))
    session.flush()


def _path(item: CardBatchItem, member: Member) -> str:
    return f"{item.name}/{member.path}"
