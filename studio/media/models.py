"""Tables of files; their bytes lie in the storage under their own hash."""

from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, Timestamped, at_most, refers_to, stored


class MediaPurpose(StrEnum):
    """What a file is for."""

    CARD = "card"
    PORTRAIT = "portrait"
    VARIANT = "variant"


class VariantKind(StrEnum):
    """The sizes that screens use."""

    AVATAR = "avatar"
    CARD = "card"
    COVER = "cover"


class MediaFile(Identified, Timestamped, Base):
    """One file of one person. Two files with equal bytes share one object in the storage."""

    __tablename__ = "media_files"
    __table_args__ = (
        sa.CheckConstraint("size_bytes >= 0", name="size_is_not_negative"),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_is_a_hash"),
        sa.CheckConstraint("(width IS NULL) = (height IS NULL)", name="width_goes_with_height"),
        # A variant has a source and a kind; nothing else has.
        sa.CheckConstraint(
            "(purpose = 'variant') = (source_id IS NOT NULL) AND (purpose = 'variant') = (variant IS NOT NULL)",
            name="variant_goes_with_source",
        ),
        # Making the variants twice changes nothing.
        sa.UniqueConstraint("source_id", "variant", name="uq_media_files_source_id_variant"),
        at_most("alt_text", 500),
    )

    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    purpose: Mapped[MediaPurpose] = mapped_column(stored(MediaPurpose, "purpose"))
    sha256: Mapped[str] = mapped_column(index=True)
    media_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    original_name: Mapped[str] = mapped_column(default="", server_default="")
    alt_text: Mapped[str] = mapped_column(default="", server_default="")
    source_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="CASCADE", index=False)
    variant: Mapped[VariantKind | None] = mapped_column(stored(VariantKind, "variant"))
    # 64-bit difference hash of the picture, for finding look-alikes.
    perceptual_hash: Mapped[int | None] = mapped_column(sa.BigInteger)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
