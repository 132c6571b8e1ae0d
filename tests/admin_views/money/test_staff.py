"""What staff see of money and do with it, over HTTP."""

import re
from datetime import timedelta

import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import (
    EventOutcome,
    LedgerTransaction,
    MoneyCheck,
    PaymentEvent,
    Payout,
    PayoutStatus,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import earnings, invariants, payouts, purchases
from studio.market.money.policy import GRACE
from studio.providers.payments import EventKind
from studio.work.models import JobRun, JobState
from tests.admin_views.money.conftest import text
from tests.factories.accounts import make_user
from tests.factories.money import POLICY, begin, buy, tell
from tests.market.money.test_payouts import aim, earn, give


class TestStaff:
    def test_see_an_open_dispute_until_it_is_over_and_export_prices(
        self, session, client_of, buyer, creator, offer, staff
    ):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        tell(session, purchase, EventKind.DISPUTED, now=utc_now())
        page = client_of(staff).get("/money/").text
        assert f"/sales/{purchase.id}" in page
        assert "answer it at the payment provider" in page
        assert "Money that needs a person" in client_of(staff).get("/").text
        assert "Money that needs a person" not in client_of(creator).get("/").text
        assert ",5.00," in client_of(staff).get("/sales/export.csv").text
        assert "1 disputed" in client_of(creator).get("/earnings/").text
        tell(session, purchase, EventKind.DISPUTE_WON, now=utc_now())
        assert "Money that needs a person" not in client_of(staff).get("/").text
        assert f"/sales/{purchase.id}" not in client_of(staff).get("/money/").text

    def test_read_who_sold_to_whom_and_what_each_account_gained(
        self, session, client_of, counted, buyer, creator, offer, staff
    ):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client = client_of(staff)
        page = text(client.get("/sales/"))
        assert (buyer.name in page, creator.name in page) == (True, True)
        counted.clear()
        page = text(client.get(f"/sales/{purchase.id}"))
        assert len(counted) <= 20
        entries = page.partition('<ul class="entries">')[2].partition("</ul>")[0]
        shown = [" ".join(re.sub(r"<[^>]+>", " ", one).split()) for one in entries.split("</li>")[:-1]]
        assert shown == [
            "Held by the payment provider Debit $5.00",
            "Creators: pending Credit $4.25",
            "Platform revenue Credit $0.75",
        ]

    def test_see_on_their_first_page_what_the_day_brought(self, session, client_of, buyer, creator, offer, staff):
        assert "Nothing was sold" in client_of(staff).get("/").text
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        page = text(client_of(staff).get("/"))
        for words in ("Revenue in 24 hours", "$0.75", "of $5.00 that was sold"):
            assert words in page
        assert "Revenue in 24 hours" not in text(client_of(creator).get("/"))

    def test_see_revenue_fees_exceptions_and_the_trial_balance(self, session, client_of, buyer, offer, staff):
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        page = text(client_of(staff).get("/money/"))
        for words in ("Trial balance", "Platform revenue", "$0.75", "What needs a person", "Nothing just now"):
            assert words in page

    def test_pay_everybody_once_however_often_they_press(self, session, client_of, post, creator, staff):
        earn(session, creator.actor, utc_now())
        client = client_of(staff)
        second = make_user(session, RoleName.CREATOR, name="Given Too Much")
        give(session, second.actor, utc_now(), amount=2000)
        page = text(client.get("/money/"))
        for words in (creator.name, "Make 1 payout of $50.00?", "not now: the payment provider holds too little"):
            assert words in page
        for _ in range(2):
            assert post(client, "/money/payouts", key="same").status_code == 303
            assert "they stay due: Given Too Much" in text(client.get("/payouts/"))
        assert session.scalars(sa.select(Payout.status)).all() == [PayoutStatus.HELD]
        assert "has not said where payouts go" in text(client.get("/money/"))

    def test_let_a_held_payout_go_and_call_one_off(self, session, client_of, post, creator, staff):
        now = utc_now()
        earn(session, creator.actor, now)
        [payout] = payouts.make_batch(
            session, actor=staff.actor, batch_key="1", provider="local", policy=POLICY, now=now
        )
        client = client_of(staff)
        post(client, f"/payouts/{payout.id}/let-go")
        session.refresh(payout)
        assert payout.status is PayoutStatus.HELD
        post(client, f"/payouts/{payout.id}/call-off")
        session.refresh(payout)
        assert payout.status is PayoutStatus.CANCELLED

    def test_hold_a_payout_that_was_not_begun_and_send_it_after_all(self, session, client_of, post, creator, staff):
        now = utc_now()
        earn(session, creator.actor, now)
        aim(session, creator.actor)
        [payout] = payouts.make_batch(
            session, actor=staff.actor, batch_key="1", provider="local", policy=POLICY, now=now
        )
        client = client_of(staff)
        assert f"/payouts/{payout.id}/hold" in text(client.get(f"/payouts/{payout.id}"))
        post(client, f"/payouts/{payout.id}/hold")
        session.refresh(payout)
        assert payout.status is PayoutStatus.HELD
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=now) is None
        assert "Staff hold it" in text(client_of(creator).get(f"/payouts/{payout.id}"))
        assert post(client_of(creator), f"/payouts/{payout.id}/hold").status_code == 403
        post(client, f"/payouts/{payout.id}/let-go")
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=now) is None
        assert payouts.begin(session, provider="local", payout_id=payout.id, now=utc_now() + GRACE) is not None
        answer = post(client, f"/payouts/{payout.id}/hold")
        assert "on its way, paid or over already" in text(client.get(answer.location))

    def test_call_off_a_whole_batch_as_long_as_it_is_not_sent(self, session, client_of, post, creator, staff):
        earn(session, creator.actor, utc_now())
        aim(session, creator.actor)
        client = client_of(staff)
        post(client, "/money/payouts", key="oops")
        page = text(client.get("/payouts/"))
        for words in ("1 payout made.", "It is sent in 10 seconds.", "Call off the batch"):
            assert words in page
        page = text(client.get("/payouts/"))
        assert ("1 payout made." in page, "1 payout of $" in page, "Call off the batch" in page) == (False, True, True)
        assert "Call off the batch" not in text(client_of(creator).get("/payouts/"))
        [payout] = session.scalars(sa.select(Payout))
        assert "Call off the batch" in text(client.get("/money/"))
        own = text(client.get(f"/payouts/{payout.id}"))
        assert ("Until then it can be held or called off." in own, "Send the payout" in own) == (True, False)
        assert post(client_of(creator), "/money/payouts/call-off", key="oops").status_code == 403
        post(client, "/money/payouts/call-off", key="oops")
        assert "1 payout called off." in text(client.get("/payouts/"))
        assert "Call off the batch" not in text(client.get("/money/"))
        session.refresh(payout)
        assert payout.status is PayoutStatus.CANCELLED
        assert post(client, "/money/payouts/call-off", key="nothing").status_code == 404

    def test_read_of_payouts_that_wait_for_too_long(self, session, client_of, creator, staff):
        earn(session, creator.actor, utc_now())
        aim(session, creator.actor)
        [payout] = payouts.make_batch(
            session,
            actor=staff.actor,
            batch_key="1",
            provider="local",
            policy=POLICY,
            now=utc_now() - timedelta(hours=2),
        )
        client = client_of(staff)
        assert f"/payouts/{payout.id}" in text(client.get("/money/"))
        assert "Send the payout" in text(client.get(f"/payouts/{payout.id}"))

    def test_correct_what_a_sale_brought_and_lose_nothing_that_was_typed(
        self, session, client_of, post, buyer, creator, offer, staff
    ):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client, address = client_of(staff), f"/sales/{purchase.id}/correct"
        typed = {"key": "k", "way": "give", "amount": "0.75", "reason": "The fee was waived."}
        for wrong, words in (
            ({"way": ""}, "Say whether the creator gets"),
            ({"amount": "-1"}, "has to be above zero"),
            ({"amount": "0.00"}, "has to be above zero"),
            ({"amount": "6"}, "not above the price"),
            ({"amount": "much"}, "Write the amount as a number"),
            ({"amount": "1.999"}, "The amount has more decimals"),
        ):
            answer = post(client, address, **{**typed, **wrong})
            assert (answer.status_code, words in text(answer)) == (422, True), wrong
            assert "The fee was waived." in text(answer)
        asked = post(client, address, **{**typed, "amount": "0,7"})
        assert "Post a correction of $0.70: " in text(asked)
        # What is changed after it was read back is read back anew.
        asked = post(client, address, **typed, agreed="give 70")
        assert f"Post a correction of $0.75: {creator.name} gets it, the platform bears it." in text(asked)
        assert 'value="give 75"' in text(asked)
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 1
        for _ in range(2):
            answer = post(client, address, **typed, agreed="give 75")
        page = text(client.get(answer.location))
        assert "The fee was waived." in page
        assert f"{creator.name} gets it, the platform bears it" in page
        assert f"Give {buyer.name} $5.00 back?" in page
        answer = post(client, address, **{**typed, "key": "other", "amount": "4.50"})
        assert (answer.status_code, "posted before" in text(answer)) == (422, True)
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 2
        page = text(client_of(creator).get("/earnings/"))
        assert ("$5.00" in page, "$0.75" in page, "The fee was waived." in page) == (True, True, True)
        # A correction stands beside the fee, which stays what the sale's was.
        assert ("-$" in page, '<th scope="col" class="numeric">Corrections</th>' in page) == (False, True)
        [brought] = earnings.by_character(
            session, creator_id=creator.id, currency="USD", since=utc_now() - timedelta(days=1)
        )
        assert (brought.gross_minor, brought.fee_minor, brought.corrected_minor, brought.net_minor) == (
            500,
            75,
            75,
            500,
        )
        assert post(client_of(creator), address, **typed).status_code == 403

    def test_put_a_question_of_the_provider_aside_and_take_it_up_again(
        self, session, client_of, post, buyer, creator, offer, staff
    ):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        purchases.refunded(session, purchase, now=utc_now())
        assert tell(session, purchase, EventKind.DISPUTED, now=utc_now()) is EventOutcome.PROBLEM
        event = session.scalars(sa.select(PaymentEvent).where(PaymentEvent.outcome == EventOutcome.PROBLEM)).one()
        client, address = client_of(staff), f"/money/questions/local/{event.event_id}"
        words = "the same money may be taken back twice"
        assert words in text(client.get("/money/"))
        assert post(client_of(creator), f"{address}/settle").status_code == 403
        for way, is_there in (("settle", False), ("settle", False), ("reopen", True)):
            post(client, f"{address}/{way}")
            client.get("/money/")
            assert (words in text(client.get("/money/"))) is is_there
        assert post(client, "/money/questions/local/none/settle").status_code == 404
        actions = (
            sa.select(AuditEntry.action).where(AuditEntry.action.like("payment.%question")).order_by(AuditEntry.id)
        )
        assert session.scalars(actions).all()[-2:] == ["payment.settle_question", "payment.reopen_question"]

    def test_see_by_themselves_when_a_refund_or_a_payout_has_gone_on(
        self, session, client_of, post, buyer, creator, offer, staff
    ):
        now = utc_now()
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=now)
        earn(session, creator.actor, now)
        aim(session, creator.actor)
        [payout] = payouts.make_batch(
            session, actor=staff.actor, batch_key="1", provider="local", policy=POLICY, now=now
        )
        client = client_of(staff)
        post(client, f"/sales/{purchase.id}/refund")
        asks = (f"/sales/{purchase.id}/state?was=paid", f"/payouts/{payout.id}/state?was=pending")
        for address in asks:
            assert f'hx-get="{address}"' in text(client.get(address.partition("/state")[0]))
            assert "HX-Refresh" not in client.get(address).headers
        session.expire_all()
        purchases.refunded(session, session.get_one(Purchase, purchase.id), now=now)
        payouts.hold(session, actor=staff.actor, payout_id=payout.id)
        for address in asks:
            assert client.get(address).headers["HX-Refresh"] == "true"
            assert "/state?was=" not in text(client.get(address.partition("/state")[0]))

    def test_read_that_a_refund_was_given_up_and_ask_for_it_again(self, session, client_of, post, buyer, offer, staff):
        now = utc_now()
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=now)
        client, address = client_of(staff), f"/sales/{purchase.id}"
        post(client, f"{address}/refund")
        asking = text(client.get(address))
        assert ("/state?was=" in asking, "Ask for the refund again" in asking) == (True, False)
        refused = "The payment provider refused this (insufficient_funds). Nothing was paid."
        session.execute(
            sa.update(JobRun)
            .where(JobRun.name == "money.refund_purchase")
            .values(state=JobState.FAILED, finished_at=now, error_message=refused)
        )
        session.expire_all()
        # The page that is open learns it, and polls no more.
        assert client.get(f"{address}/state?was=paid").headers["HX-Refresh"] == "true"
        page = text(client.get(address))
        assert "/state?was=" not in page
        for words in ("nobody asks for it any more", "insufficient_funds", "Ask for the refund again"):
            assert words in page
        assert f"{address}" in text(client.get("/money/"))
        assert "Money that needs a person" in text(client.get("/"))
        post(client, f"{address}/refund")
        assert "/state?was=" in text(client.get(address))

    def test_read_what_was_earned_through_another_provider(self, session, client_of, buyer, creator, offer, staff):
        then = utc_now() - timedelta(days=9)
        sold = begin(session, buyer=buyer.actor, offer=offer, now=then, provider="stripe")
        purchases.complete(session, sold, policy=POLICY, now=then)
        purchases.release_due(session, now=utc_now())
        page = text(client_of(staff).get("/money/"))
        assert "$4.25 of 1 creator was earned with sales through Stripe" in page
        assert 'Held by the payment provider <span class="text-secondary">Stripe</span>' in page

    def test_are_told_when_a_test_event_changes_nothing(self, session, client_of, post, buyer, offer, staff):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client = client_of(staff)
        answer = post(client, f"/sales/{purchase.id}/test-event", kind="dispute_won")
        assert "nothing changed" in text(client.get(answer.location))

    def test_refund_and_play_a_dispute(self, session, client_of, post, buyer, offer, staff):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client = client_of(staff)
        post(client, f"/sales/{purchase.id}/test-event", kind="disputed")
        session.refresh(purchase)
        assert purchase.status is PurchaseStatus.DISPUTED
        post(client, f"/sales/{purchase.id}/test-event", kind="dispute_won")
        session.refresh(purchase)
        assert purchase.status is PurchaseStatus.PAID
        post(client, f"/sales/{purchase.id}/refund")
        session.refresh(purchase)
        assert purchase.refund_asked_at is not None

    def test_are_alarmed_by_a_planted_error_until_it_is_gone(self, session, client_of, staff, buyer, offer):
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.execute(sa.text("SET session_replication_role = replica"))
        session.execute(sa.text("GRANT UPDATE ON ledger_entries TO CURRENT_USER"))
        session.execute(sa.text("UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE amount_minor > 5"))
        session.execute(sa.text("SET session_replication_role = DEFAULT"))
        invariants.check(session, now=utc_now())
        client = client_of(staff)
        for address in ("/", "/money/"):
            assert "The checks of money found something wrong" in text(client.get(address))
        session.add(MoneyCheck(checked_at=utc_now() + timedelta(hours=1), transaction_count=1, finding_count=0))
        session.flush()
        for address in ("/", "/money/"):
            assert "The checks of money found something wrong" not in text(client.get(address))

    def test_alone_see_it(self, client_of, creator):
        client = client_of(creator)
        for address in ("/money/", "/sales/", "/sales/export.csv"):
            assert client.get(address).status_code == 403

    def test_page_takes_no_more_than_twenty_statements(self, session, client_of, counted, buyer, offer, staff):
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client = client_of(staff)
        client.get("/money/")
        counted.clear()
        client.get("/money/")
        assert len(counted) <= 20


class TestLists:
    def test_show_what_there_is(self, session, client_of, buyer, creator, offer, staff):
        now = utc_now()
        buy(session, buyer=buyer.actor, offer=offer, now=now)
        earn(session, creator.actor, now)
        payouts.make_batch(session, actor=staff.actor, batch_key="1", provider="local", policy=POLICY, now=now)
        for who, addresses in (
            (staff, ("/payouts/", "/sales/", "/sales/export.csv", "/statements/", "/money/")),
            (creator, ("/payouts/", "/shop/", "/statements/", "/earnings/")),
            (buyer, ("/purchases/",)),
        ):
            client = client_of(who)
            for address in addresses:
                assert client.get(address).status_code == 200, address
