"""Holds what providers were paid for until it is kept, reserves a job's next step alone, and counts outages from their beginning."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0510"
down_revision = "0452"
branch_labels = None
depends_on = None

ESTIMATED = "ix_job_runs_estimated_open"
NEEDING = "ix_job_runs_needing_open"
OPEN = "state IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "paid_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("parts", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_paid_answers"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job_runs.id"], name="fk_paid_answers_job_id_job_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_paid_answers_user_id_users", ondelete="CASCADE"),
    )
    for column in ("job_id", "user_id", "created_at"):
        op.create_index(f"ix_paid_answers_{column}", "paid_answers", [column])
    # Pictures and audio are compressed already.
    op.execute("ALTER TABLE paid_answers ALTER COLUMN parts SET STORAGE EXTERNAL")
    op.add_column("job_runs", sa.Column("needs_micro", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("job_runs", sa.Column("outage_since", sa.DateTime(timezone=True)))
    op.create_check_constraint("needs_is_not_negative", "job_runs", "needs_micro >= 0")
    op.execute(f"UPDATE job_runs SET needs_micro = greatest(estimate_micro - cost_micro, 0) WHERE {OPEN}")
    op.drop_index(ESTIMATED, table_name="job_runs")
    op.create_index(NEEDING, "job_runs", ["asked_by_id"], postgresql_where=sa.text(f"needs_micro > 0 AND {OPEN}"))


def downgrade() -> None:
    op.drop_index(NEEDING, table_name="job_runs")
    op.create_index(ESTIMATED, "job_runs", ["asked_by_id"], postgresql_where=sa.text(f"estimate_micro > 0 AND {OPEN}"))
    op.drop_constraint(op.f("ck_job_runs_needs_is_not_negative"), "job_runs")
    op.drop_column("job_runs", "outage_since")
    op.drop_column("job_runs", "needs_micro")
    op.drop_table("paid_answers")
