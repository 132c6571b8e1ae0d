"""Lets a character without statements be deleted: PostgreSQL looks for them with the lock of a role that may update."""

from alembic import op

revision = "0420"
down_revision = "0411"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As for the ledger's tables: a reference is looked up FOR KEY SHARE; the trigger refuses every update.
    op.execute("GRANT UPDATE (id) ON creator_earnings TO CURRENT_USER")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (id) ON creator_earnings FROM CURRENT_USER")
