"""The screens of money: what each person sees and may do, over HTTP."""

import io
import re
from datetime import UTC, datetime, timedelta

import pypdfium2
import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring.rules import Greetings
from studio.kit.clock import utc_now
from studio.market import earnings, invariants, payouts, purchases, statements
from studio.market.models import (
    CharacterCategory,
    CharacterDownload,
    CreatorEarnings,
    EventOutcome,
    LedgerTransaction,
    LicenseType,
    MoneyCheck,
    PaymentEvent,
    Payout,
    PayoutStatus,
    Purchase,
    PurchaseStatus,
)
from studio.market.statements import Period
from studio.providers.payments import EventKind
from tests.admin_views.conftest import signed_in
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.money import POLICY, begin, buy, make_offer, tell
from tests.market.test_payouts import aim, earn, give


@pytest.fixture
def creator(session):
    return make_user(session, RoleName.CREATOR, name="林晚")


@pytest.fixture
def buyer(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def staff(session):
    return make_user(session, RoleName.STAFF)


@pytest.fixture
def offer(session, creator):
    return make_offer(session, owner=creator.actor, now=utc_now(), title="灯塔看守人")


@pytest.fixture
def client_of(app, session):
    def make(person):
        session.flush()
        return signed_in(app.test_client(), person)

    return make


@pytest.fixture
def counted(session):
    """Every statement that reaches PostgreSQL."""
    seen = []
    connection = session.connection()

    def note(_conn, _cursor, statement, *_):
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            seen.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    yield seen
    sa.event.remove(connection, "before_cursor_execute", note)


def text(answer):
    return answer.get_data(as_text=True)


class TestBuying:
    def test_goes_from_the_shop_to_the_file(self, session, client_of, post, buyer, offer):
        client = client_of(buyer)
        assert "灯塔看守人" in text(client.get("/shop/"))
        page = text(client.get(f"/shop/{offer.id}"))
        assert "no money moves" in page
        bought = post(client, f"/shop/{offer.id}/buy", key="k")
        assert bought.status_code == 303
        assert post(client, f"/shop/{offer.id}/buy", key="k").location == bought.location
        to_pay = post(client, f"{bought.location}/pay")
        assert to_pay.location.startswith("/test-payments/")
        assert "no money moves" in text(client.get(to_pay.location))
        post(client, f"{to_pay.location}/answer", how="twice")
        session.expire_all()
        purchase = session.scalars(sa.select(Purchase)).one()
        assert purchase.status is PurchaseStatus.PAID
        link = post(client, f"{bought.location}/download", version="1", form="json")
        assert link.headers["Cache-Control"] == "private, no-store"
        file = client.get(link.location)
        assert (file.status_code, file.headers["Cache-Control"]) == (200, "private, no-store")
        assert "A keeper of an old lighthouse" in text(file)
        assert client.get(link.location).status_code == 410
        session.expire_all()
        assert session.scalars(sa.select(CharacterDownload.downloaded_at)).one() is not None

    def test_of_what_is_free_asks_for_no_money(self, session, client_of, post, buyer, creator):
        offer = make_offer(session, owner=creator.actor, now=utc_now(), price=0)
        answer = post(client_of(buyer), f"/shop/{offer.id}/buy", key="k")
        assert session.scalars(sa.select(Purchase.status)).one() is PurchaseStatus.PAID
        assert answer.status_code == 303

    def test_that_fails_says_so_and_can_be_begun_again(self, session, client_of, post, buyer, offer):
        client = client_of(buyer)
        where = post(client, f"/shop/{offer.id}/buy", key="k").location
        pay = post(client, f"{where}/pay").location
        post(client, f"{pay}/answer", how="fail")
        assert "The payment was refused" in text(client.get(where))
        assert post(client, f"/shop/{offer.id}/buy", key="other").location != where

    def test_that_came_to_nothing_leads_back_to_the_shop(self, session, client_of, post, buyer, offer):
        client = client_of(buyer)
        purchase = begin(session, buyer=buyer.actor, offer=offer, now=utc_now())
        assert post(client, f"/purchases/{purchase.id}/give-up").status_code == 303
        text = client.get(f"/purchases/{purchase.id}").text
        assert f"/shop/{offer.id}" in text
        assert "Begun" in text

    def test_that_is_paid_is_not_given_up_in_silence(self, session, client_of, post, buyer, offer):
        client, purchase = client_of(buyer), buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        answer = post(client, f"/purchases/{purchase.id}/give-up")
        assert "nothing left to give up" in text(client.get(answer.location))

    def test_answered_late_waits_and_asks_again(self, session, client_of, post, buyer, offer):
        client = client_of(buyer)
        where = post(client, f"/shop/{offer.id}/buy", key="k").location
        pay = post(client, f"{where}/pay").location
        post(client, f"{pay}/answer", how="late")
        assert "hx-get" in text(client.get(where))
        assert client.get(f"{where}/state").status_code == 200

    def test_begins_with_what_a_buyer_wants_to_know(self, session, client_of, counted, buyer, creator):
        character = make_character(
            session,
            owner=creator.actor,
            tagline="He counts <b>ships</b>",
            language="en",
            content_rating="mature",
            content_warnings=["gore", "cold hands"],
            description="A keeper of an old lighthouse who writes letters to ships that never answer.",
            tags=["lamp-oil"],
            greetings=Greetings("{{char}} nods at {{user}}. <script>x</script> " + "The sea. " * 100),
        )
        offer = make_offer(session, owner=creator.actor, now=utc_now(), character=character, tags=["fog"])
        client = client_of(buyer)
        client.get(f"/shop/{offer.id}")
        counted.clear()
        page = text(client.get(f"/shop/{offer.id}"))
        # Who asks and what they chose, the listing, its version, category, creator, what is held, the tray.
        assert len(counted) <= 12, counted
        assert 'mark-mature">mature<' in page
        assert "gore, cold hands" in page
        assert "English" in page
        assert "He counts &lt;b&gt;ships&lt;/b&gt;" in page
        assert all(f'<span class="mark">{tag}</span>' in page for tag in ("fog", "lamp-oil"))
        assert f"{character.name} nods at you. &lt;script&gt;" in page
        assert 40 < page.count("The sea.") < 70
        counted.clear()
        shelf = text(client.get("/shop/"))
        assert len(counted) <= 12, counted
        assert "He counts &lt;b&gt;ships&lt;/b&gt;" in shelf
        assert 'class="character-cards"' in shelf

    def test_can_be_found_by_its_category_and_those_above_it(self, session, client_of, buyer, offer):
        shelf = session.get_one(CharacterCategory, offer.category_id)
        above = CharacterCategory(name="Above", sort_order=99)
        empty = CharacterCategory(name="Empty", sort_order=98)
        session.add_all([above, empty])
        session.flush()
        shelf.parent_id = above.id
        session.flush()
        browser = client_of(buyer)
        for category in (shelf, above):
            assert "灯塔看守人" in browser.get(f"/shop/?category={category.id}").text
        assert "灯塔看守人" not in browser.get(f"/shop/?category={empty.id}").text

    def test_of_an_exclusive_that_somebody_pays_for_is_refused_in_words(self, session, client_of, post, buyer, creator):
        offer = make_offer(session, owner=creator.actor, now=utc_now(), license_type=LicenseType.EXCLUSIVE)
        begin(session, buyer=make_user(session, RoleName.CREATOR).actor, offer=offer, now=utc_now())
        client = client_of(buyer)
        post(client, f"/shop/{offer.id}/buy", key="k")
        assert "Somebody is paying for this exclusive" in text(client.get("/shop/"))


class TestLinks:
    def test_tell_the_reasons_apart(self, session, client_of, post, buyer, offer):
        now = utc_now()
        client = client_of(buyer)
        waiting = begin(session, buyer=buyer.actor, offer=offer, now=now)
        session.flush()
        fetch = {"version": "1", "form": "json"}
        assert post(client, f"/purchases/{waiting.id}/download", **fetch).status_code == 402
        tell(session, waiting, EventKind.PAID, now=now)
        session.flush()
        link = post(client, f"/purchases/{waiting.id}/download", **fetch).location
        assert client_of(make_user(session, RoleName.CREATOR)).get(link).status_code == 404
        assert client.get(link[:-3] + "xyz").status_code == 404
        session.expire_all()
        purchases.refunded(session, session.get_one(Purchase, waiting.id), now=now)
        session.flush()
        assert client.get(link).status_code == 410
        assert post(client, f"/purchases/{waiting.id}/download", **fetch).status_code == 410


class TestEvents:
    def test_that_are_unsigned_change_nothing(self, app, session, buyer, offer):
        begin(session, buyer=buyer.actor, offer=offer, now=utc_now())
        session.flush()
        client = app.test_client()
        assert client.post("/payments/local/events", data=b"{}").status_code == 400
        assert client.post("/payments/stripe/events", data=b"{}").status_code == 400
        assert session.scalar(sa.select(sa.func.count()).select_from(PaymentEvent)) == 0

    def test_that_are_signed_are_true_once(self, app, session, buyer, offer):
        now = utc_now()
        purchase = begin(session, buyer=buyer.actor, offer=offer, now=now)
        session.flush()
        provider = app.extensions["studio"].payments
        body, signature = provider.tell(
            EventKind.PAID, purchase_id=purchase.id, amount_minor=500, currency="USD", now=now
        )
        client = app.test_client()
        told = [
            client.post("/payments/local/events", data=body, headers={"X-Signature": signature}).get_json()["outcome"]
            for _ in range(2)
        ]
        assert told == ["applied", "ignored"]
        assert session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction)) == 1

    def test_that_are_too_long_are_refused(self, app):
        answer = app.test_client().post("/payments/local/events", data=b"x" * 600_000)
        assert answer.status_code == 413


class TestEarnings:
    def test_say_what_is_pending_and_until_when(self, session, client_of, buyer, creator, offer):
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        page = text(client_of(creator).get("/earnings/"))
        assert "$4.25" in page
        assert "1 sale" in page
        assert "Available 7 days after each sale" in page

    def test_say_of_one_currency_only_what_is_of_it(self, session, client_of, buyer, creator, offer):
        other = make_offer(session, owner=creator.actor, now=utc_now(), price=300_000, currency="CNY")
        for one in (offer, other):
            buy(session, buyer=buyer.actor, offer=one, now=utc_now())
        client = client_of(creator)
        for currency, is_there in (("USD", (True, False)), ("CNY", (False, True))):
            page = text(client.get(f"/earnings/?currency={currency}"))
            assert ("$4.25" in page, "2,550.00" in page) == is_there

    def test_are_written_as_the_reader_writes_money(self, session, client_of, buyer, creator):
        offer = make_offer(session, owner=creator.actor, now=utc_now(), price=300_000, currency="CNY")
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client = client_of(creator)
        client.set_cookie("studio_locale", "zh_Hans")
        assert "¥2,550.00" in text(client.get("/earnings/", headers={"Accept-Language": "zh-CN"}))

    def test_that_are_below_zero_are_explained(self, session, client_of, creator):
        earn(session, creator.actor, utc_now(), amount=-5)
        assert "A refund followed a payout" in text(client_of(creator).get("/earnings/"))

    def test_teach_the_first_step_while_there_are_none(self, client_of, creator):
        assert "Nothing earned yet" in text(client_of(creator).get("/earnings/"))

    def test_take_a_destination(self, session, client_of, post, creator):
        client = client_of(creator)
        post(client, "/earnings/destination", destination="林晚 test")
        assert payouts.find_destination(session, user_id=creator.id).destination == "林晚 test"
        post(client, "/earnings/destination", destination="")
        assert "Write a name for the test account" in text(client.get("/earnings/"))

    def test_take_no_more_than_twenty_statements(self, session, client_of, counted, buyer, creator, offer):
        buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        client = client_of(creator)
        client.get("/earnings/")
        counted.clear()
        client.get("/earnings/")
        assert len(counted) <= 20


class TestStatements:
    @pytest.fixture
    def statement(self, session, buyer, creator):
        at = datetime(2026, 10, 5, tzinfo=UTC)
        offer = make_offer(session, owner=creator.actor, now=at, title="灯塔看守人")
        buy(session, buyer=buyer.actor, offer=offer, now=at)
        period, after = Period.of(at.date()), datetime(2026, 11, 1, 3, tzinfo=UTC)
        statements.seal(session, period=period, now=after)
        statements.close(session, period=period, now=after)
        return session.scalars(sa.select(CreatorEarnings)).one()

    def test_are_pages_with_lines_and_proof(self, client_of, creator, statement):
        page = text(client_of(creator).get(f"/statements/{statement.id}"))
        assert statement.content_hash in page
        assert "October 2026" in page

    def test_download_as_csv(self, client_of, creator, statement):
        answer = client_of(creator).get(f"/statements/{statement.id}/statement.csv")
        lines = text(answer).splitlines()
        assert lines[0].startswith("\ufeff")
        assert lines[1].endswith("5.00,0.75,4.25,USD")
        assert statement.content_hash in lines[-1]

    def test_download_as_pdf_with_chinese_names_that_can_be_read(self, client_of, creator, statement):
        answer = client_of(creator).get(f"/statements/{statement.id}/statement.pdf")
        document = pypdfium2.PdfDocument(io.BytesIO(answer.get_data()))
        written = document[0].get_textpage().get_text_range()
        assert "林晚" in written
        assert "$4.25" in written
        assert statement.content_hash in written
        # The font is in the file: no reader has to have one.
        assert b"FontFile3" in answer.get_data() or b"FontFile2" in answer.get_data()

    def test_of_others_are_not_found(self, client_of, buyer, statement):
        for tail in ("", "/statement.csv", "/statement.pdf"):
            assert client_of(buyer).get(f"/statements/{statement.id}{tail}").status_code == 404

    def test_whose_lines_do_not_give_their_hash_make_no_file(self, session, client_of, creator, statement):
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        session.execute(sa.text("SET session_replication_role = replica"))
        session.execute(sa.text("GRANT UPDATE ON ledger_transactions TO CURRENT_USER"))
        session.execute(sa.text("UPDATE ledger_transactions SET occurred_at = occurred_at + interval '1 second'"))
        session.execute(sa.text("SET session_replication_role = DEFAULT"))
        assert client_of(creator).get(f"/statements/{statement.id}/statement.pdf").status_code == 409


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
        assert payouts.begin(session, payout_id=payout.id, now=now) is None
        assert "Staff hold it" in text(client_of(creator).get(f"/payouts/{payout.id}"))
        assert post(client_of(creator), f"/payouts/{payout.id}/hold").status_code == 403
        post(client, f"/payouts/{payout.id}/let-go")
        assert payouts.begin(session, payout_id=payout.id, now=now) is not None
        answer = post(client, f"/payouts/{payout.id}/hold")
        assert "on its way, paid or over already" in text(client.get(answer.location))

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
            ({"amount": "much"}, "as a number"),
        ):
            answer = post(client, address, **{**typed, **wrong})
            assert (answer.status_code, words in text(answer)) == (422, True), wrong
            assert "The fee was waived." in text(answer)
        for _ in range(2):
            answer = post(client, address, **typed)
        page = text(client.get(answer.location))
        assert "The fee was waived." in page
        assert f"{creator.name} gets it, the platform bears it" in page
        assert "Post a correction of {amount} USD: {way}." in page
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
