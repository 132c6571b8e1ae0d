"""Who may see which bulk imports, and reads of them and of their files."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import BatchState, CardBatch, CardBatchItem, CardBatchPart, Character, ItemState
from studio.kit.errors import NotFoundError
from studio.media.models import MediaFile

PAGE = 50
OPEN_ITEMS = (ItemState.ARRIVING, ItemState.ARCHIVE, ItemState.WAITING)
"""Files that something is still to be done with."""


def batch_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Bulk imports are seen by whoever made them."""
    if actor.is_system:
        return sa.true()
    if actor.may(Permission.CARD_IMPORT) and actor.user_id is not None:
        return sa.and_(CardBatch.owner_id == actor.user_id, CardBatch.state != BatchState.DISCARDED)
    return sa.false()


def get_batch(session: Session, *, actor: Actor, batch_id: UUID, lock: bool = False) -> CardBatch:
    """The bulk import, if it is the actor's, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(CardBatch).where(batch_visible_to(actor), CardBatch.id == batch_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    batch = session.scalar(query)
    if batch is None:
        raise NotFoundError
    return batch


def list_batches(session: Session, *, actor: Actor, limit: int = 20) -> Sequence[CardBatch]:
    """The actor's bulk imports, newest first, at most `limit`."""
    query = (
        sa.select(CardBatch)
        .where(batch_visible_to(actor))
        .order_by(CardBatch.created_at.desc(), CardBatch.id.desc())
        .limit(limit)
    )
    return session.scalars(query).all()


def counts_of(session: Session, *, batch_ids: Sequence[UUID]) -> dict[UUID, Counter[ItemState]]:
    """How many files of each bulk import have which outcome; their number is bounded."""
    counts: dict[UUID, Counter[ItemState]] = {batch_id: Counter() for batch_id in batch_ids}
    rows = session.execute(
        sa.select(CardBatchItem.batch_id, CardBatchItem.state, sa.func.count())
        .where(CardBatchItem.batch_id.in_(batch_ids))
        .group_by(CardBatchItem.batch_id, CardBatchItem.state)
    )
    for batch_id, state, count in rows:
        counts[batch_id][state] = count
    return counts


def items_of(
    batch_id: UUID, *, states: Sequence[ItemState] = (), after: UUID | None = None
) -> sa.Select[CardBatchItem, str]:
    """The files of a bulk import that the caller may see, in the order in which they came, with their characters' names."""
    query = (
        sa.select(CardBatchItem, Character.name)
        .outerjoin(Character, Character.id == CardBatchItem.character_id)
        .where(CardBatchItem.batch_id == batch_id)
        .order_by(CardBatchItem.id)
    )
    if states:
        query = query.where(CardBatchItem.state.in_(states))
    return query if after is None else query.where(CardBatchItem.id > after)


def parts_of(session: Session, *, item_id: UUID) -> list[tuple[int, str, int]]:
    """The parts of a file that have arrived: number, hash and bytes, in their order."""
    query = (
        sa.select(CardBatchPart.number, MediaFile.sha256, MediaFile.size_bytes)
        .join(MediaFile, MediaFile.id == CardBatchPart.file_id)
        .where(CardBatchPart.item_id == item_id)
        .order_by(CardBatchPart.number)
    )
    return [(number, sha256, size) for number, sha256, size in session.execute(query)]
