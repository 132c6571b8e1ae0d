"""The shop, links and the provider's events, over HTTP: what each person sees and may do."""

import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring.rules import Greetings
from studio.kit.clock import utc_now
from studio.market.catalogue import withheld
from studio.market.models import (
    CharacterCategory,
    CharacterDownload,
    LedgerTransaction,
    LicenseType,
    PaymentEvent,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import purchases
from studio.market.review import recalls
from studio.providers.payments import EventKind
from tests.admin_views.money.conftest import text
from tests.factories.accounts import make_actor, make_user
from tests.factories.authoring import make_character
from tests.factories.money import begin, buy, make_offer, tell


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

    def test_of_an_exclusive_that_was_just_sold_is_refused_in_words(self, session, client_of, post, buyer, creator):
        offer = make_offer(session, owner=creator.actor, now=utc_now(), license_type=LicenseType.EXCLUSIVE)
        buy(session, buyer=make_user(session, RoleName.CREATOR).actor, offer=offer, now=utc_now())
        client = client_of(buyer)
        assert post(client, f"/shop/{offer.id}/buy", key="k").location.endswith("/shop/")
        assert "not for sale (any more). Nothing was charged" in text(client.get("/shop/"))
        assert post(client, f"/shop/{buyer.id}/buy", key="k").status_code == 404


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

    def test_to_what_went_with_another_version_are_not_offered(
        self, session, client_of, post, buyer, offer, monkeypatch
    ):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        monkeypatch.setattr(withheld, "of_character", lambda *_, **__: {1: withheld.Withheld.WITH_ANOTHER})
        client = client_of(buyer)
        page = text(client.get(f"/purchases/{purchase.id}"))
        assert "Another version of this character was taken down for a severe reason" in page
        assert f"/purchases/{purchase.id}/download" not in page
        assert post(client, f"/purchases/{purchase.id}/download", version="1", form="json").status_code == 410

    def test_to_what_is_on_hold_are_not_offered(self, session, client_of, post, buyer, offer):
        purchase = buy(session, buyer=buyer.actor, offer=offer, now=utc_now())
        moderator = make_actor(session, RoleName.MODERATOR)
        recalls.quarantine(session, actor=moderator, publication_id=offer.id, reason="Look.", now=utc_now())
        client = client_of(buyer)
        page = text(client.get(f"/purchases/{purchase.id}"))
        assert "Moderators are looking at it again" in page
        assert f"/purchases/{purchase.id}/download" not in page
        answer = post(client, f"/purchases/{purchase.id}/download", version="1", form="json")
        assert answer.status_code == 410
        assert "This version is on hold" in text(answer)


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
