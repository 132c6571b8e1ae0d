"""Remembers the time step of the last accepted one-time code, so that no code serves twice."""

import sqlalchemy as sa
from alembic import op

revision = "0120"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("tf_last_step", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "tf_last_step")
