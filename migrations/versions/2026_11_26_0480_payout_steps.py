"""Lets a payout go only where it can go, whoever asks, and finds refunds that are under way without reading every sale."""

import sqlalchemy as sa
from alembic import op

revision = "0480"
down_revision = "0491"
branch_labels = None
depends_on = None

LEADS_TO = {
    "pending": ("processing", "held", "cancelled"),
    "held": ("pending", "cancelled"),
    "processing": ("paid", "failed"),
}
STEPS = ", ".join(f"'{before}>{after}'" for before, targets in LEADS_TO.items() for after in targets)
INDEX = "ix_transactions_refund_asked_at_open"

FUNCTION = f"""
CREATE FUNCTION keep_payout_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status || '>' || NEW.status <> ALL (ARRAY[{STEPS}]) THEN
        RAISE EXCEPTION 'a payout cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE TRIGGER keep_payout_steps BEFORE UPDATE OF status ON payouts FOR EACH ROW
WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION keep_payout_steps()
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    op.execute(TRIGGER)
    op.create_index(
        INDEX,
        "transactions",
        ["refund_asked_at", "id"],
        postgresql_where=sa.text("refund_asked_at IS NOT NULL AND refunded_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(INDEX, table_name="transactions")
    op.execute("DROP TRIGGER keep_payout_steps ON payouts")
    op.execute("DROP FUNCTION keep_payout_steps()")
