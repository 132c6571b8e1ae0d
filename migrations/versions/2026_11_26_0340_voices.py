"""Voices know their model, manner and instructions; speech knows its cost, length and waveform; messages carry speech."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0340"
down_revision = "0311"
branch_labels = None
depends_on = None

_LONGEST = {"voice_id": 200, "voice_name": 200, "model": 200, "manner": 200, "language": 40, "instructions": 1000}


def upgrade() -> None:
    for name in ("model", "manner", "instructions"):
        op.add_column("voice_configurations", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(
        op.f("ck_voice_configurations_voice_id_is_not_blank"), "voice_configurations", "length(btrim(voice_id)) > 0"
    )
    for name, most in _LONGEST.items():
        op.create_check_constraint(
            op.f(f"ck_voice_configurations_{name}_at_most_{most}"),
            "voice_configurations",
            f"char_length({name}) <= {most}",
        )

    _speech()

    op.create_table(
        "voice_lists",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("voices", postgresql.JSONB(none_as_null=True), server_default="[]", nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_voice_lists")),
    )

    op.alter_column("multimedia_messages", "media_file_id", nullable=True)
    op.add_column("multimedia_messages", sa.Column("speech_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_multimedia_messages_speech_id"),
        "multimedia_messages",
        "speech_synthesis",
        ["speech_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_multimedia_messages_speech_id"), "multimedia_messages", ["speech_id"])
    op.create_check_constraint(
        op.f("ck_multimedia_messages_has_a_file_or_speech"),
        "multimedia_messages",
        "media_file_id IS NOT NULL OR speech_id IS NOT NULL",
    )
    op.create_unique_constraint(
        "uq_multimedia_messages_message_id_speech_id", "multimedia_messages", ["message_id", "speech_id"]
    )
    op.create_unique_constraint(
        "uq_multimedia_messages_message_id_media_file_id", "multimedia_messages", ["message_id", "media_file_id"]
    )
    _purposes("card", "portrait", "variant", "audio", "video", "document", "speech")


def _speech() -> None:
    table = "speech_synthesis"
    op.drop_constraint(op.f("ck_speech_synthesis_cost_is_not_negative"), table, type_="check")
    op.drop_column(table, "cost_minor")
    op.drop_column(table, "error_message")
    for name in ("model", "voice_name", "language"):
        op.add_column(table, sa.Column(name, sa.Text(), server_default="", nullable=False))
    json = postgresql.JSONB(none_as_null=True)
    op.add_column(table, sa.Column("tuning", json, server_default="{}", nullable=False))
    op.add_column(table, sa.Column("failure", json, nullable=True))
    op.add_column(table, sa.Column("peaks", json, server_default="[]", nullable=False))
    # No studio has rows yet: nothing made any.
    op.add_column(table, sa.Column("cache_key", sa.Text(), server_default="0" * 64, nullable=False))
    op.alter_column(table, "cache_key", server_default=None)
    for name in ("characters", "duration_ms", "processing_time_ms"):
        op.add_column(table, sa.Column(name, sa.Integer(), nullable=True))
    op.add_column(table, sa.Column("cost_micro", sa.BigInteger(), nullable=True))
    op.add_column(table, sa.Column("currency", sa.CHAR(3), server_default="USD", nullable=False))
    for name, truth in {
        "cost_is_not_negative": "cost_micro >= 0",
        "characters_are_not_negative": "characters >= 0",
        "duration_is_positive": "duration_ms > 0",
        "processing_time_is_not_negative": "processing_time_ms >= 0",
        "cache_key_is_a_hash": "cache_key ~ '^[0-9a-f]{64}$'",
        "completed_goes_with_a_duration": "state <> 'completed' OR duration_ms IS NOT NULL",
        "text_at_most_5000": "char_length(text) <= 5000",
    }.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, truth)
    op.drop_index("ix_speech_synthesis_user_id_created_at", table_name=table)
    op.create_index("ix_speech_synthesis_user_id_created_at", table, ["user_id", "created_at", "id"])
    op.create_index(
        "uq_speech_synthesis_user_id_cache_key_character_id_kept",
        table,
        ["user_id", "cache_key", "character_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'running', 'completed')"),
    )


def _purposes(*known: str) -> None:
    op.drop_constraint(op.f("ck_media_files_purpose"), "media_files", type_="check")
    listed = ", ".join(f"'{name}'" for name in known)
    op.create_check_constraint(op.f("ck_media_files_purpose"), "media_files", f"purpose IN ({listed})")


def downgrade() -> None:
    op.execute("DELETE FROM multimedia_messages WHERE media_file_id IS NULL OR speech_id IS NOT NULL")
    op.execute("DELETE FROM speech_synthesis")
    op.execute("DELETE FROM media_files WHERE purpose = 'speech'")
    _purposes("card", "portrait", "variant", "audio", "video", "document")
    op.drop_constraint("uq_multimedia_messages_message_id_media_file_id", "multimedia_messages", type_="unique")
    op.drop_constraint("uq_multimedia_messages_message_id_speech_id", "multimedia_messages", type_="unique")
    op.drop_constraint(op.f("ck_multimedia_messages_has_a_file_or_speech"), "multimedia_messages", type_="check")
    op.drop_index(op.f("ix_multimedia_messages_speech_id"), table_name="multimedia_messages")
    op.drop_column("multimedia_messages", "speech_id")
    op.alter_column("multimedia_messages", "media_file_id", nullable=False)
    op.drop_table("voice_lists")

    table = "speech_synthesis"
    op.drop_index("uq_speech_synthesis_user_id_cache_key_character_id_kept", table_name=table)
    op.drop_index("ix_speech_synthesis_user_id_created_at", table_name=table)
    op.create_index("ix_speech_synthesis_user_id_created_at", table, ["user_id", "created_at"])
    op.drop_constraint(op.f("ck_speech_synthesis_text_at_most_5000"), table, type_="check")
    for name in (
        "currency",
        "cost_micro",
        "processing_time_ms",
        "duration_ms",
        "characters",
        "cache_key",
        "peaks",
        "failure",
        "tuning",
        "language",
        "voice_name",
        "model",
    ):
        op.drop_column(table, name)
    op.add_column(table, sa.Column("error_message", sa.Text(), nullable=True))
    op.add_column(table, sa.Column("cost_minor", sa.BigInteger(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_speech_synthesis_cost_is_not_negative"), table, "cost_minor >= 0")

    for name, most in _LONGEST.items():
        op.drop_constraint(
            op.f(f"ck_voice_configurations_{name}_at_most_{most}"), "voice_configurations", type_="check"
        )
    op.drop_constraint(op.f("ck_voice_configurations_voice_id_is_not_blank"), "voice_configurations", type_="check")
    for name in ("instructions", "manner", "model"):
        op.drop_column("voice_configurations", name)
