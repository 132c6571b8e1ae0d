"""The tags that others may find, and how many listed characters carry each."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base


class ListedTag(Base):
    """A tag of listed characters, counted by a trigger of `listed_characters`, so that suggestions need no scan."""

    __tablename__ = "listed_tags"
    __table_args__ = (
        sa.Index("ix_listed_tags_folded_prefix", "folded", postgresql_ops={"folded": "text_pattern_ops"}),
        sa.Index("ix_listed_tags_uses_folded", sa.text("uses DESC"), "folded"),
    )

    # lower(normalize(label, NFKC)): as tags are compared.
    folded: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    uses: Mapped[int]
