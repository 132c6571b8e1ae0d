"""Remembers since when nothing uses a file, so that it is left for a week from then and not from its first day."""

import sqlalchemy as sa
from alembic import op

revision = "0440"
down_revision = "0430"
branch_labels = None
depends_on = None

INDEX = "ix_media_files_loose_since"


def upgrade() -> None:
    op.add_column("media_files", sa.Column("loose_since", sa.TIMESTAMP(timezone=True)))
    op.create_index(INDEX, "media_files", ["loose_since"], postgresql_where=sa.text("loose_since IS NOT NULL"))


def downgrade() -> None:
    op.drop_index(INDEX, table_name="media_files")
    op.drop_column("media_files", "loose_since")
