"""Has PostgreSQL ask two people for every severe decision against what was on the market, and lets the second one take back.

A listing that comes out of quarantine, or back after an appeal, may be withdrawn where it can never be live.
"""

from alembic import op

revision = "0490"
down_revision = "0501"
branch_labels = None
depends_on = None

LED_TO = {
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
ENDS = ("quarantined", "changes_requested", "rejected", "taken_down")
LEADS_TO = {before: (*after, "withdrawn") if before in ENDS else after for before, after in LED_TO.items()}

TERMS = (
    "case_id", "moderator_id", "outcome", "content_hash", "note", "is_severe", "decided_at", "effected_at",
    "undone_at", "undone_by_id", "undone_reason", "overturned_at",
)  # fmt: skip
CONFIRMATION = ("effective_at", "second_id", "seconded_at")

FUNCTIONS = """
CREATE FUNCTION refuse_lonely_takedown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM review_cases c JOIN character_publications p ON p.id = c.publication_id
        WHERE c.id = NEW.case_id AND p.published_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a severe takedown needs two people' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_confirmation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    term text;
BEGIN
    -- A second person may take back all of a confirmation that is not in effect, and nothing else with it.
    IF OLD.second_id IS NOT NULL AND OLD.effected_at IS NULL AND OLD.undone_at IS NULL
        AND NEW.second_id IS NULL AND NEW.seconded_at IS NULL AND NEW.effective_at IS NULL
    THEN
        RETURN NEW;
    END IF;
    FOREACH term IN ARRAY ARRAY['effective_at', 'second_id', 'seconded_at'] LOOP
        IF before -> term IS DISTINCT FROM after -> term AND before -> term <> 'null'::jsonb THEN
            RAISE EXCEPTION '%.% was agreed and stays', TG_TABLE_NAME, term USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    _allow(LEADS_TO)
    op.execute(FUNCTIONS)
    # What was decided by one person before this stays as it is, and can still be overturned.
    op.execute(
        "CREATE TRIGGER refuse_lonely_takedown BEFORE INSERT OR UPDATE OF effective_at, second_id ON review_decisions "
        "FOR EACH ROW WHEN (NEW.is_severe AND NEW.outcome <> 'approved' AND NEW.effective_at IS NOT NULL "
        "AND NEW.second_id IS NULL) EXECUTE FUNCTION refuse_lonely_takedown()"
    )
    op.execute("DROP TRIGGER keep_terms_of_review_decisions ON review_decisions")
    _keep(TERMS)
    op.execute(
        "CREATE TRIGGER keep_confirmation BEFORE UPDATE ON review_decisions "
        "FOR EACH ROW EXECUTE FUNCTION keep_confirmation()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_confirmation ON review_decisions")
    op.execute("DROP TRIGGER keep_terms_of_review_decisions ON review_decisions")
    op.execute("DROP TRIGGER refuse_lonely_takedown ON review_decisions")
    op.execute("DROP FUNCTION keep_confirmation()")
    op.execute("DROP FUNCTION refuse_lonely_takedown()")
    _keep((*TERMS, *CONFIRMATION))
    _allow(LED_TO)


def _keep(terms: tuple[str, ...]) -> None:
    op.execute(
        "CREATE TRIGGER keep_terms_of_review_decisions BEFORE UPDATE OR DELETE ON review_decisions "
        f"FOR EACH ROW EXECUTE FUNCTION keep_terms({', '.join(repr(term) for term in terms)})"
    )


def _allow(leads_to: dict[str, tuple[str, ...]]) -> None:
    steps = ", ".join(f"'{before}>{after}'" for before, targets in leads_to.items() for after in targets)
    op.execute(f"""
CREATE OR REPLACE FUNCTION keep_listing_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status || '>' || NEW.status <> ALL (ARRAY[{steps}]) THEN
        RAISE EXCEPTION 'a listing cannot go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
""")
