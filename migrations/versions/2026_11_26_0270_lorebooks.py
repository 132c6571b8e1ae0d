"""Lets lorebooks be edited: the book's own document, what lists show of an entry, and states to bring back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0270"
down_revision = "0260"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "lorebooks",
        sa.Column("document", postgresql.JSONB(none_as_null=True), server_default="{}", nullable=False),
    )
    op.add_column("lorebook_entries", sa.Column("place", sa.Text(), server_default="before_char", nullable=False))
    op.add_column("lorebook_entries", sa.Column("tokens", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "lorebook_entries", sa.Column("has_patterns", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "lorebook_states",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lorebook_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("book", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["lorebook_id"], ["lorebooks.id"], name=op.f("fk_lorebook_states_lorebook_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_lorebook_states_created_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lorebook_states")),
    )
    op.create_index("ix_lorebook_states_lorebook_id_created_at", "lorebook_states", ["lorebook_id", "created_at"])
    op.create_index(op.f("ix_lorebook_states_created_by_id"), "lorebook_states", ["created_by_id"])
    op.execute(
        """
        UPDATE lorebooks SET document = jsonb_strip_nulls(jsonb_build_object(
            'name', nullif(name, ''), 'description', nullif(description, ''), 'scan_depth', scan_depth,
            'token_budget', token_budget, 'recursive_scanning', is_recursive)) || jsonb_build_object('extensions', extensions)
        """
    )
    # A Chinese, Japanese or Korean character is about one token; four characters of other scripts are about one.
    op.execute(
        """
        UPDATE lorebook_entries SET
            tokens = wide.count + ceil((char_length(content) - wide.count) / 4.0),
            place = CASE
                WHEN document->'extensions'->>'position' = '2' THEN 'before_note'
                WHEN document->'extensions'->>'position' = '3' THEN 'after_note'
                WHEN document->'extensions'->>'position' = '4' THEN
                    'at_depth:' || coalesce(document->'extensions'->>'depth', '4') || ':' ||
                    CASE document->'extensions'->>'role' WHEN '1' THEN 'user' WHEN '2' THEN 'assistant' ELSE 'system' END
                WHEN document->'extensions'->>'position' = '5' THEN 'before_examples'
                WHEN document->'extensions'->>'position' = '6' THEN 'after_examples'
                WHEN document->'extensions'->>'position' = '7' THEN 'outlet'
                WHEN document->>'position' = 'after_char' THEN 'after_char'
                ELSE 'before_char' END,
            has_patterns = coalesce((document->>'use_regex')::boolean, false)
                AND array_to_string(keys, E'\\n') ~ '(^|\\n)/[^\\n]+/[a-z]*($|\\n)'
        FROM (SELECT id, char_length(regexp_replace(content,
                '[^\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]', '', 'g')) AS count
              FROM lorebook_entries) AS wide
        WHERE wide.id = lorebook_entries.id
        """
    )


def downgrade() -> None:
    op.drop_table("lorebook_states")
    for column in ("has_patterns", "tokens", "place"):
        op.drop_column("lorebook_entries", column)
    op.drop_column("lorebooks", "document")
