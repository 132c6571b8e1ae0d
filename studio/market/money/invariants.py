"""What must always be true of money, asked of PostgreSQL anew: each check is a query that finds nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import LedgerTransaction, MoneyCheck

_MOST_EACH = 20
_KEPT_FOR = timedelta(days=90)


def _posted(kind: str, *, wants: str, as_agreed: str) -> str:
    """Purchases of which the ledger has no posting of this kind and should, has one and should not, or has another one."""
    return f"""
        WITH posted AS (
            SELECT t.purchase_id,
                coalesce(sum(e.amount_minor) FILTER (WHERE a.kind = 'provider'), 0) AS provider,
                coalesce(sum(e.amount_minor) FILTER (WHERE a.kind = 'platform_revenue'), 0) AS revenue,
                coalesce(sum(e.amount_minor) FILTER (WHERE a.kind IN ('creator_pending', 'creator_available')), 0) AS creator,
                coalesce(sum(e.amount_minor) FILTER (WHERE a.kind = 'creator_available'), 0) AS available
            FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
            JOIN ledger_accounts a ON a.id = e.account_id
            WHERE t.kind = '{kind}' AND t.purchase_id IS NOT NULL GROUP BY t.purchase_id
        ), wanted AS (
            SELECT p.id, p.price_minor, p.fee_minor FROM transactions p WHERE p.price_minor > 0 AND {wants}
        )
        SELECT coalesce(p.id, posted.purchase_id)::text FROM wanted p FULL JOIN posted ON posted.purchase_id = p.id
        WHERE ({as_agreed}) IS NOT TRUE
    """  # noqa: S608 - The words just below.


CHECKS: Mapping[str, str] = {
    # Every posting has the entries that it says, in its currency, and they sum to zero.
    "unbalanced_posting": """
        SELECT t.id::text FROM ledger_transactions t
        LEFT JOIN ledger_entries e ON e.transaction_id = t.id LEFT JOIN ledger_accounts a ON a.id = e.account_id
        GROUP BY t.id
        HAVING count(e.ordinal) <> t.entry_count OR sum(e.amount_minor) <> 0 OR bool_or(a.currency <> t.currency)
    """,
    # What is read as an account's balance, brought forward and posted since, is what all its entries come to.
    "balance_differs_from_entries": """
        WITH entered AS (
            SELECT e.account_id, coalesce(p.provider, o.provider, '') AS provider,
                -coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0), 0) AS debit_minor,
                coalesce(sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), 0) AS credit_minor
            FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
            LEFT JOIN transactions p ON p.id = t.purchase_id LEFT JOIN payouts o ON o.id = t.payout_id GROUP BY 1, 2
        )
        SELECT concat_ws(' ', a.kind, a.currency, coalesce(e.provider, s.provider), a.owner_id)
        FROM entered e
        FULL JOIN ledger_standing() s ON s.account_id = e.account_id AND s.provider = e.provider
        JOIN ledger_accounts a ON a.id = coalesce(e.account_id, s.account_id)
        WHERE (e.debit_minor, e.credit_minor) IS DISTINCT FROM (s.debit_minor, s.credit_minor)
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
    # Each provider holds money for the studio, and not the studio for it. A fee in a currency that nothing was sold in is
    # settled with another currency there.
    "provider_overdrawn": """
        SELECT a.currency || ' ' || coalesce(p.provider, o.provider, '')
        FROM ledger_accounts a JOIN ledger_entries e ON e.account_id = a.id
        JOIN ledger_transactions t ON t.id = e.transaction_id
        LEFT JOIN transactions p ON p.id = t.purchase_id LEFT JOIN payouts o ON o.id = t.payout_id
        WHERE a.kind = 'provider' AND NOT (t.kind = 'dispute_fee' AND t.currency IS DISTINCT FROM p.currency)
        GROUP BY a.currency, coalesce(p.provider, o.provider, '') HAVING sum(e.amount_minor) > 0
    """,
    # Every paid purchase is in the ledger with its price, fee and net, and nothing else as a sale.
    "sale_not_in_ledger": _posted(
        "sale",
        wants="p.paid_at IS NOT NULL",
        as_agreed="(posted.provider, posted.revenue, posted.creator) = (-p.price_minor, p.fee_minor, p.price_minor - p.fee_minor)",
    ),
    # Every refunded one with its refund, of the same amounts.
    "refund_not_in_ledger": _posted(
        "refund",
        wants="p.status = 'refunded'",
        as_agreed="(posted.provider, posted.revenue, posted.creator) = (p.price_minor, -p.fee_minor, p.fee_minor - p.price_minor)",
    ),
    # What left the hold, with what its creator got. Where the fee is all of it there is nothing to leave.
    "release_not_in_ledger": _posted(
        "release",
        wants="p.released_at IS NOT NULL AND p.fee_minor < p.price_minor",
        as_agreed="(posted.creator, posted.available) = (0, p.price_minor - p.fee_minor)",
    ),
    # And disputes, each with its end: the bank has the price of what is disputed or lost, and of nothing else.
    "dispute_not_in_ledger": """
        WITH posted AS (
            SELECT t.purchase_id, count(*) FILTER (WHERE t.kind = 'dispute') AS disputes, sum(e.amount_minor) AS taken
            FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
            JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'provider'
            WHERE t.kind IN ('dispute', 'dispute_reversal') GROUP BY t.purchase_id
        ), wanted AS (
            SELECT id, dispute_count, CASE WHEN status IN ('disputed', 'lost') THEN price_minor ELSE 0 END AS taken
            FROM transactions WHERE price_minor > 0 AND (dispute_count > 0 OR status IN ('disputed', 'lost'))
        )
        SELECT coalesce(w.id, posted.purchase_id)::text FROM wanted w FULL JOIN posted ON posted.purchase_id = w.id
        WHERE coalesce(posted.disputes, 0) <> coalesce(w.dispute_count, 0)
            OR coalesce(posted.taken, 0) <> coalesce(w.taken, 0)
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
    # Each closed statement is what the ledger says of its month, and whatever the ledger says of it has one.
    "statement_differs_from_ledger": """
        WITH months AS (
            SELECT period_start, period_end FROM closed_periods WHERE closed_at >= :since
        ), said AS (
            SELECT s.* FROM creator_earnings s JOIN months USING (period_start)
        ), posted AS (
            SELECT m.period_start, t.creator_id, t.character_id, t.currency, count(*) FILTER (WHERE e.ordinal = 0) AS lines,
                coalesce(sum(e.amount_minor) FILTER (WHERE a.kind IN ('creator_pending', 'creator_available')), 0) AS net,
                coalesce(
                    sum(e.amount_minor) FILTER (WHERE a.kind = 'platform_revenue' AND t.kind <> 'correction'), 0
                ) AS fee
            FROM months m JOIN ledger_transactions t ON t.occurred_at >= m.period_start::timestamp AT TIME ZONE 'UTC'
                AND t.occurred_at < m.period_end::timestamp AT TIME ZONE 'UTC'
            JOIN ledger_entries e ON e.transaction_id = t.id JOIN ledger_accounts a ON a.id = e.account_id
            WHERE t.character_id IS NOT NULL AND t.kind IN ('sale', 'refund', 'dispute', 'dispute_reversal', 'correction')
            GROUP BY m.period_start, t.creator_id, t.character_id, t.currency
        )
        SELECT coalesce(said.id::text, posted.period_start || ' ' || posted.character_id || ' ' || posted.currency)
        FROM said FULL JOIN posted ON posted.period_start = said.period_start AND posted.creator_id = said.creator_id
            AND posted.character_id = said.character_id AND posted.currency = said.currency
        WHERE (said.line_count, said.gross_minor, said.fee_minor, said.net_minor)
            IS DISTINCT FROM (posted.lines, posted.net + posted.fee, posted.fee, posted.net)
    """,
    # And a closed month has as many as there were when it was closed, however long ago.
    "statements_are_missing": """
        SELECT c.period_start::text FROM closed_periods c
        WHERE c.closed_at IS NOT NULL
            AND c.statement_count <> (SELECT count(*) FROM creator_earnings s WHERE s.period_start = c.period_start)
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
