"""Nobody is paid what the provider does not hold, nor what only another provider could pay."""

from datetime import timedelta

import pytest

from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.market.models import AccountKind, PayoutStatus
from studio.market.money import cover, dues, earnings, invariants, ledger, payouts, purchases
from studio.market.money.errors import NothingToPayError
from studio.market.review.rules import AT_ONCE
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, begin, make_offer
from tests.market.money.test_payouts import aim, available, batch, earn, spend
from tests.threads import at_once


class TestCover:
    def test_is_looked_at_once_more_before_sending(self, session, earner, other_creator, staff, now):
        aim(session, other_creator)
        earn(session, other_creator, now, amount=3000)
        first, second = batch(session, staff, now)
        spend(session, now, amount=4000)  # Refunds: of 8,000 the provider holds 4,000.
        assert payouts.begin(session, provider="local", payout_id=first.id, now=now) is None
        assert (first.status, first.reason) == (PayoutStatus.HELD, payouts.NOT_COVERED)
        assert payouts.begin(session, provider="local", payout_id=second.id, now=now) is not None
        # Let go too early it stays held; and begun, it would not be stopped half way.
        assert (
            payouts.let_go(session, actor=staff, provider="local", payout_id=first.id, now=now).status
            is PayoutStatus.HELD
        )
        earn(session, other_creator, now, amount=4000, key="later")
        let_go = payouts.let_go(session, actor=staff, provider="local", payout_id=first.id, now=now, grace=AT_ONCE)
        assert (let_go.status, let_go.reason) == (PayoutStatus.PENDING, "")
        told = payouts.begin(session, provider="local", payout_id=first.id, now=now)
        spend(session, now, amount=9000, key="more")
        assert payouts.begin(session, provider="local", payout_id=first.id, now=now) == told

    def test_of_two_workers_at_once_sends_only_what_there_is(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            staff = make_actor(session, RoleName.STAFF)
            for one in (make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.CREATOR)):
                earn(session, one, now, amount=3000)
                aim(session, one)
            ids = [one.id for one in batch(session, staff, now)]
            spend(session, now, amount=2000)
        told = at_once(
            committed_database.engine,
            *(lambda s, one=one: payouts.begin(s, provider="local", payout_id=one, now=now) for one in ids * 2),
        )
        assert len({one.payout_id for one in told if one is not None}) == 1


class TestOtherProvider:
    """Test money is never paid as real money, and a real payout never "paid" by the test provider."""

    @pytest.fixture
    def sell(self, session, creator, now):
        offer = make_offer(session, owner=creator, now=now, price=4000)

        def do(provider):
            buyer = make_actor(session, RoleName.CREATOR)
            sold = begin(session, buyer=buyer, offer=offer, now=now, provider=provider)
            purchases.complete(session, sold, policy=POLICY, now=now)
            purchases.release_due(session, now=now + timedelta(days=8))
            return sold

        return do

    @pytest.fixture
    def pay(self, session, creator, staff, now):
        def do(provider, key="1"):
            payouts.set_destination(session, actor=creator, provider=provider, text="acct_12345678", check=str)
            return payouts.make_batch(
                session, actor=staff, batch_key=key, provider=provider, policy=POLICY, now=now, grace=AT_ONCE
            )

        return do

    def test_pays_nothing_of_what_was_sold_through_the_test_provider(self, session, creator, staff, sell, pay):
        sell("local")
        with pytest.raises(NothingToPayError, match="reaches the minimum"):
            pay("stripe")
        assert dues.list_elsewhere(session, actor=staff, provider="stripe") == [dues.Elsewhere("local", "USD", 3400, 1)]
        assert cover.room(session, provider="stripe").get("USD", 0) == 0
        assert [one.amount_minor for one in pay("local")] == [3400]

    def test_pays_its_own_part_and_shows_the_other(self, session, creator, staff, now, sell, pay):
        test_sale = sell("local")
        sell("stripe")
        sell("stripe")
        [payout] = pay("stripe")
        assert (payout.amount_minor, available(session, creator)) == (6800, 3400)
        trial = ledger.trial_balance(session, provider="stripe")
        held = {one.provider: one.balance_minor for one in trial if one.kind is AccountKind.PROVIDER}
        assert held == {"": -8000, "local": -4000}
        assert sum(one.balance_minor for one in trial) == 0
        # What the test provider took back is no reason to pay less of real money, nor does it cover any.
        payouts.cancel(session, actor=staff, payout_id=payout.id, reason="x", now=now)
        [test_payout] = pay("local", key="2")
        payouts.begin(session, payout_id=test_payout.id, provider="local", now=now)
        payouts.settle(session, payout_id=test_payout.id, reference="r", now=now)
        purchases.refunded(session, test_sale, now=now)
        assert [one.amount_minor for one in pay("stripe", key="3")] == [6800]
        assert {"check": "provider_overdrawn", "about": "USD local"} in invariants.check(session, now=now).findings

    def test_holds_what_was_made_for_another_one_until_that_is_used_again(self, session, staff, now, sell, pay):
        sell("stripe")
        [payout] = pay("stripe")
        assert payouts.begin(session, payout_id=payout.id, provider="local", now=now) is None
        assert (payout.status, payout.reason) == (PayoutStatus.HELD, payouts.OTHER_PROVIDER)
        given = {"actor": staff, "payout_id": payout.id, "now": now, "grace": AT_ONCE}
        assert payouts.let_go(session, provider="local", **given).status is PayoutStatus.HELD
        assert payouts.let_go(session, provider="stripe", **given).status is PayoutStatus.PENDING
        assert payouts.begin(session, payout_id=payout.id, provider="stripe", now=now) is not None
        # Half way, nobody but the one who was asked knows whether it is paid.
        assert payouts.begin(session, payout_id=payout.id, provider="local", now=now) is None
        assert (payout.status, payout.reason) == (PayoutStatus.PROCESSING, payouts.OTHER_PROVIDER)
        hour = now + timedelta(hours=1)
        assert earnings.troubled_payouts(session, actor=staff, stuck_before=hour) == [payout]
        assert payouts.begin(session, payout_id=payout.id, provider="stripe", now=now) is not None
