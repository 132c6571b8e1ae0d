"""Tables of files; their bytes lie in the storage under their own hash."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored

STORED_OBJECT = {"stored_object": True}
"""`info` of a column that names an object of the storage by its hash: while one row says it, the object stays."""


class MediaPurpose(StrEnum):
    """What a file is for."""

    CARD = "card"
    PORTRAIT = "portrait"
    VARIANT = "variant"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    SPEECH = "speech"


class VariantKind(StrEnum):
    """The sizes that screens use."""

    AVATAR = "avatar"
    CARD = "card"
    COVER = "cover"


class MediaFile(Identified, Timestamped, RowVersioned, Base):
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
        # A focal point lies within the picture.
        sa.CheckConstraint(
            "(focus_x IS NULL) = (focus_y IS NULL) AND focus_x BETWEEN 0 AND 1 AND focus_y BETWEEN 0 AND 1",
            name="focus_is_within",
        ),
        # A crop is a part of the picture that is not empty: left, top, right and bottom as shares of its sides.
        sa.CheckConstraint(
            "crop IS NULL OR (cardinality(crop) = 4 AND crop[1] >= 0 AND crop[2] >= 0 AND crop[3] <= 1"
            " AND crop[4] <= 1 AND crop[3] - crop[1] >= 0.01 AND crop[4] - crop[2] >= 0.01)",
            name="crop_is_a_part",
        ),
        sa.Index("ix_media_files_owner_id_created_at_id", "owner_id", "created_at", "id"),
        sa.Index(
            "ix_media_files_owner_id_perceptual_hash",
            "owner_id",
            "perceptual_hash",
            postgresql_where=sa.text("purpose = 'portrait'"),
        ),
        # What nobody asked to keep is looked through for what nothing uses any more, and since when.
        sa.Index("ix_media_files_created_at_loose", "created_at", postgresql_where=sa.text("NOT is_kept")),
        sa.Index("ix_media_files_loose_since", "loose_since", postgresql_where=sa.text("loose_since IS NOT NULL")),
        at_most("alt_text", 500),
        # A quarter of the picture's hash each: look-alikes agree in one of them but for a bit or two.
        *(
            sa.Index(
                f"ix_media_files_perceptual_hash_{place}",
                sa.text(f"((perceptual_hash >> {48 - 16 * place}) & 65535)"),
                postgresql_where=sa.text("perceptual_hash IS NOT NULL"),
            )
            for place in range(4)
        ),
    )

    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    purpose: Mapped[MediaPurpose] = mapped_column(stored(MediaPurpose, "purpose"))
    sha256: Mapped[str] = mapped_column(index=True, info=STORED_OBJECT)
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
    # Somebody wants it in their library, whether anything uses it or not.
    is_kept: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # When it was first found that nothing uses it and nobody keeps it; None as long as something does.
    loose_since: Mapped[datetime | None]
    # Where a crop looks first, and the part of the picture that is shown at all; shares of its upright sides.
    focus_x: Mapped[float | None] = mapped_column(sa.Double)
    focus_y: Mapped[float | None] = mapped_column(sa.Double)
    crop: Mapped[list[float] | None] = mapped_column(sa.ARRAY(sa.Double))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class MediaUpload(Identified, Timestamped, Base):
    """A file on its way: how many bytes of it have arrived. The row goes when the file is whole, or after a day."""

    __tablename__ = "media_uploads"
    __table_args__ = (
        sa.CheckConstraint("size_bytes > 0", name="size_is_positive"),
        sa.CheckConstraint("arrived_bytes BETWEEN 0 AND size_bytes", name="arrived_is_a_part"),
        sa.Index("ix_media_uploads_updated_at", "updated_at"),
        at_most("name", 200),
    )

    owner_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    name: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    arrived_bytes: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    # What became of it: the file, or the sentence that says why there is none.
    file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="CASCADE")
    was_there: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    refusal: Mapped[dict[str, Any] | None]


class MediaUploadPart(Identified, Base):
    """The bytes that one request brought."""

    __tablename__ = "media_upload_parts"
    __table_args__ = (
        # No byte arrives twice.
        sa.UniqueConstraint("upload_id", "position", name="uq_media_upload_parts_upload_id_position"),
    )

    upload_id: Mapped[UUID] = refers_to("media_uploads.id", ondelete="CASCADE", index=False)
    position: Mapped[int] = mapped_column(sa.BigInteger)
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(index=True, info=STORED_OBJECT)


class GenerationState(StrEnum):
    """Where the making of a picture or of speech stands; speech has its table in `voices`."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ImageGeneration(Identified, Timestamped, Base):
    """One request for pictures: prompt, settings, what it cost and what came of it."""

    __tablename__ = "image_generations"
    __table_args__ = (
        sa.CheckConstraint("width > 0 AND height > 0", name="size_is_positive"),
        sa.CheckConstraint("cost_minor >= 0", name="cost_is_not_negative"),
        sa.CheckConstraint("cost_micro >= 0", name="cost_micro_is_not_negative"),
        sa.CheckConstraint("picture_count BETWEEN 1 AND 8", name="picture_count_is_small"),
        at_most("prompt", 8000),
        at_most("negative_prompt", 8000),
        sa.Index("ix_image_generations_user_id_created_at", "user_id", "created_at"),
    )

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="SET NULL")
    job_id: Mapped[UUID | None] = refers_to("job_runs.id", ondelete="SET NULL")
    provider: Mapped[str]
    model: Mapped[str]
    prompt: Mapped[str]
    negative_prompt: Mapped[str] = mapped_column(default="", server_default="")
    width: Mapped[int] = mapped_column(default=1024, server_default="1024")
    height: Mapped[int] = mapped_column(default=1024, server_default="1024")
    # Not every provider has these; what it ignores stays empty.
    steps: Mapped[int | None]
    guidance_scale: Mapped[float | None] = mapped_column(sa.Double)
    seed: Mapped[int | None] = mapped_column(sa.BigInteger)
    picture_count: Mapped[int] = mapped_column(default=1, server_default="1")
    state: Mapped[GenerationState] = mapped_column(
        stored(GenerationState, "state"), default=GenerationState.PENDING, server_default=GenerationState.PENDING
    )
    error_message: Mapped[str | None]
    cost_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    # Millionths of the currency; None where neither the provider nor the settings say what it costs.
    cost_micro: Mapped[int | None] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.CHAR(3), default="USD", server_default="USD")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    # The error's values, what was not used, and what the provider said beside the pictures.
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class GeneratedPicture(Identified, Base):
    """One picture that came of a request, with the seed that would make it again where the provider has seeds."""

    __tablename__ = "generated_pictures"
    __table_args__ = (
        sa.UniqueConstraint("generation_id", "position", name="uq_generated_pictures_generation_id_position"),
    )

    generation_id: Mapped[UUID] = refers_to("image_generations.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    # The history loses a picture that its owner deletes; it keeps none alive.
    file_id: Mapped[UUID] = refers_to("media_files.id", ondelete="CASCADE")
    seed: Mapped[int | None] = mapped_column(sa.BigInteger)
