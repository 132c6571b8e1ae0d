"""Gives each open appeal a time at which it is due, and finds decisions that an appeal overturned in an index."""

import sqlalchemy as sa
from alembic import op

revision = "0491"
down_revision = "0503"
branch_labels = None
depends_on = None

CHECK = "ck_appeals_due_while_it_is_open"


def upgrade() -> None:
    op.add_column("appeals", sa.Column("due_at", sa.TIMESTAMP(timezone=True)))
    # Two days, as the usual pace has it; which of them are weekends no longer matters for what waits already.
    op.execute("UPDATE appeals SET due_at = created_at + interval '2 days' WHERE state = 'open'")
    op.create_check_constraint(op.f(CHECK), "appeals", "(state = 'open') = (due_at IS NOT NULL)")
    op.create_index("ix_appeals_due_at_id", "appeals", ["due_at", "id"])
    op.create_index(
        "ix_review_decisions_case_id_overturned",
        "review_decisions",
        ["case_id"],
        postgresql_where=sa.text("overturned_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_review_decisions_case_id_overturned", table_name="review_decisions")
    op.drop_index("ix_appeals_due_at_id", table_name="appeals")
    op.drop_constraint(op.f(CHECK), "appeals", type_="check")
    op.drop_column("appeals", "due_at")
