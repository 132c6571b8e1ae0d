"""What creators see of their money, and their statements, over HTTP."""

import io
from datetime import UTC, datetime, timedelta

import pypdfium2
import pytest
import sqlalchemy as sa

from studio.kit.clock import utc_now
from studio.market.models import CreatorEarnings
from studio.market.money import payouts, statements
from studio.market.money.statements import Period
from tests.admin_views.money.conftest import text
from tests.factories.money import buy, make_offer
from tests.market.money.test_payouts import earn


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
        # What another character brought in the month before is carried into this one.
        buy(
            session,
            buyer=buyer.actor,
            offer=make_offer(session, owner=creator.actor, now=at),
            now=at - timedelta(days=20),
        )
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
        assert statement.content_hash in lines[-3]
        assert lines[-2:] == [
            "Carried over from before,all characters together,,,,4.25,USD",
            "At the end of the month,all characters together,,,,8.50,USD",
        ]

    def test_download_as_pdf_with_chinese_names_that_can_be_read(self, client_of, creator, statement):
        answer = client_of(creator).get(f"/statements/{statement.id}/statement.pdf")
        document = pypdfium2.PdfDocument(io.BytesIO(answer.get_data()))
        written = document[0].get_textpage().get_text_range()
        assert "林晚" in written
        assert "$4.25" in written
        assert "$8.50 (all characters together)" in written
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
