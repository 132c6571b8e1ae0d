"""Makes the tables of chats: sessions, messages, prompts, test prompts and runs, help with writing, usage."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0210"
down_revision = "0200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("test", "live", name="kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("user_name", sa.Text(), server_default="", nullable=False),
        sa.Column("scene", sa.Integer(), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(title) <= 200", name=op.f("ck_chat_sessions_title_at_most_200")),
        sa.CheckConstraint("char_length(user_name) <= 200", name=op.f("ck_chat_sessions_user_name_at_most_200")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_chat_sessions_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_chat_sessions_owner_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["character_versions.id"], name=op.f("fk_chat_sessions_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_sessions")),
    )
    op.create_index(op.f("ix_chat_sessions_character_id"), "chat_sessions", ["character_id"], unique=False)
    op.create_index("ix_chat_sessions_kind_updated_at", "chat_sessions", ["kind", "updated_at"], unique=False)
    op.create_index(
        "ix_chat_sessions_owner_id_character_id_updated_at",
        "chat_sessions",
        ["owner_id", "character_id", "updated_at"],
        unique=False,
    )
    op.create_index(op.f("ix_chat_sessions_version_id"), "chat_sessions", ["version_id"], unique=False)
    op.create_table(
        "chat_prompts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("messages", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("breakdown", postgresql.JSONB(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["chat_sessions.id"], name=op.f("fk_chat_prompts_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_prompts")),
    )
    op.create_index(op.f("ix_chat_prompts_session_id"), "chat_prompts", ["session_id"], unique=False)
    op.create_table(
        "chat_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("swipe", sa.Integer(), server_default="0", nullable=False),
        sa.Column("is_chosen", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "role",
            sa.Enum("user", "assistant", name="role", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "streaming",
                "complete",
                "stopped",
                "fallback",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("partial", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=True),
        sa.Column("tokens_out", sa.Integer(), nullable=True),
        sa.Column("is_counted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("first_token_ms", sa.Integer(), nullable=True),
        sa.Column("response_time_ms", sa.Integer(), nullable=True),
        sa.Column("cost_micro", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), server_default="USD", nullable=False),
        sa.Column("failure", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("error_reference", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "role = 'assistant' OR state = 'complete'", name=op.f("ck_chat_messages_people_say_whole_messages")
        ),
        sa.CheckConstraint("char_length(content) <= 400000", name=op.f("ck_chat_messages_content_at_most_400000")),
        sa.CheckConstraint("char_length(partial) <= 400000", name=op.f("ck_chat_messages_partial_at_most_400000")),
        sa.CheckConstraint("cost_micro >= 0", name=op.f("ck_chat_messages_cost_is_not_negative")),
        sa.CheckConstraint("position >= 0 AND swipe >= 0", name=op.f("ck_chat_messages_places_are_not_negative")),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["chat_prompts.id"], name=op.f("fk_chat_messages_prompt_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["chat_sessions.id"], name=op.f("fk_chat_messages_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_messages")),
        sa.UniqueConstraint("session_id", "position", "swipe", name="uq_chat_messages_session_id_position_swipe"),
    )
    op.create_index(op.f("ix_chat_messages_prompt_id"), "chat_messages", ["prompt_id"], unique=False)
    op.create_index(
        "ix_chat_messages_streaming",
        "chat_messages",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'streaming'"),
    )
    op.create_index(
        "uq_chat_messages_session_id_position_chosen",
        "chat_messages",
        ["session_id", "position"],
        unique=True,
        postgresql_where=sa.text("is_chosen"),
    )
    op.create_table(
        "multimedia_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("media_file_id", sa.Uuid(), nullable=False),
        sa.Column(
            "media_type",
            sa.Enum(
                "image",
                "audio",
                "video",
                "document",
                name="media_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("generated_by", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_used", sa.Text(), server_default="", nullable=False),
        sa.Column("generation_params", postgresql.JSONB(none_as_null=True), server_default="{}", nullable=False),
        sa.Column("processing_time_ms", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "processing_time_ms >= 0", name=op.f("ck_multimedia_messages_processing_time_is_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["media_file_id"],
            ["media_files.id"],
            name=op.f("fk_multimedia_messages_media_file_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_messages.id"], name=op.f("fk_multimedia_messages_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_multimedia_messages")),
    )
    op.create_index(
        op.f("ix_multimedia_messages_media_file_id"), "multimedia_messages", ["media_file_id"], unique=False
    )
    op.create_index(op.f("ix_multimedia_messages_message_id"), "multimedia_messages", ["message_id"], unique=False)
    op.create_table(
        "test_prompts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(content) <= 20000", name=op.f("ck_test_prompts_content_at_most_20000")),
        sa.CheckConstraint("length(btrim(content)) > 0", name=op.f("ck_test_prompts_content_is_not_blank")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_test_prompts_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_test_prompts_owner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_prompts")),
    )
    op.create_index(
        "ix_test_prompts_character_id_owner_id_created_at",
        "test_prompts",
        ["character_id", "owner_id", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_test_prompts_owner_id"), "test_prompts", ["owner_id"], unique=False)
    op.create_table(
        "test_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("left_version_id", sa.Uuid(), nullable=True),
        sa.Column("right_version_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("user_name", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("char_length(user_name) <= 200", name=op.f("ck_test_runs_user_name_at_most_200")),
        sa.CheckConstraint("left_version_id IS DISTINCT FROM right_version_id", name=op.f("ck_test_runs_sides_differ")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_test_runs_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job_runs.id"], name=op.f("fk_test_runs_job_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["left_version_id"],
            ["character_versions.id"],
            name=op.f("fk_test_runs_left_version_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_test_runs_owner_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["right_version_id"],
            ["character_versions.id"],
            name=op.f("fk_test_runs_right_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_runs")),
    )
    op.create_index(
        "ix_test_runs_character_id_owner_id_created_at",
        "test_runs",
        ["character_id", "owner_id", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_test_runs_job_id"), "test_runs", ["job_id"], unique=False)
    op.create_index(op.f("ix_test_runs_left_version_id"), "test_runs", ["left_version_id"], unique=False)
    op.create_index(op.f("ix_test_runs_owner_id"), "test_runs", ["owner_id"], unique=False)
    op.create_index(op.f("ix_test_runs_right_version_id"), "test_runs", ["right_version_id"], unique=False)
    op.create_table(
        "test_run_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "side",
            sa.Enum("left", "right", name="side", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "complete",
                "fallback",
                "failed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=True),
        sa.Column("tokens_out", sa.Integer(), nullable=True),
        sa.Column("is_counted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("first_token_ms", sa.Integer(), nullable=True),
        sa.Column("response_time_ms", sa.Integer(), nullable=True),
        sa.Column("cost_micro", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), server_default="USD", nullable=False),
        sa.Column("failure", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("error_reference", sa.Text(), nullable=True),
        sa.CheckConstraint("char_length(content) <= 400000", name=op.f("ck_test_run_answers_content_at_most_400000")),
        sa.CheckConstraint("char_length(prompt) <= 20000", name=op.f("ck_test_run_answers_prompt_at_most_20000")),
        sa.CheckConstraint("cost_micro >= 0", name=op.f("ck_test_run_answers_cost_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["test_runs.id"], name=op.f("fk_test_run_answers_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_run_answers")),
        sa.UniqueConstraint("run_id", "position", "side", name="uq_test_run_answers_run_id_position_side"),
    )
    op.create_table(
        "writing_assists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "suggest",
                "improve",
                "shorten",
                "to_english",
                "to_chinese",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "offered",
                "accepted",
                "partly",
                "rejected",
                "failed",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="offered",
            nullable=False,
        ),
        sa.Column("length_before", sa.Integer(), server_default="0", nullable=False),
        sa.Column("length_after", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=True),
        sa.Column("tokens_out", sa.Integer(), nullable=True),
        sa.Column("is_counted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("first_token_ms", sa.Integer(), nullable=True),
        sa.Column("response_time_ms", sa.Integer(), nullable=True),
        sa.Column("cost_micro", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), server_default="USD", nullable=False),
        sa.Column("failure", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("error_reference", sa.Text(), nullable=True),
        sa.CheckConstraint("char_length(field) <= 200", name=op.f("ck_writing_assists_field_at_most_200")),
        sa.CheckConstraint("cost_micro >= 0", name=op.f("ck_writing_assists_cost_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_writing_assists_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_writing_assists_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writing_assists")),
    )
    op.create_index(
        "ix_writing_assists_character_id_created_at", "writing_assists", ["character_id", "created_at"], unique=False
    )
    op.create_index(
        "ix_writing_assists_owner_id_created_at", "writing_assists", ["owner_id", "created_at"], unique=False
    )
    op.create_table(
        "usage_stats",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("requests", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("cost_micro >= 0", name=op.f("ck_usage_stats_cost_is_not_negative")),
        sa.CheckConstraint(
            "requests >= 0 AND tokens_in >= 0 AND tokens_out >= 0", name=op.f("ck_usage_stats_counts_are_not_negative")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_usage_stats_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "day", "currency", name=op.f("pk_usage_stats")),
    )


def downgrade() -> None:
    for table in (
        "usage_stats",
        "writing_assists",
        "test_run_answers",
        "test_runs",
        "test_prompts",
        "multimedia_messages",
        "chat_messages",
        "chat_prompts",
        "chat_sessions",
    ):
        op.drop_table(table)
