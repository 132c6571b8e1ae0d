"""What jobs cost and may cost, why they are held, paused queues, and providers that are known to fail."""

import sqlalchemy as sa
from alembic import op

revision = "0350"
down_revision = "0321"
branch_labels = None
depends_on = None

_MICRO_IN_MINOR = 10_000


def upgrade() -> None:
    op.add_column("job_runs", sa.Column("cost_micro", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("job_runs", sa.Column("estimate_micro", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(f"UPDATE job_runs SET cost_micro = cost_minor * {_MICRO_IN_MINOR} WHERE cost_minor > 0")
    op.drop_constraint(op.f("ck_job_runs_cost_is_not_negative"), "job_runs", type_="check")
    op.drop_column("job_runs", "cost_minor")
    op.create_check_constraint(
        op.f("ck_job_runs_cost_is_not_negative"), "job_runs", "cost_micro >= 0 AND estimate_micro >= 0"
    )
    op.add_column("job_runs", sa.Column("held_for", sa.String(length=40), nullable=True))
    op.add_column("job_runs", sa.Column("pause_requested_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_job_runs_held_for"), "job_runs", "held_for IN ('budget', 'pause')")
    op.create_check_constraint(op.f("ck_job_runs_held_is_queued"), "job_runs", "held_for IS NULL OR state = 'queued'")
    op.create_check_constraint(
        op.f("ck_job_runs_pause_is_asked_of_the_running"),
        "job_runs",
        "pause_requested_at IS NULL OR state = 'running'",
    )
    op.drop_index("ix_job_runs_due", table_name="job_runs")
    op.create_index(
        "ix_job_runs_due",
        "job_runs",
        ["run_after", "id"],
        postgresql_where=sa.text("state = 'queued' AND held_for IS NULL"),
    )
    op.create_index(
        "ix_job_runs_held", "job_runs", ["held_for", "created_at"], postgresql_where=sa.text("held_for IS NOT NULL")
    )
    op.create_index(
        "ix_job_runs_estimated_open",
        "job_runs",
        ["asked_by_id"],
        postgresql_where=sa.text("estimate_micro > 0 AND state IN ('queued', 'running')"),
    )
    op.create_index(
        "ix_job_runs_finished_at", "job_runs", ["finished_at"], postgresql_where=sa.text("finished_at IS NOT NULL")
    )
    op.create_index("ix_job_runs_name_created_at", "job_runs", ["name", "created_at"])
    # What is open takes the queue of its own again when it is asked for next; what waits is moved now.
    op.execute(
        "UPDATE job_runs SET queue = 'background' WHERE state = 'queued' AND queue = 'bulk' AND asked_by_id IS NULL"
    )

    op.create_table(
        "queue_pauses",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("char_length(reason) <= 200", name=op.f("ck_queue_pauses_reason_at_most_200")),
        sa.ForeignKeyConstraint(
            ["paused_by_id"], ["users.id"], name=op.f("fk_queue_pauses_paused_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_pauses")),
    )
    op.create_index(op.f("ix_queue_pauses_paused_by_id"), "queue_pauses", ["paused_by_id"])
    op.create_table(
        "person_budgets",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("limit_micro", sa.BigInteger(), nullable=True),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("spent_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("limit_micro >= 0", name=op.f("ck_person_budgets_limit_is_not_negative")),
        sa.CheckConstraint("spent_micro >= 0", name=op.f("ck_person_budgets_spent_is_not_negative")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_person_budgets_month_is_its_first_day")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_person_budgets_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_person_budgets")),
    )
    op.create_index("ix_person_budgets_month_spent_micro", "person_budgets", ["month", "spent_micro", "user_id"])
    op.create_table(
        "spendings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("spent_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("requests", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("spent_micro >= 0", name=op.f("ck_spendings_spent_is_not_negative")),
        sa.CheckConstraint("requests >= 0", name=op.f("ck_spendings_requests_is_not_negative")),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_spendings_month_is_its_first_day")),
        sa.CheckConstraint("char_length(kind) <= 40", name=op.f("ck_spendings_kind_at_most_40")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_spendings_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "month", "kind", name=op.f("pk_spendings")),
    )
    op.create_table(
        "provider_circuits",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_provider_circuits_failures_is_not_negative")),
        sa.CheckConstraint("char_length(last_error) <= 500", name=op.f("ck_provider_circuits_last_error_at_most_500")),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_circuits")),
    )


def downgrade() -> None:
    for table in ("provider_circuits", "spendings", "person_budgets", "queue_pauses"):
        op.drop_table(table)
    op.execute("UPDATE job_runs SET queue = 'bulk' WHERE queue = 'background'")
    for name in ("name_created_at", "finished_at", "estimated_open", "held", "due"):
        op.drop_index(f"ix_job_runs_{name}", table_name="job_runs")
    op.create_index("ix_job_runs_due", "job_runs", ["run_after", "id"], postgresql_where=sa.text("state = 'queued'"))
    for name in ("pause_is_asked_of_the_running", "held_is_queued", "held_for", "cost_is_not_negative"):
        op.drop_constraint(op.f(f"ck_job_runs_{name}"), "job_runs", type_="check")
    op.drop_column("job_runs", "pause_requested_at")
    op.drop_column("job_runs", "held_for")
    op.drop_column("job_runs", "estimate_micro")
    op.add_column("job_runs", sa.Column("cost_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(f"UPDATE job_runs SET cost_minor = cost_micro / {_MICRO_IN_MINOR}")
    op.create_check_constraint(op.f("ck_job_runs_cost_is_not_negative"), "job_runs", "cost_minor >= 0")
    op.drop_column("job_runs", "cost_micro")
