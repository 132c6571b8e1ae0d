"""Tables of lorebooks, their entries, and states that a person may want back."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.authoring.models.limits import TEXT_LENGTH, TITLE_LENGTH
from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to


class Lorebook(Identified, Timestamped, RowVersioned, Base):
    """A character's book of things it knows when they are spoken of."""

    __tablename__ = "lorebooks"
    __table_args__ = (at_most("name", TITLE_LENGTH),)

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False, unique=True)
    name: Mapped[str] = mapped_column(default="", server_default="")
    description: Mapped[str] = mapped_column(default="", server_default="")
    scan_depth: Mapped[int | None]
    token_budget: Mapped[int | None]
    is_recursive: Mapped[bool | None]
    extensions: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    # The book as the card holds it, without its entries: whatever the columns don't know survives here.
    document: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class LorebookEntry(Identified, Base):
    """One thing that a lorebook tells, and the words that call it up.

    `document` is the entry as the card holds it, and what counts; all other columns say parts of it again, for
    lists and searches.
    """

    __tablename__ = "lorebook_entries"
    __table_args__ = (
        sa.UniqueConstraint(
            "lorebook_id",
            "position",
            name="uq_lorebook_entries_lorebook_id_position",
            deferrable=True,
            initially="DEFERRED",
        ),
        at_most("content", TEXT_LENGTH),
    )

    lorebook_id: Mapped[UUID] = refers_to("lorebooks.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(default="", server_default="")
    keys: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    secondary_keys: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    content: Mapped[str] = mapped_column(default="", server_default="")
    is_enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    is_constant: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    insertion_order: Mapped[float] = mapped_column(sa.Double, default=100, server_default="100")
    place: Mapped[str] = mapped_column(default="before_char", server_default="before_char")
    tokens: Mapped[int] = mapped_column(default=0, server_default="0")
    has_patterns: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    document: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class LorebookState(Identified, Base):
    """A whole lorebook as it was before a change that took something away; the last few of each book are kept."""

    __tablename__ = "lorebook_states"
    __table_args__ = (sa.Index("ix_lorebook_states_lorebook_id_created_at", "lorebook_id", "created_at"),)

    lorebook_id: Mapped[UUID] = refers_to("lorebooks.id", ondelete="CASCADE", index=False)
    # What was about to be done: delete, bulk, replace, append, undo.
    action: Mapped[str]
    entries: Mapped[int] = mapped_column(default=0, server_default="0")
    book: Mapped[dict[str, Any]]
    # The book's row_version once the change was made: only as long as it stands there, taking it back loses nothing.
    row_version: Mapped[int]
    created_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    created_at: Mapped[datetime]


class TrashedLorebook(Identified, Base):
    """A whole lorebook that somebody threw away, as it was; its character has none, or another one, since."""

    __tablename__ = "trashed_lorebooks"
    __table_args__ = (sa.Index("ix_trashed_lorebooks_trashed_at_id", "trashed_at", "id"),)

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    name: Mapped[str] = mapped_column(default="", server_default="")
    entries: Mapped[int] = mapped_column(default=0, server_default="0")
    book: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    trashed_at: Mapped[datetime]
    trashed_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
