"""Tables of what editors keep beside the documents: drafts that save themselves, and what was there before a save."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, refers_to, stored


class AutosaveState(StrEnum):
    """What became of a draft."""

    OPEN = "open"
    SAVED = "saved"
    DISCARDED = "discarded"


class Autosave(Identified, Base):
    """What one person typed into one form of one page load, and has not saved yet."""

    __tablename__ = "autosaves"
    __table_args__ = (
        # Each page that is open writes a row of its own: two tabs of one person never write over each other.
        sa.UniqueConstraint(
            "user_id",
            "resource",
            "document_id",
            "client_id",
            name="uq_autosaves_user_id_resource_document_id_client_id",
        ),
        sa.CheckConstraint("sequence >= 0", name="sequence_is_not_negative"),
        sa.CheckConstraint("jsonb_typeof(fields) = 'array'", name="fields_are_a_list"),
        # What was saved for good is kept no second time.
        sa.CheckConstraint("state <> 'saved' OR fields = '[]'::jsonb", name="saved_holds_nothing"),
        sa.Index("ix_autosaves_saved_at", "saved_at"),
    )

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    # The form ("characters", "characters:lorebook"), and the row that it changes.
    resource: Mapped[str]
    document_id: Mapped[UUID]
    client_id: Mapped[UUID]
    sequence: Mapped[int] = mapped_column(sa.BigInteger)
    state: Mapped[AutosaveState] = mapped_column(stored(AutosaveState, "state"), default=AutosaveState.OPEN)
    # The version of the document that the page showed when the person began.
    row_version: Mapped[int | None]
    # [[name, value], …] as the form would have sent them, in their order.
    fields: Mapped[list[Any]] = mapped_column(deferred=True)
    saved_at: Mapped[datetime]


class EarlierValues(Identified, Base):
    """What the fields that one save changed said before it: from these a merge knows where two people started."""

    __tablename__ = "earlier_values"
    __table_args__ = (
        sa.Index("ix_earlier_values_resource_document_id_row_version", "resource", "document_id", "row_version"),
        sa.Index("ix_earlier_values_saved_at", "saved_at"),
    )

    resource: Mapped[str]
    document_id: Mapped[UUID]
    # The version that the save made.
    row_version: Mapped[int]
    # None: forgotten. Whoever started before this version has no common start that is known.
    values: Mapped[dict[str, Any] | None]
    saved_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    saved_at: Mapped[datetime]
