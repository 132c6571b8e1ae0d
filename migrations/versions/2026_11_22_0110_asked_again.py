"""Remember that a running job was asked for again."""

import sqlalchemy as sa
from alembic import op

revision = "0110"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_runs", sa.Column("asked_again_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("job_runs", "asked_again_at")
