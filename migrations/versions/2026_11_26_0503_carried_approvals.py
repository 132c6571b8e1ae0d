"""Binds what goes live to an approval in PostgreSQL too, and keeps how a move by staff carries one over to another shelf."""

import sqlalchemy as sa
from alembic import op

revision = "0503"
down_revision = "0510"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION is_approved_content(listing uuid, hash text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM review_decisions d JOIN review_cases c ON c.id = d.case_id
        WHERE c.publication_id = listing AND d.outcome = 'approved' AND d.effected_at IS NOT NULL AND d.content_hash = hash
    ) OR EXISTS (SELECT 1 FROM carried_approvals a WHERE a.publication_id = listing AND a.to_hash = hash)
$$;

CREATE FUNCTION refuse_unapproved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_approved_content(NEW.id, NEW.content_hash)
        -- What stays live keeps its approval; what had none before there were such has nothing to lose.
        AND (OLD.status <> 'approved' OR is_approved_content(NEW.id, OLD.content_hash))
    THEN
        RAISE EXCEPTION 'a listing cannot be live as nobody approved it' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_carrying_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_approved_content(NEW.publication_id, NEW.from_hash) THEN
        RAISE EXCEPTION 'what nobody approved cannot be carried over' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "carried_approvals",
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("from_hash", sa.Text(), nullable=False),
        sa.Column("to_hash", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("from_hash <> to_hash", name=op.f("ck_carried_approvals_carries_to_something_else")),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["character_publications.id"],
            name=op.f("fk_carried_approvals_publication_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_carried_approvals_by_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carried_approvals")),
    )
    op.create_index("ix_carried_approvals_publication_id_to_hash", "carried_approvals", ["publication_id", "to_hash"])
    op.create_index(op.f("ix_carried_approvals_by_id"), "carried_approvals", ["by_id"])
    # Moves made before this were kept nowhere but in the audit log: what was on the market stays approved there.
    op.execute(
        "INSERT INTO carried_approvals (id, publication_id, from_hash, to_hash) "
        "SELECT gen_random_uuid(), p.id, last.content_hash, p.content_hash FROM character_publications p "
        "JOIN LATERAL (SELECT d.content_hash FROM review_decisions d JOIN review_cases c ON c.id = d.case_id "
        "WHERE c.publication_id = p.id AND d.outcome = 'approved' AND d.effected_at IS NOT NULL "
        "ORDER BY d.effected_at DESC, d.id DESC LIMIT 1) last ON last.content_hash <> p.content_hash "
        "WHERE p.published_at IS NOT NULL AND p.status NOT IN ('pending', 'scheduled') "
        "AND EXISTS (SELECT 1 FROM audit_entries a WHERE a.resource = 'listing' AND a.resource_id = p.id "
        "AND a.action = 'listing.move_category')"
    )
    op.execute(FUNCTIONS)
    op.execute(
        "CREATE TRIGGER refuse_carrying_nothing BEFORE INSERT ON carried_approvals "
        "FOR EACH ROW EXECUTE FUNCTION refuse_carrying_nothing()"
    )
    op.execute(
        "CREATE TRIGGER refuse_change_of_carried_approvals BEFORE UPDATE ON carried_approvals "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    # At the end of the transaction: a decision and its effects, a move and what it carries over, come together.
    op.execute(
        "CREATE CONSTRAINT TRIGGER refuse_unapproved AFTER UPDATE ON character_publications "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'approved' AND "
        "(OLD.status, OLD.content_hash) IS DISTINCT FROM (NEW.status, NEW.content_hash)) "
        "EXECUTE FUNCTION refuse_unapproved()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER refuse_unapproved ON character_publications")
    op.drop_table("carried_approvals")
    for function in ("refuse_unapproved()", "refuse_carrying_nothing()", "is_approved_content(uuid, text)"):
        op.execute(f"DROP FUNCTION {function}")
