"""What providers tell: twice, out of order, late, unsigned, wrong; and disputes."""

from datetime import timedelta
from itertools import permutations

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.market.models import AccountKind, EventOutcome, LedgerTransaction, LicenseType, PaymentEvent, PurchaseStatus
from studio.market.money import ledger, payments, purchases
from studio.market.money.bookkeeping import Account
from studio.providers.payments import EventKind, LocalPayments, UnsignedEventError
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, PROVIDER, begin, buy, make_offer, tell
from tests.threads import at_once

K = EventKind


@pytest.fixture
def buyer(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def offer(session, creator, now):
    return make_offer(session, owner=creator, now=now)


@pytest.fixture
def purchase(session, buyer, offer, now):
    return begin(session, buyer=buyer, offer=offer, now=now)


def pending_of(session, creator):
    return ledger.balance(session, Account(AccountKind.CREATOR_PENDING, "USD", creator.user_id))


class TestPaid:
    def test_makes_the_purchase_paid_and_the_ledger_know(self, session, purchase, creator, now):
        assert tell(session, purchase, K.PAID, now=now) is EventOutcome.APPLIED
        assert (purchase.status, purchase.paid_at, purchase.available_at) == (
            PurchaseStatus.PAID,
            now,
            now + timedelta(days=7),
        )
        assert pending_of(session, creator) == 425

    def test_told_twice_is_paid_once(self, session, purchase, creator, now):
        tell(session, purchase, K.PAID, now=now)
        assert tell(session, purchase, K.PAID, now=now) is EventOutcome.IGNORED
        assert tell(session, purchase, K.PAID, now=now, times=2) is EventOutcome.IGNORED
        assert pending_of(session, creator) == 425

    def test_told_by_many_at_once_is_paid_once(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            offer = make_offer(session, owner=owner, now=now)
            purchase = begin(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)
        at_once(
            committed_database.engine,
            *(lambda s, times=times: tell(s, purchase, K.PAID, now=now, times=times) for times in (1, 1, 1, 2, 2, 3)),
        )
        with session_scope(committed_database.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 1
            assert pending_of(session, owner) == 425

    def test_of_another_amount_is_a_question_for_staff(self, session, purchase, creator, now):
        body, signature = PROVIDER.tell(K.PAID, purchase_id=purchase.id, amount_minor=1, currency="USD", now=now)
        outcome = payments.receive(session, provider=PROVIDER, body=body, signature=signature, policy=POLICY, now=now)
        assert outcome is EventOutcome.PROBLEM
        assert purchase.status is PurchaseStatus.PENDING
        assert "another amount" in session.scalars(sa.select(PaymentEvent.problem)).one()

    def test_of_another_currency_is_a_question_for_staff(self, session, purchase, now):
        body, signature = PROVIDER.tell(K.PAID, purchase_id=purchase.id, amount_minor=500, currency="CNY", now=now)
        given = {"provider": PROVIDER, "body": body, "signature": signature, "policy": POLICY, "now": now}
        assert payments.receive(session, **given) is EventOutcome.PROBLEM

    def test_late_is_still_a_purchase_if_nothing_came_between(self, session, purchase, creator, now):
        later = now + timedelta(hours=2)
        purchases.expire(session, now=later)
        assert tell(session, purchase, K.PAID, now=later) is EventOutcome.APPLIED
        assert (purchase.status, purchase.closed_at) == (PurchaseStatus.PAID, None)

    def test_too_late_for_an_exclusive_goes_back(self, session, buyer, creator, now):
        offer = make_offer(session, owner=creator, now=now, license_type=LicenseType.EXCLUSIVE)
        late = begin(session, buyer=buyer, offer=offer, now=now)
        later = now + timedelta(hours=2)
        won = buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=later)
        assert won.status is PurchaseStatus.PAID
        assert tell(session, late, K.PAID, now=later) is EventOutcome.PROBLEM
        assert late.status is PurchaseStatus.CANCELLED
        assert session.scalars(sa.select(JobRun.name).where(JobRun.name == "money.refund_purchase")).one()
        # What the winner paid is all that the ledger knows.
        assert pending_of(session, creator) == 425


class TestFailed:
    def test_closes_the_purchase_and_lets_the_buyer_try_again(self, session, purchase, buyer, offer, now):
        tell(session, purchase, K.FAILED, now=now)
        assert purchase.status is PurchaseStatus.FAILED
        assert begin(session, buyer=buyer, offer=offer, now=now).id != purchase.id

    def test_after_it_was_paid_changes_nothing(self, session, purchase, now):
        tell(session, purchase, K.PAID, now=now)
        assert tell(session, purchase, K.FAILED, now=now) is EventOutcome.IGNORED
        assert tell(session, purchase, K.EXPIRED, now=now) is EventOutcome.IGNORED
        assert purchase.status is PurchaseStatus.PAID


class TestOrder:
    @pytest.mark.parametrize(
        "events", [*permutations([K.PAID, K.DISPUTED, K.DISPUTE_LOST]), *permutations([K.PAID, K.REFUNDED])], ids=str
    )
    def test_does_not_matter(self, session, purchase, creator, now, events):
        for place, kind in enumerate(events):
            # What happened first is older, whenever it is told.
            tell(session, purchase, kind, now=now + timedelta(seconds=list(K).index(kind)))
            assert place or kind is K.PAID or purchase.status is PurchaseStatus.PENDING
        lost = K.DISPUTE_LOST in events
        assert purchase.status is (PurchaseStatus.LOST if lost else PurchaseStatus.REFUNDED)
        assert pending_of(session, creator) == 0


class TestDispute:
    def test_takes_the_money_and_a_won_one_brings_it_back(self, session, purchase, creator, now):
        tell(session, purchase, K.PAID, now=now)
        tell(session, purchase, K.DISPUTED, now=now)
        assert (purchase.status, pending_of(session, creator)) == (PurchaseStatus.DISPUTED, 0)
        tell(session, purchase, K.DISPUTE_WON, now=now)
        assert (purchase.status, pending_of(session, creator)) == (PurchaseStatus.PAID, 425)

    def test_of_what_was_released_comes_from_what_is_available(self, session, purchase, creator, now):
        tell(session, purchase, K.PAID, now=now)
        later = now + timedelta(days=8)
        purchases.release_due(session, now=later)
        available = Account(AccountKind.CREATOR_AVAILABLE, "USD", creator.user_id)
        tell(session, purchase, K.DISPUTED, now=later)
        assert (ledger.balance(session, available), pending_of(session, creator)) == (0, 0)
        tell(session, purchase, K.DISPUTE_WON, now=later)
        assert ledger.balance(session, available) == 425

    def test_may_come_again_after_it_was_won(self, session, purchase, creator, now):
        tell(session, purchase, K.PAID, now=now)
        for times in (1, 2):
            tell(session, purchase, K.DISPUTED, now=now, times=times)
            tell(session, purchase, K.DISPUTE_WON, now=now, times=times)
        assert (purchase.dispute_count, pending_of(session, creator)) == (2, 425)

    def test_refunded_meanwhile_is_a_question_for_staff(self, session, purchase, now):
        tell(session, purchase, K.PAID, now=now)
        tell(session, purchase, K.DISPUTED, now=now)
        assert tell(session, purchase, K.REFUNDED, now=now) is EventOutcome.PROBLEM


class TestSignature:
    @pytest.mark.parametrize("signature", ["", "1", "1.2.3", "٣.abc", "9" * 40 + ".x", "-5.x", "1763803800.é"])
    def test_that_is_none_is_refused(self, session, purchase, now, signature):
        body, _ = PROVIDER.tell(K.PAID, purchase_id=purchase.id, amount_minor=500, currency="USD", now=now)
        with pytest.raises(UnsignedEventError):
            PROVIDER.event(body, signature, now=now)

    def test_of_somebody_else_is_refused(self, session, purchase, now):
        body, signature = LocalPayments("another secret").tell(
            K.PAID, purchase_id=purchase.id, amount_minor=500, currency="USD", now=now
        )
        with pytest.raises(UnsignedEventError):
            PROVIDER.event(body, signature, now=now)

    def test_of_another_body_is_refused(self, session, purchase, now):
        body, signature = PROVIDER.tell(K.PAID, purchase_id=purchase.id, amount_minor=500, currency="USD", now=now)
        with pytest.raises(UnsignedEventError):
            PROVIDER.event(body.replace(b"500", b"1"), signature, now=now)

    def test_of_ten_minutes_ago_is_refused(self, session, purchase, now):
        body, signature = PROVIDER.tell(K.PAID, purchase_id=purchase.id, amount_minor=500, currency="USD", now=now)
        with pytest.raises(UnsignedEventError):
            PROVIDER.event(body, signature, now=now + timedelta(minutes=10))
