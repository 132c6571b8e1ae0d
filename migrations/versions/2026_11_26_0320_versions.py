"""Lets a version say what it was made by, and finds the newest versions of a person at once."""

import sqlalchemy as sa
from alembic import op

revision = "0320"
down_revision = "0310"
branch_labels = None
depends_on = None

OCCASION = sa.Enum(
    "saved",
    "submitted",
    "published",
    "restored",
    "kept",
    name="occasion",
    native_enum=False,
    create_constraint=False,
    length=40,
)


def upgrade() -> None:
    # Until now only submitting made versions; the rows themselves are never changed.
    op.add_column("character_versions", sa.Column("occasion", OCCASION, server_default="submitted", nullable=False))
    op.alter_column("character_versions", "occasion", server_default="saved")
    op.add_column("character_versions", sa.Column("restored_from", sa.Integer(), nullable=True))
    op.create_check_constraint(
        op.f("ck_character_versions_occasion"),
        "character_versions",
        "occasion IN ('saved', 'submitted', 'published', 'restored', 'kept')",
    )
    op.create_check_constraint(
        op.f("ck_character_versions_restored_from_goes_with_occasion"),
        "character_versions",
        "(occasion IN ('restored', 'kept')) = (restored_from IS NOT NULL)",
    )
    op.create_index(
        "ix_character_versions_created_by_id_created_at", "character_versions", ["created_by_id", "created_at"]
    )
    op.drop_index(op.f("ix_character_versions_created_by_id"), table_name="character_versions")


def downgrade() -> None:
    op.create_index(op.f("ix_character_versions_created_by_id"), "character_versions", ["created_by_id"])
    op.drop_index("ix_character_versions_created_by_id_created_at", table_name="character_versions")
    op.drop_constraint(
        op.f("ck_character_versions_restored_from_goes_with_occasion"), "character_versions", type_="check"
    )
    op.drop_constraint(op.f("ck_character_versions_occasion"), "character_versions", type_="check")
    op.drop_column("character_versions", "restored_from")
    op.drop_column("character_versions", "occasion")
