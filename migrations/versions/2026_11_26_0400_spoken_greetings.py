"""Says of speech whether it is a greeting, which everybody who may read the character's draft may hear."""

import sqlalchemy as sa
from alembic import op

revision = "0400"
down_revision = "0351"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "speech_synthesis", sa.Column("is_greeting", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "ix_speech_synthesis_character_id_cache_key_greeting",
        "speech_synthesis",
        ["character_id", "cache_key"],
        postgresql_where=sa.text("is_greeting"),
    )


def downgrade() -> None:
    op.drop_index("ix_speech_synthesis_character_id_cache_key_greeting", table_name="speech_synthesis")
    op.drop_column("speech_synthesis", "is_greeting")
