"""What providers tell: twice, out of order, late, unsigned, wrong; and disputes."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.market.models import AccountKind, EventOutcome, LedgerTransaction, LicenseType, PaymentEvent, PurchaseStatus
from studio.market.money import invariants, ledger, payments, purchases
from studio.market.money import queries as money_queries
from studio.market.money.bookkeeping import Account
from studio.providers.payments import Event, EventKind, LocalPayments, UnsignedEventError
from studio.work.models import JobRun, JobState
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

    def test_refunded_meanwhile_is_a_question_for_staff_until_it_is_won(self, session, purchase, creator, now):
        tell(session, purchase, K.PAID, now=now)
        tell(session, purchase, K.DISPUTED, now=now)
        assert tell(session, purchase, K.REFUNDED, now=now) is EventOutcome.PROBLEM
        tell(session, purchase, K.DISPUTE_WON, now=now)
        # The bank gave the money back, and the buyer has it all the same: the refund counts.
        assert (purchase.status, pending_of(session, creator)) == (PurchaseStatus.REFUNDED, 0)
        assert money_queries.list_questions(session) == []

    def test_won_has_the_refund_that_was_under_way_asked_for_again(self, session, purchase, staff, now):
        tell(session, purchase, K.PAID, now=now)
        purchases.ask_refund(session, actor=staff, purchase_id=purchase.id, reason="x", now=now)
        tell(session, purchase, K.DISPUTED, now=now)
        session.execute(sa.update(JobRun).values(state=JobState.SUCCEEDED, finished_at=now))
        tell(session, purchase, K.DISPUTE_WON, now=now)
        assert purchase.status is PurchaseStatus.PAID
        states = session.scalars(sa.select(JobRun.state).where(JobRun.name == "money.refund_purchase"))
        assert sorted(states) == [JobState.QUEUED, JobState.SUCCEEDED]

    def test_after_a_refund_is_a_question_with_an_end(self, session, purchase, now):
        tell(session, purchase, K.PAID, now=now)
        tell(session, purchase, K.REFUNDED, now=now)
        assert tell(session, purchase, K.DISPUTED, now=now) is EventOutcome.PROBLEM
        assert tell(session, purchase, K.DISPUTE_WON, now=now) is EventOutcome.PROBLEM
        assert {one.kind for one in money_queries.list_questions(session)} == {"disputed", "dispute_won"}

    @pytest.mark.parametrize("is_lost_first", [False, True])
    def test_of_a_part_is_a_question_and_so_is_its_end(self, session, purchase, now, is_lost_first):
        tell(session, purchase, K.PAID, now=now)
        if is_lost_first:
            assert tell(session, purchase, K.DISPUTE_LOST, now=now) is EventOutcome.WAITING
        body, signature = PROVIDER.tell(K.DISPUTED, purchase_id=purchase.id, amount_minor=1, currency="USD", now=now)
        given = {"provider": PROVIDER, "body": body, "signature": signature, "policy": POLICY, "now": now}
        assert payments.receive(session, **given) is EventOutcome.PROBLEM
        if not is_lost_first:
            assert tell(session, purchase, K.DISPUTE_LOST, now=now) is EventOutcome.PROBLEM
        assert len(money_queries.list_questions(session)) == 2

    def test_fee_is_booked_in_the_currency_in_which_it_was_charged(self, session, creator, buyer, now):
        offer = make_offer(session, owner=creator, now=now, price=1200, currency="JPY")
        sold = buy(session, buyer=buyer, offer=offer, now=now)
        event = replace(
            PROVIDER.event(
                *PROVIDER.tell(K.DISPUTED, purchase_id=sold.id, amount_minor=1200, currency="JPY", now=now), now=now
            ),
            fee_minor=1500,
            fee_currency="USD",
        )
        payments.receive(session, provider=Saying(event), body=b"", signature="", policy=POLICY, now=now)
        fees = [one for one in ledger.trial_balance(session) if one.kind is AccountKind.PROVIDER_FEES]
        assert [(one.currency, one.balance_minor) for one in fees] == [("USD", -1500)]
        # That account was never meant to hold dollars: a fee alone is no alarm.
        assert invariants.check(session, now=now).findings == []


class Saying:
    """Stripe, as far as it says this one thing."""

    def __init__(self, event, name="local"):
        self.name = name
        self._event = event

    def event(self, _body, _signature, *, now):
        return self._event


class TestOfNoPurchase:
    """An account at the provider may serve another shop too."""

    @pytest.mark.parametrize("kind", [K.PAID, K.FAILED, K.EXPIRED, K.REFUNDED])
    @pytest.mark.parametrize("purchase_id", [None, UUID(int=7)])
    def test_is_written_down_and_ignored(self, session, now, kind, purchase_id):
        event = Event("evt", kind, now, 500, "USD", purchase_id=purchase_id, payment_reference="pi_other")
        given = {"provider": Saying(event), "body": b"", "signature": "", "policy": POLICY, "now": now}
        for _ in range(2):
            assert payments.receive(session, **given) is EventOutcome.IGNORED
        assert session.scalars(sa.select(PaymentEvent.outcome)).one() is EventOutcome.IGNORED
        assert invariants.check(session, now=now + timedelta(days=2)).findings == []

    def test_but_disputed_waits_for_a_day_and_is_staffs_to_put_aside(self, session, staff, now):
        event = Event("evt", K.DISPUTED, now, 500, "USD", payment_reference="pi_other")
        payments.receive(session, provider=Saying(event), body=b"", signature="", policy=POLICY, now=now)
        assert payments.question_waiting(session, now=now + timedelta(hours=23)) == 0
        later = now + timedelta(hours=25)
        assert payments.question_waiting(session, now=later) == 1
        assert invariants.check(session, now=later).findings == []
        [asked] = money_queries.list_questions(session)
        payments.settle_question(session, actor=staff, provider="local", event_id="evt", is_settled=True, now=later)
        assert (asked.problem, money_queries.list_questions(session)) == (payments.WAITED, [])

    def test_is_applied_after_all_where_its_payment_comes_after_a_day(self, session, purchase, creator, now):
        assert tell(session, purchase, K.DISPUTED, now=now) is EventOutcome.WAITING
        later = now + timedelta(hours=25)
        payments.question_waiting(session, now=later)
        tell(session, purchase, K.PAID, now=later)
        assert (purchase.status, money_queries.list_questions(session)) == (PurchaseStatus.DISPUTED, [])


class TestPaidTooLate:
    @pytest.mark.parametrize("kinds", [(K.PAID, K.REFUNDED), (K.REFUNDED, K.PAID)])
    def test_and_given_back_by_hand_is_in_the_ledger_once_that_is_told(self, session, purchase, buyer, now, kinds):
        purchases.give_up(session, actor=buyer, purchase_id=purchase.id, now=now)
        for kind in kinds:
            tell(session, purchase, kind, now=now)
        assert purchase.status is PurchaseStatus.REFUNDED
        assert not any(line.balance_minor for line in ledger.trial_balance(session))
        assert money_queries.list_questions(session) == []
        assert invariants.check(session, now=now + timedelta(days=2)).findings == []


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
