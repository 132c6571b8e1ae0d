"""Lets a character be thrown away: by whom, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0310"
down_revision = "0300"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("characters", sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("characters", sa.Column("trashed_by_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_characters_trashed_by_id"), "characters", "users", ["trashed_by_id"], ["id"], ondelete="SET NULL"
    )
    op.create_check_constraint(
        op.f("ck_characters_trash_is_not_published"), "characters", "trashed_at IS NULL OR status <> 'published'"
    )
    op.create_check_constraint(
        op.f("ck_characters_trashed_by_goes_with_trashed_at"),
        "characters",
        "trashed_by_id IS NULL OR trashed_at IS NOT NULL",
    )
    op.create_index(op.f("ix_characters_trashed_by_id"), "characters", ["trashed_by_id"], unique=False)
    op.create_index(
        "ix_characters_trashed_at_id",
        "characters",
        ["trashed_at", "id"],
        unique=False,
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_characters_trashed_at_id", table_name="characters")
    op.drop_index(op.f("ix_characters_trashed_by_id"), table_name="characters")
    op.drop_constraint(op.f("ck_characters_trashed_by_goes_with_trashed_at"), "characters")
    op.drop_constraint(op.f("ck_characters_trash_is_not_published"), "characters")
    op.drop_constraint(op.f("fk_characters_trashed_by_id"), "characters", type_="foreignkey")
    op.drop_column("characters", "trashed_by_id")
    op.drop_column("characters", "trashed_at")
