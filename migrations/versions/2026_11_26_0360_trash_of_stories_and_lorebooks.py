"""Lets stories and lorebooks be thrown away, keeps a chat as it was before a message was said anew, and what files look like."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0360"
down_revision = "0330"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stories", sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("stories", sa.Column("trashed_by_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_stories_trashed_by_id"), "stories", "users", ["trashed_by_id"], ["id"], ondelete="SET NULL"
    )
    op.create_check_constraint(
        op.f("ck_stories_trashed_by_goes_with_trashed_at"), "stories", "trashed_by_id IS NULL OR trashed_at IS NOT NULL"
    )
    op.create_index(op.f("ix_stories_trashed_by_id"), "stories", ["trashed_by_id"])
    op.create_index(
        "ix_stories_trashed_at_id",
        "stories",
        ["trashed_at", "id"],
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )

    op.create_table(
        "trashed_lorebooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("entries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("book", postgresql.JSONB(), nullable=False),
        sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trashed_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_trashed_lorebooks_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["trashed_by_id"], ["users.id"], name=op.f("fk_trashed_lorebooks_trashed_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trashed_lorebooks")),
    )
    op.create_index(op.f("ix_trashed_lorebooks_character_id"), "trashed_lorebooks", ["character_id"])
    op.create_index(op.f("ix_trashed_lorebooks_trashed_by_id"), "trashed_lorebooks", ["trashed_by_id"])
    op.create_index("ix_trashed_lorebooks_trashed_at_id", "trashed_lorebooks", ["trashed_at", "id"])

    op.add_column("chat_sessions", sa.Column("branch_of_id", sa.Uuid(), nullable=True))
    op.add_column("chat_sessions", sa.Column("branch_position", sa.Integer(), nullable=True))
    op.create_foreign_key(
        op.f("fk_chat_sessions_branch_of_id"),
        "chat_sessions",
        "chat_sessions",
        ["branch_of_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(op.f("ix_chat_sessions_branch_of_id"), "chat_sessions", ["branch_of_id"])

    op.add_column("card_batch_items", sa.Column("looks", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("card_batch_items", "looks")
    op.drop_index(op.f("ix_chat_sessions_branch_of_id"), table_name="chat_sessions")
    op.drop_constraint(op.f("fk_chat_sessions_branch_of_id"), "chat_sessions", type_="foreignkey")
    op.drop_column("chat_sessions", "branch_position")
    op.drop_column("chat_sessions", "branch_of_id")
    op.drop_table("trashed_lorebooks")
    op.drop_index("ix_stories_trashed_at_id", table_name="stories")
    op.drop_index(op.f("ix_stories_trashed_by_id"), table_name="stories")
    op.drop_constraint(op.f("ck_stories_trashed_by_goes_with_trashed_at"), "stories", type_="check")
    op.drop_constraint(op.f("fk_stories_trashed_by_id"), "stories", type_="foreignkey")
    op.drop_column("stories", "trashed_by_id")
    op.drop_column("stories", "trashed_at")
