"""Listings that somebody has begun and not submitted."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to

DRAFT_LENGTHS = {
    "title": 1_000,
    "description": 100_000,
    "tags": 10_000,
    "license_type": 40,
    "price": 100,
    "currency": 40,
    "publish_at": 40,
    "to_moderator": 10_000,
}
"""What a draft can hold of each text: more than a listing may, since what is too long is told when it is submitted."""


_COLUMNS = {"price": "typed_sum"}
"""Columns that are called otherwise: what is a price in the database is a number of minor units, and this is a text."""


class ListingDraft(Identified, Timestamped, RowVersioned, Base):
    """What a creator has typed of a listing so far, as they typed it: nothing of it has to be right before it is submitted.

    It is nobody else's, no listing yet and no proof of anything: it goes with its character and with its person.
    """

    __tablename__ = "listing_drafts"
    __table_args__ = (
        *(at_most(_COLUMNS.get(name, name), length) for name, length in DRAFT_LENGTHS.items()),
        sa.Index("ix_listing_drafts_publisher_id_updated_at_id", "publisher_id", "updated_at", "id"),
    )

    publisher_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="CASCADE")
    category_id: Mapped[UUID | None] = refers_to("character_categories.id", ondelete="SET NULL")
    title: Mapped[str] = mapped_column(default="", server_default="")
    description: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[str] = mapped_column(default="", server_default="")
    license_type: Mapped[str] = mapped_column(default="", server_default="")
    price: Mapped[str] = mapped_column("typed_sum", default="", server_default="")
    currency: Mapped[str] = mapped_column(default="", server_default="")
    publish_at: Mapped[str] = mapped_column(default="", server_default="")
    to_moderator: Mapped[str] = mapped_column(default="", server_default="")
