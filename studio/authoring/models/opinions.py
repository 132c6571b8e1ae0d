"""Tables of what people think of characters."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.authoring.models.limits import REPLY_LENGTH
from studio.kit.orm import Base, Identified, Timestamped, at_most, refers_to


class CharacterRating(Identified, Timestamped, Base):
    """What one person thinks of one character."""

    __tablename__ = "character_ratings"
    __table_args__ = (
        sa.UniqueConstraint("character_id", "user_id", name="uq_character_ratings_character_id_user_id"),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name="rating_is_one_to_five"),
        at_most("comment", REPLY_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    rating: Mapped[int]
    comment: Mapped[str] = mapped_column(default="", server_default="")


class UserFavorite(Identified, Base):
    """A character that a person keeps at hand."""

    __tablename__ = "user_favorites"
    __table_args__ = (sa.UniqueConstraint("user_id", "character_id", name="uq_user_favorites_user_id_character_id"),)

    user_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
