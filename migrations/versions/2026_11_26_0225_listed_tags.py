"""Counts the tags of listed characters, so that the editor can suggest them while somebody types."""

import sqlalchemy as sa
from alembic import op

revision = "0225"
down_revision = "0220"
branch_labels = None
depends_on = None

# What went is -1, what came is +1, both of one row in one statement. Locks are taken in the order of the tags, so that
# two listings with the same tags wait for each other instead of ending in a deadlock.
_COUNT = """
CREATE FUNCTION count_listed_tags() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone text[] := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE OLD.tags END;
    come text[] := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE NEW.tags END;
BEGIN
    INSERT INTO listed_tags (folded, label, uses)
    SELECT folded, min(label), sum(change)
    FROM (
        SELECT lower(normalize(tag, NFKC)) AS folded, min(tag) AS label, -1 AS change FROM unnest(gone) AS tag GROUP BY 1
        UNION ALL
        SELECT lower(normalize(tag, NFKC)) AS folded, min(tag) AS label, 1 AS change FROM unnest(come) AS tag GROUP BY 1
    ) AS changes
    GROUP BY folded
    HAVING sum(change) <> 0
    ORDER BY folded
    ON CONFLICT (folded) DO UPDATE SET uses = listed_tags.uses + excluded.uses;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "listed_tags",
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("folded", name=op.f("pk_listed_tags")),
    )
    op.create_index(
        "ix_listed_tags_folded_prefix", "listed_tags", ["folded"], postgresql_ops={"folded": "text_pattern_ops"}
    )
    op.create_index("ix_listed_tags_uses_folded", "listed_tags", [sa.text("uses DESC"), "folded"])
    op.execute(_COUNT)
    op.execute(
        "CREATE TRIGGER count_tags AFTER INSERT OR DELETE OR UPDATE OF tags ON listed_characters"
        " FOR EACH ROW EXECUTE FUNCTION count_listed_tags()"
    )
    op.execute(
        "INSERT INTO listed_tags (folded, label, uses)"
        " SELECT lower(normalize(label, NFKC)), min(label), count(DISTINCT character_id)"
        " FROM listed_characters, unnest(tags) AS label GROUP BY 1"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER count_tags ON listed_characters")
    op.execute("DROP FUNCTION count_listed_tags()")
    op.drop_table("listed_tags")
