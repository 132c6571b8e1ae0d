"""Tables of embeddings: of any dimension, each told apart by the model that made it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, Timestamped, refers_to, stored


class EmbeddingType(StrEnum):
    """What of a character was embedded."""

    FULL_PROFILE = "full_profile"


class EmbeddingModel(Base):
    """A model whose vectors are kept, and the partial index that serves it once there are enough."""

    __tablename__ = "embedding_models"
    __table_args__ = (
        sa.CheckConstraint("dimensions BETWEEN 1 AND 4000", name="dimensions_fit_halfvec"),
        # One model answers searches.
        sa.Index("uq_embedding_models_is_current", "is_current", unique=True, postgresql_where=sa.text("is_current")),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    dimensions: Mapped[int]
    is_current: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    index_name: Mapped[str | None]
    # How far the index has to look for a recall of 0.98, measured once it was made.
    ef_search: Mapped[int | None] = mapped_column(sa.CheckConstraint("ef_search BETWEEN 1 AND 1000", name="ef_search"))
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class CharacterEmbedding(Identified, Timestamped, Base):
    """One vector of one character by one model, L2-normalised, so that the inner product is the cosine."""

    __tablename__ = "character_embeddings"
    __table_args__ = (
        sa.UniqueConstraint(
            "character_id", "embedding_type", "model_name", name="uq_character_embeddings_character_id_type_model"
        ),
        sa.Index("ix_character_embeddings_model_name", "model_name"),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    embedding_type: Mapped[EmbeddingType] = mapped_column(stored(EmbeddingType, "embedding_type"))
    model_name: Mapped[str] = mapped_column(sa.ForeignKey("embedding_models.name", ondelete="RESTRICT"))
    embedding: Mapped[Any] = mapped_column(HALFVEC, deferred=True)
    # Hash of the embedded text and the model: the same text costs no second call.
    content_hash: Mapped[str]
    # The character's `row_version` whose text was last compared with the hash; another one means: look again.
    row_version_seen: Mapped[int]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
