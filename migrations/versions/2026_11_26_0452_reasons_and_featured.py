"""Lets reasons be edited and tied to a field, and says on a listing whether it is featured, so that the shop can begin with it."""

import sqlalchemy as sa
from alembic import op

revision = "0452"
down_revision = "0502"
branch_labels = None
depends_on = None

FEATURED = "ix_character_publications_shop"
HAS_END = "ck_character_publications_featured_has_its_end"
FIELDS = {
    "thin_description": "description",
    "missing_avatar": "portrait",
    "wrong_rating": "content_rating",
    "wrong_category": "listing.category",
    "broken_greeting": "first_mes",
}
LENGTHS = {"title": 100, "title_zh": 100, "message": 1_000, "message_zh": 1_000, "field": 60}


def upgrade() -> None:
    op.add_column("review_reasons", sa.Column("field", sa.Text(), server_default="", nullable=False))
    op.add_column("review_reasons", sa.Column("row_version", sa.Integer(), server_default="1", nullable=False))
    for code, field in FIELDS.items():
        op.execute(
            sa.text("UPDATE review_reasons SET field = :field WHERE code = :code").bindparams(field=field, code=code)
        )
    for name, most in LENGTHS.items():
        op.create_check_constraint(
            op.f(f"ck_review_reasons_{name}_at_most_{most}"), "review_reasons", f"char_length({name}) <= {most}"
        )
    op.add_column(
        "character_publications", sa.Column("is_featured", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.execute("UPDATE character_publications SET is_featured = true WHERE featured_until > now()")
    op.create_check_constraint(op.f(HAS_END), "character_publications", "NOT is_featured OR featured_until IS NOT NULL")
    op.create_index(
        FEATURED,
        "character_publications",
        ["is_featured", "published_at", "id"],
        postgresql_where=sa.text("status = 'approved'"),
    )


def downgrade() -> None:
    op.drop_index(FEATURED, table_name="character_publications")
    op.drop_column("character_publications", "is_featured")
    for name, most in LENGTHS.items():
        if name != "field":
            op.drop_constraint(op.f(f"ck_review_reasons_{name}_at_most_{most}"), "review_reasons", type_="check")
    op.drop_column("review_reasons", "row_version")
    op.drop_column("review_reasons", "field")
