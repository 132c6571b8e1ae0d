"""Money, played by people in browsers: given back here; bought, on a statement and paid once in `test_story`."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import CreatorEarnings, Payout, PayoutStatus, PurchaseStatus
from studio.market.money import purchases, statements
from studio.market.money.statements import Period
from tests.factories.accounts import make_actor
from tests.factories.money import buy as buy_by_service
from tests.factories.money import make_offer

LAST_MONTH = utc_now().replace(day=1) - timedelta(days=10)


@pytest.fixture
def creator(stage):
    return stage.person(RoleName.CREATOR, name="林晚 Wren Castellan")


@pytest.fixture
def offer(stage, creator):
    title = f"灯塔看守人 {creator.id[-4:]}"
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        return make_offer(session, owner=owner, now=LAST_MONTH, price=4_999, title=title)


class TestMoney:
    def test_gives_the_money_back(self, visit, stage, creator, offer, shot):
        buyer = visit(stage.person(RoleName.CREATOR))
        buy(buyer, offer, shot, keep=False)
        # On a phone what was bought can be fetched without pushing its table sideways.
        buyer.page.set_viewport_size({"width": 390, "height": 844})
        box = buyer.page.get_by_role("button", name="PNG").bounding_box()
        assert box["x"] + box["width"] <= 390
        page = visit(stage.person(RoleName.STAFF)).go("/sales/")
        page.get_by_role("link", name=offer.title).first.click()
        dialog = page.get_by_role("dialog")
        page.get_by_text("Correct what its creator earned").click()
        page.get_by_label("Which way").select_option("take")
        page.get_by_label("Amount (USD)").fill("1.50")
        page.get_by_label("Why? The creator reads it").fill("The fee was counted twice.")
        page.get_by_role("button", name="Read it back").click()
        expect(
            page.get_by_text("a correction of $1.50: 林晚 Wren Castellan gives it back to the platform.")
        ).to_be_visible()
        shot(page, "money-correction")
        page.get_by_role("button", name="Post the correction").click()
        expect(page.get_by_text("The fee was counted twice.")).to_be_visible()
        shot(page, "money-sale")
        # Back leads to the sale, and does not ask to post again what was read back.
        page.go_back()
        expect(page.get_by_text("Correct what its creator earned")).to_be_visible()
        page.go_forward()
        page.get_by_role("button", name="Refund").click()
        expect(dialog).to_contain_text("$49.99 back?")
        dialog.get_by_role("button").last.click()
        expect(buyer.page.get_by_text("paid").first).to_be_visible()
        for _ in range(60):
            buyer.page.reload()
            if buyer.page.get_by_text("You have the money back").is_visible():
                break
            buyer.page.wait_for_timeout(500)
        expect(buyer.page.get_by_text("You have the money back")).to_be_visible()
        shot(buyer.page, "money-refunded")


def buy(buyer, offer, shot, *, keep=True):
    # The demo's smaller pictures may still be under way.
    buyer.foresee(404)
    page = buyer.go("/shop/")
    expect(page.get_by_role("link", name=offer.title).first).to_be_visible()
    if keep:
        shot(page, "money-1-shop")
    page.get_by_role("link", name=offer.title).first.click()
    expect(page.get_by_text("no money moves")).to_be_visible()
    if keep:
        shot(page, "money-2-offer")
    page.get_by_role("button", name="Buy").click()
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("heading", name="Test payment")).to_be_visible()
    if keep:
        shot(page, "money-3-test-payment")
    page.get_by_role("button", name="Pay, and have it told twice").click()
    expect(page.get_by_text("Yours, with every version")).to_be_visible()


def download(buyer, shot):
    page = buyer.page
    shot(page, "money-4-purchase")
    with page.expect_download() as told:
        page.get_by_role("button", name="JSON").click()
    assert told.value.suggested_filename.endswith(".json")
    page.reload()
    expect(page.locator("td time").nth(1)).to_be_visible()


def see_what_is_pending(earner, shot):
    page = earner.go("/earnings/")
    expect(page.get_by_text("$42.50").first).to_be_visible()
    page.get_by_label("A name for the test account").fill("林晚 test")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your payouts go there from now on")).to_be_visible()
    shot(page, "money-5-earnings")


def sell_last_month(stage, offer):
    """Somebody bought it last month: that month can be closed, and its hold is over."""
    with stage.session() as session:
        bought = buy_by_service(session, buyer=make_actor(session, RoleName.CREATOR), offer=offer, now=LAST_MONTH)
        assert bought.status is PurchaseStatus.PAID


def close_last_month(stage):
    """As the jobs of the night do."""
    now, period = utc_now(), Period.of(LAST_MONTH.date())
    with stage.session() as session:
        while purchases.release_due(session, now=now):
            pass
        statements.seal(session, period=period, now=now)
        statements.close(session, period=period, now=now)


def read_the_statement(earner, stage, creator, shot):
    page = earner.go("/statements/")
    page.locator("table.list tbody a").first.click()
    expect(page.get_by_text("SHA-256")).to_be_visible()
    shot(page, "money-6-statement")
    for name, start in (("PDF", b"%PDF"), ("CSV", b"\xef\xbb\xbf")):
        with page.expect_download() as told:
            page.get_by_role("link", name=name, exact=True).click()
        assert told.value.path().read_bytes().startswith(start)
    with stage.session() as session:
        mine = sa.select(CreatorEarnings.net_minor).where(CreatorEarnings.creator_id == creator.id)
        assert session.scalars(mine).all() == [4_250]


def pay_once(staff, stage, creator, shot):
    page = staff.go("/money/")
    expect(page.get_by_role("heading", name="Trial balance")).to_be_visible()
    shot(page, "money-7-overview")
    page.get_by_role("button", name="Pay them all").click()
    page.get_by_role("dialog").get_by_role("button").last.click()
    expect(page.get_by_text("made.")).to_be_visible()

    def status():
        with stage.session() as session:
            return session.scalars(sa.select(Payout.status).where(Payout.creator_id == creator.id)).all()

    for _ in range(60):
        if status() == [PayoutStatus.PAID]:
            break
        page.wait_for_timeout(500)
    assert status() == [PayoutStatus.PAID]
    page.reload()
    shot(page, "money-8-payouts")
