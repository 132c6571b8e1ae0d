"""A creator keeps versions, compares them, and brings one back."""

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.authoring import versions
from studio.authoring.rules import Greetings
from studio.kit.clock import utc_now
from tests.factories.authoring import make_character


@pytest.fixture
def character(stage, creator):
    """The id of a character of the creator's that has one version."""
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        character = make_character(
            session,
            owner=owner,
            name="Keeper of the light",
            description="A quiet keeper. " + "The lamp turns. " * 200 + "灯塔的守护人。",
            greetings=Greetings("You came at last.", ("The door stands open.",)),
            now=utc_now(),
        )
        versions.make(session, actor=owner, character_id=character.id, now=utc_now())
        return character.id


class TestVersions:
    def test_are_kept_compared_and_restored(self, visit, stage, creator, character, axe, shot):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        description = page.get_by_label("Description", exact=True)
        was = description.input_value()
        description.fill(was.replace("quiet", "proud").replace("守护人", "看守人"))
        page.keyboard.press("Control+Shift+S")
        expect(page.get_by_label("What has changed?")).to_be_focused()
        page.keyboard.type("Prouder")
        page.keyboard.press("Enter")
        expect(page.locator(".messages")).to_contain_text("Version 2 is saved.")

        visitor.go(f"/characters/{character}/versions")
        expect(page.get_by_role("row").nth(2)).to_contain_text("Prouder")
        shot(page, "versions")
        page.keyboard.press("c")
        page.wait_for_url("**/versions/compare?**")
        expect(page.locator(".marked-text del").first).to_have_text("quiet ")
        expect(page.locator(".marked-text ins").first).to_have_text("proud ")
        assert page.locator("ins").all_inner_texts()[1:] == ["看"]
        # What stayed is folded, and can be read.
        fold = page.locator(".fold")
        expect(fold).to_have_count(1)
        expect(fold.locator("summary")).to_contain_text("unchanged characters")
        page.keyboard.press("j")
        expect(page.locator("[data-change]").first).to_be_focused()
        assert not visitor.axe(axe)
        shot(page, "compare")

        visitor.press("Restore version 1")
        visitor.agree()
        expect(page.locator(".messages")).to_contain_text("that is version 3 now")
        assert stage.count("character_versions", character_id=str(character)) == 3
        visitor.go(f"/characters/{character}/edit")
        expect(page.get_by_label("Description", exact=True)).to_have_value(was)

        visitor.go(f"/characters/{character}/versions")
        visitor.press("Undo")
        expect(page.locator(".messages")).to_contain_text("version 4 now")
        visitor.go(f"/characters/{character}/edit")
        expect(page.get_by_label("Description", exact=True)).to_have_value(
            was.replace("quiet", "proud").replace("守护人", "看守人")
        )

    def test_are_read_on_a_phone_in_chinese(self, visit, creator, character, shot):
        visitor = visit(creator, locale="zh-CN", viewport={"width": 390, "height": 844})
        for path in ("", "/1", "/compare"):
            page = visitor.go(f"/characters/{character}/versions{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            shot(page, f"versions-phone{path.replace('/', '-')}")
