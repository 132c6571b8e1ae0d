"""Messages of test chats wait for pictures that are being made for them."""

import sqlalchemy as sa
from alembic import op

revision = "0520"
down_revision = "0480"
branch_labels = None
depends_on = None

TABLE = "multimedia_messages"
COLUMN = "generation_id"
UNIQUE = "uq_multimedia_messages_message_id_generation_id"
BEFORE = "ck_multimedia_messages_has_a_file_or_speech"
AFTER = "ck_multimedia_messages_has_a_file_or_waits_for_one"


def upgrade() -> None:
    op.add_column(TABLE, sa.Column(COLUMN, sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_multimedia_messages_generation_id"), TABLE, "image_generations", [COLUMN], ["id"], ondelete="CASCADE"
    )
    op.create_index(op.f("ix_multimedia_messages_generation_id"), TABLE, [COLUMN])
    op.create_unique_constraint(UNIQUE, TABLE, ["message_id", COLUMN])
    op.drop_constraint(op.f(BEFORE), TABLE, type_="check")
    op.create_check_constraint(
        op.f(AFTER), TABLE, "media_file_id IS NOT NULL OR speech_id IS NOT NULL OR generation_id IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DELETE FROM multimedia_messages WHERE media_file_id IS NULL AND speech_id IS NULL")
    op.drop_constraint(op.f(AFTER), TABLE, type_="check")
    op.create_check_constraint(op.f(BEFORE), TABLE, "media_file_id IS NOT NULL OR speech_id IS NOT NULL")
    op.drop_constraint(UNIQUE, TABLE, type_="unique")
    op.drop_index(op.f("ix_multimedia_messages_generation_id"), table_name=TABLE)
    op.drop_column(TABLE, COLUMN)
