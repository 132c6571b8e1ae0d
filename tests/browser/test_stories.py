"""The staff put a story together, by keyboard and by dragging."""

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.kit.clock import utc_now
from tests.factories.authoring import make_official, make_story


@pytest.fixture
def story(stage, staff):
    """The id of a story with three characters."""
    with stage.session() as session:
        actor = session.get_one(User, staff.id).actor
        story = make_story(session, staff=actor, title="A ferry in the fog", now=utc_now())
        for name in ("Ada", "Bo", "Cy"):
            make_official(session, staff=actor, story=story, name=name, now=utc_now())
        return story.id


def order(page):
    return page.locator("[data-cast] .row-link").all_inner_texts()


class TestStories:
    def test_are_made_and_put_in_order_by_keys(self, visit, stage, staff, story, axe, shot):
        visitor = visit(staff)
        page = visitor.go("/stories/new")
        page.get_by_label("Title").fill("By keys alone")
        page.keyboard.press("Control+s")
        page.wait_for_url(lambda url: "/new" not in url)
        assert stage.count("stories", title="By keys alone") == 1

        visitor.go(f"/stories/{story}")
        page.get_by_role("button", name="Move Cy up").focus()
        page.keyboard.press("Enter")
        expect(page.locator("[data-cast] .row-link").nth(1)).to_have_text("Cy")
        expect(page.get_by_role("button", name="Move Cy up")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("[data-cast] .row-link").first).to_have_text("Cy")
        # At the top there is no way up; the focus stays with the row.
        expect(page.get_by_role("button", name="Move Cy down")).to_be_focused()
        page.reload()
        assert order(page) == ["Cy", "Ada", "Bo"]
        assert not visitor.axe(axe)
        shot(page, "story")

    def test_are_put_in_order_by_dragging(self, visit, staff, story):
        page = visit(staff).go(f"/stories/{story}")
        rows = page.locator("[data-cast] [data-character]")
        rows.nth(0).drag_to(rows.nth(2), target_position={"x": 20, "y": 50})
        expect(rows.nth(2)).to_contain_text("Ada")
        page.reload()
        assert order(page) == ["Bo", "Cy", "Ada"]
