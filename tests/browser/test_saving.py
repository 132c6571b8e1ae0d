"""Nothing is made twice, and nothing that was typed is lost."""

from uuid import UUID

import pytest
from playwright.sync_api import expect

from studio import demo
from studio.accounts import people
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM
from studio.kit.clock import utc_now
from tests.factories.authoring import make_character


@pytest.fixture
def character(stage, creator):
    """The id of a draft of the creator's."""
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        return make_character(session, owner=owner, name="Slow Ink", description="Writes letters. " * 20).id


class TestDoublePress:
    def test_makes_one_character(self, visit, stage, creator):
        page = visit(creator).go("/characters/new")
        page.get_by_label("Name").fill("Only once")
        page.get_by_role("button", name="Make the draft").dblclick()
        page.wait_for_url(lambda url: "/new" not in url)
        assert stage.count("characters", owner_id=creator.id) == 1

    def test_imports_one_character(self, visit, stage, creator):
        visitor = visit(creator)
        page = visitor.go("/imports/")
        visitor.drop("label[data-drop]", [demo.card_file("juniper-vale", now=utc_now())])
        page.get_by_role("button", name="Read the card").dblclick()
        page.wait_for_url("**/imports/*-*")
        page.get_by_role("button", name="Make the character").first.dblclick()
        page.wait_for_url("**/characters/**")
        assert stage.count("characters", owner_id=creator.id) == 1
        assert stage.count("card_documents", owner_id=creator.id) == 1

    def test_submits_one_listing(self, visit, stage, creator, character):
        page = visit(creator).go(f"/listings/new?character_id={character}")
        page.get_by_label("Category").select_option(index=1)
        page.get_by_role("button", name="Submit for review").dblclick()
        page.wait_for_url(lambda url: "/listings/" in url and "/new" not in url)
        assert stage.count("character_publications", publisher_id=creator.id) == 1


class TestStaleSave:
    def test_shows_both_texts_and_loses_none(self, visit, stage, creator, character):
        visitor = visit(creator)
        first = visitor.go(f"/characters/{character}/edit")
        second = visitor.context.new_page()
        second.goto(f"/characters/{character}/edit")
        first.get_by_label("Description", exact=True).fill("What the first window says.")
        first.locator("[data-save]").first.click()
        expect(first.locator(".messages")).to_contain_text("Saved.")
        mine = second.get_by_label("Description", exact=True)
        mine.fill("What the second window says.")
        second.get_by_label("Tagline").fill("Only here")
        visitor.foresee(409)
        second.locator("[data-save]").first.click()
        stale = second.locator(".stale")
        expect(stale).to_contain_text("What the first window says.")
        expect(stale.locator("del")).to_have_text("first")
        expect(stale.locator("ins").filter(has_text="second")).to_be_visible()
        expect(mine).to_have_value("What the second window says.")
        expect(second.get_by_label("Tagline")).to_have_value("Only here")
        assert stage.count("characters", id=str(character), description="What the first window says.") == 1
        second.locator("[data-save]").first.click()
        expect(second.locator(".messages")).to_contain_text("Saved.")
        assert stage.count("characters", id=str(character), description="What the second window says.") == 1


class TestUnsavedChanges:
    def test_are_asked_about_before_leaving(self, visit, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        field = page.get_by_label("Description", exact=True)
        field.press("End")
        field.press_sequentially("!")
        text = field.input_value()
        page.locator("#side").get_by_role("link", name="Listings").click(no_wait_after=True)
        page.wait_for_timeout(300)
        assert asked == ["beforeunload"]
        assert page.url.endswith("/edit")
        expect(field).to_have_value(text)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.")
        page.locator("#side").get_by_role("link", name="Listings").click()
        page.wait_for_url("**/listings/")
        assert asked == ["beforeunload"]


class TestLostConnection:
    def test_keeps_what_was_typed_until_it_is_back(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        page.get_by_label("Description", exact=True).fill("Typed while the train was in the tunnel.")
        visitor.foresee_lost_connection()
        visitor.context.set_offline(True)
        page.locator("[data-save]").first.click()
        expect(page.locator("#toasts")).to_contain_text("Nothing that you typed is lost")
        page.get_by_role("button", name="Add a reply").click()
        expect(page.get_by_label("Description", exact=True)).to_have_value("Typed while the train was in the tunnel.")
        visitor.context.set_offline(False)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.")
        assert stage.count("characters", id=str(character), description="Typed while the train was in the tunnel.") == 1


class TestEndedSession:
    def test_keeps_what_was_typed_until_the_person_is_back(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        page.get_by_label("Description", exact=True).fill("Typed while the session ended.")
        with stage.session() as session:
            people.end_sessions(session, actor=SYSTEM, user_id=UUID(creator.id))
        page.locator("[data-save]").first.click()
        expect(page.locator("#toasts")).to_contain_text("You are signed out")
        expect(page.get_by_label("Description", exact=True)).to_have_value("Typed while the session ended.")
        visitor.page = visitor.context.new_page()
        visitor.sign_in(creator)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.")
        assert stage.count("characters", id=str(character), description="Typed while the session ended.") == 1


class TestJobsOnThePage:
    def test_survive_a_reload(self, visit, creator):
        visitor = visit(creator)
        page = visitor.go("/imports/")
        visitor.drop("label[data-drop]", [demo.card_file("mo-bai", now=utc_now())])
        visitor.press("Read the card")
        visitor.press("Make the character")
        page.wait_for_url("**/characters/**")
        page.reload()
        jobs = page.locator("#character-jobs")
        expect(jobs.locator("li")).to_have_count(2)
        expect(jobs.locator(".mark-succeeded")).to_have_count(2, timeout=60_000)
        expect(visitor.open_menu("Your jobs")).to_contain_text("Embed a character")
