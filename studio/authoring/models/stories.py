"""Tables of stories."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.authoring.models.limits import TEXT_LENGTH, TITLE_LENGTH
from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to


class Story(Identified, Timestamped, RowVersioned, Base):
    """A story written by the staff, known by its code `B<number>`."""

    __tablename__ = "stories"
    __table_args__ = (
        sa.CheckConstraint("code ~ '^B[0-9]{1,9}$'", name="code_is_b_and_a_number"),
        # B1 and B001 are one code.
        sa.UniqueConstraint("number", name="uq_stories_number"),
        sa.Index("ix_stories_title_id", "title", "id"),
        sa.Index("ix_stories_trashed_at_id", "trashed_at", "id", postgresql_where=sa.text("trashed_at IS NOT NULL")),
        sa.CheckConstraint("trashed_by_id IS NULL OR trashed_at IS NOT NULL", name="trashed_by_goes_with_trashed_at"),
        at_most("title", TITLE_LENGTH),
        at_most("description", TEXT_LENGTH),
    )

    legacy_id: Mapped[str | None] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    # What the code says, for sorting and for finding however it is padded.
    number: Mapped[int] = mapped_column(sa.Computed("(substring(code, 2))::integer", persisted=True))
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    cover_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
    trashed_at: Mapped[datetime | None]
    trashed_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
