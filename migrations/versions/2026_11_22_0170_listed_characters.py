"""Keeps apart what others may find of a character: its live version, never the later edits of its draft."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0170"
down_revision = "0160"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "listed_characters",
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tagline", sa.Text(), server_default="", nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("portrait_id", sa.Uuid(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("bigrams", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_listed_characters_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["portrait_id"], ["media_files.id"], name=op.f("fk_listed_characters_portrait_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("character_id", name=op.f("pk_listed_characters")),
    )
    op.create_index(
        "ix_listed_characters_bigrams", "listed_characters", ["bigrams"], unique=False, postgresql_using="gin"
    )
    op.create_index(op.f("ix_listed_characters_portrait_id"), "listed_characters", ["portrait_id"], unique=False)
    op.create_index(
        "ix_listed_characters_search_text_trgm",
        "listed_characters",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )


def downgrade() -> None:
    op.drop_index(
        "ix_listed_characters_search_text_trgm",
        table_name="listed_characters",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index(op.f("ix_listed_characters_portrait_id"), table_name="listed_characters")
    op.drop_index("ix_listed_characters_bigrams", table_name="listed_characters", postgresql_using="gin")
    op.drop_table("listed_characters")
