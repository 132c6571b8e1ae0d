"""What accounts hold is read from balances that PostgreSQL brings forward, and is what all entries come to, whoever posts when."""

from datetime import timedelta
from itertools import count

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.market.models import AccountKind, LedgerBalance, LedgerEntry, PostingKind
from studio.market.money import invariants, ledger, purchases
from studio.market.money.bookkeeping import Account, Entry, Posting
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, begin, buy, make_offer
from tests.threads import at_once

PROVIDER = Account(AccountKind.PROVIDER, "USD")
REVENUE = Account(AccountKind.PLATFORM_REVENUE, "USD")
keys = count()


def post(session, *, at, amount=100):
    entries = (Entry(PROVIDER, -amount), Entry(REVENUE, amount))
    return ledger.post(session, Posting(key=f"{next(keys)}", kind=PostingKind.SALE, entries=entries, occurred_at=at))


def drifted(session, now):
    found = invariants.check(session, now=now).findings
    return [one["about"] for one in found if one["check"] == "balance_differs_from_entries"]


def kept(session):
    """What is brought forward of the provider's account, whoever sold."""
    held = sa.select(sa.func.sum(LedgerBalance.credit_minor - LedgerBalance.debit_minor))
    return int(session.scalar(held.where(LedgerBalance.account_id == PROVIDER.id)) or 0)


class TestBringForward:
    def test_changes_no_balance_before_during_and_after(self, session, now):
        for hours in (5, 4, 3, 0):
            post(session, at=now - timedelta(hours=hours))
        assert (kept(session), ledger.balance(session, PROVIDER)) == (0, -400)
        assert ledger.bring_forward(session, now=now) is False
        # What is younger than a quarter of an hour is read from its entries still.
        assert (kept(session), ledger.balance(session, PROVIDER)) == (-300, -400)
        # What comes for a time that is brought forward is added by PostgreSQL itself, once.
        post(session, at=now - timedelta(hours=6), amount=7)
        assert (kept(session), ledger.balance(session, PROVIDER)) == (-307, -407)
        assert ledger.bring_forward(session, now=now) is False
        assert ledger.bring_forward(session, now=now + timedelta(hours=1)) is False
        assert (kept(session), ledger.balance(session, PROVIDER)) == (-407, -407)
        assert sum(line.balance_minor for line in ledger.trial_balance(session)) == 0
        assert drifted(session, now) == []

    def test_goes_a_batch_at_a_time(self, session, now, monkeypatch):
        monkeypatch.setattr(ledger, "_MOST_FORWARD", 2)
        for hours in (5, 4, 3, 3, 3, 1):
            post(session, at=now - timedelta(hours=hours))
        steps = []
        while ledger.bring_forward(session, now=now):
            steps.append(kept(session))
        assert steps == [-200, -500]
        assert kept(session) == ledger.balance(session, PROVIDER) == -600

    def test_waits_for_postgresqls_clock(self, session):
        present = utc_now()
        post(session, at=present)
        ledger.bring_forward(session, now=present + timedelta(days=400))
        assert (kept(session), ledger.balance(session, PROVIDER)) == (0, -100)

    def test_keeps_each_provider_apart(self, session, now):
        creator = make_actor(session, RoleName.CREATOR)
        offer = make_offer(session, owner=creator, now=now, price=4000)
        for provider in ("local", "stripe", "stripe"):
            sold = begin(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now, provider=provider)
            purchases.complete(session, sold, policy=POLICY, now=now)
        before = ledger.trial_balance(session, provider="stripe")
        ledger.bring_forward(session, now=now + timedelta(hours=1))
        assert ledger.trial_balance(session, provider="stripe") == before
        assert [ledger.balance(session, PROVIDER, provider=one) for one in ("local", "stripe")] == [-4000, -8000]
        purchases.refunded(session, sold, now=now)
        assert [ledger.balance(session, PROVIDER, provider=one) for one in ("local", "stripe")] == [-4000, -4000]
        assert drifted(session, now) == []

    def test_misses_nothing_and_counts_nothing_twice_while_others_post(self, committed_database):
        now, engine = utc_now(), committed_database.engine

        def posting(session):
            for n in range(10):
                # Some for times that are brought forward meanwhile.
                post(session, at=now - timedelta(minutes=n * 5))

        def forward(session):
            ledger.bring_forward(session, now=now)

        def reading(session):
            return {ledger.balance(session, PROVIDER) % 1000 for _ in range(20)}

        for _ in range(4):
            *_rest, seen = at_once(engine, posting, forward, posting, forward, reading)
            assert seen == {0}
        with session_scope(engine) as session:
            assert ledger.balance(session, PROVIDER) == -8000
            assert session.scalar(sa.select(sa.func.sum(LedgerEntry.amount_minor))) == 0
            assert drifted(session, now) == []


@pytest.mark.parametrize(
    "planted",
    [
        "UPDATE ledger_balances SET credit_minor = credit_minor + 1 WHERE credit_minor > 0",
        "DELETE FROM ledger_balances WHERE provider = 'local'",
        "UPDATE ledger_brought_forward SET until = '-infinity'",
        "UPDATE ledger_balances SET provider = 'stripe'",
    ],
)
def test_a_balance_that_drifted_is_found_and_named(session, now, planted):
    creator = make_actor(session, RoleName.CREATOR)
    offer = make_offer(session, owner=creator, now=now)
    buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)
    ledger.bring_forward(session, now=now + timedelta(hours=1))
    assert drifted(session, now) == []
    session.execute(sa.text(planted))
    assert any("platform_revenue USD" in one for one in drifted(session, now))
