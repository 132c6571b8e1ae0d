"""Makes the table of what the studio itself spends by month."""

import sqlalchemy as sa
from alembic import op

revision = "0411"
down_revision = "0410"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "house_spendings",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("spent_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("requests", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("spent_micro >= 0", name=op.f("ck_house_spendings_spent_is_not_negative")),
        sa.CheckConstraint("requests >= 0", name=op.f("ck_house_spendings_requests_is_not_negative")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_house_spendings_month_is_its_first_day")),
        sa.CheckConstraint("char_length(kind) <= 40", name=op.f("ck_house_spendings_kind_at_most_40")),
        sa.PrimaryKeyConstraint("month", "kind", name=op.f("pk_house_spendings")),
    )


def downgrade() -> None:
    op.drop_table("house_spendings")
