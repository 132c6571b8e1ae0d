"""Makes the ground floor: every table of the first release, and what PostgreSQL itself refuses."""

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A version, a decision and an audit entry are proof: they say what was, so nobody changes them.
APPEND_ONLY = ("character_versions", "review_decisions", "audit_entries")

FUNCTIONS = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    reference text;
BEGIN
    -- A reference to a person or a file that was deleted may become empty; nothing else may change.
    FOREACH reference IN ARRAY ARRAY['actor_id', 'created_by_id'] LOOP
        IF after -> reference = 'null'::jsonb THEN
            before := before - reference;
            after := after - reference;
        END IF;
    END LOOP;
    IF before IS DISTINCT FROM after THEN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION refuse_young_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Maintenance may drop what is past its retention; nobody may drop what is young.
    IF OLD.created_at > now() - interval '90 days' THEN
        RAISE EXCEPTION '% keeps its rows for 90 days', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION refuse_category_circle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Two moves at once could close a circle that neither sees: one waits for the other.
    PERFORM pg_advisory_xact_lock(hashtext('character_categories.parent_id'));
    IF EXISTS (
        WITH RECURSIVE above (id, parent_id) AS (
            SELECT c.id, c.parent_id FROM character_categories c WHERE c.id = NEW.parent_id
            UNION
            SELECT c.id, c.parent_id FROM character_categories c JOIN above a ON c.id = a.parent_id
        )
        SELECT 1 FROM above WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'a category cannot stand below itself' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(FUNCTIONS)
    op.create_table(
        "character_categories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_zh", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("icon", sa.Text(), server_default="", nullable=False),
        sa.Column("sort_order", sa.Integer(), server_default="0", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "char_length(description) <= 2000", name=op.f("ck_character_categories_description_at_most_2000")
        ),
        sa.CheckConstraint("char_length(name) <= 100", name=op.f("ck_character_categories_name_at_most_100")),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_character_categories_is_not_its_own_parent")),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["character_categories.id"],
            name=op.f("fk_character_categories_parent_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_categories")),
        sa.UniqueConstraint("name", name=op.f("uq_character_categories_name")),
    )
    op.create_index(op.f("ix_character_categories_parent_id"), "character_categories", ["parent_id"], unique=False)
    op.create_index("ix_character_categories_sort_order_id", "character_categories", ["sort_order", "id"], unique=False)
    op.create_table(
        "embedding_models",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("index_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("dimensions BETWEEN 1 AND 4000", name=op.f("ck_embedding_models_dimensions_fit_halfvec")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_embedding_models")),
    )
    op.create_index(
        "uq_embedding_models_is_current",
        "embedding_models",
        ["is_current"],
        unique=True,
        postgresql_where=sa.text("is_current"),
    )
    op.create_table(
        "review_reasons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("message_zh", sa.Text(), nullable=False),
        sa.Column("sort_order", sa.Integer(), server_default="0", nullable=False),
        sa.Column("is_severe", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_reasons")),
        sa.UniqueConstraint("code", name=op.f("uq_review_reasons_code")),
    )
    op.create_table(
        "roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "name",
            sa.Enum(
                "creator",
                "moderator",
                "staff",
                "admin",
                name="name",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("name", name=op.f("uq_roles_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("active", "suspended", name="status", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspension_reason", sa.Text(), nullable=True),
        sa.Column("is_demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("fs_uniquifier", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_ip", sa.Text(), nullable=True),
        sa.Column("current_login_ip", sa.Text(), nullable=True),
        sa.Column("login_count", sa.Integer(), nullable=True),
        sa.Column("tf_primary_method", sa.Text(), nullable=True),
        sa.Column("tf_totp_secret", sa.Text(), nullable=True),
        sa.Column("mf_recovery_codes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column(
            "theme",
            sa.Enum("auto", "light", "dark", name="theme", native_enum=False, create_constraint=True, length=40),
            server_default="auto",
            nullable=False,
        ),
        sa.Column("preferred_languages", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("content_filters", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("privacy_settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("notification_prefs", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "subscription_features", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(status = 'suspended') = (suspended_at IS NOT NULL)", name=op.f("ck_users_suspended_at_goes_with_status")
        ),
        sa.CheckConstraint("email LIKE '%%_@_%%'", name=op.f("ck_users_email_has_an_at")),
        sa.CheckConstraint("char_length(email) <= 254", name=op.f("ck_users_email_at_most_254")),
        sa.CheckConstraint("char_length(name) <= 80", name=op.f("ck_users_name_at_most_80")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_users_fs_uniquifier")),
        sa.UniqueConstraint("legacy_id", name=op.f("uq_users_legacy_id")),
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"], unique=False)
    op.create_index("uq_users_email_lower", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "worker_pulses",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_pulses")),
    )
    op.create_index(op.f("ix_worker_pulses_seen_at"), "worker_pulses", ["seen_at"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name=op.f("fk_audit_entries_actor_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_actor_id"), "audit_entries", ["actor_id"], unique=False)
    op.create_index("ix_audit_entries_created_at_id", "audit_entries", ["created_at", "id"], unique=False)
    op.create_index("ix_audit_entries_resource_resource_id", "audit_entries", ["resource", "resource_id"], unique=False)
    op.create_table(
        "error_groups",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("count > 0", name=op.f("ck_error_groups_count_is_positive")),
        sa.ForeignKeyConstraint(
            ["resolved_by_id"], ["users.id"], name=op.f("fk_error_groups_resolved_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_error_groups")),
    )
    op.create_index(
        "ix_error_groups_last_seen_at_fingerprint", "error_groups", ["last_seen_at", "fingerprint"], unique=False
    )
    op.create_index(op.f("ix_error_groups_resolved_by_id"), "error_groups", ["resolved_by_id"], unique=False)
    op.create_table(
        "job_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queue", sa.Text(), server_default="default", nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("asked_by_id", sa.Uuid(), nullable=True),
        sa.Column("about_type", sa.Text(), nullable=True),
        sa.Column("about_id", sa.Uuid(), nullable=True),
        sa.Column("step", sa.Text(), server_default="", nullable=False),
        sa.Column("percent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default="5", nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("nudged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claim_token", sa.Uuid(), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (claim_token IS NOT NULL) AND (state <> 'running' OR heartbeat_at IS NOT NULL)",
            name=op.f("ck_job_runs_running_goes_with_a_claim"),
        ),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_job_runs_final_goes_with_finished_at"),
        ),
        sa.CheckConstraint("attempts BETWEEN 0 AND max_attempts", name=op.f("ck_job_runs_attempts_are_limited")),
        sa.CheckConstraint("char_length(step) <= 200", name=op.f("ck_job_runs_step_at_most_200")),
        sa.CheckConstraint("cost_minor >= 0", name=op.f("ck_job_runs_cost_is_not_negative")),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name=op.f("ck_job_runs_percent_is_a_percentage")),
        sa.ForeignKeyConstraint(
            ["asked_by_id"], ["users.id"], name=op.f("fk_job_runs_asked_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
    )
    op.create_index("ix_job_runs_about_type_about_id", "job_runs", ["about_type", "about_id"], unique=False)
    op.create_index("ix_job_runs_asked_by_id_created_at", "job_runs", ["asked_by_id", "created_at"], unique=False)
    op.create_index("ix_job_runs_created_at_id", "job_runs", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_job_runs_due", "job_runs", ["run_after", "id"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_index(
        "ix_job_runs_pulse", "job_runs", ["heartbeat_at"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index("ix_job_runs_state_created_at", "job_runs", ["state", "created_at"], unique=False)
    op.create_index(
        "uq_job_runs_dedupe_key_open",
        "job_runs",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "media_files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column(
            "purpose",
            sa.Enum(
                "card", "portrait", "variant", name="purpose", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("original_name", sa.Text(), server_default="", nullable=False),
        sa.Column("alt_text", sa.Text(), server_default="", nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column(
            "variant",
            sa.Enum("avatar", "card", "cover", name="variant", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("perceptual_hash", sa.BigInteger(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(purpose = 'variant') = (source_id IS NOT NULL) AND (purpose = 'variant') = (variant IS NOT NULL)",
            name=op.f("ck_media_files_variant_goes_with_source"),
        ),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_media_files_sha256_is_a_hash")),
        sa.CheckConstraint("(width IS NULL) = (height IS NULL)", name=op.f("ck_media_files_width_goes_with_height")),
        sa.CheckConstraint("char_length(alt_text) <= 500", name=op.f("ck_media_files_alt_text_at_most_500")),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_media_files_size_is_not_negative")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_media_files_owner_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["source_id"], ["media_files.id"], name=op.f("fk_media_files_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_files")),
        sa.UniqueConstraint("source_id", "variant", name="uq_media_files_source_id_variant"),
    )
    op.create_index(op.f("ix_media_files_owner_id"), "media_files", ["owner_id"], unique=False)
    op.create_index(op.f("ix_media_files_sha256"), "media_files", ["sha256"], unique=False)
    op.create_table(
        "user_achievements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("achieved_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_achievements_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_achievements")),
        sa.UniqueConstraint("user_id", "kind", name="uq_user_achievements_user_id_kind"),
    )
    op.create_table(
        "user_preferences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_preferences_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_preferences")),
        sa.UniqueConstraint("user_id", "key", name="uq_user_preferences_user_id_key"),
    )
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name=op.f("fk_user_roles_role_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_roles_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "role_id", name=op.f("pk_user_roles")),
    )
    op.create_index(op.f("ix_user_roles_role_id"), "user_roles", ["role_id"], unique=False)
    op.create_table(
        "user_subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "active", "cancelled", "expired", name="status", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_user_subscriptions_ends_after_it_starts")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_subscriptions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_subscriptions")),
    )
    op.create_index(op.f("ix_user_subscriptions_user_id"), "user_subscriptions", ["user_id"], unique=False)
    op.create_index(
        "uq_user_subscriptions_user_id_active",
        "user_subscriptions",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "error_logs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column(
            "source",
            sa.Enum("request", "job", "command", name="source", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("error_type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("stack_trace", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("session_ref", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(message) <= 4000", name=op.f("ck_error_logs_message_at_most_4000")),
        sa.CheckConstraint("char_length(stack_trace) <= 40000", name=op.f("ck_error_logs_stack_trace_at_most_40000")),
        sa.ForeignKeyConstraint(
            ["fingerprint"], ["error_groups.fingerprint"], name=op.f("fk_error_logs_fingerprint"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job_runs.id"], name=op.f("fk_error_logs_job_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_error_logs_user_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_error_logs")),
        sa.UniqueConstraint("reference", name=op.f("uq_error_logs_reference")),
    )
    op.create_index("ix_error_logs_created_at_id", "error_logs", ["created_at", "id"], unique=False)
    op.create_index("ix_error_logs_fingerprint_created_at", "error_logs", ["fingerprint", "created_at"], unique=False)
    op.create_index(op.f("ix_error_logs_job_id"), "error_logs", ["job_id"], unique=False)
    op.create_index(op.f("ix_error_logs_request_id"), "error_logs", ["request_id"], unique=False)
    op.create_index(op.f("ix_error_logs_user_id"), "error_logs", ["user_id"], unique=False)
    op.create_table(
        "stories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("cover_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("code ~ '^B[0-9]+$'", name=op.f("ck_stories_code_is_b_and_a_number")),
        sa.CheckConstraint("char_length(description) <= 200000", name=op.f("ck_stories_description_at_most_200000")),
        sa.CheckConstraint("char_length(title) <= 200", name=op.f("ck_stories_title_at_most_200")),
        sa.ForeignKeyConstraint(
            ["cover_id"], ["media_files.id"], name=op.f("fk_stories_cover_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
        sa.UniqueConstraint("code", name=op.f("uq_stories_code")),
        sa.UniqueConstraint("legacy_id", name=op.f("uq_stories_legacy_id")),
    )
    op.create_index(op.f("ix_stories_cover_id"), "stories", ["cover_id"], unique=False)
    op.create_table(
        "characters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("legacy_id", sa.Text(), nullable=True),
        sa.Column(
            "origin",
            sa.Enum("official", "creator", name="origin", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("story_id", sa.Uuid(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "draft", "published", "archived", name="status", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("nickname", sa.Text(), server_default="", nullable=False),
        sa.Column("tagline", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("personality", sa.Text(), server_default="", nullable=False),
        sa.Column("scenario", sa.Text(), server_default="", nullable=False),
        sa.Column("relationships", sa.Text(), server_default="", nullable=False),
        sa.Column("current_state", sa.Text(), server_default="", nullable=False),
        sa.Column("example_dialogue", sa.Text(), server_default="", nullable=False),
        sa.Column("system_prompt", sa.Text(), server_default="", nullable=False),
        sa.Column("post_history_instructions", sa.Text(), server_default="", nullable=False),
        sa.Column("creator_notes", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "content_rating",
            sa.Enum(
                "unrated",
                "general",
                "teen",
                "mature",
                "explicit",
                name="content_rating",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default="unrated",
            nullable=False,
        ),
        sa.Column("portrait_id", sa.Uuid(), nullable=True),
        sa.Column("ai_model", sa.Text(), server_default="", nullable=False),
        sa.Column("emotional_range", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("is_learning_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("memory_retention_days", sa.Integer(), nullable=True),
        sa.Column("is_context_aware", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("search_text", sa.Text(), server_default="", nullable=False),
        sa.Column("bigrams", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(origin = 'official' AND story_id IS NOT NULL AND code IS NOT NULL) OR (origin = 'creator' AND owner_id IS NOT NULL AND story_id IS NULL AND code IS NULL)",
            name=op.f("ck_characters_origin_says_who_owns_it"),
        ),
        sa.CheckConstraint("code ~ '^B[0-9]+C[0-9]+$'", name=op.f("ck_characters_code_is_b_and_c_with_numbers")),
        sa.CheckConstraint("cardinality(tags) <= 100", name=op.f("ck_characters_tags_are_at_most_100")),
        sa.CheckConstraint(
            "char_length(creator_notes) <= 200000", name=op.f("ck_characters_creator_notes_at_most_200000")
        ),
        sa.CheckConstraint("char_length(current_state) <= 500", name=op.f("ck_characters_current_state_at_most_500")),
        sa.CheckConstraint("char_length(description) <= 200000", name=op.f("ck_characters_description_at_most_200000")),
        sa.CheckConstraint(
            "char_length(example_dialogue) <= 200000", name=op.f("ck_characters_example_dialogue_at_most_200000")
        ),
        sa.CheckConstraint("char_length(name) <= 200", name=op.f("ck_characters_name_at_most_200")),
        sa.CheckConstraint("char_length(nickname) <= 200", name=op.f("ck_characters_nickname_at_most_200")),
        sa.CheckConstraint("char_length(personality) <= 200000", name=op.f("ck_characters_personality_at_most_200000")),
        sa.CheckConstraint(
            "char_length(post_history_instructions) <= 200000",
            name=op.f("ck_characters_post_history_instructions_at_most_200000"),
        ),
        sa.CheckConstraint(
            "char_length(relationships) <= 200000", name=op.f("ck_characters_relationships_at_most_200000")
        ),
        sa.CheckConstraint("char_length(scenario) <= 200000", name=op.f("ck_characters_scenario_at_most_200000")),
        sa.CheckConstraint(
            "char_length(system_prompt) <= 200000", name=op.f("ck_characters_system_prompt_at_most_200000")
        ),
        sa.CheckConstraint("char_length(tagline) <= 500", name=op.f("ck_characters_tagline_at_most_500")),
        sa.CheckConstraint("length(btrim(name)) > 0", name=op.f("ck_characters_name_is_not_blank")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_characters_owner_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["portrait_id"], ["media_files.id"], name=op.f("fk_characters_portrait_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_characters_story_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_characters")),
        sa.UniqueConstraint("code", name=op.f("uq_characters_code")),
        sa.UniqueConstraint("legacy_id", name=op.f("uq_characters_legacy_id")),
    )
    op.create_index("ix_characters_bigrams", "characters", ["bigrams"], unique=False, postgresql_using="gin")
    op.create_index(op.f("ix_characters_content_hash"), "characters", ["content_hash"], unique=False)
    op.create_index("ix_characters_name_id", "characters", ["name", "id"], unique=False)
    op.create_index(
        "ix_characters_owner_id_updated_at_id", "characters", ["owner_id", "updated_at", "id"], unique=False
    )
    op.create_index(op.f("ix_characters_portrait_id"), "characters", ["portrait_id"], unique=False)
    op.create_index(
        "ix_characters_search_text_trgm",
        "characters",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_index("ix_characters_status_updated_at_id", "characters", ["status", "updated_at", "id"], unique=False)
    op.create_index(op.f("ix_characters_story_id"), "characters", ["story_id"], unique=False)
    op.create_index("ix_characters_tags", "characters", ["tags"], unique=False, postgresql_using="gin")
    op.create_index("ix_characters_updated_at_id", "characters", ["updated_at", "id"], unique=False)
    op.create_table(
        "card_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "previewed",
                "confirmed",
                "discarded",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("source_file_id", sa.Uuid(), nullable=True),
        sa.Column("portrait_id", sa.Uuid(), nullable=True),
        sa.Column("original_name", sa.Text(), server_default="", nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("spec_version", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'confirmed') = (character_id IS NOT NULL)",
            name=op.f("ck_card_documents_confirmed_goes_with_character"),
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_card_documents_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_card_documents_owner_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["portrait_id"], ["media_files.id"], name=op.f("fk_card_documents_portrait_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["source_file_id"], ["media_files.id"], name=op.f("fk_card_documents_source_file_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_documents")),
    )
    op.create_index(op.f("ix_card_documents_character_id"), "card_documents", ["character_id"], unique=False)
    op.create_index(op.f("ix_card_documents_content_hash"), "card_documents", ["content_hash"], unique=False)
    op.create_index("ix_card_documents_owner_id_created_at", "card_documents", ["owner_id", "created_at"], unique=False)
    op.create_index(op.f("ix_card_documents_portrait_id"), "card_documents", ["portrait_id"], unique=False)
    op.create_index(op.f("ix_card_documents_source_file_id"), "card_documents", ["source_file_id"], unique=False)
    op.create_index("ix_card_documents_state_created_at", "card_documents", ["state", "created_at"], unique=False)
    op.create_table(
        "character_embeddings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column(
            "embedding_type",
            sa.Enum("full_profile", name="embedding_type", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("embedding", pgvector.sqlalchemy.halfvec.HALFVEC(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_character_embeddings_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["model_name"],
            ["embedding_models.name"],
            name=op.f("fk_character_embeddings_model_name"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_embeddings")),
        sa.UniqueConstraint(
            "character_id", "embedding_type", "model_name", name="uq_character_embeddings_character_id_type_model"
        ),
    )
    op.create_index("ix_character_embeddings_model_name", "character_embeddings", ["model_name"], unique=False)
    op.create_table(
        "character_scenes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="", nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stage_prompt", sa.Text(), server_default="", nullable=False),
        sa.Column("required_progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(stage) <= 200", name=op.f("ck_character_scenes_stage_at_most_200")),
        sa.CheckConstraint(
            "char_length(stage_prompt) <= 200000", name=op.f("ck_character_scenes_stage_prompt_at_most_200000")
        ),
        sa.CheckConstraint("char_length(title) <= 200", name=op.f("ck_character_scenes_title_at_most_200")),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_character_scenes_progress_is_a_percentage")),
        sa.CheckConstraint(
            "required_progress BETWEEN 0 AND 100", name=op.f("ck_character_scenes_required_progress_is_a_percentage")
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_character_scenes_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_scenes")),
        sa.UniqueConstraint(
            "character_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name="uq_character_scenes_character_id_position",
        ),
    )
    op.create_table(
        "character_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("card", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("studio", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("portrait_id", sa.Uuid(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("change_note", sa.Text(), server_default="", nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("version_number > 0", name=op.f("ck_character_versions_version_number_starts_at_one")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_character_versions_character_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_character_versions_created_by_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["portrait_id"], ["media_files.id"], name=op.f("fk_character_versions_portrait_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_versions")),
        sa.UniqueConstraint("character_id", "version_number", name="uq_character_versions_character_id_version_number"),
    )
    op.create_index(op.f("ix_character_versions_created_by_id"), "character_versions", ["created_by_id"], unique=False)
    op.create_index(op.f("ix_character_versions_portrait_id"), "character_versions", ["portrait_id"], unique=False)
    op.create_table(
        "context_awareness_configs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("context_window", sa.Integer(), server_default="20", nullable=False),
        sa.Column("memory_count", sa.Integer(), server_default="10", nullable=False),
        sa.Column("emotion_weight", sa.Double(), server_default="0.3", nullable=False),
        sa.Column("learning_rate", sa.Double(), server_default="0.1", nullable=False),
        sa.Column("consistency", sa.Double(), server_default="0.8", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("consistency BETWEEN 0 AND 1", name=op.f("ck_context_awareness_configs_consistency")),
        sa.CheckConstraint(
            "context_window BETWEEN 1 AND 1000", name=op.f("ck_context_awareness_configs_context_window")
        ),
        sa.CheckConstraint("emotion_weight BETWEEN 0 AND 1", name=op.f("ck_context_awareness_configs_emotion_weight")),
        sa.CheckConstraint("learning_rate BETWEEN 0 AND 1", name=op.f("ck_context_awareness_configs_learning_rate")),
        sa.CheckConstraint("memory_count BETWEEN 0 AND 1000", name=op.f("ck_context_awareness_configs_memory_count")),
        sa.ForeignKeyConstraint(
            ["character_id"],
            ["characters.id"],
            name=op.f("fk_context_awareness_configs_character_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_context_awareness_configs")),
        sa.UniqueConstraint("character_id", name=op.f("uq_context_awareness_configs_character_id")),
    )
    op.create_table(
        "fallback_replies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), server_default="1", nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(content) <= 10000", name=op.f("ck_fallback_replies_content_at_most_10000")),
        sa.CheckConstraint("length(btrim(content)) > 0", name=op.f("ck_fallback_replies_content_is_not_blank")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_fallback_replies_position_is_not_negative")),
        sa.CheckConstraint("weight BETWEEN 1 AND 1000", name=op.f("ck_fallback_replies_weight_is_between_1_and_1000")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_fallback_replies_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fallback_replies")),
        sa.UniqueConstraint(
            "character_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name="uq_fallback_replies_character_id_position",
        ),
    )
    op.create_table(
        "greetings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "first", "alternate", "group_only", name="kind", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("kind <> 'first' OR position = 0", name=op.f("ck_greetings_first_is_alone")),
        sa.CheckConstraint("char_length(content) <= 200000", name=op.f("ck_greetings_content_at_most_200000")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_greetings_position_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_greetings_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_greetings")),
        sa.UniqueConstraint(
            "character_id",
            "kind",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name="uq_greetings_character_id_kind_position",
        ),
    )
    op.create_table(
        "lorebooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("scan_depth", sa.Integer(), nullable=True),
        sa.Column("token_budget", sa.Integer(), nullable=True),
        sa.Column("is_recursive", sa.Boolean(), nullable=True),
        sa.Column("extensions", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("char_length(name) <= 200", name=op.f("ck_lorebooks_name_at_most_200")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_lorebooks_character_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lorebooks")),
        sa.UniqueConstraint("character_id", name=op.f("uq_lorebooks_character_id")),
    )
    op.create_table(
        "character_publications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("publisher_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "license_type",
            sa.Enum(
                "free",
                "premium",
                "exclusive",
                name="license_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "pending",
                "approved",
                "rejected",
                "unlisted",
                "withdrawn",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("featured_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(license_type = 'free') = (price_minor = 0)", name=op.f("ck_character_publications_free_costs_nothing")
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_character_publications_currency_is_iso_4217")),
        sa.CheckConstraint(
            "status <> 'approved' OR published_at IS NOT NULL",
            name=op.f("ck_character_publications_approved_has_published_at"),
        ),
        sa.CheckConstraint(
            "char_length(description) <= 20000", name=op.f("ck_character_publications_description_at_most_20000")
        ),
        sa.CheckConstraint("char_length(title) <= 200", name=op.f("ck_character_publications_title_at_most_200")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_character_publications_price_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["character_categories.id"],
            name=op.f("fk_character_publications_category_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_character_publications_version",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["character_id"],
            ["characters.id"],
            name=op.f("fk_character_publications_character_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["publisher_id"], ["users.id"], name=op.f("fk_character_publications_publisher_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_publications")),
    )
    op.create_index(
        op.f("ix_character_publications_category_id"), "character_publications", ["category_id"], unique=False
    )
    op.create_index(
        op.f("ix_character_publications_character_id"), "character_publications", ["character_id"], unique=False
    )
    op.create_index(
        "ix_character_publications_created_at_id", "character_publications", ["created_at", "id"], unique=False
    )
    op.create_index(
        "ix_character_publications_publisher_id_created_at_id",
        "character_publications",
        ["publisher_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_character_publications_status_created_at_id",
        "character_publications",
        ["status", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_character_publications_character_id_live",
        "character_publications",
        ["character_id"],
        unique=True,
        postgresql_where=sa.text("status = 'approved'"),
    )
    op.create_index(
        "uq_character_publications_character_id_pending",
        "character_publications",
        ["character_id"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "lorebook_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lorebook_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("keys", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("secondary_keys", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("is_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("is_constant", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("insertion_order", sa.Double(), server_default="100", nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.CheckConstraint("char_length(content) <= 200000", name=op.f("ck_lorebook_entries_content_at_most_200000")),
        sa.ForeignKeyConstraint(
            ["lorebook_id"], ["lorebooks.id"], name=op.f("fk_lorebook_entries_lorebook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lorebook_entries")),
        sa.UniqueConstraint(
            "lorebook_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name="uq_lorebook_entries_lorebook_id_position",
        ),
    )
    op.create_table(
        "review_cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "screening",
                "waiting",
                "claimed",
                "decided",
                "withdrawn",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by_id", sa.Uuid(), nullable=True),
        sa.Column("claim_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(state = 'claimed') = (claimed_by_id IS NOT NULL) AND (state = 'claimed') = (claim_expires_at IS NOT NULL)",
            name=op.f("ck_review_cases_claimed_goes_with_a_holder"),
        ),
        sa.CheckConstraint(
            "(state IN ('decided', 'withdrawn')) = (closed_at IS NOT NULL)",
            name=op.f("ck_review_cases_closed_goes_with_state"),
        ),
        sa.ForeignKeyConstraint(
            ["claimed_by_id"], ["users.id"], name=op.f("fk_review_cases_claimed_by_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["character_publications.id"],
            name=op.f("fk_review_cases_publication_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_cases")),
    )
    op.create_index(op.f("ix_review_cases_claimed_by_id"), "review_cases", ["claimed_by_id"], unique=False)
    op.create_index(op.f("ix_review_cases_publication_id"), "review_cases", ["publication_id"], unique=False)
    op.create_index(
        "ix_review_cases_queue",
        "review_cases",
        ["opened_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'claimed')"),
    )
    op.create_index(
        "uq_review_cases_publication_id_open",
        "review_cases",
        ["publication_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('screening', 'waiting', 'claimed')"),
    )
    op.create_table(
        "review_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("moderator_id", sa.Uuid(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("approved", "rejected", name="outcome", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(note) <= 4000", name=op.f("ck_review_decisions_note_at_most_4000")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["review_cases.id"], name=op.f("fk_review_decisions_case_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["moderator_id"], ["users.id"], name=op.f("fk_review_decisions_moderator_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_decisions")),
        sa.UniqueConstraint("case_id", name="uq_review_decisions_case_id"),
    )
    op.create_index(op.f("ix_review_decisions_moderator_id"), "review_decisions", ["moderator_id"], unique=False)
    op.create_table(
        "screening_results",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("check_name", sa.Text(), nullable=False),
        sa.Column("check_version", sa.Integer(), nullable=False),
        sa.Column(
            "severity",
            sa.Enum("info", "warning", "severe", name="severity", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["review_cases.id"], name=op.f("fk_screening_results_case_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screening_results")),
        sa.UniqueConstraint("case_id", "check_name", name="uq_screening_results_case_id_check_name"),
    )
    op.create_table(
        "field_comments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("reason_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), server_default="", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("char_length(comment) <= 4000", name=op.f("ck_field_comments_comment_at_most_4000")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["review_decisions.id"], name=op.f("fk_field_comments_decision_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reason_id"], ["review_reasons.id"], name=op.f("fk_field_comments_reason_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_comments")),
    )
    op.create_index(op.f("ix_field_comments_decision_id"), "field_comments", ["decision_id"], unique=False)
    op.create_index(op.f("ix_field_comments_reason_id"), "field_comments", ["reason_id"], unique=False)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER refuse_change_of_{table} BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE TRIGGER refuse_delete_of_audit_entries BEFORE DELETE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_young_delete()"
    )
    op.execute(
        "CREATE TRIGGER refuse_circle BEFORE INSERT OR UPDATE OF parent_id ON character_categories "
        "FOR EACH ROW EXECUTE FUNCTION refuse_category_circle()"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_field_comments_reason_id"), table_name="field_comments")
    op.drop_index(op.f("ix_field_comments_decision_id"), table_name="field_comments")
    op.drop_table("field_comments")
    op.drop_table("screening_results")
    op.drop_index(op.f("ix_review_decisions_moderator_id"), table_name="review_decisions")
    op.drop_table("review_decisions")
    op.drop_index(
        "uq_review_cases_publication_id_open",
        table_name="review_cases",
        postgresql_where=sa.text("state IN ('screening', 'waiting', 'claimed')"),
    )
    op.drop_index(
        "ix_review_cases_queue", table_name="review_cases", postgresql_where=sa.text("state IN ('waiting', 'claimed')")
    )
    op.drop_index(op.f("ix_review_cases_publication_id"), table_name="review_cases")
    op.drop_index(op.f("ix_review_cases_claimed_by_id"), table_name="review_cases")
    op.drop_table("review_cases")
    op.drop_table("lorebook_entries")
    op.drop_index(
        "uq_character_publications_character_id_pending",
        table_name="character_publications",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index(
        "uq_character_publications_character_id_live",
        table_name="character_publications",
        postgresql_where=sa.text("status = 'approved'"),
    )
    op.drop_index("ix_character_publications_status_created_at_id", table_name="character_publications")
    op.drop_index("ix_character_publications_publisher_id_created_at_id", table_name="character_publications")
    op.drop_index("ix_character_publications_created_at_id", table_name="character_publications")
    op.drop_index(op.f("ix_character_publications_character_id"), table_name="character_publications")
    op.drop_index(op.f("ix_character_publications_category_id"), table_name="character_publications")
    op.drop_table("character_publications")
    op.drop_table("lorebooks")
    op.drop_table("greetings")
    op.drop_table("fallback_replies")
    op.drop_table("context_awareness_configs")
    op.drop_index(op.f("ix_character_versions_portrait_id"), table_name="character_versions")
    op.drop_index(op.f("ix_character_versions_created_by_id"), table_name="character_versions")
    op.drop_table("character_versions")
    op.drop_table("character_scenes")
    op.drop_index("ix_character_embeddings_model_name", table_name="character_embeddings")
    op.drop_table("character_embeddings")
    op.drop_index("ix_card_documents_state_created_at", table_name="card_documents")
    op.drop_index(op.f("ix_card_documents_source_file_id"), table_name="card_documents")
    op.drop_index(op.f("ix_card_documents_portrait_id"), table_name="card_documents")
    op.drop_index("ix_card_documents_owner_id_created_at", table_name="card_documents")
    op.drop_index(op.f("ix_card_documents_content_hash"), table_name="card_documents")
    op.drop_index(op.f("ix_card_documents_character_id"), table_name="card_documents")
    op.drop_table("card_documents")
    op.drop_index("ix_characters_updated_at_id", table_name="characters")
    op.drop_index("ix_characters_tags", table_name="characters", postgresql_using="gin")
    op.drop_index(op.f("ix_characters_story_id"), table_name="characters")
    op.drop_index("ix_characters_status_updated_at_id", table_name="characters")
    op.drop_index(
        "ix_characters_search_text_trgm",
        table_name="characters",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index(op.f("ix_characters_portrait_id"), table_name="characters")
    op.drop_index("ix_characters_owner_id_updated_at_id", table_name="characters")
    op.drop_index("ix_characters_name_id", table_name="characters")
    op.drop_index(op.f("ix_characters_content_hash"), table_name="characters")
    op.drop_index("ix_characters_bigrams", table_name="characters", postgresql_using="gin")
    op.drop_table("characters")
    op.drop_index(op.f("ix_stories_cover_id"), table_name="stories")
    op.drop_table("stories")
    op.drop_index(op.f("ix_error_logs_user_id"), table_name="error_logs")
    op.drop_index(op.f("ix_error_logs_request_id"), table_name="error_logs")
    op.drop_index(op.f("ix_error_logs_job_id"), table_name="error_logs")
    op.drop_index("ix_error_logs_fingerprint_created_at", table_name="error_logs")
    op.drop_index("ix_error_logs_created_at_id", table_name="error_logs")
    op.drop_table("error_logs")
    op.drop_index(
        "uq_user_subscriptions_user_id_active",
        table_name="user_subscriptions",
        postgresql_where=sa.text("status = 'active'"),
    )
    op.drop_index(op.f("ix_user_subscriptions_user_id"), table_name="user_subscriptions")
    op.drop_table("user_subscriptions")
    op.drop_index(op.f("ix_user_roles_role_id"), table_name="user_roles")
    op.drop_table("user_roles")
    op.drop_table("user_preferences")
    op.drop_table("user_achievements")
    op.drop_index(op.f("ix_media_files_sha256"), table_name="media_files")
    op.drop_index(op.f("ix_media_files_owner_id"), table_name="media_files")
    op.drop_table("media_files")
    op.drop_index(
        "uq_job_runs_dedupe_key_open", table_name="job_runs", postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.drop_index("ix_job_runs_state_created_at", table_name="job_runs")
    op.drop_index("ix_job_runs_pulse", table_name="job_runs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_job_runs_due", table_name="job_runs", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("ix_job_runs_created_at_id", table_name="job_runs")
    op.drop_index("ix_job_runs_asked_by_id_created_at", table_name="job_runs")
    op.drop_index("ix_job_runs_about_type_about_id", table_name="job_runs")
    op.drop_table("job_runs")
    op.drop_index(op.f("ix_error_groups_resolved_by_id"), table_name="error_groups")
    op.drop_index("ix_error_groups_last_seen_at_fingerprint", table_name="error_groups")
    op.drop_table("error_groups")
    op.drop_index("ix_audit_entries_resource_resource_id", table_name="audit_entries")
    op.drop_index("ix_audit_entries_created_at_id", table_name="audit_entries")
    op.drop_index(op.f("ix_audit_entries_actor_id"), table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_index(op.f("ix_worker_pulses_seen_at"), table_name="worker_pulses")
    op.drop_table("worker_pulses")
    op.drop_index("uq_users_email_lower", table_name="users")
    op.drop_index("ix_users_created_at_id", table_name="users")
    op.drop_table("users")
    op.drop_table("roles")
    op.drop_table("review_reasons")
    op.drop_index(
        "uq_embedding_models_is_current", table_name="embedding_models", postgresql_where=sa.text("is_current")
    )
    op.drop_table("embedding_models")
    op.drop_index("ix_character_categories_sort_order_id", table_name="character_categories")
    op.drop_index(op.f("ix_character_categories_parent_id"), table_name="character_categories")
    op.drop_table("character_categories")
    op.execute("DROP FUNCTION refuse_change, refuse_young_delete, refuse_category_circle")
