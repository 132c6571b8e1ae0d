"""Tables of stories."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.authoring.models.limits import TEXT_LENGTH, TITLE_LENGTH
from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to


class Story(Identified, Timestamped, RowVersioned, Base):
    """A story written by the staff, known by its code `B<number>`."""

    __tablename__ = "stories"
    __table_args__ = (
        sa.CheckConstraint("code ~ '^B[0-9]+$'", name="code_is_b_and_a_number"),
        at_most("title", TITLE_LENGTH),
        at_most("description", TEXT_LENGTH),
    )

    legacy_id: Mapped[str | None] = mapped_column(unique=True)
    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default="")
    cover_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="SET NULL")
