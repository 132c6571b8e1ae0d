"""Keeps what each account held up to a moment, so that no balance needs the whole ledger again."""

import sqlalchemy as sa
from alembic import op

revision = "0530"
down_revision = "0520"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION ledger_sums(since timestamptz, before timestamptz, one uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, provider text, debit_minor bigint, credit_minor bigint)
-- Planned for the times and the account that it is asked for: what is read is a few entries or all of them.
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY
    SELECT e.account_id, coalesce(p.provider, o.provider, ''),
        (-coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0))::bigint,
        coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0)::bigint
    FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    LEFT JOIN transactions p ON p.id = t.purchase_id LEFT JOIN payouts o ON o.id = t.payout_id
    WHERE t.occurred_at >= since AND t.occurred_at < before AND (one IS NULL OR e.account_id = one)
    GROUP BY 1, 2;
END $$;

CREATE FUNCTION ledger_standing(one uuid DEFAULT NULL)
RETURNS TABLE (account_id uuid, provider text, debit_minor bigint, credit_minor bigint)
-- One snapshot for both halves: nothing is brought forward between them.
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    since timestamptz := coalesce((SELECT f.until FROM ledger_brought_forward f), '-infinity');
BEGIN
    RETURN QUERY
    SELECT s.account_id, s.provider, sum(s.debit_minor)::bigint, sum(s.credit_minor)::bigint
    FROM (
        SELECT b.account_id, b.provider, b.debit_minor, b.credit_minor FROM ledger_balances b
        WHERE one IS NULL OR b.account_id = one
        UNION ALL SELECT * FROM ledger_sums(since, 'infinity', one)
    ) s
    GROUP BY 1, 2;
END $$;

CREATE FUNCTION bring_ledger_forward(target timestamptz, most integer) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz;
    reached timestamptz;
BEGIN
    -- Whoever posts is waited for, and waits: what is older than `until` afterwards is all there, or comes by `check_entries`.
    PERFORM pg_advisory_xact_lock(hashtext('ledger.periods'));
    SELECT f.until INTO since FROM ledger_brought_forward f FOR UPDATE;
    IF since >= target THEN RETURN since; END IF;
    SELECT t.occurred_at INTO reached FROM ledger_transactions t
    WHERE t.occurred_at >= since AND t.occurred_at < target ORDER BY t.occurred_at OFFSET most LIMIT 1;
    IF reached = since THEN
        -- More than a batch at one moment goes together.
        SELECT min(t.occurred_at) INTO reached FROM ledger_transactions t
        WHERE t.occurred_at > since AND t.occurred_at < target;
    END IF;
    reached := coalesce(reached, target);
    INSERT INTO ledger_balances AS b SELECT * FROM ledger_sums(since, reached) ORDER BY 1, 2
    ON CONFLICT (account_id, provider) DO UPDATE
        SET debit_minor = b.debit_minor + excluded.debit_minor, credit_minor = b.credit_minor + excluded.credit_minor;
    UPDATE ledger_brought_forward SET until = reached;
    RETURN reached;
END $$;
"""

CHECK_ENTRIES = """
CREATE OR REPLACE FUNCTION check_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_unbalanced boolean;
    is_late boolean;
BEGIN
    SELECT bool_or(held.entries <> t.entry_count OR held.total <> 0), bool_or(t.occurred_at < f.until)
    INTO is_unbalanced, is_late
    FROM (SELECT DISTINCT transaction_id FROM added) AS touched
    JOIN ledger_transactions t ON t.id = touched.transaction_id
    LEFT JOIN ledger_brought_forward f ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries, sum(e.amount_minor) AS total FROM ledger_entries e WHERE e.transaction_id = t.id
    ) AS held;
    IF is_unbalanced THEN
        RAISE EXCEPTION 'the entries of a posting do not balance' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF is_late THEN
        -- Of a time that is brought forward already. Nearly never: nothing is, before it is a quarter of an hour old.
        INSERT INTO ledger_balances AS b
        SELECT e.account_id, coalesce(p.provider, o.provider, ''),
            -coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0),
            coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0)
        FROM added e JOIN ledger_transactions t ON t.id = e.transaction_id JOIN ledger_brought_forward f ON t.occurred_at < f.until
        LEFT JOIN transactions p ON p.id = t.purchase_id LEFT JOIN payouts o ON o.id = t.payout_id
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (account_id, provider) DO UPDATE
            SET debit_minor = b.debit_minor + excluded.debit_minor, credit_minor = b.credit_minor + excluded.credit_minor;
    END IF;
    RETURN NULL;
END $$;
"""

FORMER_CHECK_ENTRIES = """
CREATE OR REPLACE FUNCTION check_entries() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""


def upgrade() -> None:
    op.create_table(
        "ledger_balances",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("debit_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "debit_minor >= 0 AND credit_minor >= 0", name=op.f("ck_ledger_balances_sums_are_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_balances_account_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("account_id", "provider", name=op.f("pk_ledger_balances")),
    )
    op.create_table(
        "ledger_brought_forward",
        sa.Column("is_the_only_one", sa.Boolean(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("is_the_only_one", name=op.f("ck_ledger_brought_forward_there_is_one")),
        sa.PrimaryKeyConstraint("is_the_only_one", name=op.f("pk_ledger_brought_forward")),
    )
    # Nothing yet: the first of the hourly jobs brings forward what there is, a batch at a time.
    op.execute("INSERT INTO ledger_brought_forward VALUES (true, '-infinity')")
    op.execute(FUNCTIONS)
    op.execute(CHECK_ENTRIES)


def downgrade() -> None:
    op.execute(FORMER_CHECK_ENTRIES)
    op.execute("DROP FUNCTION bring_ledger_forward(timestamptz, integer)")
    op.execute("DROP FUNCTION ledger_standing(uuid)")
    op.execute("DROP FUNCTION ledger_sums(timestamptz, timestamptz, uuid)")
    op.drop_table("ledger_brought_forward")
    op.drop_table("ledger_balances")
