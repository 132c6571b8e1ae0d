"""Gives each payout the moment before which it is not sent, so that it can be called off until then."""

import sqlalchemy as sa
from alembic import op

revision = "0450"
down_revision = "0440"
branch_labels = None
depends_on = None

WAITING = "ck_payouts_pending_has_its_moment"
SENT = "ck_payouts_sent_after_its_moment"


def upgrade() -> None:
    op.add_column("payouts", sa.Column("send_at", sa.TIMESTAMP(timezone=True)))
    # What was waiting before there was a grace is sent as it would have been.
    op.execute("UPDATE payouts SET send_at = created_at WHERE status = 'pending'")
    op.create_check_constraint(op.f(WAITING), "payouts", "status <> 'pending' OR send_at IS NOT NULL")
    op.create_check_constraint(op.f(SENT), "payouts", "started_at >= send_at")


def downgrade() -> None:
    op.drop_constraint(op.f(SENT), "payouts", type_="check")
    op.drop_constraint(op.f(WAITING), "payouts", type_="check")
    op.drop_column("payouts", "send_at")
