"""Tables of drafts that nobody touches any more."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base


class DormancyNotice(Base):
    """That a draft is archived soon, or was, because nobody touched it; it is void once somebody does."""

    __tablename__ = "dormancy_notices"
    __table_args__ = (
        sa.CheckConstraint("archive_at > told_at", name="is_told_before"),
        sa.Index("ix_dormancy_notices_archive_at_open", "archive_at", postgresql_where=sa.text("archived_at IS NULL")),
    )

    character_id: Mapped[UUID] = mapped_column(sa.ForeignKey("characters.id", ondelete="CASCADE"), primary_key=True)
    untouched_since: Mapped[datetime]
    told_at: Mapped[datetime]
    archive_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]
