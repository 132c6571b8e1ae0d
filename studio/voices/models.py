"""Tables of how characters sound, of what was spoken, and of the voices that providers offer."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored
from studio.media.models import GenerationState

TEXT_LENGTH = 5_000
"""Characters of one text that is spoken; a provider may take fewer."""

NAME_LENGTH = 200
INSTRUCTIONS_LENGTH = 1_000

OPEN = (GenerationState.PENDING, GenerationState.RUNNING)


class VoiceConfiguration(Identified, Timestamped, RowVersioned, Base):
    """How a character sounds in one language; which values a provider uses is `abilities.toml`'s to say."""

    __tablename__ = "voice_configurations"
    __table_args__ = (
        sa.CheckConstraint("speed > 0 AND pitch > 0", name="speed_and_pitch_are_factors"),
        sa.CheckConstraint("stability BETWEEN 0 AND 1", name="stability"),
        sa.CheckConstraint("similarity BETWEEN 0 AND 1", name="similarity"),
        sa.CheckConstraint("style_exaggeration BETWEEN 0 AND 1", name="style_exaggeration"),
        sa.CheckConstraint("length(btrim(voice_id)) > 0", name="voice_id_is_not_blank"),
        at_most("voice_id", NAME_LENGTH),
        at_most("voice_name", NAME_LENGTH),
        at_most("model", NAME_LENGTH),
        at_most("manner", NAME_LENGTH),
        at_most("language", 40),
        at_most("instructions", INSTRUCTIONS_LENGTH),
        # A character speaks a language with one voice.
        sa.Index(
            "uq_voice_configurations_character_id_language_active",
            "character_id",
            "language",
            unique=True,
            postgresql_where=sa.text("is_active"),
        ),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    provider: Mapped[str]
    model: Mapped[str] = mapped_column(default="", server_default="")
    voice_id: Mapped[str]
    voice_name: Mapped[str] = mapped_column(default="", server_default="")
    language: Mapped[str]
    speed: Mapped[float] = mapped_column(sa.Double, default=1.0, server_default="1")
    pitch: Mapped[float] = mapped_column(sa.Double, default=1.0, server_default="1")
    stability: Mapped[float] = mapped_column(sa.Double, default=0.5, server_default="0.5")
    similarity: Mapped[float] = mapped_column(sa.Double, default=0.5, server_default="0.5")
    style_exaggeration: Mapped[float] = mapped_column(sa.Double, default=0.0, server_default="0")
    # A way of speaking by the provider's name for it, and how to speak in one's own words.
    manner: Mapped[str] = mapped_column(default="", server_default="")
    instructions: Mapped[str] = mapped_column(default="", server_default="")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())


class SpeechSynthesis(Identified, Timestamped, Base):
    """One text spoken: by which voice, at what cost, and the file that came of it."""

    __tablename__ = "speech_synthesis"
    __table_args__ = (
        sa.CheckConstraint("cost_micro >= 0", name="cost_is_not_negative"),
        sa.CheckConstraint("characters >= 0", name="characters_are_not_negative"),
        sa.CheckConstraint("duration_ms > 0", name="duration_is_positive"),
        sa.CheckConstraint("processing_time_ms >= 0", name="processing_time_is_not_negative"),
        sa.CheckConstraint("cache_key ~ '^[0-9a-f]{64}$'", name="cache_key_is_a_hash"),
        sa.CheckConstraint("(state = 'completed') = (audio_file_id IS NOT NULL)", name="completed_goes_with_a_file"),
        # What was spoken has a length.
        sa.CheckConstraint("state <> 'completed' OR duration_ms IS NOT NULL", name="completed_goes_with_a_duration"),
        at_most("text", TEXT_LENGTH),
        sa.Index("ix_speech_synthesis_user_id_created_at", "user_id", "created_at", "id"),
        # One person's same words in the same voice are made once for a character.
        sa.Index(
            "uq_speech_synthesis_user_id_cache_key_character_id_kept",
            "user_id",
            "cache_key",
            "character_id",
            unique=True,
            postgresql_where=sa.text("state IN ('pending', 'running', 'completed')"),
        ),
        sa.Index(
            "ix_speech_synthesis_character_id_cache_key_greeting",
            "character_id",
            "cache_key",
            postgresql_where=sa.text("is_greeting"),
        ),
    )

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="SET NULL")
    voice_configuration_id: Mapped[UUID | None] = refers_to("voice_configurations.id", ondelete="SET NULL")
    job_id: Mapped[UUID | None] = refers_to("job_runs.id", ondelete="SET NULL")
    audio_file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    provider: Mapped[str]
    model: Mapped[str] = mapped_column(default="", server_default="")
    voice_id: Mapped[str]
    voice_name: Mapped[str] = mapped_column(default="", server_default="")
    language: Mapped[str] = mapped_column(default="", server_default="")
    # What the voice was told (`Tuning.as_json`), and the hash of everything that changes the audio.
    tuning: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    cache_key: Mapped[str]
    # A greeting of the character's, for everybody who may read its draft; all else is for whoever asked alone.
    is_greeting: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    text: Mapped[str]
    state: Mapped[GenerationState] = mapped_column(
        stored(GenerationState, "state"), default=GenerationState.PENDING, server_default=GenerationState.PENDING
    )
    # The refusal as a sentence and its values ({"msgid": …, "params": …}).
    failure: Mapped[dict[str, Any] | None]
    # What the provider bills, also for what failed after it was paid for; the cost is None where nobody knows the price.
    characters: Mapped[int | None]
    cost_micro: Mapped[int | None] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.CHAR(3), default="USD", server_default="USD")
    duration_ms: Mapped[int | None]
    # The waveform: loudness from 0 to 100 at equal steps from the beginning to the end.
    peaks: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    processing_time_ms: Mapped[int | None]


class VoiceList(Base):
    """The voices that a provider offered when it was last asked: the account's, and so the same for everybody."""

    __tablename__ = "voice_lists"

    provider: Mapped[str] = mapped_column(primary_key=True)
    voices: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    fetched_at: Mapped[datetime | None]
    # Why it could not be asked the last time.
    failure: Mapped[dict[str, Any] | None]
    tried_at: Mapped[datetime]
