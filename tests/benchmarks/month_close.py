"""Closing a month of a million sales and checking all of them: how quickly, and that memory does not grow with them."""

import time
from datetime import UTC, date, datetime
from uuid import UUID

import psutil
import sqlalchemy as sa

from studio.kit.db import session_scope
from studio.market.models import AccountKind
from studio.market.money import invariants, statements
from studio.market.money.bookkeeping import Account
from studio.market.money.statements import Period
from tests.benchmarks.harness import Context, Result
from tests.benchmarks.rows import add_characters, add_people
from tests.benchmarks.servers import Servers, servers

GROWTH_GOAL = 24.0
"""Megabytes that closing ten times as many sales may take beyond what closing the tenth of them took."""


def run(context: Context) -> list[Result]:
    """A month of a tenth of the sales first, then one of all of them, and the naive sums beside both."""
    count = context.size(1_000_000, 5_000)
    with servers(context.folder) as here:
        _, creators = add_people(here, 200)
        add_characters(here, 400, owners=creators)
        periods = {count // 10: Period.of(date(2026, 9, 1)), count: Period.of(date(2026, 10, 1))}
        for sales, period in periods.items():
            with context.step(f"{sales:,} sales"):
                _sell(here, sales, period)
        peaks, seconds = [], 0.0
        for sales, period in periods.items():
            began = time.perf_counter()
            made, grown = _close(here, period)
            seconds = time.perf_counter() - began
            peaks.append(grown)
            context.say(f"{sales:,} sales: {made} statements in {seconds:.1f} s, {grown:.0f} MB on top")
            _must_equal_the_naive_sums(here, period)
        checks = _check(here, sum(periods))
    return [
        Result(f"a month of {count:,} sales closed", "sales/s", count / seconds),
        checks,
        Result(
            f"memory to close {count:,} sales beyond that for {count // 10:,}",
            "MB",
            peaks[1] - peaks[0],
            goal=GROWTH_GOAL,
            at_most=True,
        ),
    ]


def _close(here: Servers, period: Period) -> tuple[int, float]:
    """How many statements there are, and by how many megabytes the process grew while they were made."""
    now = datetime(2026, 11, 2, tzinfo=UTC)
    process = psutil.Process()
    before = process.memory_info().rss
    most = before

    def look(_done: int) -> None:
        nonlocal most
        most = max(most, process.memory_info().rss)

    with session_scope(here.engine) as session:
        statements.seal(session, period=period, now=now)
    with session_scope(here.engine) as session:
        made = statements.close(session, period=period, now=now, on_progress=look)
    look(made)
    return made, (most - before) / 1e6


def _check(here: Servers, sales: int) -> Result:
    """The hourly checks over all that was sold, beside one reading of the ledger for the balance of each account."""
    now = datetime(2026, 11, 2, tzinfo=UTC)
    balances = sa.text("SELECT account_id, sum(amount_minor) FROM ledger_entries GROUP BY account_id")
    with session_scope(here.engine) as session:
        began = time.perf_counter()
        session.execute(balances).all()
        read = time.perf_counter() - began
        began = time.perf_counter()
        found = invariants.check(session, now=now)
        took = time.perf_counter() - began
    if found.finding_count:
        raise RuntimeError(f"The checks found {found.findings} in books that are in order.")
    return Result(
        f"all money of {sales:,} sales checked",
        "s",
        took,
        peer=read,
        peer_name="one reading of the ledger",
    )


def _sell(here: Servers, count: int, period: Period) -> None:
    """Sales of 4.99 spread over the month and all characters, in the order of their time, as months come to be.

    They are written past the triggers, since what is measured comes later, and looked through afterwards as those would have.
    Their ids are UUIDs of version 7 as the studio's are: rows and indexes grow at one end, which is what makes this quick.
    """
    provider = Account(AccountKind.PROVIDER, "USD")
    revenue = Account(AccountKind.PLATFORM_REVENUE, "USD")
    with here.engine.connect() as connection:
        owners: list[UUID] = list(connection.scalars(sa.text("SELECT DISTINCT owner_id FROM characters")))
    pending = {owner: Account(AccountKind.CREATOR_PENDING, "USD", owner) for owner in owners}
    with here.admin() as connection:
        connection.execute("SET session_replication_role = replica")
        for account in (provider, revenue, *pending.values()):
            connection.execute(
                "INSERT INTO ledger_accounts (id, kind, owner_id, currency) VALUES (%s, %s, %s, 'USD') ON CONFLICT DO NOTHING",
                (account.id, account.kind.value, account.owner_id),
            )
        connection.execute(
            """
            CREATE TEMP TABLE sold AS
            SELECT uuidv7() AS id, c.id AS character_id, c.owner_id AS creator_id, c.account_id,
                %s::timestamptz + n * interval '1 second' * (28 * 86400.0 / %s) AS at
            FROM generate_series(1, %s) AS n
            JOIN (
                SELECT c.id, c.owner_id, a.id AS account_id,
                    row_number() OVER (ORDER BY c.id) AS place, count(*) OVER () AS many
                FROM characters c JOIN ledger_accounts a ON a.owner_id = c.owner_id AND a.kind = 'creator_pending'
            ) c ON c.place = 1 + n %% c.many
            """,
            (period.begins_at, count, count),
        )
        connection.execute(
            """
            INSERT INTO transactions
                (id, buyer_id, creator_id, publication_id, character_id, version_number, title, license_type, price_minor,
                currency, fee_bps, fee_minor, status, idempotency_key, provider, created_at, expires_at, paid_at, available_at)
            SELECT id, uuidv7(), creator_id, uuidv7(), character_id, 1, 'sold', 'premium', 499,
                'USD', 1500, 74, 'paid', id::text, 'local', at, at + interval '30 minutes', at, at + interval '7 days' FROM sold
            """
        )
        connection.execute(
            "INSERT INTO ledger_transactions "
            "(id, key, kind, currency, entry_count, occurred_at, creator_id, character_id, purchase_id) "
            "SELECT uuidv7(), 'sale:' || id, 'sale', 'USD', 3, at, creator_id, character_id, id FROM sold ORDER BY at"
        )
        connection.execute(
            """
            INSERT INTO ledger_entries (transaction_id, ordinal, account_id, amount_minor)
            SELECT posted.id, entry.ordinal, entry.account_id, entry.amount_minor FROM sold
            JOIN ledger_transactions posted ON posted.purchase_id = sold.id
            CROSS JOIN LATERAL (VALUES (0, %s::uuid, -499), (1, sold.account_id, 425), (2, %s::uuid, 74))
                AS entry (ordinal, account_id, amount_minor)
            """,
            (provider.id, revenue.id),
        )
        connection.execute("DROP TABLE sold")
        connection.execute("ANALYZE transactions, ledger_transactions, ledger_entries, ledger_accounts")
    _must_balance(here, count, period)


def _must_balance(here: Servers, count: int, period: Period) -> None:
    """What the triggers would have refused: an entry too many or too few, and a posting that does not sum to zero."""
    query = sa.text(
        "SELECT count(*) FROM (SELECT t.id FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id "
        "JOIN ledger_accounts a ON a.id = e.account_id AND a.currency = t.currency "
        "WHERE t.occurred_at >= :start AND t.occurred_at < :end "
        "GROUP BY t.id HAVING count(*) = t.entry_count AND sum(e.amount_minor) = 0) AS sound"
    )
    with here.engine.connect() as connection:
        sound = connection.execute(query, {"start": period.begins_at, "end": period.ends_at}).scalar_one()
    if sound != count:
        raise RuntimeError(f"Of {count} sales that were written, {sound} are sound.")


def _must_equal_the_naive_sums(here: Servers, period: Period) -> None:
    naive = sa.text(
        "SELECT creator_id, character_id, count(*), 499 * count(*), 74 * count(*) FROM ledger_transactions "
        "WHERE occurred_at >= :start AND occurred_at < :end GROUP BY 1, 2 ORDER BY 1, 2"
    )
    closed = sa.text(
        "SELECT creator_id, character_id, line_count, gross_minor, fee_minor FROM creator_earnings "
        "WHERE period_start = :period ORDER BY 1, 2"
    )
    with here.engine.connect() as connection:
        expected = connection.execute(naive, {"start": period.begins_at, "end": period.ends_at}).all()
        found = connection.execute(closed, {"period": period.start}).all()
    if [tuple(row) for row in expected] != [tuple(row) for row in found]:
        raise RuntimeError("The statements are not what a naive recomputation gives.")
