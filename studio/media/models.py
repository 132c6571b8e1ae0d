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


class GenerationState(StrEnum):
    """Where the making of a picture or of speech stands."""

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
    state: Mapped[GenerationState] = mapped_column(
        stored(GenerationState, "state"), default=GenerationState.PENDING, server_default=GenerationState.PENDING
    )
    error_message: Mapped[str | None]
    cost_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class SpeechSynthesis(Identified, Timestamped, Base):
    """One text spoken: by which voice, at what cost, and the file that came of it."""

    __tablename__ = "speech_synthesis"
    __table_args__ = (
        sa.CheckConstraint("cost_minor >= 0", name="cost_is_not_negative"),
        sa.CheckConstraint("(state = 'completed') = (audio_file_id IS NOT NULL)", name="completed_goes_with_a_file"),
        sa.Index("ix_speech_synthesis_user_id_created_at", "user_id", "created_at"),
    )

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="SET NULL")
    voice_configuration_id: Mapped[UUID | None] = refers_to("voice_configurations.id", ondelete="SET NULL")
    job_id: Mapped[UUID | None] = refers_to("job_runs.id", ondelete="SET NULL")
    audio_file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    provider: Mapped[str]
    voice_id: Mapped[str]
    text: Mapped[str]
    state: Mapped[GenerationState] = mapped_column(
        stored(GenerationState, "state"), default=GenerationState.PENDING, server_default=GenerationState.PENDING
    )
    error_message: Mapped[str | None]
    cost_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
