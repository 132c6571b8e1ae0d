"""Lets an embedding model keep how far its index has to look."""

import sqlalchemy as sa
from alembic import op

revision = "0151"
down_revision = "0170"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("embedding_models", sa.Column("ef_search", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_embedding_models_ef_search"), "embedding_models", "ef_search BETWEEN 1 AND 1000"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_embedding_models_ef_search"), "embedding_models")
    op.drop_column("embedding_models", "ef_search")
