"""Reads of what was embedded."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.memory.models import EmbeddingModel


def find_current_model(session: Session) -> EmbeddingModel | None:
    """The model that answers searches, or None while nothing was embedded."""
    return session.scalar(sa.select(EmbeddingModel).where(EmbeddingModel.is_current))
