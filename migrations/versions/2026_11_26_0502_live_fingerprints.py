"""Keeps the fingerprint of what is live beside that of what was submitted last, and says which version a match is with."""

import sqlalchemy as sa
from alembic import op

revision = "0502"
down_revision = "0490"
branch_labels = None
depends_on = None

BANDS, CARDS = "card_fingerprint_bands", "card_fingerprints"
FOREIGN = "fk_card_fingerprint_bands_fingerprint"
INDEX = "ix_card_fingerprint_bands_character_id_version_number"


def upgrade() -> None:
    op.add_column("case_matches", sa.Column("version_number", sa.Integer(), nullable=True))

    op.add_column(BANDS, sa.Column("version_number", sa.Integer(), nullable=True))
    op.execute(
        f"UPDATE {BANDS} b SET version_number = f.version_number FROM {CARDS} f WHERE f.character_id = b.character_id"
    )
    op.alter_column(BANDS, "version_number", nullable=False)
    op.drop_constraint(op.f("fk_card_fingerprint_bands_character_id"), BANDS, type_="foreignkey")
    op.drop_index(op.f("ix_card_fingerprint_bands_character_id"), BANDS)
    for table, columns in ((CARDS, ["character_id"]), (BANDS, ["key", "character_id"])):
        op.drop_constraint(op.f(f"pk_{table}"), table, type_="primary")
        op.create_primary_key(op.f(f"pk_{table}"), table, [*columns, "version_number"])
    op.create_index(INDEX, BANDS, ["character_id", "version_number"])
    op.create_foreign_key(
        FOREIGN,
        BANDS,
        CARDS,
        ["character_id", "version_number"],
        ["character_id", "version_number"],
        ondelete="CASCADE",
    )


def downgrade() -> None:
    # Of each character the fingerprint of the newest version stays; its bands go with the others.
    op.execute(
        f"DELETE FROM {CARDS} f USING {CARDS} newer "
        "WHERE newer.character_id = f.character_id AND newer.version_number > f.version_number"
    )
    op.drop_constraint(FOREIGN, BANDS, type_="foreignkey")
    op.drop_index(INDEX, BANDS)
    for table, columns in ((BANDS, ["key", "character_id"]), (CARDS, ["character_id"])):
        op.drop_constraint(op.f(f"pk_{table}"), table, type_="primary")
        op.create_primary_key(op.f(f"pk_{table}"), table, columns)
    op.create_foreign_key(
        op.f("fk_card_fingerprint_bands_character_id"),
        BANDS,
        CARDS,
        ["character_id"],
        ["character_id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_card_fingerprint_bands_character_id"), BANDS, ["character_id"])
    op.drop_column(BANDS, "version_number")
    op.drop_column("case_matches", "version_number")
