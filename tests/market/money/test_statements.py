"""Statements: closed once, equal to a naive recomputation, hashed, never changed; and the checks that find a planted error."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.kit.errors import NotFoundError
from studio.market.models import ClosedPeriod, CreatorEarnings, LicenseType, Purchase
from studio.market.money import bookkeeping, invariants, ledger, purchases, statements
from studio.market.money.errors import PeriodNotOverError, StatementBrokenError
from studio.market.money.statements import Period
from studio.providers.payments import EventKind
from tests.factories.accounts import make_actor
from tests.factories.money import begin, buy, make_offer, tell
from tests.threads import at_once

NOVEMBER = Period.of(date(2025, 11, 22))
AFTER = datetime(2025, 12, 1, 3, tzinfo=UTC)


@pytest.fixture
def now():
    """In a month that is over by every clock."""
    return datetime(2025, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture
def month(session, creator, other_creator, now):
    """A month in which two creators sell three characters in two currencies; some of it goes back."""
    offers = [
        make_offer(session, owner=creator, now=now, price=499),
        make_offer(session, owner=creator, now=now, price=3000, currency="CNY"),
        make_offer(session, owner=other_creator, now=now, price=1),
    ]
    bought = []
    for place, offer in enumerate(offers):
        for number in range(4):
            at = now + timedelta(hours=number + place)
            bought.append(buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=at))
    purchases.refunded(session, bought[0], now=now + timedelta(days=1))
    tell(session, bought[1], EventKind.DISPUTED, now=now + timedelta(days=1))
    tell(session, bought[5], EventKind.DISPUTED, now=now + timedelta(days=1))
    tell(session, bought[5], EventKind.DISPUTE_WON, now=now + timedelta(days=2))
    return bought


def somebody_waits(engine):
    """Whether a transaction of this database waits for another one's advisory lock."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
        "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)"
    )
    with engine.connect() as connection:
        return connection.scalar(sa.text(query))


def closed(session, period=NOVEMBER, now=AFTER):
    statements.seal(session, period=period, now=now)
    return statements.close(session, period=period, now=now)


class TestClosing:
    def test_equals_a_naive_recomputation(self, session, month):
        naive = defaultdict(lambda: [0, 0])
        for purchase in session.scalars(sa.select(Purchase)):
            if purchase.status in {"paid", "refunded", "disputed"}:
                key = (purchase.creator_id, purchase.character_id, purchase.currency)
                counts = purchase.status == "paid"
                naive[key][0] += purchase.price_minor * counts
                naive[key][1] += purchase.fee_minor * counts
        assert closed(session) == 3
        found = {
            (one.creator_id, one.character_id, one.currency): [one.gross_minor, one.fee_minor]
            for one in session.scalars(sa.select(CreatorEarnings))
        }
        assert found == dict(naive)

    def test_twice_changes_nothing(self, session, month):
        closed(session)
        before = session.scalars(sa.select(CreatorEarnings.content_hash).order_by(CreatorEarnings.id)).all()
        assert closed(session, now=AFTER + timedelta(days=1)) == 3
        assert session.scalars(sa.select(CreatorEarnings.content_hash).order_by(CreatorEarnings.id)).all() == before

    def test_before_the_month_is_over_is_refused(self, session, month):
        with pytest.raises(PeriodNotOverError):
            statements.seal(session, period=NOVEMBER, now=datetime(2025, 12, 1, 0, 59, tzinfo=UTC))

    def test_of_the_running_month_is_refused_whatever_the_callers_clock_says(self, session, creator):
        running = utc_now()
        buy(
            session,
            buyer=make_actor(session, RoleName.CREATOR),
            offer=make_offer(session, owner=creator, now=running),
            now=running,
        )
        ahead = running + timedelta(days=40)
        assert statements.next_to_close(session, now=ahead) is None
        with pytest.raises(PeriodNotOverError):
            statements.seal(session, period=Period.of(running.date()), now=ahead)

    def test_waits_for_a_posting_under_way_and_has_it(self, committed_database, now):
        """Whose transaction began in time, and whose commit comes late."""
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            offer = make_offer(session, owner=owner, now=now)
            sold = begin(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)
        posted, closed_ = Event(), Event()

        def post(session):
            tell(session, session.get_one(Purchase, sold.id), EventKind.PAID, now=now)
            posted.set()
            while not closed_.is_set() and not somebody_waits(committed_database.engine):
                pass

        def close_month(_session):
            assert posted.wait(timeout=10)
            try:
                with session_scope(committed_database.engine) as session:
                    statements.seal(session, period=NOVEMBER, now=AFTER)
                with session_scope(committed_database.engine) as session:
                    return statements.close(session, period=NOVEMBER, now=AFTER)
            finally:
                closed_.set()

        assert at_once(committed_database.engine, post, close_month) == [None, 1]
        with session_scope(committed_database.engine) as session:
            assert invariants.check(session, now=AFTER).findings == []

    def test_leaves_a_correction_to_the_next_month(self, session, creator, month):
        closed(session)
        character_id = month[0].character_id
        correct = {"key": "c", "creator_id": creator.user_id, "character_id": character_id, "currency": "USD",
                   "amount_minor": 10, "note": "forgotten"}  # fmt: skip
        with pytest.raises(IntegrityError, match="is closed"), session.begin_nested():
            ledger.post(session, bookkeeping.correction(**correct, at=AFTER - timedelta(days=5)))
        ledger.post(session, bookkeeping.correction(**correct, at=AFTER))
        december = Period.of(date(2025, 12, 1))
        assert closed(session, period=december, now=datetime(2026, 1, 2, tzinfo=UTC)) == 1
        [later] = session.scalars(
            sa.select(CreatorEarnings).where(CreatorEarnings.period_start == december.start)
        ).all()
        assert (later.gross_minor, later.fee_minor, later.net_minor) == (10, 0, 10)

    def test_finds_the_months_that_are_due_in_their_order(self, session, month, now):
        assert statements.next_to_close(session, now=now) is None
        assert statements.next_to_close(session, now=AFTER) == NOVEMBER
        # Sealed and then lost: it is the next one still.
        statements.seal(session, period=NOVEMBER, now=AFTER)
        assert statements.next_to_close(session, now=AFTER) == NOVEMBER
        closed(session)
        assert statements.next_to_close(session, now=AFTER) is None
        assert statements.next_to_close(session, now=AFTER + timedelta(days=60)) == Period.of(date(2025, 12, 1))

    def test_of_a_month_without_sales_has_no_statements(self, session):
        assert closed(session) == 0
        assert session.scalars(sa.select(ClosedPeriod.statement_count)).one() == 0


class TestStatement:
    def test_gives_its_hash_again_from_its_lines(self, session, month):
        closed(session)
        for statement in session.scalars(sa.select(CreatorEarnings)).all():
            statements.verify(session, statement)

    def test_says_what_was_carried_over(self, session, creator, month, now):
        before = now - timedelta(days=60)
        offer = make_offer(session, owner=creator, now=before, price=1000)
        sold = buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=before)
        purchases.release_due(session, now=now - timedelta(days=40))
        ledger.post(
            session,
            bookkeeping.payout(
                payout_id=None,
                creator_id=creator.user_id,
                currency="USD",
                amount_minor=850,
                at=now - timedelta(days=39),
            ),
        )
        purchases.refunded(session, sold, now=now - timedelta(days=38))
        closed(session)
        mine = sa.select(CreatorEarnings).where(
            CreatorEarnings.creator_id == creator.user_id, CreatorEarnings.currency == "USD"
        )
        carried = statements.carried(session, session.scalars(mine.limit(1)).one())
        # Refunded after it was paid out; of four sales of 4.25 (4.99 less the fee) in the month two came to nothing.
        assert (carried.before_minor, carried.after_minor) == (-850, -850 + 2 * 425)

    def test_whose_lines_were_tampered_with_is_told(self, session, month):
        closed(session)
        tamper(session, "UPDATE ledger_entries SET amount_minor = amount_minor * 2")
        statement = session.scalars(sa.select(CreatorEarnings).limit(1)).one()
        with pytest.raises(StatementBrokenError):
            statements.verify(session, statement)

    def test_is_for_its_creator_and_staff(self, session, creator, other_creator, staff, moderator, month):
        closed(session)
        mine = session.scalars(
            sa.select(CreatorEarnings).where(CreatorEarnings.creator_id == creator.user_id).limit(1)
        ).one()
        for who in (creator, staff):
            assert statements.get_statement(session, actor=who, statement_id=mine.id) is mine
        for who in (other_creator, moderator):
            with pytest.raises(NotFoundError):
                statements.get_statement(session, actor=who, statement_id=mine.id)

    @pytest.mark.parametrize("change", ["UPDATE creator_earnings SET net_minor = 1", "DELETE FROM creator_earnings"])
    def test_cannot_be_changed(self, session, month, change):
        closed(session)
        with pytest.raises((IntegrityError, ProgrammingError)), session.begin_nested():
            session.execute(sa.text(change))


def tamper(session, statement):
    """As somebody with all power over the database would, past every trigger."""
    tables = ("ledger_entries", "ledger_transactions", "transactions", "creator_earnings", "payouts")
    session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET session_replication_role = replica"))
    session.execute(sa.text(f"GRANT ALL ON {', '.join(tables)} TO CURRENT_USER"))
    session.execute(sa.text(statement))
    session.execute(sa.text("SET session_replication_role = DEFAULT"))


class TestChecks:
    def test_find_nothing_in_order(self, session, month):
        assert invariants.check(session, now=AFTER).finding_count == 0
        closed(session)
        found = invariants.check(session, now=AFTER)
        assert (found.finding_count, found.findings) == (0, [])
        assert found.transaction_count > 12

    @pytest.mark.parametrize(
        ("planted", "check"),
        [
            ("UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE amount_minor > 5", "unbalanced_posting"),
            ("DELETE FROM ledger_entries WHERE ordinal = 1", "unbalanced_posting"),
            ("DELETE FROM ledger_transactions WHERE kind = 'refund'", "refund_not_in_ledger"),
            ("UPDATE transactions SET price_minor = price_minor + 1, fee_minor = fee_minor + 1", "sale_not_in_ledger"),
            ("UPDATE transactions SET fee_minor = 0 WHERE price_minor > 100", "pending_differs_from_sales"),
            (
                "UPDATE creator_earnings SET net_minor = net_minor + 1, gross_minor = gross_minor + 1",
                "statement_differs_from_ledger",
            ),
        ],
    )
    def test_find_a_planted_error(self, session, month, planted, check):
        closed(session)
        tamper(session, planted)
        found = invariants.check(session, now=AFTER)
        assert check in {one["check"] for one in found.findings}

    def test_find_an_exclusive_that_is_on_the_market(self, session, creator, month, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)
        tamper(session, f"UPDATE character_publications SET status = 'approved' WHERE id = '{offer.id}'")
        assert {one["check"] for one in invariants.check(session, now=now).findings} == {"exclusive_on_the_market"}

    def test_find_a_payout_without_its_posting(self, session, creator, now):
        tamper(
            session,
            "INSERT INTO payouts (id, batch_key, creator_id, currency, amount_minor, status, provider) "
            f"VALUES (gen_random_uuid(), 'x', '{creator.user_id}', 'USD', 5, 'held', 'local')",
        )
        assert {one["check"] for one in invariants.check(session, now=now).findings} == {
            "payout_not_in_ledger",
            "transit_differs_from_payouts",
        }

    def test_find_an_event_that_waits_for_a_day(self, session, creator, now):
        purchase = begin(
            session,
            buyer=make_actor(session, RoleName.CREATOR),
            offer=make_offer(session, owner=creator, now=now),
            now=now,
        )
        tell(session, purchase, EventKind.DISPUTED, now=now)
        assert invariants.check(session, now=now).finding_count == 0
        assert invariants.check(session, now=now + timedelta(days=2)).findings[0]["check"] == "event_waits_for_a_day"
