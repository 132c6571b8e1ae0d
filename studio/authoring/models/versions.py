"""Tables of what stays: immutable versions, and what others may find of the live one."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, refers_to, stored


class VersionOccasion(StrEnum):
    """What a version was made by."""

    SAVED = "saved"
    SUBMITTED = "submitted"
    PUBLISHED = "published"
    RESTORED = "restored"
    KEPT = "kept"
    """Before another version took the draft's place."""


class CharacterVersion(Identified, Base):
    """A character as it was at one moment. PostgreSQL refuses to change it."""

    __tablename__ = "character_versions"
    __table_args__ = (
        sa.UniqueConstraint("character_id", "version_number", name="uq_character_versions_character_id_version_number"),
        sa.CheckConstraint("version_number > 0", name="version_number_starts_at_one"),
        # Where a version took the draft's place, two versions say which: the one kept before, and the one made of it.
        sa.CheckConstraint(
            "(occasion IN ('restored', 'kept')) = (restored_from IS NOT NULL)", name="restored_from_goes_with_occasion"
        ),
        sa.Index("ix_character_versions_created_by_id_created_at", "created_by_id", "created_at"),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    version_number: Mapped[int]
    name: Mapped[str]
    # The whole card as a V3 object, and beside it what cards have no place for (fallback replies, scenes).
    card: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    studio: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}", deferred=True)
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    content_hash: Mapped[str]
    change_note: Mapped[str] = mapped_column(default="", server_default="")
    occasion: Mapped[VersionOccasion] = mapped_column(
        stored(VersionOccasion, "occasion"), default=VersionOccasion.SAVED, server_default=VersionOccasion.SAVED
    )
    restored_from: Mapped[int | None]
    created_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL", index=False)
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class ListedCharacter(Base):
    """What others may find and see of a character: of the version that is live, never of the draft's later edits."""

    __tablename__ = "listed_characters"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_listed_characters_version",
            ondelete="CASCADE",
        ),
        sa.Index(
            "ix_listed_characters_search_text_trgm",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
        sa.Index("ix_listed_characters_bigrams", "bigrams", postgresql_using="gin"),
    )

    character_id: Mapped[UUID] = mapped_column(primary_key=True)
    version_number: Mapped[int]
    name: Mapped[str]
    tagline: Mapped[str] = mapped_column(default="", server_default="")
    summary: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    portrait_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
    search_text: Mapped[str] = mapped_column(deferred=True)
    bigrams: Mapped[list[str]] = mapped_column(deferred=True)
