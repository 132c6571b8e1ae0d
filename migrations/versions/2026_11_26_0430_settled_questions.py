"""Lets staff put a payment provider's message aside once they have looked at it."""

import sqlalchemy as sa
from alembic import op

revision = "0430"
down_revision = "0420"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment_events", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_payment_events_only_problems_are_settled"),
        "payment_events",
        "settled_at IS NULL OR outcome = 'problem'",
    )
    op.drop_index("ix_payment_events_problem", "payment_events", postgresql_where=sa.text("outcome = 'problem'"))
    op.create_index(
        "ix_payment_events_problem",
        "payment_events",
        ["received_at"],
        postgresql_where=sa.text("outcome = 'problem' AND settled_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_payment_events_problem",
        "payment_events",
        postgresql_where=sa.text("outcome = 'problem' AND settled_at IS NULL"),
    )
    op.create_index(
        "ix_payment_events_problem",
        "payment_events",
        ["received_at"],
        postgresql_where=sa.text("outcome = 'problem'"),
    )
    op.drop_constraint(op.f("ck_payment_events_only_problems_are_settled"), "payment_events")
    op.drop_column("payment_events", "settled_at")
