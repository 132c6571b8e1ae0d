"""Sorts and holds codes by their numbers, puts a story's characters in an order, and tells of drafts that lie still."""

import sqlalchemy as sa
from alembic import op

revision = "0330"
down_revision = "0320"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_stories_code_is_b_and_a_number"), "stories", type_="check")
    op.create_check_constraint(op.f("ck_stories_code_is_b_and_a_number"), "stories", "code ~ '^B[0-9]{1,9}$'")
    op.add_column(
        "stories",
        sa.Column("number", sa.Integer(), sa.Computed("(substring(code, 2))::integer", persisted=True), nullable=False),
    )
    op.create_unique_constraint("uq_stories_number", "stories", ["number"])
    op.create_index("ix_stories_title_id", "stories", ["title", "id"])

    op.drop_constraint(op.f("ck_characters_code_is_b_and_c_with_numbers"), "characters", type_="check")
    op.create_check_constraint(
        op.f("ck_characters_code_is_b_and_c_with_numbers"), "characters", "code ~ '^B[0-9]{1,9}C[0-9]{1,9}$'"
    )
    op.add_column(
        "characters",
        sa.Column(
            "story_number",
            sa.Integer(),
            sa.Computed("(substring(split_part(code, 'C', 1), 2))::integer", persisted=True),
            nullable=True,
        ),
    )
    op.add_column(
        "characters",
        sa.Column(
            "code_number",
            sa.Integer(),
            sa.Computed("(split_part(code, 'C', 2))::integer", persisted=True),
            nullable=True,
        ),
    )
    op.create_unique_constraint("uq_characters_story_number_code_number", "characters", ["story_number", "code_number"])
    op.add_column("characters", sa.Column("story_position", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE characters SET story_position = numbered.place FROM (SELECT id, row_number() OVER"
        " (PARTITION BY story_id ORDER BY code_number) - 1 AS place FROM characters WHERE origin = 'official') AS numbered"
        " WHERE characters.id = numbered.id"
    )
    op.create_check_constraint(
        op.f("ck_characters_story_position_goes_with_story"),
        "characters",
        "(story_position IS NULL) = (story_id IS NULL)",
    )
    op.create_unique_constraint(
        "uq_characters_story_id_story_position",
        "characters",
        ["story_id", "story_position"],
        deferrable=True,
        initially="DEFERRED",
    )
    op.drop_index(op.f("ix_characters_story_id"), table_name="characters")

    op.add_column("characters", sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "dormancy_notices",
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("untouched_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archive_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("archive_at > told_at", name=op.f("ck_dormancy_notices_is_told_before")),
        sa.ForeignKeyConstraint(
            ["character_id"],
            ["characters.id"],
            name=op.f("fk_dormancy_notices_character_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("character_id", name=op.f("pk_dormancy_notices")),
    )
    op.create_index(
        "ix_dormancy_notices_archive_at_open",
        "dormancy_notices",
        ["archive_at"],
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("dormancy_notices")
    op.drop_column("characters", "kept_at")
    op.create_index(op.f("ix_characters_story_id"), "characters", ["story_id"])
    op.drop_constraint("uq_characters_story_id_story_position", "characters", type_="unique")
    op.drop_column("characters", "story_position")
    op.drop_column("characters", "code_number")
    op.drop_column("characters", "story_number")
    op.drop_constraint(op.f("ck_characters_code_is_b_and_c_with_numbers"), "characters", type_="check")
    op.create_check_constraint(
        op.f("ck_characters_code_is_b_and_c_with_numbers"), "characters", "code ~ '^B[0-9]+C[0-9]+$'"
    )
    op.drop_index("ix_stories_title_id", table_name="stories")
    op.drop_column("stories", "number")
    op.drop_constraint(op.f("ck_stories_code_is_b_and_a_number"), "stories", type_="check")
    op.create_check_constraint(op.f("ck_stories_code_is_b_and_a_number"), "stories", "code ~ '^B[0-9]+$'")
