"""Makes a library of files: kinds, crops and focal points, files on their way, and the pictures that came of a prompt."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0331"
down_revision = "0350"
branch_labels = None
depends_on = None

_BEFORE = ("card", "portrait", "variant")
_SINCE = (*_BEFORE, "audio", "video", "document")


def _purposes(names: tuple[str, ...]) -> str:
    return f"purpose IN ({', '.join(repr(name) for name in names)})"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_media_files_purpose"), "media_files", type_="check")
    op.create_check_constraint(op.f("ck_media_files_purpose"), "media_files", _purposes(_SINCE))
    op.add_column("media_files", sa.Column("is_kept", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("media_files", sa.Column("focus_x", sa.Double(), nullable=True))
    op.add_column("media_files", sa.Column("focus_y", sa.Double(), nullable=True))
    op.add_column("media_files", sa.Column("crop", sa.ARRAY(sa.Double()), nullable=True))
    op.add_column("media_files", sa.Column("row_version", sa.Integer(), server_default="1", nullable=False))
    op.create_check_constraint(
        op.f("ck_media_files_focus_is_within"),
        "media_files",
        "(focus_x IS NULL) = (focus_y IS NULL) AND focus_x BETWEEN 0 AND 1 AND focus_y BETWEEN 0 AND 1",
    )
    op.create_check_constraint(
        op.f("ck_media_files_crop_is_a_part"),
        "media_files",
        "crop IS NULL OR (cardinality(crop) = 4 AND crop[1] >= 0 AND crop[2] >= 0 AND crop[3] <= 1"
        " AND crop[4] <= 1 AND crop[3] - crop[1] >= 0.01 AND crop[4] - crop[2] >= 0.01)",
    )
    op.create_index("ix_media_files_owner_id_created_at_id", "media_files", ["owner_id", "created_at", "id"])
    op.create_index(
        "ix_media_files_owner_id_perceptual_hash",
        "media_files",
        ["owner_id", "perceptual_hash"],
        postgresql_where=sa.text("purpose = 'portrait'"),
    )
    op.create_index(
        "ix_media_files_created_at_loose", "media_files", ["created_at"], postgresql_where=sa.text("NOT is_kept")
    )

    op.create_table(
        "media_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("arrived_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("was_there", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refusal", JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_media_uploads_size_is_positive")),
        sa.CheckConstraint("arrived_bytes BETWEEN 0 AND size_bytes", name=op.f("ck_media_uploads_arrived_is_a_part")),
        sa.CheckConstraint("char_length(name) <= 200", name=op.f("ck_media_uploads_name_at_most_200")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_media_uploads_owner_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["file_id"], ["media_files.id"], name=op.f("fk_media_uploads_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_uploads")),
    )
    op.create_index(op.f("ix_media_uploads_owner_id"), "media_uploads", ["owner_id"])
    op.create_index(op.f("ix_media_uploads_file_id"), "media_uploads", ["file_id"])
    op.create_index("ix_media_uploads_updated_at", "media_uploads", ["updated_at"])
    op.create_table(
        "media_upload_parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["media_uploads.id"], name=op.f("fk_media_upload_parts_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_upload_parts")),
        sa.UniqueConstraint("upload_id", "position", name="uq_media_upload_parts_upload_id_position"),
    )
    op.create_index(op.f("ix_media_upload_parts_sha256"), "media_upload_parts", ["sha256"])

    for column in (
        sa.Column("picture_count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(3), server_default="USD", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("image_generations", column)
    for name, truth in (
        ("cost_micro_is_not_negative", "cost_micro >= 0"),
        ("picture_count_is_small", "picture_count BETWEEN 1 AND 8"),
        ("prompt_at_most_8000", "char_length(prompt) <= 8000"),
        ("negative_prompt_at_most_8000", "char_length(negative_prompt) <= 8000"),
    ):
        op.create_check_constraint(op.f(f"ck_image_generations_{name}"), "image_generations", truth)
    op.create_table(
        "generated_pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["generation_id"],
            ["image_generations.id"],
            name=op.f("fk_generated_pictures_generation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["media_files.id"], name=op.f("fk_generated_pictures_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generated_pictures")),
        sa.UniqueConstraint("generation_id", "position", name="uq_generated_pictures_generation_id_position"),
    )
    op.create_index(op.f("ix_generated_pictures_file_id"), "generated_pictures", ["file_id"])


def downgrade() -> None:
    op.drop_table("generated_pictures")
    for name in ("finished_at", "started_at", "currency", "cost_micro", "picture_count"):
        op.drop_column("image_generations", name)
    for name in ("prompt_at_most_8000", "negative_prompt_at_most_8000"):
        op.drop_constraint(op.f(f"ck_image_generations_{name}"), "image_generations", type_="check")
    op.drop_table("media_upload_parts")
    op.drop_table("media_uploads")
    op.drop_index("ix_media_files_created_at_loose", table_name="media_files")
    op.drop_index("ix_media_files_owner_id_perceptual_hash", table_name="media_files")
    op.drop_index("ix_media_files_owner_id_created_at_id", table_name="media_files")
    for name in ("row_version", "crop", "focus_y", "focus_x", "is_kept"):
        op.drop_column("media_files", name)
    # What is no picture and no card has no place any more.
    op.execute("DELETE FROM media_files WHERE purpose IN ('audio', 'video', 'document')")
    op.drop_constraint(op.f("ck_media_files_purpose"), "media_files", type_="check")
    op.create_check_constraint(op.f("ck_media_files_purpose"), "media_files", _purposes(_BEFORE))
