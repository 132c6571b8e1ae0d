"""Makes the table of listings that were begun and not submitted."""

import sqlalchemy as sa
from alembic import op

revision = "0410"
down_revision = "0401"
branch_labels = None
depends_on = None

LENGTHS = {
    "title": 1_000,
    "description": 100_000,
    "tags": 10_000,
    "license_type": 40,
    "typed_sum": 100,
    "currency": 40,
    "publish_at": 40,
}


def upgrade() -> None:
    op.create_table(
        "listing_drafts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("publisher_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        *(sa.Column(name, sa.Text(), server_default="", nullable=False) for name in LENGTHS),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        *(
            sa.CheckConstraint(f"char_length({name}) <= {most}", name=op.f(f"ck_listing_drafts_{name}_at_most_{most}"))
            for name, most in LENGTHS.items()
        ),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["users.id"], name=op.f("fk_listing_drafts_publisher_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_listing_drafts_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["character_categories.id"],
            name=op.f("fk_listing_drafts_category_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_drafts")),
    )
    op.create_index(op.f("ix_listing_drafts_character_id"), "listing_drafts", ["character_id"])
    op.create_index(op.f("ix_listing_drafts_category_id"), "listing_drafts", ["category_id"])
    op.create_index(
        "ix_listing_drafts_publisher_id_updated_at_id", "listing_drafts", ["publisher_id", "updated_at", "id"]
    )


def downgrade() -> None:
    op.drop_table("listing_drafts")
