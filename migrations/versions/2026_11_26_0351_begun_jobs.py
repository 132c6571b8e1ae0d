"""Find waiting jobs that had begun already at once, however many wait."""

import sqlalchemy as sa
from alembic import op

revision = "0351"
down_revision = "0340"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_job_runs_begun",
        "job_runs",
        ["run_after"],
        postgresql_where=sa.text("state = 'queued' AND held_for IS NULL AND started_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_job_runs_begun", table_name="job_runs")
