"""The desk by due time, with a risk score: switches of checks, fingerprints of cards, and what is alike to a listing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0321"
down_revision = "0360"
branch_labels = None
depends_on = None

_MODES = ("off", "shadow", "active")
_KINDS = ("exact", "text", "picture", "idea")
_WAITING = "state IN ('waiting', 'claimed')"


def upgrade() -> None:
    op.add_column("review_cases", sa.Column("risk_score", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("review_cases", sa.Column("risk_factors", JSONB(), server_default="[]", nullable=False))
    op.add_column("review_cases", sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_review_cases_risk_score_is_of_100"), "review_cases", "risk_score BETWEEN 0 AND 100"
    )
    op.drop_index("ix_review_cases_queue", "review_cases")
    op.create_index("ix_review_cases_queue", "review_cases", ["due_at", "id"], postgresql_where=sa.text(_WAITING))
    op.create_index(
        "ix_review_cases_compared_at_missing",
        "review_cases",
        ["opened_at"],
        postgresql_where=sa.text(f"{_WAITING} AND compared_at IS NULL"),
    )
    op.create_index("ix_review_decisions_decided_at", "review_decisions", ["decided_at"])

    op.add_column(
        "screening_results",
        sa.Column("mode", _stored(_MODES, "mode"), server_default="active", nullable=False),
    )
    op.add_column("screening_results", sa.Column("source", sa.Text(), server_default="", nullable=False))
    op.add_column("screening_results", sa.Column("is_failed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("screening_results", sa.Column("attempts", sa.SmallInteger(), server_default="1", nullable=False))
    op.create_check_constraint(
        op.f("ck_screening_results_mode"), "screening_results", "mode IN ('off', 'shadow', 'active')"
    )
    op.create_check_constraint(
        op.f("ck_screening_results_failed_has_no_severity"),
        "screening_results",
        "NOT (is_failed AND severity IS NOT NULL)",
    )
    op.create_index("ix_screening_results_checked_at", "screening_results", ["checked_at"])
    op.create_index(
        "ix_screening_results_failed", "screening_results", ["checked_at"], postgresql_where=sa.text("is_failed")
    )

    op.create_table(
        "screening_checks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", _stored(_MODES, "mode"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by_id", sa.Uuid(), nullable=True),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("mode IN ('off', 'shadow', 'active')", name=op.f("ck_screening_checks_mode")),
        sa.ForeignKeyConstraint(
            ["changed_by_id"], ["users.id"], name=op.f("fk_screening_checks_changed_by_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_screening_checks")),
    )
    op.create_index(op.f("ix_screening_checks_changed_by_id"), "screening_checks", ["changed_by_id"])

    op.create_table(
        "card_fingerprints",
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(signature) = 512", name=op.f("ck_card_fingerprints_signature_is_128_numbers")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_card_fingerprints_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("character_id", name=op.f("pk_card_fingerprints")),
    )
    op.create_index(op.f("ix_card_fingerprints_content_hash"), "card_fingerprints", ["content_hash"])
    op.create_table(
        "card_fingerprint_bands",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"],
            ["card_fingerprints.character_id"],
            name=op.f("fk_card_fingerprint_bands_character_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", "character_id", name=op.f("pk_card_fingerprint_bands")),
    )
    op.create_index(op.f("ix_card_fingerprint_bands_character_id"), "card_fingerprint_bands", ["character_id"])

    op.create_table(
        "case_matches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _stored(_KINDS, "kind"), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.Column("is_same_owner", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('exact', 'text', 'picture', 'idea')", name=op.f("ck_case_matches_kind")),
        sa.CheckConstraint("similarity BETWEEN 0 AND 1", name=op.f("ck_case_matches_similarity_is_a_share")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["review_cases.id"], name=op.f("fk_case_matches_case_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_case_matches_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_matches")),
        sa.UniqueConstraint("case_id", "kind", "character_id", name="uq_case_matches_case_id_kind_character_id"),
    )
    op.create_index(op.f("ix_case_matches_character_id"), "case_matches", ["character_id"])
    for place in range(4):
        op.create_index(
            f"ix_media_files_perceptual_hash_{place}",
            "media_files",
            [sa.text(f"((perceptual_hash >> {48 - 16 * place}) & 65535)")],
            postgresql_where=sa.text("perceptual_hash IS NOT NULL"),
        )


def _stored(values: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=False, length=40)


def downgrade() -> None:
    for place in range(4):
        op.drop_index(f"ix_media_files_perceptual_hash_{place}", "media_files")
    for table in ("case_matches", "card_fingerprint_bands", "card_fingerprints", "screening_checks"):
        op.drop_table(table)
    op.drop_index("ix_screening_results_failed", "screening_results")
    op.drop_index("ix_screening_results_checked_at", "screening_results")
    for column in ("attempts", "is_failed", "source", "mode"):
        op.drop_column("screening_results", column)
    op.drop_index("ix_review_decisions_decided_at", "review_decisions")
    op.drop_index("ix_review_cases_compared_at_missing", "review_cases")
    op.drop_index("ix_review_cases_queue", "review_cases")
    op.create_index("ix_review_cases_queue", "review_cases", ["opened_at", "id"], postgresql_where=sa.text(_WAITING))
    for column in ("compared_at", "risk_factors", "risk_score"):
        op.drop_column("review_cases", column)
