"""Lets accounts be closed: a third status, its moments, and the audit log's one way to forget who somebody was."""

import sqlalchemy as sa
from alembic import op

revision = "0401"
down_revision = "0400"
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named CONSTANT text[] := ARRAY['email', 'name'];
    kept CONSTANT text[] := ARRAY['actor_name', 'before', 'after'];
    is_closed_actor boolean;
    is_about_closed boolean;
BEGIN
    -- The account of a person who was deleted may become empty, as in every append-only table.
    IF NEW.actor_id IS NULL AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id' THEN
        RETURN NEW;
    END IF;
    -- Who did it may become the pseudonym of a closed account, and what is said about that account may lose its name
    -- and address; nothing else may change.
    is_closed_actor := EXISTS (
        SELECT 1 FROM users WHERE id = OLD.actor_id AND status = 'closed' AND name = NEW.actor_name
    );
    is_about_closed := OLD.resource = 'person' AND EXISTS (
        SELECT 1 FROM users WHERE id = OLD.resource_id AND status = 'closed'
    );
    IF to_jsonb(NEW) - kept = to_jsonb(OLD) - kept
        AND (NEW.actor_name = OLD.actor_name OR is_closed_actor)
        AND (NEW.before IS NOT DISTINCT FROM OLD.before
            OR (is_about_closed AND NEW.before IS NOT DISTINCT FROM OLD.before - named))
        AND (NEW.after IS NOT DISTINCT FROM OLD.after
            OR (is_about_closed AND NEW.after IS NOT DISTINCT FROM OLD.after - named))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_entries is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    op.add_column("users", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_users_status"), "users", type_="check")
    op.create_check_constraint(op.f("ck_users_status"), "users", "status IN ('active', 'suspended', 'closed')")
    op.create_check_constraint(
        op.f("ck_users_closed_at_goes_with_status"), "users", "(status = 'closed') = (closed_at IS NOT NULL)"
    )
    op.create_check_constraint(
        op.f("ck_users_closed_has_no_password"), "users", "status <> 'closed' OR password IS NULL"
    )
    op.create_check_constraint(
        op.f("ck_users_cleared_goes_with_closed"), "users", "cleared_at IS NULL OR closed_at IS NOT NULL"
    )
    op.execute(REFUSE)
    op.execute("DROP TRIGGER refuse_change_of_audit_entries ON audit_entries")
    op.execute(
        "CREATE TRIGGER refuse_change_of_audit_entries BEFORE UPDATE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit()"
    )


def downgrade() -> None:
    # A closed account stays one that nobody can sign in to.
    op.execute(
        "UPDATE users SET suspended_at = closed_at, suspension_reason = 'closed', cleared_at = NULL "
        "WHERE status = 'closed'"
    )
    op.drop_constraint(op.f("ck_users_cleared_goes_with_closed"), "users", type_="check")
    op.drop_constraint(op.f("ck_users_closed_has_no_password"), "users", type_="check")
    op.drop_constraint(op.f("ck_users_closed_at_goes_with_status"), "users", type_="check")
    op.drop_constraint(op.f("ck_users_suspended_at_goes_with_status"), "users", type_="check")
    op.execute("UPDATE users SET status = 'suspended' WHERE status = 'closed'")
    op.drop_constraint(op.f("ck_users_status"), "users", type_="check")
    op.create_check_constraint(op.f("ck_users_status"), "users", "status IN ('active', 'suspended')")
    op.create_check_constraint(
        op.f("ck_users_suspended_at_goes_with_status"), "users", "(status = 'suspended') = (suspended_at IS NOT NULL)"
    )
    op.drop_column("users", "cleared_at")
    op.drop_column("users", "closed_at")
    op.execute("DROP TRIGGER refuse_change_of_audit_entries ON audit_entries")
    op.execute(
        "CREATE TRIGGER refuse_change_of_audit_entries BEFORE UPDATE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("DROP FUNCTION refuse_change_of_audit")
