"""Nothing is made twice, and nothing that was typed is lost."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import expect

from studio import demo
from studio.accounts import people
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, RoleName
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


class TestTwoWindows:
    def test_are_merged_and_nothing_is_lost(self, visit, stage, creator, character):
        visitor = visit(creator)
        first = visitor.go(f"/characters/{character}/edit")
        second = visitor.context.new_page()
        second.goto(f"/characters/{character}/edit")
        first.get_by_label("Description", exact=True).fill("What the first window says.")
        first.get_by_label("Nickname").fill("Inky")
        first.locator("[data-save]").first.click()
        expect(first.locator(".messages")).to_contain_text("Saved.")
        second.get_by_label("Description", exact=True).fill("What the second window says.")
        second.get_by_label("Tagline").fill("Only here")
        visitor.foresee(409)
        second.locator("[data-save]").first.click()
        merge = second.locator("form.merge")
        expect(merge).to_contain_text("You saved this in another window")
        second.wait_for_load_state("networkidle")
        expect(second.locator(".recovered-draft")).to_have_count(0)
        expect(merge.locator("ins", has_text="the first window says").first).to_be_visible()
        expect(merge.locator("ins", has_text="the second window says").first).to_be_visible()
        expect(merge).to_contain_text("Where you both startedWrites letters.")
        expect(second.locator("#merge-theirs")).to_be_visible()
        expect(merge).to_contain_text("Nickname")
        assert stage.count("characters", id=str(character), description="What the first window says.") == 1
        # Writing a text of one's own chooses it.
        second.get_by_label("Description, merged").fill("What both windows say.")
        expect(second.get_by_label("As written here:")).to_be_checked()
        second.get_by_role("button", name="Save the merge").click()
        expect(second.locator(".messages")).to_contain_text("both changes are in it")
        saved = {"description": "What both windows say.", "tagline": "Only here", "nickname": "Inky"}
        assert stage.count("characters", id=str(character), **saved) == 1


def kept(page):
    return page.locator(".autosave-status[data-state=kept]")


def leave(page):
    """Close the page as a crash does: nobody is asked, nothing is waited for."""
    page.close(run_before_unload=False)


class TestDrafts:
    def test_keep_themselves_and_are_gone_on_with_after_a_crash(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        page.get_by_label("Tagline").fill("Typed before the crash")
        page.get_by_role("button", name="Add a reply").click()
        page.get_by_label("Reply 1").fill("A reply that was not saved.")
        expect(kept(page)).to_contain_text("Saved as a draft")
        # Written as the studio writes every time.
        expect(kept(page)).to_contain_text(re.compile(r"\d:\d\d:\d\d"))
        leave(page)
        assert stage.count("characters", id=str(character), tagline="Typed before the crash") == 0
        page = visitor.page = visitor.context.new_page()
        visitor.go(f"/characters/{character}/edit")
        recovered = page.locator("#recovered")
        expect(recovered).to_contain_text("You have unsaved work from")
        expect(page.get_by_label("Tagline")).to_have_value("")
        recovered.get_by_text("Look at the differences").click()
        expect(recovered.locator("ins").first).to_be_visible()
        recovered.get_by_role("link", name="Go on with it").click()
        expect(page.get_by_label("Tagline")).to_have_value("Typed before the crash")
        expect(page.get_by_label("Reply 1")).to_have_value("A reply that was not saved.")
        expect(kept(page)).to_be_visible()
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.", timeout=15_000)
        assert stage.count("characters", id=str(character), tagline="Typed before the crash") == 1
        assert stage.count("autosaves", document_id=str(character), state="open") == 0
        visitor.go(f"/characters/{character}/edit")
        expect(page.get_by_label("Tagline")).to_have_value("Typed before the crash")
        expect(page.locator("#recovered")).not_to_contain_text("unsaved work")

    def test_typed_offline_survive_the_browser_and_arrive(self, visit, stage, creator, character):
        """Offline, typing goes on; the window crashes; back online nothing is lost."""
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        visitor.foresee_lost_connection()
        visitor.context.set_offline(True)
        page.get_by_label("Scenario").fill("Typed in the tunnel, and never sent.")
        expect(page.locator(".autosave-status")).to_contain_text("kept in this browser")
        assert stage.count("autosaves", document_id=str(character)) == 0
        leave(page)
        visitor.context.set_offline(False)
        page = visitor.page = visitor.context.new_page()
        visitor.go(f"/characters/{character}/edit")
        recovered = page.locator("#recovered")
        expect(recovered).to_contain_text("You have unsaved work from")
        recovered.get_by_role("link", name="Go on with it").click()
        expect(page.get_by_label("Scenario")).to_have_value("Typed in the tunnel, and never sent.")
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.", timeout=15_000)
        assert stage.count("characters", id=str(character), scenario="Typed in the tunnel, and never sent.") == 1

    def test_go_out_by_themselves_when_the_line_is_back(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        visitor.foresee_lost_connection()
        visitor.context.set_offline(True)
        page.get_by_label("Scenario").fill("Typed in the tunnel.")
        expect(page.locator(".autosave-status")).to_contain_text("kept in this browser")
        visitor.context.set_offline(False)
        expect(kept(page)).to_be_visible()
        assert stage.count("autosaves", document_id=str(character), state="open") == 1

    def test_can_be_discarded_and_taken_back(self, visit, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        page.get_by_label("Tagline").fill("Not wanted")
        expect(kept(page)).to_be_visible()
        visitor.go(f"/characters/{character}/edit")
        page.locator("#recovered").get_by_role("button", name="Discard").click()
        expect(page.locator(".messages")).to_contain_text("The draft is discarded.")
        expect(page.locator("#recovered")).not_to_contain_text("unsaved work")
        page.locator(".messages").get_by_role("button", name="Undo").click()
        expect(page.locator("#recovered")).to_contain_text("You have unsaved work from")

    def test_of_signed_out_people_wait_and_say_so(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        visitor.foresee(400)
        with stage.session() as session:
            people.end_sessions(session, actor=SYSTEM, user_id=UUID(creator.id))
        page.get_by_label("Tagline").fill("Typed while the session ended")
        status = page.locator(".autosave-status[data-state=signed-out]")
        expect(status).to_contain_text("you are signed out. Nothing is lost.")
        with visitor.context.expect_page() as opened:
            status.get_by_role("link", name="Sign in again").click()
        visitor.page = opened.value
        visitor.sign_in(creator)
        page.bring_to_front()
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(kept(page)).to_be_visible()
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.", timeout=15_000)
        assert stage.count("characters", id=str(character), tagline="Typed while the session ended") == 1

    def test_signing_out_takes_along_what_the_browser_keeps(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        visitor.foresee_lost_connection()
        visitor.context.set_offline(True)
        page.get_by_label("Tagline").fill("For nobody else's eyes")
        expect(page.locator(".autosave-status")).to_contain_text("kept in this browser")
        leave(page)
        visitor.context.set_offline(False)
        # The line is dead for drafts alone, so that this one still waits when the person signs out.
        visitor.context.route("**/autosave", lambda route: route.abort())
        page = visitor.page = visitor.context.new_page()
        visitor.go("/")
        names = "indexedDB.databases().then((all) => all.map((one) => one.name).join())"
        assert creator.id in page.evaluate(names)
        visitor.open_menu(creator.name).get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in**")
        assert creator.id not in page.evaluate(names)

    def test_of_one_person_never_reach_another(self, visit, stage, creator, character):
        visitor, other = visit(creator), stage.person(RoleName.CREATOR)
        page = visitor.go(f"/characters/{character}/edit")
        second = visitor.context.new_page()
        second.goto("/")
        visitor.page = second
        visitor.open_menu(creator.name).get_by_role("button", name="Sign out").click()
        second.wait_for_url("**/sign-in**")
        visitor.sign_in(other)
        visitor.foresee(400, 404, 409)
        page.get_by_label("Tagline").fill("Typed by the first person")
        expect(page.locator(".autosave-status[data-state=other]")).to_contain_text("Another person is signed in")
        assert stage.count("autosaves", user_id=other.id) == 0
        assert stage.count("autosaves", document_id=str(character)) == 0


class TestNewForms:
    def test_offer_what_was_typed_before_the_crash(self, visit, stage, creator):
        visitor = visit(creator)
        page = visitor.go("/characters/new")
        page.get_by_label("Name").fill("Half a character")
        page.get_by_label("Description").fill("Typed before the crash.")
        expect(kept(page)).to_contain_text("Saved as a draft")
        leave(page)
        page = visitor.page = visitor.context.new_page()
        visitor.go("/characters/new")
        expect(page.get_by_label("Name")).to_have_value("")
        recovered = page.locator("#recovered")
        expect(recovered).to_contain_text("You have unsaved work from")
        recovered.get_by_role("link", name="Go on with it").click()
        expect(page.get_by_label("Description")).to_have_value("Typed before the crash.")
        page.get_by_role("button", name="Make the draft").click()
        page.wait_for_url("**/edit")
        assert stage.count("characters", owner_id=creator.id, name="Half a character") == 1
        visitor.go("/characters/new")
        expect(page.locator("#recovered")).not_to_contain_text("unsaved work")


class TestUnsavedChanges:
    def test_are_asked_about_before_leaving_while_nobody_keeps_them(self, visit, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        visitor.foresee_lost_connection()
        page.route("**/autosave", lambda route: route.abort())
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
        expect(page.locator(".messages")).to_contain_text("Saved.", timeout=15_000)
        page.locator("#side").get_by_role("link", name="Listings").click()
        page.wait_for_url("**/listings/")
        assert asked == ["beforeunload"]

    def test_are_not_asked_about_once_they_are_kept(self, visit, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        page.get_by_label("Tagline").press_sequentially("kept")
        expect(kept(page)).to_be_visible()
        page.locator("#side").get_by_role("link", name="Listings").click()
        page.wait_for_url("**/listings/")
        assert not asked


class TestTrash:
    def test_is_undone_at_once_or_later_or_never(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}")
        page.get_by_role("button", name="Throw away").click()
        message = page.locator(".messages")
        expect(message).to_contain_text("Slow Ink is in the trash for 30 days.")
        message.get_by_role("button", name="Undo").click()
        expect(message).to_contain_text("Slow Ink is back.")
        page.get_by_role("button", name="Throw away").click()
        page.locator("#side").get_by_role("link", name="Trash").click()
        expect(page.locator(".trash-list")).to_contain_text("Slow Ink")
        page.get_by_role("link", name="Delete for good").click()
        expect(page.locator("main")).to_contain_text("Nobody else uses it.")
        page.get_by_role("button", name="Delete Slow Ink for good").click()
        expect(message).to_contain_text("Slow Ink is deleted for good.")
        assert stage.count("characters", id=str(character)) == 0


class TestLostConnection:
    def test_keeps_what_was_typed_until_it_is_back(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        page.get_by_label("Description", exact=True).fill("Typed while the train was in the tunnel.")
        visitor.foresee_lost_connection()
        visitor.context.set_offline(True)
        page.locator("[data-save]").first.click()
        expect(page.locator("#toasts")).to_contain_text("Nothing that you typed is lost")
        foot, toast = page.locator(".form-buttons").bounding_box(), page.locator("#toasts > *").bounding_box()
        assert toast["y"] + toast["height"] <= foot["y"]
        page.get_by_role("button", name="Add a reply").click()
        expect(page.get_by_label("Description", exact=True)).to_have_value("Typed while the train was in the tunnel.")
        visitor.context.set_offline(False)
        expect(page.locator("#toasts > *")).to_have_count(0, timeout=3_000)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.", timeout=15_000)
        assert stage.count("characters", id=str(character), description="Typed while the train was in the tunnel.") == 1


class TestEndedSession:
    def test_keeps_what_was_typed_until_the_person_is_back(self, visit, stage, creator, character):
        visitor = visit(creator)
        page = visitor.go(f"/characters/{character}/edit")
        page.get_by_label("Description", exact=True).fill("Typed while the session ended.")
        visitor.foresee(400)
        with stage.session() as session:
            people.end_sessions(session, actor=SYSTEM, user_id=UUID(creator.id))
        page.locator("[data-save]").first.click()
        expect(page.locator("#toasts")).to_contain_text("You are signed out")
        expect(page.get_by_label("Description", exact=True)).to_have_value("Typed while the session ended.")
        visitor.page = visitor.context.new_page()
        visitor.sign_in(creator)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.", timeout=15_000)
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
