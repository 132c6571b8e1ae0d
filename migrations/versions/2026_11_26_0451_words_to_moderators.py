"""Gives a listing the words of its creator to the moderator who reads it, and a draft of one the same."""

import sqlalchemy as sa
from alembic import op

revision = "0451"
down_revision = "0460"
branch_labels = None
depends_on = None

LENGTHS = {"character_publications": 1_000, "listing_drafts": 10_000}


def upgrade() -> None:
    for table, most in LENGTHS.items():
        op.add_column(table, sa.Column("to_moderator", sa.Text(), server_default="", nullable=False))
        name = op.f(f"ck_{table}_to_moderator_at_most_{most}")
        op.create_check_constraint(name, table, f"char_length(to_moderator) <= {most}")


def downgrade() -> None:
    for table in LENGTHS:
        op.drop_column(table, "to_moderator")
