"""The jobs of money, run by the runtime that workers run: each ends as it says, and running again changes nothing."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio import work
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.market.models import (
    ClosedPeriod,
    CreatorEarnings,
    LedgerTransaction,
    MoneyCheck,
    Payout,
    PayoutStatus,
    PostingKind,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import payouts, purchases
from studio.market.money.policy import GRACE
from studio.providers.payments import EventKind
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.money import POLICY, PROVIDER, begin, buy, make_offer, tell
from tests.market.money.test_payouts import earn


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def runtime(settings, committed_database, redis_client):
    own = settings.model_copy(update={"database_url": SecretStr(committed_database.url)})
    resources = Resources(own)
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()


@pytest.fixture
def people(engine):
    with session_scope(engine) as session:
        return {
            "creator": make_actor(session, RoleName.CREATOR),
            "buyer": make_actor(session, RoleName.CREATOR),
            "staff": make_actor(session, RoleName.STAFF),
        }


def run(engine, runtime, name, **arguments):
    """Ask for the job, if nobody has yet, and do it."""
    with session_scope(engine) as session:
        waiting = session.scalar(sa.select(JobRun.id).where(JobRun.name == name, JobRun.state == "queued").limit(1))
        job_id = waiting or work.ask(session, name, **arguments).id
    runtime.perform(job_id)
    with session_scope(engine) as session:
        return session.get_one(JobRun, job_id)


def bought(engine, people, *, now=None, price=500):
    moment = now or utc_now()
    with session_scope(engine) as session:
        offer = make_offer(session, owner=people["creator"], now=moment, price=price)
        return buy(session, buyer=people["buyer"], offer=offer, now=moment).id


class TestRefund:
    def test_is_asked_of_the_provider_and_written_down_once(self, engine, runtime, people):
        purchase_id = bought(engine, people)
        with session_scope(engine) as session:
            purchases.ask_refund(session, actor=people["staff"], purchase_id=purchase_id, reason="x", now=utc_now())
        assert run(engine, runtime, "money.refund_purchase", purchase_id=purchase_id).result == {"refunded": True}
        assert run(engine, runtime, "money.refund_purchase", purchase_id=purchase_id).result == {"refunded": False}
        with session_scope(engine) as session:
            assert session.get_one(Purchase, purchase_id).status is PurchaseStatus.REFUNDED
            refunds = sa.select(sa.func.count()).where(LedgerTransaction.kind == PostingKind.REFUND)
            assert session.scalar(refunds) == 1

    def test_that_finds_the_sale_disputed_says_that_nothing_was_done(self, engine, runtime, people):
        purchase_id = bought(engine, people)
        with session_scope(engine) as session:
            purchases.ask_refund(session, actor=people["staff"], purchase_id=purchase_id, reason="x", now=utc_now())
            tell(session, session.get_one(Purchase, purchase_id), EventKind.DISPUTED, now=utc_now())
        assert run(engine, runtime, "money.refund_purchase", purchase_id=purchase_id).result == {"refunded": False}

    def test_of_what_another_provider_took_is_refused_with_a_way_out(self, engine, runtime, people):
        purchase_id = bought(engine, people)
        with session_scope(engine) as session:
            session.execute(sa.text("SET session_replication_role = replica"))
            session.execute(sa.text("UPDATE transactions SET provider = 'stripe'"))
            session.execute(sa.text("SET session_replication_role = DEFAULT"))
            purchases.ask_refund(session, actor=people["staff"], purchase_id=purchase_id, reason="x", now=utc_now())
        job = run(engine, runtime, "money.refund_purchase", purchase_id=purchase_id)
        assert (job.state, "another payment provider (stripe)" in job.error_message) == ("failed", True)


class TestLateAnswer:
    def test_after_giving_up_goes_back_and_is_in_the_ledger(self, engine, runtime, people):
        with session_scope(engine) as session:
            offer = make_offer(session, owner=people["creator"], now=utc_now())
            purchase_id = begin(session, buyer=people["buyer"], offer=offer, now=utc_now()).id
            purchases.give_up(session, actor=people["buyer"], purchase_id=purchase_id, now=utc_now())
        given = {"purchase_id": purchase_id, "kind": EventKind.PAID.value, "times": 1}
        assert run(engine, runtime, "money.deliver_test_payment", **given).result == {"delivered": "problem"}
        assert run(engine, runtime, "money.refund_purchase", purchase_id=purchase_id).result == {"refunded": True}
        assert run(engine, runtime, "money.check_money").result["findings"] == 0
        with session_scope(engine) as session:
            assert session.get_one(Purchase, purchase_id).status is PurchaseStatus.REFUNDED

    def test_is_a_payment_once(self, engine, runtime, people):
        with session_scope(engine) as session:
            offer = make_offer(session, owner=people["creator"], now=utc_now())
            purchase_id = begin(session, buyer=people["buyer"], offer=offer, now=utc_now()).id
        given = {"purchase_id": purchase_id, "kind": EventKind.PAID.value, "times": 2}
        assert run(engine, runtime, "money.deliver_test_payment", **given).result == {"delivered": "ignored"}
        with session_scope(engine) as session:
            assert session.get_one(Purchase, purchase_id).status is PurchaseStatus.PAID


class TestPayOut:
    @pytest.mark.parametrize(
        ("destination", "status"), [("test", PayoutStatus.PAID), ("will fail", PayoutStatus.FAILED)]
    )
    def test_ends_as_the_provider_says_however_often_it_runs(self, engine, runtime, people, destination, status):
        with session_scope(engine) as session:
            earn(session, people["creator"], utc_now())
            payouts.set_destination(
                session,
                actor=people["creator"],
                provider="local",
                text=destination,
                check=PROVIDER.checked_destination,
            )
            [payout] = payouts.make_batch(
                session,
                actor=people["staff"],
                batch_key="1",
                provider="local",
                policy=POLICY,
                now=utc_now() - GRACE,
            )
        for _ in range(3):
            run(engine, runtime, "money.pay_out", payout_id=payout.id)
        with session_scope(engine) as session:
            assert session.get_one(Payout, payout.id).status is status
            kinds = session.scalars(sa.select(LedgerTransaction.kind).order_by(LedgerTransaction.id)).all()
            last = PostingKind.PAYOUT_SETTLEMENT if status is PayoutStatus.PAID else PostingKind.PAYOUT_REVERSAL
            assert kinds == [PostingKind.SALE, PostingKind.PAYOUT, last]


class TestPeriodic:
    def test_release_what_was_held_for_long_enough(self, engine, runtime, people):
        bought(engine, people, now=utc_now() - timedelta(days=8))
        assert run(engine, runtime, "money.release_earnings").result == {"released": 1}
        assert run(engine, runtime, "money.release_earnings").result == {"released": 0}

    def test_close_every_month_that_is_over(self, engine, runtime, people):
        bought(engine, people, now=utc_now() - timedelta(days=70))
        run(engine, runtime, "money.close_month")
        assert run(engine, runtime, "money.close_month").result == {"closed": 0}
        with session_scope(engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(CreatorEarnings)) == 1
            assert session.scalars(sa.select(ClosedPeriod.closed_at)).all() != []

    def test_check_all_money(self, engine, runtime, people):
        bought(engine, people)
        assert run(engine, runtime, "money.check_money").result == {"checked": 1, "findings": 0}
        with session_scope(engine) as session:
            assert session.scalars(sa.select(MoneyCheck.finding_count)).all() == [0]

    def test_close_what_nobody_paid(self, engine, runtime, people):
        then = utc_now() - timedelta(hours=2)
        with session_scope(engine) as session:
            offer = make_offer(session, owner=people["creator"], now=then)
            begin(session, buyer=people["buyer"], offer=offer, now=then)
        assert run(engine, runtime, "money.expire_purchases").result["closed"] == 1
