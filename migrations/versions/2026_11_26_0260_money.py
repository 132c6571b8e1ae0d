"""Makes the tables of money: purchases, the ledger, payouts, statements, downloads, and what PostgreSQL itself refuses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0260"
down_revision = "0250"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION refuse_any_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION check_posting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    entries bigint;
    total numeric;
    is_mixed boolean;
BEGIN
    SELECT count(*), sum(e.amount_minor), bool_or(a.currency <> NEW.currency) INTO entries, total, is_mixed
    FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE e.transaction_id = NEW.id;
    IF entries <> NEW.entry_count OR total <> 0 OR is_mixed THEN
        RAISE EXCEPTION 'the posting % does not balance', NEW.key USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION check_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT DISTINCT transaction_id FROM added) AS touched
        JOIN ledger_transactions t ON t.id = touched.transaction_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS entries, sum(e.amount_minor) AS total FROM ledger_entries e WHERE e.transaction_id = t.id
        ) AS held
        WHERE held.entries <> t.entry_count OR held.total <> 0
    ) THEN
        RAISE EXCEPTION 'the entries of a posting do not balance' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_posting_into_closed_period() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever seals a period waits for the postings under way, and they for it.
    PERFORM pg_advisory_xact_lock_shared(hashtext('ledger.periods'));
    IF EXISTS (SELECT 1 FROM closed_periods WHERE period_end > (NEW.occurred_at AT TIME ZONE 'UTC')::date) THEN
        RAISE EXCEPTION 'the period of % is closed', NEW.occurred_at USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb;
    term text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        -- A link that nobody can follow any more may go; proof stays.
        IF TG_TABLE_NAME = 'download_links' THEN RETURN OLD; END IF;
        RAISE EXCEPTION '% keeps its rows', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    after := to_jsonb(NEW);
    FOREACH term IN ARRAY TG_ARGV LOOP
        -- What was empty may be filled in, once.
        IF before -> term IS DISTINCT FROM after -> term AND before -> term <> 'null'::jsonb THEN
            RAISE EXCEPTION '%.% was agreed and stays', TG_TABLE_NAME, term USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE FUNCTION keep_exclusive_sale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status NOT IN ('pending', 'paid', 'disputed') THEN RETURN NULL; END IF;
    -- Whoever sells or lists the same character waits here for the other.
    PERFORM 1 FROM characters WHERE id = NEW.character_id FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT 1 FROM transactions t
        WHERE t.character_id = NEW.character_id AND t.id <> NEW.id AND t.status IN ('pending', 'paid', 'disputed')
            AND 'exclusive' IN (t.license_type, NEW.license_type)
    ) THEN
        RAISE EXCEPTION 'an exclusive has one buyer' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.license_type = 'exclusive' AND NEW.status <> 'pending' AND EXISTS (
        SELECT 1 FROM character_publications p WHERE p.character_id = NEW.character_id AND p.status = 'approved'
    ) THEN
        RAISE EXCEPTION 'an exclusive that was sold is not on the market' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION keep_exclusive_listing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM characters WHERE id = NEW.character_id FOR NO KEY UPDATE;
    -- The row may have moved on since this check was put off to the end.
    IF EXISTS (
        SELECT 1 FROM character_publications p JOIN transactions t ON t.character_id = p.character_id
        WHERE p.id = NEW.id AND p.status IN ('approved', 'pending')
            AND t.license_type = 'exclusive' AND t.status IN ('paid', 'disputed')
    ) THEN
        RAISE EXCEPTION 'an exclusive that was sold is not on the market' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

"""

FUNCTION_NAMES = (
    "refuse_any_change",
    "check_posting",
    "check_entries",
    "refuse_posting_into_closed_period",
    "keep_terms",
    "keep_exclusive_sale",
    "keep_exclusive_listing",
)

LEDGER = ("ledger_accounts", "ledger_transactions", "ledger_entries")

TRIGGERS = (
    # Nothing in the ledger is changed, deleted or emptied; statements neither.
    *(
        f"CREATE TRIGGER refuse_change_of_{table} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_any_change()"
        for table in (*LEDGER, "creator_earnings")
    ),
    # At the end of the transaction every posting balances, and has the entries that it says.
    (
        "CREATE CONSTRAINT TRIGGER check_posting AFTER INSERT ON ledger_transactions DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION check_posting()"
    ),
    # And at the end of each statement every posting that gained entries does, so that none gains more later.
    (
        "CREATE TRIGGER check_entries AFTER INSERT ON ledger_entries REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION check_entries()"
    ),
    (
        "CREATE TRIGGER refuse_posting_into_closed_period BEFORE INSERT ON ledger_transactions "
        "FOR EACH ROW EXECUTE FUNCTION refuse_posting_into_closed_period()"
    ),
    *(
        f"CREATE TRIGGER keep_terms_of_{table} BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION keep_terms({columns})"
        for table, columns in (
            (
                "transactions",
                (
                    "'buyer_id', 'creator_id', 'publication_id', 'character_id', 'version_number', 'license_type', "
                    "'price_minor', 'currency', 'fee_bps', 'fee_minor', 'idempotency_key', 'provider', 'paid_at', 'released_at'"
                ),
            ),
            ("payouts", "'batch_key', 'creator_id', 'currency', 'amount_minor', 'provider', 'paid_at'"),
            (
                "character_downloads",
                (
                    "'character_id', 'user_id', 'version_number', 'license_type', 'price_paid_minor', 'currency', 'purchase_id', "
                    "'created_at', 'downloaded_at'"
                ),
            ),
            ("closed_periods", "'period_start', 'period_end', 'sealed_at', 'closed_at', 'statement_count'"),
            ("download_links", "'download_id', 'made_at', 'expires_at', 'used_at'"),
        )
    ),
    # An exclusive is sold to one person, is off the market in the same transaction, and stays off it.
    (
        "CREATE CONSTRAINT TRIGGER keep_exclusive_sale AFTER INSERT OR UPDATE OF status ON transactions "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_exclusive_sale()"
    ),
    (
        "CREATE CONSTRAINT TRIGGER keep_exclusive_listing AFTER INSERT OR UPDATE OF status ON character_publications "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status IN ('approved', 'pending')) "
        "EXECUTE FUNCTION keep_exclusive_listing()"
    ),
)


def upgrade() -> None:
    op.create_table(
        "closed_periods",
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("statement_count", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (statement_count IS NULL)", name=op.f("ck_closed_periods_closed_has_its_count")
        ),
        sa.CheckConstraint(
            "closed_at IS NULL OR closed_at >= sealed_at", name=op.f("ck_closed_periods_closed_after_it_was_sealed")
        ),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_closed_periods_period_begins_before_it_ends")),
        sa.PrimaryKeyConstraint("period_start", name=op.f("pk_closed_periods")),
    )
    op.create_table(
        "money_checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transaction_count", sa.BigInteger(), nullable=False),
        sa.Column("finding_count", sa.BigInteger(), nullable=False),
        sa.Column(
            "findings", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_money_checks")),
    )
    op.create_index("ix_money_checks_checked_at_id", "money_checks", ["checked_at", "id"], unique=False)
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "provider",
                "provider_fees",
                "platform_revenue",
                "creator_pending",
                "creator_available",
                "payouts_in_transit",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.CheckConstraint(
            "(kind IN ('creator_pending', 'creator_available')) = (owner_id IS NOT NULL)",
            name=op.f("ck_ledger_accounts_creators_have_owners"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_ledger_accounts_currency_is_iso_4217")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_ledger_accounts_owner_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint(
            "owner_id",
            "kind",
            "currency",
            name="uq_ledger_accounts_owner_id_kind_currency",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "payout_accounts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("char_length(destination) <= 200", name=op.f("ck_payout_accounts_destination_at_most_200")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_payout_accounts_user_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_payout_accounts")),
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_key", sa.Text(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "processing",
                "paid",
                "failed",
                "cancelled",
                "held",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), server_default="", nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("made_by_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("(status = 'paid') = (paid_at IS NOT NULL)", name=op.f("ck_payouts_paid_goes_with_paid_at")),
        sa.CheckConstraint(
            "(status IN ('failed', 'cancelled')) = (ended_at IS NOT NULL)",
            name=op.f("ck_payouts_ended_goes_with_ended_at"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payouts_currency_is_iso_4217")),
        sa.CheckConstraint(
            "status <> 'paid' OR provider_reference IS NOT NULL", name=op.f("ck_payouts_paid_has_a_reference")
        ),
        sa.CheckConstraint(
            "status NOT IN ('processing', 'paid') OR started_at IS NOT NULL",
            name=op.f("ck_payouts_processing_goes_with_started_at"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payouts_amount_is_positive")),
        sa.CheckConstraint("char_length(reason) <= 500", name=op.f("ck_payouts_reason_at_most_500")),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name=op.f("fk_payouts_creator_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["made_by_id"], ["users.id"], name=op.f("fk_payouts_made_by_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("batch_key", "creator_id", "currency", name="uq_payouts_batch_key_creator_id_currency"),
        sa.UniqueConstraint("provider", "provider_reference", name="uq_payouts_provider_provider_reference"),
    )
    op.create_index("ix_payouts_created_at_id", "payouts", ["created_at", "id"], unique=False)
    op.create_index("ix_payouts_creator_id_created_at_id", "payouts", ["creator_id", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_payouts_made_by_id"), "payouts", ["made_by_id"], unique=False)
    op.create_index("ix_payouts_status_created_at", "payouts", ["status", "created_at"], unique=False)
    op.create_index(
        "uq_payouts_creator_id_currency_open",
        "payouts",
        ["creator_id", "currency"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'processing', 'held')"),
    )
    op.create_table(
        "creator_earnings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("character_name", sa.Text(), nullable=False),
        sa.Column("creator_name", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("content_hash ~ '^[0-9a-f]{64}$'", name=op.f("ck_creator_earnings_hash_is_sha256")),
        sa.CheckConstraint("downloads >= 0 AND line_count > 0", name=op.f("ck_creator_earnings_counts_are_counts")),
        sa.CheckConstraint(
            "net_minor = gross_minor - fee_minor", name=op.f("ck_creator_earnings_net_is_gross_less_fee")
        ),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_creator_earnings_period_begins_before_it_ends")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_creator_earnings_character_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name=op.f("fk_creator_earnings_creator_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_creator_earnings")),
        sa.UniqueConstraint(
            "creator_id",
            "period_start",
            "currency",
            "character_id",
            name="uq_creator_earnings_creator_id_period_currency_character",
        ),
    )
    op.create_index("ix_creator_earnings_character_id", "creator_earnings", ["character_id"], unique=False)
    op.create_index("ix_creator_earnings_period_start_id", "creator_earnings", ["period_start", "id"], unique=False)
    op.create_table(
        "transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("buyer_id", sa.Uuid(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
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
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("fee_bps", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "paid",
                "failed",
                "cancelled",
                "disputed",
                "refunded",
                "lost",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=True),
        sa.Column("payment_reference", sa.Text(), nullable=True),
        sa.Column("pay_url", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refund_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disputed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispute_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "(license_type = 'free') = (price_minor = 0)", name=op.f("ck_transactions_free_costs_nothing")
        ),
        sa.CheckConstraint(
            "(status = 'refunded') = (refunded_at IS NOT NULL)",
            name=op.f("ck_transactions_refunded_goes_with_refunded_at"),
        ),
        sa.CheckConstraint(
            "(status IN ('failed', 'cancelled')) = (closed_at IS NOT NULL)",
            name=op.f("ck_transactions_closed_goes_with_closed_at"),
        ),
        sa.CheckConstraint(
            "(status IN ('paid', 'disputed', 'refunded', 'lost')) = (paid_at IS NOT NULL)",
            name=op.f("ck_transactions_paid_goes_with_paid_at"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_transactions_currency_is_iso_4217")),
        sa.CheckConstraint(
            "status NOT IN ('disputed', 'lost') OR disputed_at IS NOT NULL",
            name=op.f("ck_transactions_disputed_goes_with_disputed_at"),
        ),
        sa.CheckConstraint(
            "(paid_at IS NULL) = (available_at IS NULL)", name=op.f("ck_transactions_paid_has_an_end_of_its_hold")
        ),
        sa.CheckConstraint("available_at >= paid_at", name=op.f("ck_transactions_the_hold_ends_after_payment")),
        sa.CheckConstraint("buyer_id <> creator_id", name=op.f("ck_transactions_buyer_is_not_the_creator")),
        sa.CheckConstraint("char_length(reason) <= 500", name=op.f("ck_transactions_reason_at_most_500")),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 10000", name=op.f("ck_transactions_fee_is_a_share")),
        sa.CheckConstraint(
            "fee_minor BETWEEN 0 AND price_minor", name=op.f("ck_transactions_fee_is_part_of_the_price")
        ),
        sa.CheckConstraint("price_minor BETWEEN 0 AND 1000000000", name=op.f("ck_transactions_price_is_in_bounds")),
        sa.CheckConstraint(
            "released_at IS NULL OR released_at >= available_at", name=op.f("ck_transactions_released_after_the_hold")
        ),
        sa.ForeignKeyConstraint(["buyer_id"], ["users.id"], name=op.f("fk_transactions_buyer_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_transactions_character_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name=op.f("fk_transactions_creator_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["character_publications.id"],
            name=op.f("fk_transactions_publication_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("buyer_id", "idempotency_key", name="uq_transactions_buyer_id_idempotency_key"),
        sa.UniqueConstraint("provider", "payment_reference", name="uq_transactions_provider_payment_reference"),
        sa.UniqueConstraint("provider", "provider_reference", name="uq_transactions_provider_provider_reference"),
    )
    op.create_index(
        "ix_transactions_available_at_unreleased",
        "transactions",
        ["available_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'paid' AND released_at IS NULL"),
    )
    op.create_index(
        "ix_transactions_buyer_id_created_at_id", "transactions", ["buyer_id", "created_at", "id"], unique=False
    )
    op.create_index(op.f("ix_transactions_character_id"), "transactions", ["character_id"], unique=False)
    op.create_index("ix_transactions_created_at_id", "transactions", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_transactions_creator_id_created_at_id", "transactions", ["creator_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_transactions_expires_at_pending",
        "transactions",
        ["expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(op.f("ix_transactions_publication_id"), "transactions", ["publication_id"], unique=False)
    op.create_index(
        "uq_transactions_buyer_id_character_id_held",
        "transactions",
        ["buyer_id", "character_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'paid', 'disputed')"),
    )
    op.create_index(
        "uq_transactions_character_id_exclusive",
        "transactions",
        ["character_id"],
        unique=True,
        postgresql_where=sa.text("license_type = 'exclusive' AND status IN ('pending', 'paid', 'disputed')"),
    )
    op.create_table(
        "character_downloads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("character_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
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
        sa.Column("price_paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("downloaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "downloaded_at IS NULL OR downloaded_at >= created_at",
            name=op.f("ck_character_downloads_downloaded_after_it_was_allowed"),
        ),
        sa.CheckConstraint("price_paid_minor >= 0", name=op.f("ck_character_downloads_price_is_not_negative")),
        sa.ForeignKeyConstraint(
            ["character_id", "version_number"],
            ["character_versions.character_id", "character_versions.version_number"],
            name="fk_character_downloads_version",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_character_downloads_character_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["transactions.id"], name=op.f("fk_character_downloads_purchase_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_character_downloads_user_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_character_downloads")),
        sa.UniqueConstraint(
            "character_id", "user_id", "version_number", name="uq_character_downloads_character_id_user_id_version"
        ),
    )
    op.create_index(op.f("ix_character_downloads_purchase_id"), "character_downloads", ["purchase_id"], unique=False)
    op.create_index(
        "ix_character_downloads_user_id_created_at",
        "character_downloads",
        ["user_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "sale",
                "release",
                "refund",
                "dispute",
                "dispute_reversal",
                "dispute_fee",
                "payout",
                "payout_reversal",
                "payout_settlement",
                "correction",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("entry_count", sa.SmallInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=True),
        sa.Column("character_id", sa.Uuid(), nullable=True),
        sa.Column("purchase_id", sa.Uuid(), nullable=True),
        sa.Column("payout_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_ledger_transactions_currency_is_iso_4217")),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 200", name=op.f("ck_ledger_transactions_key_length")),
        sa.CheckConstraint(
            "character_id IS NULL OR creator_id IS NOT NULL",
            name=op.f("ck_ledger_transactions_character_goes_with_creator"),
        ),
        sa.CheckConstraint("entry_count BETWEEN 2 AND 20", name=op.f("ck_ledger_transactions_has_two_entries_or_more")),
        sa.ForeignKeyConstraint(
            ["character_id"], ["characters.id"], name=op.f("fk_ledger_transactions_character_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name=op.f("fk_ledger_transactions_creator_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_ledger_transactions_payout_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["transactions.id"], name=op.f("fk_ledger_transactions_purchase_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("key", name="uq_ledger_transactions_key"),
    )
    op.create_index(
        "ix_ledger_transactions_character_id",
        "ledger_transactions",
        ["character_id"],
        unique=False,
        postgresql_where=sa.text("character_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_transactions_creator_id_occurred_at",
        "ledger_transactions",
        ["creator_id", "occurred_at", "id"],
        unique=False,
    )
    op.create_index("ix_ledger_transactions_occurred_at_id", "ledger_transactions", ["occurred_at", "id"], unique=False)
    op.create_index(
        "ix_ledger_transactions_payout_id",
        "ledger_transactions",
        ["payout_id"],
        unique=False,
        postgresql_where=sa.text("payout_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_transactions_purchase_id",
        "ledger_transactions",
        ["purchase_id"],
        unique=False,
        postgresql_where=sa.text("purchase_id IS NOT NULL"),
    )
    op.create_table(
        "payment_events",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=True),
        sa.Column(
            "facts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("payment_reference", sa.Text(), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "applied",
                "ignored",
                "waiting",
                "problem",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("problem", sa.Text(), server_default="", nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["transactions.id"], name=op.f("fk_payment_events_purchase_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("provider", "event_id", name=op.f("pk_payment_events")),
    )
    op.create_index(
        "ix_payment_events_problem",
        "payment_events",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("outcome = 'problem'"),
    )
    op.create_index(op.f("ix_payment_events_purchase_id"), "payment_events", ["purchase_id"], unique=False)
    op.create_index(
        "ix_payment_events_received_at_event_id", "payment_events", ["received_at", "event_id"], unique=False
    )
    op.create_index(
        "ix_payment_events_waiting",
        "payment_events",
        ["payment_reference"],
        unique=False,
        postgresql_where=sa.text("outcome = 'waiting'"),
    )
    op.create_table(
        "download_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("download_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "expires_at <= made_at + interval '10 minutes'", name=op.f("ck_download_links_lives_ten_minutes_at_most")
        ),
        sa.ForeignKeyConstraint(
            ["download_id"], ["character_downloads.id"], name=op.f("fk_download_links_download_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download_links")),
    )
    op.create_index(op.f("ix_download_links_download_id"), "download_links", ["download_id"], unique=False)
    op.create_index("ix_download_links_expires_at", "download_links", ["expires_at"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount_minor <> 0 AND abs(amount_minor) <= 1000000000000000",
            name=op.f("ck_ledger_entries_amount_moves_something"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_entries_account_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_entries_transaction_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("transaction_id", "ordinal", name=op.f("pk_ledger_entries")),
    )
    op.create_index(
        "ix_ledger_entries_account_id",
        "ledger_entries",
        ["account_id"],
        unique=False,
        postgresql_include=["amount_minor"],
    )

    op.execute(FUNCTIONS)
    for trigger in TRIGGERS:
        op.execute(trigger)
    # The studio's own role may add to the ledger and read it, no more, although it owns the tables. PostgreSQL
    # locks the row that a reference points to, for which it asks that one column may be updated; the triggers refuse it.
    for table in (*LEDGER, "creator_earnings"):
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER")
    for table in ("ledger_accounts", "ledger_transactions"):
        op.execute(f"GRANT UPDATE (id) ON {table} TO CURRENT_USER")


def downgrade() -> None:
    op.execute("DROP TRIGGER keep_exclusive_listing ON character_publications")
    op.drop_index("ix_ledger_entries_account_id", table_name="ledger_entries", postgresql_include=["amount_minor"])
    op.drop_table("ledger_entries")
    op.drop_index("ix_download_links_expires_at", table_name="download_links")
    op.drop_index(op.f("ix_download_links_download_id"), table_name="download_links")
    op.drop_table("download_links")
    op.drop_index(
        "ix_payment_events_waiting", table_name="payment_events", postgresql_where=sa.text("outcome = 'waiting'")
    )
    op.drop_index("ix_payment_events_received_at_event_id", table_name="payment_events")
    op.drop_index(op.f("ix_payment_events_purchase_id"), table_name="payment_events")
    op.drop_index(
        "ix_payment_events_problem", table_name="payment_events", postgresql_where=sa.text("outcome = 'problem'")
    )
    op.drop_table("payment_events")
    op.drop_index(
        "ix_ledger_transactions_purchase_id",
        table_name="ledger_transactions",
        postgresql_where=sa.text("purchase_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_ledger_transactions_payout_id",
        table_name="ledger_transactions",
        postgresql_where=sa.text("payout_id IS NOT NULL"),
    )
    op.drop_index("ix_ledger_transactions_occurred_at_id", table_name="ledger_transactions")
    op.drop_index("ix_ledger_transactions_creator_id_occurred_at", table_name="ledger_transactions")
    op.drop_index(
        "ix_ledger_transactions_character_id",
        table_name="ledger_transactions",
        postgresql_where=sa.text("character_id IS NOT NULL"),
    )
    op.drop_table("ledger_transactions")
    op.drop_index("ix_character_downloads_user_id_created_at", table_name="character_downloads")
    op.drop_index(op.f("ix_character_downloads_purchase_id"), table_name="character_downloads")
    op.drop_table("character_downloads")
    op.drop_index(
        "uq_transactions_character_id_exclusive",
        table_name="transactions",
        postgresql_where=sa.text("license_type = 'exclusive' AND status IN ('pending', 'paid', 'disputed')"),
    )
    op.drop_index(
        "uq_transactions_buyer_id_character_id_held",
        table_name="transactions",
        postgresql_where=sa.text("status IN ('pending', 'paid', 'disputed')"),
    )
    op.drop_index(op.f("ix_transactions_publication_id"), table_name="transactions")
    op.drop_index(
        "ix_transactions_expires_at_pending", table_name="transactions", postgresql_where=sa.text("status = 'pending'")
    )
    op.drop_index("ix_transactions_creator_id_created_at_id", table_name="transactions")
    op.drop_index("ix_transactions_created_at_id", table_name="transactions")
    op.drop_index(op.f("ix_transactions_character_id"), table_name="transactions")
    op.drop_index("ix_transactions_buyer_id_created_at_id", table_name="transactions")
    op.drop_index(
        "ix_transactions_available_at_unreleased",
        table_name="transactions",
        postgresql_where=sa.text("status = 'paid' AND released_at IS NULL"),
    )
    op.drop_table("transactions")
    op.drop_index("ix_creator_earnings_period_start_id", table_name="creator_earnings")
    op.drop_index("ix_creator_earnings_character_id", table_name="creator_earnings")
    op.drop_table("creator_earnings")
    op.drop_index(
        "uq_payouts_creator_id_currency_open",
        table_name="payouts",
        postgresql_where=sa.text("status IN ('pending', 'processing', 'held')"),
    )
    op.drop_index("ix_payouts_status_created_at", table_name="payouts")
    op.drop_index(op.f("ix_payouts_made_by_id"), table_name="payouts")
    op.drop_index("ix_payouts_creator_id_created_at_id", table_name="payouts")
    op.drop_index("ix_payouts_created_at_id", table_name="payouts")
    op.drop_table("payouts")
    op.drop_table("payout_accounts")
    op.drop_table("ledger_accounts")
    op.drop_index("ix_money_checks_checked_at_id", table_name="money_checks")
    op.drop_table("money_checks")
    op.drop_table("closed_periods")

    for name in FUNCTION_NAMES:
        op.execute(f"DROP FUNCTION {name}()")
