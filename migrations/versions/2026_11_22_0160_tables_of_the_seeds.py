"""Makes the tables of the seeds that later screens will fill: voices, ratings, generations, appeals, backups, imports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0160"
down_revision = "0150"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "running", "succeeded", "failed", name="state", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restore_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)", name=op.f("ck_backups_finished_goes_with_state")
        ),
        sa.CheckConstraint(
            "state <> 'succeeded' OR sha256 IS NOT NULL", name=op.f("ck_backups_succeeded_has_a_checksum")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
        sa.UniqueConstraint("name", name=op.f("uq_backups_name")),
    )
    op.create_index("ix_backups_started_at_id", "backups", ["started_at", "id"], unique=False)
    op.create_table(
        "health_samples",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "taken_at", name=op.f("pk_health_samples")),
    )
    op.create_table(
        "maintenance_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "running", "succeeded", "failed", name="state", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("rows_changed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)", name=op.f("ck_maintenance_runs_finished_goes_with_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_runs")),
    )
    op.create_index("ix_maintenance_runs_started_at_id", "maintenance_runs", ["started_at", "id"], unique=False)
    op.create_table(
        "import_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "running", "succeeded", "failed", name="state", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (finished_at IS NULL)", name=op.f("ck_import_runs_finished_goes_with_state")
        ),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["users.id"], name=op.f("fk_import_runs_asked_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_runs")),
    )
    op.create_index(op.f("ix_import_runs_asked_by_id"), "import_runs", ["asked_by_id"], unique=False)
    op.create_table(
        "oauth_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_user_id", sa.Text(), nullable=False),
        sa.Column("access_token_hash", sa.Text(), nullable=True),
        sa.Column("refresh_token_hash", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_oauth_accounts_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_accounts")),
        sa.UniqueConstraint("provider", "provider_user_id", name="uq_oauth_accounts_provider_provider_user_id"),
    )
    op.create_index(op.f("ix_oauth_accounts_user_id"), "oauth_accounts", ["user_id"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_refresh_tokens_expires_after_it_was_made")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_refresh_tokens_token_hash")),
    )
    op.create_index(op.f("ix_refresh_tokens_user_id"), "refresh_tokens", ["user_id"], unique=False)
    op.create_table(
        "import_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "made", "unchanged", "refused", name="outcome", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("row_id", sa.Uuid(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["import_runs.id"], name=op.f("fk_import_items_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_items")),
        sa.UniqueConstraint("run_id", "kind", "legacy_id", name="uq_import_items_run_id_kind_legacy_id"),
    )
    op.create_table(
        "character_ratings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(comment) <= 10000", name=op.f("ck_character_ratings_comment_at_most_10000")),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_character_ratings_rating_is_one_to_five")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_character_ratings_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_character_ratings_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_ratings")),
        sa.UniqueConstraint("character_id", "user_id", name="uq_character_ratings_character_id_user_id"),
    )
    op.create_index(op.f("ix_character_ratings_user_id"), "character_ratings", ["user_id"], unique=False)
    op.create_table(
        "image_generations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("negative_prompt", sa.Text(), server_default="", nullable=False),
        sa.Column("width", sa.Integer(), server_default="1024", nullable=False),
        sa.Column("height", sa.Integer(), server_default="1024", nullable=False),
        sa.Column("steps", sa.Integer(), nullable=True),
        sa.Column("guidance_scale", sa.Double(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "running",
                "completed",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("cost_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "details", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cost_minor >= 0", name=op.f("ck_image_generations_cost_is_not_negative")),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck_image_generations_size_is_positive")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_image_generations_character_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job_runs.id"], name=op.f("fk_image_generations_job_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_image_generations_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_generations")),
    )
    op.create_index(op.f("ix_image_generations_character_id"), "image_generations", ["character_id"], unique=False)
    op.create_index(op.f("ix_image_generations_job_id"), "image_generations", ["job_id"], unique=False)
    op.create_index(
        "ix_image_generations_user_id_created_at", "image_generations", ["user_id", "created_at"], unique=False
    )
    op.create_table(
        "user_favorites",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_user_favorites_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_favorites_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_favorites")),
        sa.UniqueConstraint("user_id", "character_id", name="uq_user_favorites_user_id_character_id"),
    )
    op.create_index(op.f("ix_user_favorites_character_id"), "user_favorites", ["character_id"], unique=False)
    op.create_table(
        "voice_configurations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("voice_id", sa.Text(), nullable=False),
        sa.Column("voice_name", sa.Text(), server_default="", nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("speed", sa.Double(), server_default="1", nullable=False),
        sa.Column("pitch", sa.Double(), server_default="1", nullable=False),
        sa.Column("stability", sa.Double(), server_default="0.5", nullable=False),
        sa.Column("similarity", sa.Double(), server_default="0.5", nullable=False),
        sa.Column("style_exaggeration", sa.Double(), server_default="0", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("similarity BETWEEN 0 AND 1", name=op.f("ck_voice_configurations_similarity")),
        sa.CheckConstraint("speed > 0 AND pitch > 0", name=op.f("ck_voice_configurations_speed_and_pitch_are_factors")),
        sa.CheckConstraint("stability BETWEEN 0 AND 1", name=op.f("ck_voice_configurations_stability")),
        sa.CheckConstraint(
            "style_exaggeration BETWEEN 0 AND 1", name=op.f("ck_voice_configurations_style_exaggeration")
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_voice_configurations_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voice_configurations")),
    )
    op.create_index(
        op.f("ix_voice_configurations_character_id"), "voice_configurations", ["character_id"], unique=False
    )
    op.create_index(
        "uq_voice_configurations_character_id_language_active",
        "voice_configurations",
        ["character_id", "language"],
        unique=True,
        postgresql_where=sa.text("is_active"),
    )
    op.create_table(
        "speech_synthesis",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column("voice_configuration_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("audio_file_id", sa.Uuid(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("voice_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "running",
                "completed",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("cost_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'completed') = (audio_file_id IS NOT NULL)",
            name=op.f("ck_speech_synthesis_completed_goes_with_a_file"),
        ),
        sa.CheckConstraint("cost_minor >= 0", name=op.f("ck_speech_synthesis_cost_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["audio_file_id"], ["media_files.id"], name=op.f("fk_speech_synthesis_audio_file_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_speech_synthesis_character_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job_runs.id"], name=op.f("fk_speech_synthesis_job_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_speech_synthesis_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["voice_configuration_id"],
            ["voice_configurations.id"],
            name=op.f("fk_speech_synthesis_voice_configuration_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_speech_synthesis")),
    )
    op.create_index(op.f("ix_speech_synthesis_audio_file_id"), "speech_synthesis", ["audio_file_id"], unique=False)
    op.create_index(op.f("ix_speech_synthesis_character_id"), "speech_synthesis", ["character_id"], unique=False)
    op.create_index(op.f("ix_speech_synthesis_job_id"), "speech_synthesis", ["job_id"], unique=False)
    op.create_index(
        "ix_speech_synthesis_user_id_created_at", "speech_synthesis", ["user_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_speech_synthesis_voice_configuration_id"), "speech_synthesis", ["voice_configuration_id"], unique=False
    )
    op.create_table(
        "appeals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("appellant_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "upheld", "dismissed", name="state", native_enum=False, create_constraint=True, length=40),
            server_default="open",
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_appeals_decided_goes_with_state")),
        sa.CheckConstraint(
            "(decided_by_id IS NULL) = (decided_at IS NULL)", name=op.f("ck_appeals_decided_by_goes_with_decided_at")
        ),
        sa.CheckConstraint("char_length(text) <= 4000", name=op.f("ck_appeals_text_at_most_4000")),
        sa.ForeignKeyConstraint(
            ["appellant_id"], ["users.id"], name=op.f("fk_appeals_appellant_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["users.id"], name=op.f("fk_appeals_decided_by_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["review_decisions.id"], name=op.f("fk_appeals_decision_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeals")),
        sa.UniqueConstraint("decision_id", name="uq_appeals_decision_id"),
    )
    op.create_index(op.f("ix_appeals_appellant_id"), "appeals", ["appellant_id"], unique=False)
    op.create_index(op.f("ix_appeals_decided_by_id"), "appeals", ["decided_by_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_appeals_decided_by_id"), table_name="appeals")
    op.drop_index(op.f("ix_appeals_appellant_id"), table_name="appeals")
    op.drop_table("appeals")
    op.drop_index(op.f("ix_speech_synthesis_voice_configuration_id"), table_name="speech_synthesis")
    op.drop_index("ix_speech_synthesis_user_id_created_at", table_name="speech_synthesis")
    op.drop_index(op.f("ix_speech_synthesis_job_id"), table_name="speech_synthesis")
    op.drop_index(op.f("ix_speech_synthesis_character_id"), table_name="speech_synthesis")
    op.drop_index(op.f("ix_speech_synthesis_audio_file_id"), table_name="speech_synthesis")
    op.drop_table("speech_synthesis")
    op.drop_index(
        "uq_voice_configurations_character_id_language_active",
        table_name="voice_configurations",
        postgresql_where=sa.text("is_active"),
    )
    op.drop_index(op.f("ix_voice_configurations_character_id"), table_name="voice_configurations")
    op.drop_table("voice_configurations")
    op.drop_index(op.f("ix_user_favorites_character_id"), table_name="user_favorites")
    op.drop_table("user_favorites")
    op.drop_index("ix_image_generations_user_id_created_at", table_name="image_generations")
    op.drop_index(op.f("ix_image_generations_job_id"), table_name="image_generations")
    op.drop_index(op.f("ix_image_generations_character_id"), table_name="image_generations")
    op.drop_table("image_generations")
    op.drop_index(op.f("ix_character_ratings_user_id"), table_name="character_ratings")
    op.drop_table("character_ratings")
    op.drop_table("import_items")
    op.drop_index(op.f("ix_refresh_tokens_user_id"), table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_index(op.f("ix_oauth_accounts_user_id"), table_name="oauth_accounts")
    op.drop_table("oauth_accounts")
    op.drop_index(op.f("ix_import_runs_asked_by_id"), table_name="import_runs")
    op.drop_table("import_runs")
    op.drop_index("ix_maintenance_runs_started_at_id", table_name="maintenance_runs")
    op.drop_table("maintenance_runs")
    op.drop_table("health_samples")
    op.drop_index("ix_backups_started_at_id", table_name="backups")
    op.drop_table("backups")
