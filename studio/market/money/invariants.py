"""What must always be true of money, asked of PostgreSQL anew: each check is a query that finds nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import LedgerTransaction, MoneyCheck

_MOST_EACH = 20
_KEPT_FOR = timedelta(days=90)

CHECKS: Mapping[str, str] = {
    # Every posting has the entries that it says, in its currency, and they sum to zero.
    "unbalanced_posting": """
        SELECT t.id::text FROM ledger_transactions t
        LEFT JOIN ledger_entries e ON e.transaction_id = t.id LEFT JOIN ledger_accounts a ON a.id = e.account_id
        GROUP BY t.id
        HAVING count(e.ordinal) <> t.entry_count OR sum(e.amount_minor) <> 0 OR bool_or(a.currency <> t.currency)
    """,
    # What creators' holds keep back is what their paid and unreleased purchases come to.
    "pending_differs_from_sales": """
        WITH held AS (
            SELECT a.owner_id, a.currency, sum(e.amount_minor) AS amount
            FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
            WHERE a.kind = 'creator_pending' GROUP BY a.owner_id, a.currency
        ), sold AS (
            SELECT creator_id AS owner_id, currency, sum(price_minor - fee_minor) AS amount
            FROM transactions WHERE status = 'paid' AND released_at IS NULL GROUP BY creator_id, currency
        )
        SELECT coalesce(h.owner_id, s.owner_id)::text || ' ' || coalesce(h.currency, s.currency)
        FROM held h FULL JOIN sold s ON s.owner_id = h.owner_id AND s.currency = h.currency
        WHERE coalesce(h.amount, 0) <> coalesce(s.amount, 0)
    """,
    # What is in transit is what open payouts come to.
    "transit_differs_from_payouts": """
        WITH moving AS (
            SELECT a.currency, sum(e.amount_minor) AS amount
            FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
            WHERE a.kind = 'payouts_in_transit' GROUP BY a.currency
        ), wanted AS (
            SELECT currency, sum(amount_minor) AS amount FROM payouts
            WHERE status IN ('pending', 'processing', 'held') GROUP BY currency
        )
        SELECT coalesce(m.currency, w.currency) FROM moving m FULL JOIN wanted w ON w.currency = m.currency
        WHERE coalesce(m.amount, 0) <> coalesce(w.amount, 0)
    """,
    # The provider holds money for the studio, and not the studio for the provider.
    "provider_overdrawn": """
        SELECT a.currency FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
        WHERE a.kind = 'provider' GROUP BY a.currency HAVING sum(e.amount_minor) > 0
    """,
    # Every paid purchase is in the ledger with its price.
    "sale_not_in_ledger": """
        SELECT p.id::text FROM transactions p
        LEFT JOIN ledger_transactions t ON t.key = 'sale:' || p.id
        LEFT JOIN LATERAL (
            SELECT -sum(e.amount_minor) AS price FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
            WHERE e.transaction_id = t.id AND a.kind = 'provider'
        ) AS posted ON true
        WHERE p.paid_at IS NOT NULL AND p.price_minor > 0 AND posted.price IS DISTINCT FROM p.price_minor
    """,
    # And every refunded one with its refund.
    "refund_not_in_ledger": """
        SELECT p.id::text FROM transactions p
        WHERE p.status = 'refunded' AND p.price_minor > 0
            AND NOT EXISTS (SELECT 1 FROM ledger_transactions t WHERE t.key = 'refund:' || p.id)
    """,
    # A payout is in the ledger when it is made, settled when it is paid, given back when it failed or was called off.
    "payout_not_in_ledger": """
        SELECT p.id::text FROM payouts p
        LEFT JOIN ledger_transactions made ON made.key = 'payout:' || p.id
        LEFT JOIN ledger_transactions settled ON settled.key = 'payout_settlement:' || p.id
        LEFT JOIN ledger_transactions reversed ON reversed.key = 'payout_reversal:' || p.id
        WHERE made.id IS NULL OR (p.status = 'paid') <> (settled.id IS NOT NULL)
            OR (p.status IN ('failed', 'cancelled')) <> (reversed.id IS NOT NULL)
    """,
    # A closed statement is what the ledger says of its month.
    "statement_differs_from_ledger": """
        WITH said AS (
            SELECT s.id, s.net_minor, s.fee_minor, (
                SELECT coalesce(sum(e.amount_minor) FILTER (WHERE a.kind IN ('creator_pending', 'creator_available')), 0)
                FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
                JOIN ledger_accounts a ON a.id = e.account_id
                WHERE t.creator_id = s.creator_id AND t.character_id = s.character_id AND t.currency = s.currency
                    AND t.kind IN ('sale', 'refund', 'dispute', 'dispute_reversal', 'correction')
                    AND t.occurred_at >= s.period_start::timestamp AT TIME ZONE 'UTC'
                    AND t.occurred_at < s.period_end::timestamp AT TIME ZONE 'UTC'
            ) AS net FROM creator_earnings s WHERE s.closed_at >= :since
        )
        SELECT id::text FROM said WHERE net <> net_minor
    """,
    # What was sold exclusively is not on the market.
    "exclusive_on_the_market": """
        SELECT t.id::text FROM transactions t JOIN character_publications p ON p.character_id = t.character_id
        WHERE t.license_type = 'exclusive' AND t.status IN ('paid', 'disputed') AND p.status = 'approved'
    """,
    # What a provider told in advance is applied within a day.
    "event_waits_for_a_day": """
        SELECT provider || ' ' || event_id FROM payment_events
        WHERE outcome = 'waiting' AND received_at < :yesterday
    """,
}
"""Each check's name and the query that lists what breaks it."""


def check(session: Session, *, now: datetime) -> MoneyCheck:
    """All money is checked anew; what was found is kept, and with a finding staff are alarmed until a check finds none."""
    findings: list[dict[str, Any]] = []
    count = 0
    for name, query in CHECKS.items():
        about: Sequence[str] = session.scalars(
            sa.text(f"SELECT * FROM ({query}) AS found (about) LIMIT {_MOST_EACH}"),  # noqa: S608 - The queries above.
            {
                key: value
                for key, value in {"since": now - _KEPT_FOR, "yesterday": now - timedelta(days=1)}.items()
                if f":{key}" in query
            },
        ).all()
        count += len(about)
        findings += [{"check": name, "about": one} for one in about]
    made = MoneyCheck(
        checked_at=now,
        transaction_count=session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) or 0,
        finding_count=count,
        findings=findings[:100],
    )
    session.add(made)
    session.execute(sa.delete(MoneyCheck).where(MoneyCheck.checked_at < now - _KEPT_FOR))
    session.flush()
    return made
