"""The ledger: posting once, and everything that PostgreSQL refuses whoever asks, tried with plain SQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from studio.accounts.permissions import RoleName
from studio.kit import db
from studio.kit.db import session_scope
from studio.market.models import AccountKind, LedgerEntry, LedgerTransaction, PostingKind
from studio.market.money import bookkeeping, ledger
from studio.market.money.bookkeeping import Account, Entry, Posting
from studio.market.money.errors import OtherPostingError
from tests.factories.accounts import make_actor

PROVIDER = Account(AccountKind.PROVIDER, "USD")
REVENUE = Account(AccountKind.PLATFORM_REVENUE, "USD")


def posting(now, key="one", amount=100, **values):
    entries = values.pop("entries", (Entry(PROVIDER, -amount), Entry(REVENUE, amount)))
    return Posting(key=key, kind=PostingKind.SALE, entries=entries, occurred_at=now, **values)


def refused(session, statement, **values):
    """The statement is refused, at once or at the end of the transaction."""
    with pytest.raises((IntegrityError, ProgrammingError, DBAPIError)) as told, session.begin_nested():
        session.execute(sa.text(statement), values)
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))
    return str(told.value)


class TestPost:
    def test_makes_every_account_what_it_gains(self, session, now):
        ledger.post(session, posting(now))
        ledger.post(session, posting(now, key="two", amount=11))
        assert ledger.balance(session, REVENUE) == 111
        assert ledger.balance(session, PROVIDER) == -111

    def test_stands_once_under_its_key(self, session, now):
        first = ledger.post(session, posting(now))
        assert ledger.post(session, posting(now + timedelta(days=1))) == first
        assert ledger.balance(session, REVENUE) == 100

    def test_refuses_another_posting_under_a_key_that_is_taken(self, session, now):
        ledger.post(session, posting(now))
        with pytest.raises(OtherPostingError):
            ledger.post(session, posting(now, amount=101))

    def test_needs_one_statement(self, session, now):
        seen = []
        sa.event.listen(session.connection(), "before_cursor_execute", lambda *given: seen.append(given[2]))
        ledger.post(session, posting(now))
        assert len(seen) == 1

    def test_refuses_what_does_not_balance_before_it_asks(self, now):
        with pytest.raises(ValueError, match="does not balance"):
            posting(now, entries=(Entry(PROVIDER, -2), Entry(REVENUE, 1)))
        with pytest.raises(ValueError, match="mixes currencies"):
            posting(now, entries=(Entry(PROVIDER, -2), Entry(Account(AccountKind.PLATFORM_REVENUE, "CNY"), 2)))

    @pytest.mark.slow
    def test_a_thousand_at_once_under_one_key_post_once(self, committed_database, now):
        engine, threads, each = committed_database.engine, 10, 100
        barrier = Barrier(threads)

        def many(_):
            barrier.wait(timeout=20)
            found = set()
            for _ in range(each):
                with session_scope(engine) as session:
                    found.add(ledger.post(session, posting(now)))
            return found

        with ThreadPoolExecutor(threads) as pool:
            ids = set().union(*pool.map(many, range(threads)))
        assert len(ids) == 1
        with session_scope(engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 1
            assert ledger.balance(session, REVENUE) == 100


class TestPostgresRefuses:
    """Whatever the program does: each of these is tried with plain SQL."""

    @pytest.fixture
    def posted(self, session, now):
        made = ledger.post(session, posting(now))
        # As at the end of its transaction.
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))
        return made

    INSERT = (
        "INSERT INTO ledger_transactions (id, key, kind, currency, entry_count, occurred_at) "
        "VALUES (:id, :key, 'sale', 'USD', :count, now())"
    )
    ENTRY = "INSERT INTO ledger_entries (transaction_id, ordinal, account_id, amount_minor) VALUES (:id, :n, :account, :amount)"

    @pytest.mark.parametrize("table", ["ledger_accounts", "ledger_transactions", "ledger_entries"])
    @pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
    def test_changing_or_deleting(self, session, posted, table, statement):
        column = "account_id" if table == "ledger_entries" else "id"
        told = refused(session, statement.format(table, column))
        assert "permission denied" in told or "append-only" in told

    @pytest.mark.parametrize("table", ["ledger_accounts", "ledger_transactions", "ledger_entries", "creator_earnings"])
    def test_changing_even_with_the_privilege(self, session, posted, table):
        """Whoever owns the tables can take the privilege back; the trigger stays."""
        # Emptying one table empties what points to it.
        tables = "ledger_accounts, ledger_transactions, ledger_entries, creator_earnings"
        session.execute(sa.text(f"GRANT ALL ON {tables} TO CURRENT_USER"))
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            assert "append-only" in refused(session, statement)

    @pytest.mark.parametrize("table", ["ledger_accounts", "ledger_transactions", "ledger_entries"])
    def test_the_studios_own_role_has_no_such_privilege(self, session, table):
        for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
            assert not session.scalar(
                sa.text(
                    "SELECT EXISTS (SELECT 1 FROM pg_class, aclexplode(relacl) AS a WHERE oid = to_regclass(:table) "
                    "AND a.grantee = relowner AND a.privilege_type = :privilege)"
                ),
                {"table": table, "privilege": privilege},
            )

    def test_changes_by_the_role_that_owns_the_tables(self, committed_database, now):
        """Tests run as the studio does, by a role that is no superuser: it can post, and nothing more."""
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.text("SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user"))
            ledger.post(session, posting(now))
        for table in ("ledger_accounts", "ledger_transactions", "ledger_entries", "creator_earnings"):
            for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
                with (
                    pytest.raises(ProgrammingError, match="denied"),
                    session_scope(committed_database.engine) as session,
                ):
                    session.execute(sa.text(statement))
        with pytest.raises(ProgrammingError, match="denied"), session_scope(committed_database.engine) as session:
            session.execute(sa.text("UPDATE ledger_entries SET amount_minor = 1"))

    def test_entries_that_do_not_sum_to_zero(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            ledger.post(session, posting(now))
        made = uuid4()
        with pytest.raises(IntegrityError, match="do not balance"), session_scope(committed_database.engine) as session:
            session.execute(sa.text(self.INSERT), {"id": made, "key": "bad", "count": 2})
            session.execute(
                sa.text(self.ENTRY + ", (:id, 2, :other, 99)"),
                {"id": made, "n": 1, "account": PROVIDER.id, "amount": -100, "other": REVENUE.id},
            )

    def test_a_posting_without_entries_at_the_end_of_the_transaction(self, committed_database):
        with (
            pytest.raises(IntegrityError, match="does not balance"),
            session_scope(committed_database.engine) as session,
        ):
            session.execute(sa.text(self.INSERT), {"id": uuid4(), "key": "empty", "count": 2})

    def test_entries_added_to_a_posting_later(self, session, posted):
        told = refused(
            session,
            self.ENTRY + ", (:id, 9, :account, -:amount)",
            id=posted, n=8, account=REVENUE.id, amount=5,
        )  # fmt: skip
        assert "do not balance" in told

    def test_two_currencies_in_one_posting(self, session, now):
        ledger.post(session, posting(now))
        yuan = Account(AccountKind.PROVIDER, "CNY")
        ledger.post(
            session,
            posting(now, key="yuan", entries=(Entry(yuan, -5), Entry(Account(AccountKind.PLATFORM_REVENUE, "CNY"), 5))),
        )
        made = uuid4()
        session.execute(sa.text(self.INSERT), {"id": made, "key": "mixed", "count": 2})
        told = refused(
            session,
            self.ENTRY + ", (:id, 2, :other, 100)",
            id=made, n=1, account=yuan.id, amount=-100, other=REVENUE.id,
        )  # fmt: skip
        assert "does not balance" in told

    def test_a_second_posting_under_a_key(self, session, posted):
        assert "uq_ledger_transactions_key" in refused(session, self.INSERT, id=uuid4(), key="one", count=2)

    def test_an_entry_of_nothing(self, session, posted):
        told = refused(session, self.ENTRY, id=posted, n=5, account=REVENUE.id, amount=0)
        assert "amount_moves_something" in told

    def test_a_creators_account_without_a_creator(self, session):
        told = refused(
            session,
            "INSERT INTO ledger_accounts (id, kind, currency) VALUES (gen_random_uuid(), 'creator_pending', 'USD')",
        )
        assert "creators_have_owners" in told

    def test_two_accounts_of_one_kind_and_owner(self, session, posted):
        told = refused(
            session, "INSERT INTO ledger_accounts (id, kind, currency) VALUES (gen_random_uuid(), 'provider', 'USD')"
        )
        assert "uq_ledger_accounts" in told

    def test_a_posting_into_a_closed_month(self, session, now):
        session.execute(
            sa.text("INSERT INTO closed_periods (period_start, period_end, sealed_at) VALUES (:start, :end, now())"),
            {"start": date(2026, 10, 1), "end": date(2026, 11, 1)},
        )
        with pytest.raises(IntegrityError, match="is closed"), session.begin_nested():
            ledger.post(session, posting(now - timedelta(days=30)))
        assert ledger.post(session, posting(now))

    def test_deleting_a_person_who_earned(self, session, now):
        creator = make_actor(session, RoleName.CREATOR)
        ledger.post(
            session,
            bookkeeping.correction(
                key="x", creator_id=creator.user_id, character_id=None, currency="USD", amount_minor=5, note="", at=now
            ),
        )
        assert "ledger" in refused(session, "DELETE FROM users WHERE id = :id", id=creator.user_id)


class TestBalances:
    def test_of_a_creator_are_by_currency(self, session, now):
        creator = make_actor(session, RoleName.CREATOR)
        for currency, amount in (("USD", 500), ("CNY", 70)):
            ledger.post(
                session,
                bookkeeping.correction(
                    key=currency,
                    creator_id=creator.user_id,
                    character_id=None,
                    currency=currency,
                    amount_minor=amount,
                    note="",
                    at=now,
                ),
            )
        held = ledger.balances_of(session, creator_id=creator.user_id)
        assert {currency: one.available_minor for currency, one in held.items()} == {"USD": 500, "CNY": 70}

    def test_of_a_trial_balance_are_equal_in_each_currency(self, session, now):
        ledger.post(session, posting(now))
        ledger.post(session, posting(now, key="two", amount=7))
        lines = ledger.trial_balance(session)
        assert sum(line.debit_minor for line in lines) == sum(line.credit_minor for line in lines) == 107


def test_a_rolled_back_posting_leaves_nothing(committed_database, now):
    with Session(committed_database.engine) as session:
        ledger.post(session, posting(now))
        session.rollback()
    with db.session_scope(committed_database.engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerEntry)) == 0
