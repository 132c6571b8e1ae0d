"""Keeps bulk imports: the batch, a row for each of its files, and the parts in which large files arrive."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0220"
down_revision = "0210"
branch_labels = None
depends_on = None

_BATCH = ("receiving", "importing", "finished", "undoing", "undone", "discarded")
_ITEM = ("arriving", "archive", "waiting", "made", "duplicate", "portrait", "unpacked", "refused", "undone")


def _stored(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "card_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("state", _stored("state", *_BATCH), nullable=False),
        sa.Column("on_duplicate", _stored("on_duplicate", "skip", "import"), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_card_batches_owner_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["job_id"], ["job_runs.id"], name=op.f("fk_card_batches_job_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_batches")),
    )
    op.create_index(op.f("ix_card_batches_job_id"), "card_batches", ["job_id"])
    op.create_index("ix_card_batches_owner_id_created_at_id", "card_batches", ["owner_id", "created_at", "id"])
    op.create_index("ix_card_batches_state_created_at", "card_batches", ["state", "created_at"])
    op.create_table(
        "card_batch_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("state", _stored("state", *_ITEM), nullable=False),
        sa.Column("format", sa.Text(), server_default="", nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("params", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("warnings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("size_bytes >= 0", name="size_is_not_negative"),
        sa.CheckConstraint("state <> 'made' OR format <> ''", name="made_goes_with_a_format"),
        sa.CheckConstraint("char_length(name) <= 500", name="name_at_most_500"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["card_batches.id"], name=op.f("fk_card_batch_items_batch_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["card_batch_items.id"], name=op.f("fk_card_batch_items_parent_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["media_files.id"], name=op.f("fk_card_batch_items_file_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_card_batch_items_character_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_batch_items")),
        sa.UniqueConstraint("batch_id", "name", "sha256", name="uq_card_batch_items_batch_id_name_sha256"),
    )
    for column in ("parent_id", "file_id", "character_id"):
        op.create_index(op.f(f"ix_card_batch_items_{column}"), "card_batch_items", [column])
    op.create_index("ix_card_batch_items_batch_id_id", "card_batch_items", ["batch_id", "id"])
    op.create_index("ix_card_batch_items_batch_id_state_id", "card_batch_items", ["batch_id", "state", "id"])
    op.create_table(
        "card_batch_parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("number >= 0", name="number_is_not_negative"),
        sa.ForeignKeyConstraint(
            ["item_id"], ["card_batch_items.id"], name=op.f("fk_card_batch_parts_item_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["media_files.id"], name=op.f("fk_card_batch_parts_file_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_batch_parts")),
        sa.UniqueConstraint("item_id", "number", name="uq_card_batch_parts_item_id_number"),
    )
    op.create_index(op.f("ix_card_batch_parts_file_id"), "card_batch_parts", ["file_id"])


def downgrade() -> None:
    op.drop_table("card_batch_parts")
    op.drop_table("card_batch_items")
    op.drop_table("card_batches")
