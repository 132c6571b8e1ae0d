"""Tables of many cards brought at once: the batch, a row for each file, and the parts in which large files arrive."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, at_most, refers_to, stored

FILE_NAME_LENGTH = 500


class BatchState(StrEnum):
    """How far a bulk import is; whether its job runs at this moment, the job says."""

    RECEIVING = "receiving"
    IMPORTING = "importing"
    FINISHED = "finished"
    UNDOING = "undoing"
    UNDONE = "undone"
    DISCARDED = "discarded"


class ItemState(StrEnum):
    """What became of one file of a bulk import; the first three are still to be worked on."""

    ARRIVING = "arriving"
    ARCHIVE = "archive"
    WAITING = "waiting"
    MADE = "made"
    DUPLICATE = "duplicate"
    PORTRAIT = "portrait"
    UNPACKED = "unpacked"
    REFUSED = "refused"
    UNDONE = "undone"


class OnDuplicate(StrEnum):
    """What a bulk import does with a card whose character its owner has already."""

    SKIP = "skip"
    IMPORT = "import"


class CardBatch(Identified, Base):
    """Many card files that somebody brought at once."""

    __tablename__ = "card_batches"
    __table_args__ = (
        sa.Index("ix_card_batches_owner_id_created_at_id", "owner_id", "created_at", "id"),
        sa.Index("ix_card_batches_state_created_at", "state", "created_at"),
    )

    owner_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    state: Mapped[BatchState] = mapped_column(stored(BatchState, "state"), default=BatchState.RECEIVING)
    on_duplicate: Mapped[OnDuplicate] = mapped_column(stored(OnDuplicate, "on_duplicate"), default=OnDuplicate.SKIP)
    job_id: Mapped[UUID | None] = refers_to("job_runs.id", ondelete="SET NULL")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    finished_at: Mapped[datetime | None]


class CardBatchItem(Identified, Base):
    """One file of a bulk import and its outcome; rows are in the order in which the files came."""

    __tablename__ = "card_batch_items"
    __table_args__ = (
        # The same file sent twice, or found again after an interruption, is one row.
        sa.UniqueConstraint("batch_id", "name", "sha256", name="uq_card_batch_items_batch_id_name_sha256"),
        sa.CheckConstraint("size_bytes >= 0", name="size_is_not_negative"),
        sa.CheckConstraint("state <> 'made' OR format <> ''", name="made_goes_with_a_format"),
        at_most("name", FILE_NAME_LENGTH),
        sa.Index("ix_card_batch_items_batch_id_id", "batch_id", "id"),
        sa.Index("ix_card_batch_items_batch_id_state_id", "batch_id", "state", "id"),
    )

    batch_id: Mapped[UUID] = refers_to("card_batches.id", ondelete="CASCADE", index=False)
    # The archive in which it came, where it came in one.
    parent_id: Mapped[UUID | None] = refers_to("card_batch_items.id", ondelete="CASCADE")
    # Its path in the folder or archive; remembered for the person, never used as a path.
    name: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    # Of the bytes; of a file in parts, of its parts' hashes; empty as long as parts are missing.
    sha256: Mapped[str] = mapped_column(default="", server_default="")
    parts: Mapped[int | None]
    file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    state: Mapped[ItemState] = mapped_column(stored(ItemState, "state"), default=ItemState.WAITING)
    # What it looked like as it arrived (`studio.cards.glance`); empty: not looked at.
    looks: Mapped[str] = mapped_column(default="", server_default="")
    format: Mapped[str] = mapped_column(default="", server_default="")
    # The character that was made of it, or that it is the same as.
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="SET NULL")
    # An English sentence that the edge translates by its msgid.
    message: Mapped[str] = mapped_column(default="", server_default="")
    params: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    warnings: Mapped[int] = mapped_column(default=0, server_default="0")
    done_at: Mapped[datetime | None]


class CardBatchPart(Identified, Base):
    """One part of a file that is too large for one request."""

    __tablename__ = "card_batch_parts"
    __table_args__ = (
        sa.UniqueConstraint("item_id", "number", name="uq_card_batch_parts_item_id_number"),
        sa.CheckConstraint("number >= 0", name="number_is_not_negative"),
    )

    item_id: Mapped[UUID] = refers_to("card_batch_items.id", ondelete="CASCADE", index=False)
    number: Mapped[int]
    file_id: Mapped[UUID] = refers_to("media_files.id", ondelete="RESTRICT")
