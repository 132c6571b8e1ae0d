"""Remembers which provider put a job off, so that it is woken when that provider answers again."""

import sqlalchemy as sa
from alembic import op

revision = "0460"
down_revision = "0450"
branch_labels = None
depends_on = None

INDEX = "ix_job_runs_put_off_by"


def upgrade() -> None:
    op.add_column("job_runs", sa.Column("put_off_by", sa.Text()))
    op.create_index(
        INDEX, "job_runs", ["put_off_by", "created_at", "id"], postgresql_where=sa.text("put_off_by IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index(INDEX, table_name="job_runs")
    op.drop_column("job_runs", "put_off_by")
