"""Holds decisions back until they take effect, schedules and quarantines listings, and keeps flags, notes, reports and appeals."""

import sqlalchemy as sa
from alembic import op

revision = "0311"
down_revision = "0370"
branch_labels = None
depends_on = None

STATUSES = (
    "draft", "pending", "scheduled", "approved", "unlisted", "changes_requested", "rejected", "withdrawn",
    "quarantined", "taken_down",
)  # fmt: skip
OLD_STATUSES = ("draft", "pending", "approved", "rejected", "unlisted", "withdrawn")
STATES = ("screening", "waiting", "claimed", "deciding", "decided", "withdrawn")
OLD_STATES = ("screening", "waiting", "claimed", "decided", "withdrawn")
OUTCOMES = ("approved", "changes_requested", "rejected", "taken_down")
OLD_OUTCOMES = ("approved", "rejected")
NOTICES = ("changed", "archived", "sold", "quarantined", "reported", "restored")
UNDONE = ("undone", "declined", "withdrawn", "changed", "archived", "sold")
FLAGS = ("new_creator", "reported", "screening", "appeal", "changed_after_approval", "quarantined", "requeued")
REASONS = (
    "wrong_rating", "minors", "real_person", "copyright", "hate", "self_harm", "advertising", "misleading", "other",
)  # fmt: skip

LEADS_TO = {
    "draft": ("pending", "withdrawn"),
    "pending": ("scheduled", "approved", "changes_requested", "rejected", "withdrawn", "quarantined"),
    "scheduled": (
        "pending", "approved", "changes_requested", "rejected", "withdrawn", "quarantined", "taken_down",
    ),
    "approved": ("unlisted", "changes_requested", "rejected", "quarantined", "taken_down"),
    "unlisted": ("approved", "changes_requested", "rejected", "quarantined", "taken_down"),
    "quarantined": (
        "pending", "scheduled", "approved", "unlisted", "changes_requested", "rejected", "taken_down",
    ),
    "changes_requested": ("pending", "unlisted"),
    "rejected": ("pending", "unlisted"),
    "taken_down": ("pending", "approved", "unlisted"),
}  # fmt: skip
STEPS = [f"{before}>{after}" for before, targets in LEADS_TO.items() for after in targets]

FUNCTIONS = f"""
CREATE FUNCTION keep_listing_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status || '>' || NEW.status <> ALL (ARRAY[{", ".join(f"'{step}'" for step in STEPS)}]) THEN
        RAISE EXCEPTION 'a listing cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_reviewed_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a listing stays as it was reviewed' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION refuse_partial_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM review_cases c JOIN character_publications p ON p.id = c.publication_id
        WHERE c.id = NEW.case_id AND p.publisher_id IN (NEW.moderator_id, NEW.second_id)
    ) THEN
        RAISE EXCEPTION 'nobody decides on their own work' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION refuse_partial_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.decided_by_id = NEW.appellant_id OR EXISTS (
        SELECT 1 FROM review_decisions d
        WHERE d.id = NEW.decision_id AND NEW.decided_by_id IN (d.moderator_id, d.second_id)
    ) THEN
        RAISE EXCEPTION 'nobody answers an appeal against their own decision'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""

DECISION_TERMS = (
    "case_id", "moderator_id", "outcome", "content_hash", "note", "is_severe", "decided_at", "effective_at",
    "effected_at", "undone_at", "undone_by_id", "undone_reason", "second_id", "seconded_at", "overturned_at",
)  # fmt: skip

TRIGGERS = (
    (
        "CREATE TRIGGER keep_listing_steps BEFORE UPDATE OF status ON character_publications FOR EACH ROW "
        "WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION keep_listing_steps()"
    ),
    # The category may change: shelves are moved, and the listing goes along.
    (
        "CREATE TRIGGER keep_reviewed_content BEFORE UPDATE ON character_publications FOR EACH ROW "
        "WHEN (OLD.status NOT IN ('draft', 'pending', 'scheduled') AND "
        "(OLD.character_id, OLD.version_number, OLD.publisher_id, OLD.title, OLD.description, OLD.tags, OLD.price_minor, "
        "OLD.currency, OLD.license_type) IS DISTINCT FROM "
        "(NEW.character_id, NEW.version_number, NEW.publisher_id, NEW.title, NEW.description, NEW.tags, NEW.price_minor, "
        "NEW.currency, NEW.license_type)) EXECUTE FUNCTION keep_reviewed_content()"
    ),
    (
        "CREATE TRIGGER keep_terms_of_review_decisions BEFORE UPDATE OR DELETE ON review_decisions "
        f"FOR EACH ROW EXECUTE FUNCTION keep_terms({', '.join(repr(term) for term in DECISION_TERMS)})"
    ),
    (
        "CREATE TRIGGER refuse_partial_decision BEFORE INSERT OR UPDATE ON review_decisions "
        "FOR EACH ROW EXECUTE FUNCTION refuse_partial_decision()"
    ),
    (
        "CREATE TRIGGER refuse_partial_answer BEFORE INSERT OR UPDATE ON appeals FOR EACH ROW "
        "WHEN (NEW.decided_by_id IS NOT NULL) EXECUTE FUNCTION refuse_partial_answer()"
    ),
)

PUBLICATION_CHECKS = {
    "unlisted_has_published_at": "status <> 'unlisted' OR published_at IS NOT NULL",
    "scheduled_has_publish_at": "status <> 'scheduled' OR publish_at IS NOT NULL",
    "submitted_has_submitted_at": "status = 'draft' OR submitted_at IS NOT NULL",
    "published_after_it_was_submitted": "published_at >= submitted_at",
    "ended_goes_with_ended_at": (
        "(status IN ('changes_requested', 'rejected', 'withdrawn', 'taken_down')) = (ended_at IS NOT NULL)"
    ),
    "quarantined_goes_with_what_was_before": (
        "(status = 'quarantined') = (quarantined_at IS NOT NULL)"
        " AND (status = 'quarantined') = (quarantined_from IS NOT NULL)"
    ),
    "can_come_out_of_quarantine": "quarantined_from IN ('pending', 'scheduled', 'approved', 'unlisted')",
    "featured_was_published": "featured_until IS NULL OR published_at IS NOT NULL",
    "notice_goes_with_noticed_at": "(notice IS NULL) = (noticed_at IS NULL)",
}

DECISION_CHECKS = {
    "effective_after_it_was_made": "effective_at >= decided_at",
    "effected_after_its_time": "effected_at IS NULL OR (effective_at IS NOT NULL AND effected_at >= effective_at)",
    "undone_had_no_effect": "effected_at IS NULL OR undone_at IS NULL",
    "undone_has_a_reason": "(undone_at IS NULL) = (undone_reason IS NULL)",
    "second_is_somebody_else": "second_id <> moderator_id",
    "second_goes_with_seconded_at": "(second_id IS NULL) = (seconded_at IS NULL)",
    "severe_takedown_needs_two": (
        "NOT (outcome = 'taken_down' AND is_severe) OR effective_at IS NULL OR second_id IS NOT NULL"
    ),
    "overturned_was_in_effect": "overturned_at IS NULL OR effected_at IS NOT NULL",
}


def _enumeration(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _rewrite(table: str, column: str, values: tuple[str, ...]) -> None:
    """The column knows exactly these values."""
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"{column} IN ({', '.join(repr(value) for value in values)})")


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _person(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["users.id"], name=op.f(f"fk_{table}_{column}"), ondelete="RESTRICT")


def _listing(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["publication_id"],
        ["character_publications.id"],
        name=op.f(f"fk_{table}_publication_id"),
        ondelete="CASCADE",
    )


def upgrade() -> None:
    _change_listings()
    _change_cases_and_decisions()
    _make_tables()
    op.execute(FUNCTIONS)
    op.execute("DROP TRIGGER refuse_change_of_review_decisions ON review_decisions")
    for trigger in TRIGGERS:
        op.execute(trigger)


def _change_listings() -> None:
    table = "character_publications"
    for name in ("publish_at", "ended_at", "quarantined_at", "noticed_at"):
        op.add_column(table, _moment(name))
    op.add_column(table, sa.Column("quarantined_from", _enumeration("quarantined_from", STATUSES), nullable=True))
    op.add_column(table, sa.Column("notice", _enumeration("notice", NOTICES), nullable=True))
    op.execute(f"UPDATE {table} SET submitted_at = created_at WHERE submitted_at IS NULL AND status <> 'draft'")
    op.execute(f"UPDATE {table} SET submitted_at = published_at WHERE published_at < submitted_at")
    op.execute(f"UPDATE {table} SET ended_at = updated_at WHERE status IN ('rejected', 'withdrawn')")
    _rewrite(table, "status", STATUSES)
    for name, criterion in PUBLICATION_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, criterion)
    op.drop_index("uq_character_publications_character_id_pending", table_name=table)
    op.create_index(
        "uq_character_publications_character_id_pending",
        table,
        ["character_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'scheduled')"),
    )
    op.create_index(
        "ix_character_publications_publish_at_scheduled",
        table,
        ["publish_at", "id"],
        postgresql_where=sa.text("status = 'scheduled'"),
    )


def _change_cases_and_decisions() -> None:
    _rewrite("review_cases", "state", STATES)
    op.drop_index("uq_review_cases_publication_id_open", table_name="review_cases")
    op.create_index(
        "uq_review_cases_publication_id_open",
        "review_cases",
        ["publication_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('screening', 'waiting', 'claimed', 'deciding')"),
    )
    table = "review_decisions"
    op.add_column(table, sa.Column("is_severe", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for name in ("effective_at", "effected_at", "undone_at", "seconded_at", "overturned_at"):
        op.add_column(table, _moment(name))
    op.add_column(table, sa.Column("undone_reason", _enumeration("undone_reason", UNDONE), nullable=True))
    for name in ("undone_by_id", "second_id"):
        op.add_column(table, sa.Column(name, sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_{name}"), table, "users", [name], ["id"], ondelete="RESTRICT")
        op.create_index(op.f(f"ix_{table}_{name}"), table, [name])
    # What was decided before had its effect at once.
    op.execute(f"ALTER TABLE {table} DISABLE TRIGGER refuse_change_of_review_decisions")
    op.execute(f"UPDATE {table} SET effective_at = decided_at, effected_at = decided_at")
    op.execute(f"ALTER TABLE {table} ENABLE TRIGGER refuse_change_of_review_decisions")
    _rewrite(table, "outcome", OUTCOMES)
    for name, criterion in DECISION_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, criterion)
    op.drop_constraint("uq_review_decisions_case_id", table, type_="unique")
    op.create_index(
        "uq_review_decisions_case_id", table, ["case_id"], unique=True, postgresql_where=sa.text("undone_at IS NULL")
    )
    op.create_index("ix_review_decisions_case_id", table, ["case_id"])
    op.create_index(
        "ix_review_decisions_effective_at_held",
        table,
        ["effective_at", "id"],
        postgresql_where=sa.text("effected_at IS NULL AND undone_at IS NULL"),
    )
    op.drop_constraint(op.f("ck_appeals_text_at_most_4000"), "appeals", type_="check")
    op.create_check_constraint(op.f("ck_appeals_text_at_most_2000"), "appeals", "char_length(text) <= 2000")
    op.create_check_constraint(op.f("ck_appeals_answer_at_most_4000"), "appeals", "char_length(answer) <= 4000")
    op.create_index("ix_appeals_state_created_at_id", "appeals", ["state", "created_at", "id"])


def _make_tables() -> None:
    op.create_table(
        "review_flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enumeration("kind", FLAGS), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        _moment("created_at", nullable=False),
        _moment("cleared_at"),
        sa.CheckConstraint("cleared_at >= created_at", name=op.f("ck_review_flags_cleared_after_it_was_raised")),
        sa.CheckConstraint("char_length(detail) <= 500", name=op.f("ck_review_flags_detail_at_most_500")),
        _listing("review_flags"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_flags")),
    )
    op.create_index(
        "uq_review_flags_publication_id_kind_open",
        "review_flags",
        ["publication_id", "kind"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index("ix_review_flags_publication_id_created_at", "review_flags", ["publication_id", "created_at"])
    op.create_table(
        "review_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        _moment("created_at", nullable=False),
        sa.CheckConstraint("text <> ''", name=op.f("ck_review_notes_says_something")),
        sa.CheckConstraint("char_length(text) <= 4000", name=op.f("ck_review_notes_text_at_most_4000")),
        _listing("review_notes"),
        _person("review_notes", "author_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_notes")),
    )
    op.create_index("ix_review_notes_publication_id_created_at", "review_notes", ["publication_id", "created_at"])
    op.create_index(op.f("ix_review_notes_author_id"), "review_notes", ["author_id"])
    op.create_table(
        "listing_reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("reason", _enumeration("reason", REASONS), nullable=False),
        sa.Column("state", _enumeration("state", ("open", "actioned", "dismissed")), nullable=False),
        sa.Column("reporter_count", sa.Integer(), nullable=False),
        sa.Column("reviewed_count", sa.Integer(), server_default="0", nullable=False),
        _moment("created_at", nullable=False),
        _moment("last_at", nullable=False),
        _moment("closed_at"),
        sa.Column("closed_by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(state = 'open') = (closed_at IS NULL)", name=op.f("ck_listing_reports_closed_goes_with_state")
        ),
        sa.CheckConstraint("reporter_count > 0", name=op.f("ck_listing_reports_somebody_reported_it")),
        sa.CheckConstraint(
            "reviewed_count BETWEEN 0 AND reporter_count", name=op.f("ck_listing_reports_reviewed_are_some_of_them")
        ),
        sa.CheckConstraint("last_at >= created_at", name=op.f("ck_listing_reports_last_after_first")),
        _listing("listing_reports"),
        _person("listing_reports", "closed_by_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_reports")),
        sa.UniqueConstraint("publication_id", "reason", name="uq_listing_reports_publication_id_reason"),
    )
    op.create_index("ix_listing_reports_state_last_at_id", "listing_reports", ["state", "last_at", "id"])
    op.create_index("ix_listing_reports_last_at_id", "listing_reports", ["last_at", "id"])
    op.create_index(op.f("ix_listing_reports_closed_by_id"), "listing_reports", ["closed_by_id"])
    op.create_table(
        "listing_reporters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("reporter_id", sa.Uuid(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("is_trusted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _moment("created_at", nullable=False),
        sa.CheckConstraint("char_length(comment) <= 1000", name=op.f("ck_listing_reporters_comment_at_most_1000")),
        sa.ForeignKeyConstraint(
            ["report_id"], ["listing_reports.id"], name=op.f("fk_listing_reporters_report_id"), ondelete="CASCADE"
        ),
        _person("listing_reporters", "reporter_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_reporters")),
        sa.UniqueConstraint("report_id", "reporter_id", name="uq_listing_reporters_report_id_reporter_id"),
    )
    op.create_index("ix_listing_reporters_reporter_id_created_at", "listing_reporters", ["reporter_id", "created_at"])


def downgrade() -> None:
    for name, table in (
        ("keep_listing_steps", "character_publications"),
        ("keep_reviewed_content", "character_publications"),
        ("keep_terms_of_review_decisions", "review_decisions"),
        ("refuse_partial_decision", "review_decisions"),
        ("refuse_partial_answer", "appeals"),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in ("keep_listing_steps", "keep_reviewed_content", "refuse_partial_decision", "refuse_partial_answer"):
        op.execute(f"DROP FUNCTION {name}()")
    for table in ("listing_reporters", "listing_reports", "review_notes", "review_flags"):
        op.drop_table(table)
    op.drop_index("ix_appeals_state_created_at_id", table_name="appeals")
    op.drop_constraint(op.f("ck_appeals_answer_at_most_4000"), "appeals", type_="check")
    op.drop_constraint(op.f("ck_appeals_text_at_most_2000"), "appeals", type_="check")
    op.create_check_constraint(op.f("ck_appeals_text_at_most_4000"), "appeals", "char_length(text) <= 4000")
    _restore_decisions()
    _restore_listings()


def _restore_decisions() -> None:
    table = "review_decisions"
    # What never took effect has no place in the older tables.
    op.execute(f"DELETE FROM {table} WHERE effected_at IS NULL")
    op.execute(f"UPDATE {table} SET outcome = 'rejected' WHERE outcome <> 'approved'")
    for name in ("ix_review_decisions_effective_at_held", "ix_review_decisions_case_id", "uq_review_decisions_case_id"):
        op.drop_index(name, table_name=table)
    op.create_unique_constraint("uq_review_decisions_case_id", table, ["case_id"])
    for name in DECISION_CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    _rewrite(table, "outcome", OLD_OUTCOMES)
    for name in (
        "is_severe", "effective_at", "effected_at", "undone_at", "seconded_at", "overturned_at", "undone_reason",
        "undone_by_id", "second_id",
    ):  # fmt: skip
        op.drop_column(table, name)
    op.execute(
        f"CREATE TRIGGER refuse_change_of_{table} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("UPDATE review_cases SET state = 'waiting' WHERE state = 'deciding'")
    op.drop_index("uq_review_cases_publication_id_open", table_name="review_cases")
    _rewrite("review_cases", "state", OLD_STATES)
    op.create_index(
        "uq_review_cases_publication_id_open",
        "review_cases",
        ["publication_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('screening', 'waiting', 'claimed')"),
    )


def _restore_listings() -> None:
    table = "character_publications"
    for name in PUBLICATION_CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.drop_index("ix_character_publications_publish_at_scheduled", table_name=table)
    op.drop_index("uq_character_publications_character_id_pending", table_name=table)
    op.execute(
        f"UPDATE {table} SET status = CASE WHEN status = 'scheduled' THEN 'withdrawn' ELSE 'rejected' END"
        " WHERE status IN ('scheduled', 'quarantined', 'changes_requested', 'taken_down')"
    )
    _rewrite(table, "status", OLD_STATUSES)
    op.create_index(
        "uq_character_publications_character_id_pending",
        table,
        ["character_id"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
    for name in ("publish_at", "ended_at", "quarantined_at", "noticed_at", "quarantined_from", "notice"):
        op.drop_column(table, name)
