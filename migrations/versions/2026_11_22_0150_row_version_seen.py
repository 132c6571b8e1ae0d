"""Lets an embedding say which version of its character's row it was last compared with."""

import sqlalchemy as sa
from alembic import op

revision = "0150"
down_revision = "0120"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "character_embeddings", sa.Column("row_version_seen", sa.Integer(), nullable=False, server_default="0")
    )
    op.alter_column("character_embeddings", "row_version_seen", server_default=None)


def downgrade() -> None:
    op.drop_column("character_embeddings", "row_version_seen")
