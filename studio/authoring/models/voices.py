"""Tables of how characters sound."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, refers_to


class VoiceConfiguration(Identified, Timestamped, RowVersioned, Base):
    """How a character sounds in one language; which values a provider uses is the provider's table to say."""

    __tablename__ = "voice_configurations"
    __table_args__ = (
        sa.CheckConstraint("speed > 0 AND pitch > 0", name="speed_and_pitch_are_factors"),
        sa.CheckConstraint("stability BETWEEN 0 AND 1", name="stability"),
        sa.CheckConstraint("similarity BETWEEN 0 AND 1", name="similarity"),
        sa.CheckConstraint("style_exaggeration BETWEEN 0 AND 1", name="style_exaggeration"),
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
    voice_id: Mapped[str]
    voice_name: Mapped[str] = mapped_column(default="", server_default="")
    language: Mapped[str]
    speed: Mapped[float] = mapped_column(sa.Double, default=1.0, server_default="1")
    pitch: Mapped[float] = mapped_column(sa.Double, default=1.0, server_default="1")
    stability: Mapped[float] = mapped_column(sa.Double, default=0.5, server_default="0.5")
    similarity: Mapped[float] = mapped_column(sa.Double, default=0.5, server_default="0.5")
    style_exaggeration: Mapped[float] = mapped_column(sa.Double, default=0.0, server_default="0")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
