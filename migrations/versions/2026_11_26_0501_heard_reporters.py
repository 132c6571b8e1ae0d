"""Remembers of each who reported a listing whether they count among those who bring it to the desk."""

import sqlalchemy as sa
from alembic import op

revision = "0501"
down_revision = "0500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("listing_reporters", sa.Column("is_heard", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    op.drop_column("listing_reporters", "is_heard")
