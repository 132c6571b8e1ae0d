"""Everything can be done from the keyboard."""

import pytest
from playwright.sync_api import expect

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.review import effects
from studio.market.review import rules as review_rules
from tests.factories.accounts import make_actor
from tests.factories.market import make_card, make_waiting_case


class TestKeys:
    def test_skip_to_the_content(self, visit, creator):
        page = visit(creator).go("/characters/")
        page.keyboard.press("Tab")
        expect(page.locator("a.skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()

    def test_lead_to_a_page_by_the_palette(self, visit, creator):
        page = visit(creator).go("/")
        page.keyboard.press("Control+k")
        expect(page.locator("#palette input")).to_be_focused()
        page.keyboard.type("listi")
        expect(page.locator("#palette-found a")).to_have_count(1)
        expect(page.locator("#palette-found a").first).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        page.wait_for_url("**/listings/")

    def test_search_in_a_list(self, visit, creator):
        page = visit(creator).go("/search/")
        page.locator("h1").click()
        page.keyboard.press("/")
        expect(page.locator("[data-search]")).to_be_focused()
        page.keyboard.type("/?")
        expect(page.locator("[data-search]")).to_have_value("/?")

    def test_are_explained(self, visit, creator):
        page = visit(creator).go("/")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()

    def test_save_a_form(self, visit, stage, creator):
        page = visit(creator).go("/characters/new")
        page.get_by_label("Name").fill("Saved by keys")
        page.keyboard.press("Control+s")
        page.wait_for_url(lambda url: "/new" not in url)
        assert stage.count("characters", owner_id=creator.id, name="Saved by keys") == 1


@pytest.fixture
def cases(stage):
    """Two cases that wait, older than any other, so that they lead the queue; their titles, oldest first."""
    with stage.session() as session:
        owner = make_actor(session, RoleName.CREATOR)
        long_ago = utc_now().replace(year=2020)
        titles = ["The first of the queue", "The second of the queue"]
        for title in titles:
            make_waiting_case(
                session, owner=owner, now=long_ago, title=title, character=make_card(session, owner=owner, now=long_ago)
            )
    return titles


class TestDeskKeys:
    def test_decide_without_a_mouse(self, visit, stage, cases, moderator):
        page = visit(moderator).go("/review/")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        first = page.locator("[data-step]").first
        expect(first).to_be_focused()
        title = first.locator(".queue-title").inner_text()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(title)
        page.keyboard.press("c")
        expect(page.get_by_text("You hold this review")).to_be_visible()
        page.wait_for_load_state()
        page.keyboard.press("r")
        expect(page.get_by_label("Reason", exact=True).first).to_be_focused()
        # What goes against a listing is gone to, and pressed by Enter alone.
        page.locator("h1").click()
        for key, button in (("s", "Send back with these reasons"), ("x", "Reject")):
            page.keyboard.press(key)
            expect(page.get_by_role("button", name=button, exact=True)).to_be_focused()
        page.wait_for_timeout(200)
        expect(page.get_by_text("You hold this review")).to_be_visible()
        # Who has just ticked a box (and unticked it) is not typing.
        page.get_by_label("Then take the next one").first.dblclick()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog").get_by_text("Next marked passage")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        expect(page.locator("dialog#confirm")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog#confirm")).to_be_hidden()
        # Some people click everything twice: the question stays.
        page.get_by_role("button", name="Approve", exact=True).dblclick()
        page.wait_for_timeout(200)
        expect(page.locator("dialog#confirm")).to_be_visible()
        page.keyboard.press("Escape")
        assert stage.count("character_publications", title=title, status="approved") == 0
        page.keyboard.press("a")
        expect(page.locator("dialog#confirm")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".messages .alert-success")).to_be_visible()
        # For ten seconds it can be undone.
        assert stage.count("character_publications", title=title, status="approved") == 0
        with stage.session() as session:
            effects.release_due(session, now=utc_now() + review_rules.UNDO)
        assert stage.count("character_publications", title=title, status="approved") == 1
