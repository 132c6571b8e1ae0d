"""Payouts: who is paid what, once, whatever fails and however often a job runs."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.market.models import AccountKind, LedgerTransaction, Payout, PayoutStatus, PostingKind
from studio.market.money import bookkeeping, dues, invariants, ledger, payouts, purchases
from studio.market.money.bookkeeping import Account, Entry, Posting
from studio.market.money.errors import NothingToPayError, PayoutOverError
from studio.market.money.policy import GRACE
from studio.market.review.rules import AT_ONCE
from studio.providers.payments import DestinationError
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, PROVIDER, buy, make_offer
from tests.threads import at_once

BEGUN = "status = 'processing', started_at = send_at"
PAID = "status = 'paid', paid_at = now(), provider_reference = 'x'"
OFF = "status = 'cancelled', ended_at = now()"


def earn(session, creator, now, *, amount=5000, currency="USD", key="earned"):
    """A sale without a fee whose hold is over: the provider holds the money, the creator can be paid it."""
    moved = (
        Entry(Account(AccountKind.PROVIDER, currency), -amount),
        Entry(Account(AccountKind.CREATOR_AVAILABLE, currency, creator.user_id), amount),
    )
    name = f"{key}{creator.user_id}{currency}"
    ledger.post(session, Posting(name, PostingKind.SALE, moved, occurred_at=now, creator_id=creator.user_id))


def give(session, creator, now, *, amount):
    """A correction: the creator can be paid more, and the provider holds no more than before."""
    ledger.post(
        session,
        bookkeeping.correction(
            key=f"given{creator.user_id}",
            creator_id=creator.user_id,
            character_id=None,
            currency="USD",
            amount_minor=amount,
            note="",
            at=now,
        ),
    )


def spend(session, now, *, amount, key="spent"):
    """Money that has left the provider since, as refunds take it."""
    moved = (
        Entry(Account(AccountKind.PROVIDER, "USD"), amount),
        Entry(Account(AccountKind.PLATFORM_REVENUE, "USD"), -amount),
    )
    ledger.post(session, Posting(key, PostingKind.REFUND, moved, occurred_at=now))


def aim(session, creator, text="test account"):
    payouts.set_destination(session, actor=creator, provider="local", text=text, check=PROVIDER.checked_destination)


def batch(session, staff, now, key="1", grace=AT_ONCE):
    return payouts.make_batch(
        session, actor=staff, batch_key=key, provider="local", policy=POLICY, now=now, grace=grace
    )


def available(session, creator, currency="USD"):
    return ledger.balance(session, Account(AccountKind.CREATOR_AVAILABLE, currency, creator.user_id))


def settled(session):
    return session.scalar(
        sa.select(sa.func.count())
        .select_from(LedgerTransaction)
        .where(LedgerTransaction.kind == PostingKind.PAYOUT_SETTLEMENT)
    )


class TestBatch:
    def test_pays_everybody_who_reaches_the_minimum_all_of_it(self, session, earner, other_creator, staff, now):
        earn(session, other_creator, now, amount=1999)
        [payout] = batch(session, staff, now)
        assert (payout.creator_id, payout.amount_minor, payout.status) == (
            earner.user_id, 5000, PayoutStatus.PENDING,
        )  # fmt: skip
        assert available(session, earner) == 0
        assert available(session, other_creator) == 1999

    def test_with_the_same_key_makes_no_payout_more(self, session, earner, staff, now):
        [first] = batch(session, staff, now)
        assert [one.id for one in batch(session, staff, now)] == [first.id]
        with pytest.raises(NothingToPayError):
            batch(session, staff, now, key="2")

    def test_of_many_at_once_pays_once(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            creator, staff = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.STAFF)
            earn(session, creator, now)
            aim(session, creator)
        at_once(
            committed_database.engine,
            *(lambda s, key=key: batch(s, staff, now, key=key) for key in ("1", "1", "2", "3")),
        )
        with session_scope(committed_database.engine) as session:
            assert session.scalars(sa.select(Payout.amount_minor)).all() == [5000]
            assert available(session, creator) == 0

    def test_is_by_currency(self, session, earner, staff, now):
        earn(session, earner, now, amount=20_000, currency="CNY")
        made = batch(session, staff, now)
        assert {(one.currency, one.amount_minor) for one in made} == {("USD", 5000), ("CNY", 20_000)}

    def test_pays_no_more_than_the_provider_holds(self, session, earner, other_creator, staff, now):
        third = make_actor(session, RoleName.CREATOR)
        earn(session, third, now, amount=2500)
        give(session, other_creator, now, amount=4000)
        due = dues.list_due(session, actor=staff, provider="local", policy=POLICY)
        assert [(one.available_minor, one.is_covered) for one in due] == [(5000, True), (4000, False), (2500, True)]
        assert [one.amount_minor for one in batch(session, staff, now)] == [5000, 2500]
        assert available(session, other_creator) == 4000
        with pytest.raises(NothingToPayError, match="holds too little"):
            batch(session, staff, now, key="2")
        earn(session, earner, now, amount=4000, key="later")
        # What comes in is enough for one of the two, and is promised once.
        assert len(batch(session, staff, now, key="3")) == 1

    def test_is_for_staff(self, session, earner, now):
        with pytest.raises(ForbiddenError):
            batch(session, earner, now)

    def test_holds_what_has_nowhere_to_go_and_what_is_suspended(self, session, creator, other_creator, staff, now):
        for one in (creator, other_creator):
            earn(session, one, now)
        aim(session, other_creator)
        person = session.get_one(User, other_creator.user_id)
        person.status, person.suspended_at = UserStatus.SUSPENDED, now
        session.flush()
        made = batch(session, staff, now)
        assert {one.status for one in made} == {PayoutStatus.HELD}
        assert {one.reason for one in made} == {payouts.NO_DESTINATION, payouts.NOT_ACTIVE}
        assert payouts.begin(session, provider="local", payout_id=made[0].id, now=now) is None


class TestLettingGo:
    def test_sends_a_held_payout_once_there_is_a_destination(self, session, creator, staff, now):
        earn(session, creator, now)
        [payout] = batch(session, staff, now)
        assert (
            payouts.let_go(session, actor=staff, provider="local", payout_id=payout.id, now=now).status
            is PayoutStatus.HELD
        )
        aim(session, creator)
        assert (
            payouts.let_go(session, actor=staff, provider="local", payout_id=payout.id, now=now).status
            is PayoutStatus.PENDING
        )

    def test_of_what_is_paid_is_refused(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        payouts.begin(session, provider="local", payout_id=payout.id, now=now)
        payouts.settle(session, payout_id=payout.id, reference="r", now=now)
        with pytest.raises(PayoutOverError):
            payouts.let_go(session, actor=staff, provider="local", payout_id=payout.id, now=now)


class TestGrace:
    def test_keeps_a_payout_from_being_sent_until_it_is_over(self, session, earner, staff, now):
        [payout] = batch(session, staff, now, grace=GRACE)
        [job] = session.scalars(sa.select(JobRun).where(JobRun.name == "money.pay_out"))
        assert job.run_after == payout.send_at == now + GRACE
        # Started by hand, or by a worker that got it early, it does nothing.
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=now + GRACE / 2) is None
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=now + GRACE) is not None

    def test_lets_a_whole_batch_be_called_off_once(self, session, earner, other_creator, staff, now):
        earn(session, other_creator, now)  # Held, since it has nowhere to go: it is part of the batch all the same.
        batch(session, staff, now, grace=GRACE)
        assert [(one.count, one.amount_minor) for one in payouts.list_leaving(session, actor=staff, now=now)] == [
            (1, 5000)
        ]
        for _ in range(2):
            off = payouts.call_off_batch(session, actor=staff, batch_key="1", reason="oops", now=now)
            assert {one.status for one in off} == {PayoutStatus.CANCELLED}
        assert (available(session, earner), available(session, other_creator)) == (5000, 5000)
        assert payouts.begin(session, provider="local", payout_id=off[0].id, now=now + GRACE) is None
        assert payouts.list_leaving(session, actor=staff, now=now) == []
        assert len(batch(session, staff, now, key="2")) == 2

    def test_over_the_batch_stays_and_outsiders_never_call_it_off(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        with pytest.raises(ForbiddenError):
            payouts.call_off_batch(session, actor=earner, batch_key="1", reason="x", now=now)
        with pytest.raises(NotFoundError):
            payouts.call_off_batch(session, actor=staff, batch_key="none", reason="x", now=now)
        payouts.begin(session, provider="local", payout_id=payout.id, now=now)
        with pytest.raises(PayoutOverError):
            payouts.call_off_batch(session, actor=staff, batch_key="1", reason="x", now=now)

    def test_begins_anew_when_a_held_one_is_let_go(self, session, earner, staff, now):
        [payout] = batch(session, staff, now, grace=GRACE)
        payouts.hold(session, actor=staff, payout_id=payout.id)
        later = now + timedelta(seconds=5)
        payouts.let_go(session, actor=staff, provider="local", payout_id=payout.id, now=later)
        # The job for the former moment is there still, and finds that its time has not come.
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=now + GRACE) is None
        due = sa.select(JobRun.run_after).where(JobRun.name == "money.pay_out").order_by(JobRun.run_after)
        assert session.scalars(due).all() == [now + GRACE, later + GRACE]
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=later + GRACE) is not None


class TestCarryingOut:
    def test_pays_once_however_often_it_runs(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        for _ in range(3):
            payouts.begin(session, provider="local", payout_id=payout.id, now=now)
            payouts.settle(session, payout_id=payout.id, reference="r", now=now)
        assert payout.status is PayoutStatus.PAID
        assert settled(session) == 1

    def test_goes_on_after_a_crash_between_the_provider_and_us(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        first = payouts.begin(session, provider="local", payout_id=payout.id, now=now)
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=now) == first

    def test_that_fails_gives_the_money_back_and_says_why(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        payouts.begin(session, provider="local", payout_id=payout.id, now=now)
        for _ in range(2):
            payouts.fail(session, payout_id=payout.id, reason="closed account", now=now)
        assert (payout.status, payout.reason, available(session, earner)) == (
            PayoutStatus.FAILED, "closed account", 5000,
        )  # fmt: skip
        payouts.settle(session, payout_id=payout.id, reference="late", now=now)
        assert settled(session) == 0

    def test_by_many_at_once_pays_once(self, committed_database, now):
        with session_scope(committed_database.engine) as session:
            creator, staff = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.STAFF)
            earn(session, creator, now)
            aim(session, creator)
            payout_id = batch(session, staff, now)[0].id

        def run(session):
            payouts.begin(session, provider="local", payout_id=payout_id, now=now)
            payouts.settle(session, payout_id=payout_id, reference="r", now=now)

        at_once(committed_database.engine, *[run] * 6)
        with session_scope(committed_database.engine) as session:
            assert settled(session) == 1


class TestCancelling:
    def test_gives_the_money_back_once(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        for _ in range(2):
            payouts.cancel(session, actor=staff, payout_id=payout.id, reason="asked for", now=now)
        assert available(session, earner) == 5000

    def test_is_refused_once_it_is_on_its_way(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        payouts.begin(session, provider="local", payout_id=payout.id, now=now)
        with pytest.raises(PayoutOverError):
            payouts.cancel(session, actor=staff, payout_id=payout.id, reason="x", now=now)


class TestRefundAfterPayout:
    def test_is_carried_forward_and_paid_off_by_later_sales(self, session, creator, staff, now):
        aim(session, creator)
        offer = make_offer(session, owner=creator, now=now, price=4000)
        first = buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=now)
        later = now + timedelta(days=8)
        purchases.release_due(session, now=later)
        [payout] = batch(session, staff, later)
        payouts.begin(session, provider="local", payout_id=payout.id, now=later)
        payouts.settle(session, payout_id=payout.id, reference="r", now=later)
        assert invariants.check(session, now=later).finding_count == 0
        purchases.refunded(session, first, now=later)
        assert available(session, creator) == -3400
        # The provider gave back what it no longer held: staff have to know.
        assert invariants.check(session, now=later).findings == [{"check": "provider_overdrawn", "about": "USD local"}]
        with pytest.raises(NothingToPayError):
            batch(session, staff, later, key="2")
        for _ in range(2):
            buy(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=later)
        purchases.release_due(session, now=later + timedelta(days=8))
        assert available(session, creator) == 3400
        assert batch(session, staff, later, key="3")[0].amount_minor == 3400


class TestDestination:
    @pytest.mark.parametrize("text", ["", "  ", "x" * 101, "a\nb"])
    def test_must_be_one(self, session, creator, text):
        with pytest.raises(DestinationError):
            aim(session, creator, text)

    def test_of_others_is_nobodys_business(self, session, earner, other_creator, staff, now):
        [payout] = batch(session, staff, now)
        with pytest.raises(NotFoundError):
            payouts.get_payout(session, actor=other_creator, payout_id=payout.id)
        assert payouts.get_payout(session, actor=earner, payout_id=payout.id).id == payout.id


class TestPostgresRefuses:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ("amount_minor = 1", "agreed and stays"),
            (f"{BEGUN}; status = 'paid'", "goes_with"),
            (f"{BEGUN}; status = 'paid', paid_at = now()", "paid_has_a_reference"),
            (f"{BEGUN}; status = 'failed'", "ended_goes_with_ended_at"),
            ("status = 'processing'", "processing_goes_with_started_at"),
            ("send_at = NULL", "pending_has_its_moment"),
            ("status = 'processing', started_at = send_at - interval '1 second'", "sent_after_its_moment"),
        ],
    )
    def test_a_status_without_its_dates(self, session, earner, staff, now, change, why):
        [payout] = batch(session, staff, now)
        *before, last = change.split("; ")
        for one in before:
            session.execute(sa.text(f"UPDATE payouts SET {one}"))
        with pytest.raises(DBAPIError, match=why), session.begin_nested():
            session.execute(sa.text(f"UPDATE payouts SET {last} WHERE id = :id"), {"id": payout.id})

    @pytest.mark.parametrize(
        ("steps", "refused"),
        [
            ([], "status = 'paid', started_at = send_at, paid_at = now(), provider_reference = 'x'"),
            ([], "status = 'failed', ended_at = now()"),
            ([OFF], "status = 'pending', ended_at = NULL"),
            ([OFF], f"{BEGUN}, ended_at = NULL"),
            ([BEGUN], "status = 'pending'"),
            ([BEGUN], "status = 'held'"),
            ([BEGUN], OFF),
            ([BEGUN, PAID], "status = 'failed', paid_at = NULL, ended_at = now()"),
            ([BEGUN, "status = 'failed', ended_at = now()"], "status = 'processing', ended_at = NULL"),
            (["status = 'held'"], BEGUN),
        ],
    )
    def test_a_step_that_no_payout_takes(self, session, earner, staff, now, steps, refused):
        batch(session, staff, now)
        for step in steps:
            session.execute(sa.text(f"UPDATE payouts SET {step}"))
        with pytest.raises(DBAPIError, match="a payout cannot go from"), session.begin_nested():
            session.execute(sa.text(f"UPDATE payouts SET {refused}"))

    def test_a_second_payout_under_way(self, session, earner, staff, now):
        [payout] = batch(session, staff, now)
        copy = (
            "INSERT INTO payouts SELECT (jsonb_populate_record(p, to_jsonb(p) || "
            "jsonb_build_object('id', gen_random_uuid(), 'batch_key', 'x'))).* FROM payouts p WHERE id = :id"
        )
        with pytest.raises(DBAPIError, match="creator_id_currency_open"), session.begin_nested():
            session.execute(sa.text(copy), {"id": payout.id})

    def test_deleting_one(self, session, earner, staff, now):
        batch(session, staff, now)
        with pytest.raises(DBAPIError, match="keeps its rows"), session.begin_nested():
            session.execute(sa.text("DELETE FROM payouts"))
