"""Keeps what the audit log says of a listing's reports and reviews from whoever offers the listing."""

import sqlalchemy as sa
from alembic import op

revision = "0500"
down_revision = "0451"
branch_labels = None
depends_on = None

TRIGGER = "refuse_change_of_audit_entries"
ABOUT_LISTINGS = (
    "listing.report",
    "review_note.add",
    "listing.review_again",
    "listing.quarantine",
    "listing.release",
    "listing.approve",
    "listing.request_changes",
    "listing.reject",
    "listing.take_down",
)


def upgrade() -> None:
    op.add_column("audit_entries", sa.Column("kept_from_id", sa.Uuid(), nullable=True))
    # An entry says for good what it says; only whom it is kept from is written here, once.
    op.execute(f"ALTER TABLE audit_entries DISABLE TRIGGER {TRIGGER}")
    whose = "UPDATE audit_entries a SET kept_from_id = p.publisher_id FROM character_publications p"
    op.execute(
        sa.text(f"{whose} WHERE a.resource = 'listing' AND a.resource_id = p.id AND a.action IN :actions").bindparams(
            sa.bindparam("actions", ABOUT_LISTINGS, expanding=True)
        )
    )
    op.execute(
        f"{whose} JOIN listing_reports r ON r.publication_id = p.id "
        "WHERE a.resource = 'listing_report' AND a.resource_id = r.id"
    )
    op.execute(
        f"{whose} JOIN review_cases c ON c.publication_id = p.id "
        "WHERE a.resource = 'review_case' AND a.resource_id = c.id"
    )
    op.execute(f"ALTER TABLE audit_entries ENABLE TRIGGER {TRIGGER}")


def downgrade() -> None:
    op.drop_column("audit_entries", "kept_from_id")
