"""Tables of the cards that people bring."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, refers_to, stored


class DocumentState(StrEnum):
    """How far the import of a card is."""

    PREVIEWED = "previewed"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"


class CardDocument(Identified, Base):
    """A card that somebody brought, verbatim, with the report of what was read in it."""

    __tablename__ = "card_documents"
    __table_args__ = (
        # Only a confirmed import made a character.
        sa.CheckConstraint("(state = 'confirmed') = (character_id IS NOT NULL)", name="confirmed_goes_with_character"),
        sa.Index("ix_card_documents_owner_id_created_at", "owner_id", "created_at"),
        sa.Index("ix_card_documents_state_created_at", "state", "created_at"),
    )

    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="CASCADE")
    state: Mapped[DocumentState] = mapped_column(stored(DocumentState, "state"), default=DocumentState.PREVIEWED)
    source_file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
    original_name: Mapped[str] = mapped_column(default="", server_default="")
    format: Mapped[str]
    spec_version: Mapped[str]
    # The JSON as it stood in the file, byte for byte; export starts from it.
    raw: Mapped[bytes] = mapped_column(deferred=True)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    content_hash: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    confirmed_at: Mapped[datetime | None]
