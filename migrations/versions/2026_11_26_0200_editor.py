"""Lets an author state warnings, the licence and the model's window, and bounds the AI settings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0200"
down_revision = "0151"
branch_labels = None
depends_on = None

_LICENSES = (
    "unstated",
    "all_rights_reserved",
    "platform_only",
    "cc_by",
    "cc_by_sa",
    "cc_by_nc",
    "cc_by_nc_sa",
    "cc_by_nd",
    "cc_by_nc_nd",
    "cc0",
)


def upgrade() -> None:
    op.add_column(
        "characters",
        sa.Column("content_warnings", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "characters",
        sa.Column(
            "license",
            sa.Enum(*_LICENSES, name="license", native_enum=False, create_constraint=False, length=40),
            server_default="unstated",
            nullable=False,
        ),
    )
    op.add_column("characters", sa.Column("context_tokens", sa.Integer(), server_default="8192", nullable=False))
    listed = ", ".join(f"'{name}'" for name in _LICENSES)
    op.create_check_constraint(op.f("ck_characters_license"), "characters", f"license IN ({listed})")
    op.create_check_constraint(
        op.f("ck_characters_content_warnings_are_at_most_20"), "characters", "cardinality(content_warnings) <= 20"
    )
    op.create_check_constraint(
        op.f("ck_characters_context_tokens_fit_a_model"), "characters", "context_tokens BETWEEN 512 AND 10000000"
    )
    # No screen filled these columns before.
    op.execute("UPDATE characters SET memory_retention_days = NULL WHERE memory_retention_days NOT BETWEEN 1 AND 3650")
    op.create_check_constraint(
        op.f("ck_characters_memory_retention_days_within_ten_years"),
        "characters",
        "memory_retention_days BETWEEN 1 AND 3650",
    )
    op.execute("UPDATE characters SET ai_model = left(ai_model, 200) WHERE char_length(ai_model) > 200")
    op.create_check_constraint(op.f("ck_characters_ai_model_at_most_200"), "characters", "char_length(ai_model) <= 200")


def downgrade() -> None:
    for name in (
        "ai_model_at_most_200",
        "memory_retention_days_within_ten_years",
        "context_tokens_fit_a_model",
        "content_warnings_are_at_most_20",
        "license",
    ):
        op.drop_constraint(op.f(f"ck_characters_{name}"), "characters", type_="check")
    for column in ("context_tokens", "license", "content_warnings"):
        op.drop_column("characters", column)
