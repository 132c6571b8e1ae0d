"""Makes the tables of drafts that save themselves, and of what fields said before a save."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0300"
down_revision = "0270"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "autosaves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "saved", "discarded", name="state", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("row_version", sa.Integer(), nullable=True),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sequence >= 0", name=op.f("ck_autosaves_sequence_is_not_negative")),
        sa.CheckConstraint("jsonb_typeof(fields) = 'array'", name=op.f("ck_autosaves_fields_are_a_list")),
        sa.CheckConstraint("state <> 'saved' OR fields = '[]'::jsonb", name=op.f("ck_autosaves_saved_holds_nothing")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_autosaves_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_autosaves")),
        sa.UniqueConstraint(
            "user_id",
            "resource",
            "document_id",
            "client_id",
            name="uq_autosaves_user_id_resource_document_id_client_id",
        ),
    )
    op.create_index("ix_autosaves_saved_at", "autosaves", ["saved_at"], unique=False)
    op.create_table(
        "earlier_values",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("values", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("saved_by_id", sa.Uuid(), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["saved_by_id"], ["users.id"], name=op.f("fk_earlier_values_saved_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earlier_values")),
    )
    op.create_index(
        "ix_earlier_values_resource_document_id_row_version",
        "earlier_values",
        ["resource", "document_id", "row_version"],
        unique=False,
    )
    op.create_index("ix_earlier_values_saved_at", "earlier_values", ["saved_at"], unique=False)
    op.create_index(op.f("ix_earlier_values_saved_by_id"), "earlier_values", ["saved_by_id"], unique=False)
    # Of what was saved before this table was there, nobody knows where it started: a page that is older than
    # the present version is not merged by itself.
    for table, resource in (("characters", "character"), ("character_categories", "category")):
        op.execute(
            "INSERT INTO earlier_values (id, resource, document_id, row_version, values, saved_at) "
            f"SELECT gen_random_uuid(), '{resource}', id, row_version, NULL, now() FROM {table} WHERE row_version > 1"
        )


def downgrade() -> None:
    op.drop_table("earlier_values")
    op.drop_table("autosaves")
