"""Choosing rows as people do it: one, a page, a range, all that match; and taking back what was done."""

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from tests.factories.authoring import make_character

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def many(stage, creator):
    """Thirty drafts of the creator's, a page and a bit."""
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        for number in range(30):
            make_character(session, owner=owner, name=f"Luna {number:02} 守墓人", tagline="在深夜的夜市卖馄饨。 " * 4)


def archived(stage, creator):
    return stage.count("characters", owner_id=creator.id, status="archived")


class TestAPage:
    def test_is_chosen_changed_and_taken_back(self, visit, stage, creator, many, shot):
        visitor = visit(creator)
        page = visitor.go("/characters/?layout=table")
        bar = page.locator("[data-bulk]")
        expect(bar.get_by_role("button", name="Go on")).to_be_disabled()
        expect(bar.get_by_label("Tag")).to_be_hidden()
        page.get_by_label("This page").check()
        expect(bar.locator("output")).to_have_text("24 chosen")
        bar.get_by_label("What should be done").select_option(label="Add a tag")
        bar.get_by_label("Tag").fill("night")
        shot(page, "bulk-bar")
        visitor.press("Go on", within=bar)
        expect(page.locator(".messages")).to_contain_text("24 changed")
        shot(page, "bulk-done")
        visitor.press("Undo", within=page.locator(".messages"))
        expect(page.locator(".messages")).to_contain_text("24 changed")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Undone: Add a tag")
        shot(page, "bulk-undone")

    def test_is_chosen_by_ranges_and_by_keys(self, visit, stage, creator, many):
        page = visit(creator).go("/characters/")
        boxes, output = page.locator("[data-pick]"), page.locator("[data-bulk] output")
        boxes.nth(2).click()
        boxes.nth(6).click(modifiers=["Shift"])
        expect(output).to_have_text("5 chosen")
        page.keyboard.press("Escape")
        expect(output).to_have_text("Nothing is chosen")
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(output).to_have_text("2 chosen")

    def test_works_without_scripts(self, visit, stage, creator, many):
        visitor = visit(creator, java_script_enabled=False)
        page = visitor.go("/characters/")
        for place in range(3):
            page.locator("[data-pick]").nth(place).check()
        page.get_by_label("What should be done").select_option(label="Archive")
        visitor.press("Go on")
        expect(page.locator(".messages")).to_contain_text("3 changed")
        assert archived(stage, creator) == 3
        visitor.press("Undo")
        expect(page.locator(".messages")).to_contain_text("3 changed")
        assert archived(stage, creator) == 0


class TestAllThatMatch:
    def test_are_tried_confirmed_done_and_taken_back(self, visit, stage, creator, many, shot):
        visitor = visit(creator)
        page = visitor.go("/characters/")
        bar = page.locator("[data-bulk]")
        expect(bar.get_by_label("All 30 that match")).to_be_hidden()
        page.get_by_label("This page").check()
        bar.get_by_label("All 30 that match").check()
        bar.get_by_label("What should be done").select_option(label="Archive")
        visitor.press("Go on", within=bar)
        change = page.get_by_role("button", name="Change 30 rows")
        expect(change).to_be_visible(timeout=60_000)
        shot(page, "bulk-tried")
        assert archived(stage, creator) == 0
        change.click()
        expect(page.locator("#bulk-live .mark").first).to_have_text("finished", timeout=60_000)
        shot(page, "bulk-finished")
        assert archived(stage, creator) == 30
        visitor.press("Undo")
        visitor.agree()
        expect(page.locator(".messages")).to_contain_text("30 changed")
        assert archived(stage, creator) == 0


class TestOnAPhone:
    @pytest.mark.parametrize("layout", ["cards", "table"])
    def test_the_bar_fits(self, visit, stage, creator, many, shot, layout, axe):
        visitor = visit(creator, viewport=PHONE)
        page = visitor.go(f"/characters/?layout={layout}")
        page.locator("[data-pick]").first.check()
        page.get_by_label("What should be done").select_option(label="Set the rating")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(page, f"bulk-phone-{layout}")
        assert not visitor.axe(axe)
