"""What follows a bulk import: the sizes of its portraits, its undoing, and letting go of files that nobody needs."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.authoring import batch_work, card_imports, characters
from studio.authoring.models import (
    BatchState,
    CardBatch,
    CardBatchItem,
    CardBatchPart,
    Character,
    CharacterStatus,
    CharacterVersion,
    ItemState,
)
from studio.kit.orm import lock_one
from studio.media import files

KEPT = timedelta(days=7)
"""How long the files of refused cards wait to be tried again, and those of a batch that was never started."""


def portraits_of(session: Session, *, batch_id: UUID, after: UUID | None, limit: int = 50) -> list[UUID]:
    """The portraits of the characters that the batch made, by id, those behind `after`."""
    query = (
        sa.select(Character.portrait_id)
        .join(CardBatchItem, CardBatchItem.character_id == Character.id)
        .where(
            CardBatchItem.batch_id == batch_id,
            CardBatchItem.state == ItemState.MADE,
            Character.portrait_id.is_not(None),
        )
        .distinct()
        .order_by(Character.portrait_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Character.portrait_id > after)
    return [file_id for file_id in session.scalars(query) if file_id is not None]


def undo_some(session: Session, *, batch_id: UUID, after: UUID | None, now: datetime) -> tuple[UUID | None, int]:
    """The next few drafts that the batch made are archived, unless somebody touched them since.

    Returns the last file that was looked at (None where all were, and the batch is undone) and how many were archived.
    """
    batch = lock_one(session, CardBatch, batch_id, key_share=False)
    if batch.state is not BatchState.UNDOING:
        return None, 0
    actor = batch_work.owner_of(session, batch)
    query = sa.select(CardBatchItem).where(CardBatchItem.batch_id == batch.id, CardBatchItem.state == ItemState.MADE)
    if after is not None:
        query = query.where(CardBatchItem.id > after)
    items = session.scalars(query.order_by(CardBatchItem.id).limit(batch_work.AT_ONCE)).all()
    if not items:
        batch.state = BatchState.UNDONE
        session.flush()
        return None, 0
    untouched = set(
        session.scalars(
            sa.select(Character.id).where(
                Character.id.in_([item.character_id for item in items]),
                Character.status == CharacterStatus.DRAFT,
                Character.row_version == 1,
                Character.updated_at == Character.created_at,
                # A version is made when somebody shows the character to others.
                ~sa.exists().where(CharacterVersion.character_id == Character.id),
            )
        )
    )
    for item in items:
        if item.character_id in untouched:
            characters.archive(session, actor=actor, character_id=item.character_id, now=now)
            item.state = ItemState.UNDONE
    session.flush()
    return items[-1].id, sum(item.state is ItemState.UNDONE for item in items)


def sweep(session: Session, *, now: datetime, limit: int = 200) -> tuple[int, list[str]]:
    """Batches that were discarded or never started are gone; others let go of what nobody needs after seven days.

    Returns how many files were looked at, and the hashes for `media.files.drop_unused` after the commit.
    """
    old = now - KEPT
    gone = session.scalars(
        sa.select(CardBatch.id).where(
            sa.or_(
                CardBatch.state == BatchState.DISCARDED,
                sa.and_(CardBatch.state == BatchState.RECEIVING, CardBatch.created_at < old),
            )
        )
    ).all()
    over = sa.or_(
        CardBatch.id.in_(gone),
        sa.and_(CardBatch.state.in_((BatchState.FINISHED, BatchState.UNDONE)), CardBatch.finished_at < old),
    )
    items = session.scalars(
        sa.select(CardBatchItem)
        .join(CardBatch, CardBatch.id == CardBatchItem.batch_id)
        .where(over, CardBatchItem.file_id.is_not(None))
        .limit(limit)
    ).all()
    parts = session.scalars(
        sa.select(CardBatchPart)
        .join(CardBatchItem, CardBatchItem.id == CardBatchPart.item_id)
        .join(CardBatch, CardBatch.id == CardBatchItem.batch_id)
        .where(over)
        .limit(limit)
    ).all()
    # What archives that were unpacked left behind belongs to nobody any more.
    file_ids = {item.file_id for item in items if item.file_id is not None} | {part.file_id for part in parts}
    for item in items:
        item.file_id = None
    for part in parts:
        session.delete(part)
    session.flush()
    if not file_ids:
        session.execute(sa.delete(CardBatch).where(CardBatch.id.in_(gone)))
    hashes = files.forget(session, file_ids=card_imports.unused(session, file_ids)) if file_ids else []
    return len(items) + len(parts), hashes
