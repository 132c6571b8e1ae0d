"""Makes the tables of what is done to many rows at once, and of long exports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0250"
down_revision = "0225"
branch_labels = None
depends_on = None

_OUTCOMES = ("changed", "unchanged", "refused")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "bulk_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("argument", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=False),
        sa.Column("state", _enum("state", "trying", "tried", "running", "finished", "stopped"), nullable=False),
        sa.Column("undoes_id", sa.Uuid(), nullable=True),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refused", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stopped_because", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "total >= 0 AND changed >= 0 AND unchanged >= 0 AND refused >= 0",
            name=op.f("ck_bulk_runs_counts_are_not_negative"),
        ),
        sa.CheckConstraint(
            "changed + unchanged + refused <= total", name=op.f("ck_bulk_runs_no_more_is_done_than_there_is")
        ),
        sa.CheckConstraint(
            "(state IN ('finished', 'stopped')) = (finished_at IS NOT NULL)",
            name=op.f("ck_bulk_runs_ended_goes_with_finished_at"),
        ),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["users.id"], name=op.f("fk_bulk_runs_asked_by_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["undoes_id"], ["bulk_runs.id"], name=op.f("fk_bulk_runs_undoes_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_runs")),
        sa.UniqueConstraint("undoes_id", name="uq_bulk_runs_undoes_id"),
    )
    op.create_index("ix_bulk_runs_created_at_id", "bulk_runs", ["created_at", "id"])
    op.create_index("ix_bulk_runs_asked_by_id_created_at", "bulk_runs", ["asked_by_id", "created_at"])
    op.create_table(
        "bulk_items",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("row_title", sa.Text(), server_default="", nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=True),
        sa.Column("forecast", _enum("forecast", *_OUTCOMES), nullable=True),
        sa.Column("outcome", _enum("outcome", *_OUTCOMES), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("version_after", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "outcome = 'refused' OR sentence IS NULL OR outcome IS NULL",
            name=op.f("ck_bulk_items_a_sentence_says_why_not"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["bulk_runs.id"], name=op.f("fk_bulk_items_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "position", name=op.f("pk_bulk_items")),
    )
    op.create_index(
        "ix_bulk_items_pending",
        "bulk_items",
        ["run_id", "position"],
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index("ix_bulk_items_run_id_outcome_position", "bulk_items", ["run_id", "outcome", "position"])
    op.create_table(
        "list_exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_by_id", sa.Uuid(), nullable=False),
        sa.Column("list_name", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), server_default="", nullable=False),
        sa.Column("locale", sa.Text(), server_default="en", nullable=False),
        sa.Column("rows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (sha256 IS NULL) AND (finished_at IS NULL) = (expires_at IS NULL)",
            name=op.f("ck_list_exports_finished_goes_with_a_file"),
        ),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["users.id"], name=op.f("fk_list_exports_asked_by_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_exports")),
    )
    op.create_index("ix_list_exports_created_at_id", "list_exports", ["created_at", "id"])
    op.create_index("ix_list_exports_asked_by_id_created_at", "list_exports", ["asked_by_id", "created_at"])
    op.create_index("ix_list_exports_sha256", "list_exports", ["sha256"])


def downgrade() -> None:
    op.drop_table("list_exports")
    op.drop_table("bulk_items")
    op.drop_table("bulk_runs")
