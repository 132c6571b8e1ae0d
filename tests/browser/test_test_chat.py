"""Test chat and AI assist, played against a language server that streams, dies and falls silent."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.authoring import replies, versions
from studio.authoring.models import Character
from studio.authoring.rules import ReplyDraft
from studio.kit.clock import utc_now
from studio.providers import storage
from tests.factories.authoring import import_character, json_card
from tests.fakes import language_server as fake

PHONE = {"width": 390, "height": 844}
BOOK = {
    "extensions": {},
    "entries": [
        {
            "keys": ["sword"],
            "content": "The heavy iron sword weighs eighty pounds.",
            "name": "Iron sword",
            "extensions": {},
            "enabled": True,
            "insertion_order": 1,
        }
    ],
}


@pytest.fixture(autouse=True)
def patience():
    """An answer passes through a browser, a studio and a server; on a busy machine that takes a while."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def server(stage):
    """The language server of the studio on the stage, with nothing in its script."""
    stage.language.reset()
    yield stage.language
    stage.language.reset()


@pytest.fixture
def character(stage, creator):
    """The id of a draft of the creator's, from a card with a lorebook, with a fallback reply and a version."""
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        row = import_character(
            session,
            actor=owner,
            storage=storage.from_settings(stage.settings),
            data=json_card(name="Dugu", character_book=BOOK),
        )
        replies.replace(
            session,
            actor=owner,
            character_id=row.id,
            row_version=row.row_version,
            replies=[ReplyDraft("The wind takes my words.", 1, "")],
            now=utc_now(),
        )
        versions.make(session, actor=owner, character_id=row.id, now=utc_now())
        return row.id


def begin(visitor, character):
    """The chat as a page of its own, begun."""
    page = visitor.go(f"/test-chat/{character}")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#chat-text")).to_be_visible()
    return page


def say(page, text):
    page.locator("#chat-text").fill(text)
    page.locator("#chat-text").press("Enter")


def answers(page):
    return page.locator(".chat-message.is-assistant")


class TestChatBesideTheEditor:
    def test_streams_then_dies_and_the_fallback_answers(self, visit, stage, creator, character, server, shot):
        page = visit(creator).go(f"/characters/{character}/edit")
        page.locator("a[data-chat-panel]").click()
        aside = page.locator(".chat-aside")
        aside.get_by_role("button", name="Begin").click()
        expect(aside.locator(".chat-message")).to_have_count(1)

        server.script(fake.Says("I draw my sword at last.", seconds=0.15))
        say(page, "Show me your sword.")
        expect(answers(page).last.locator(".chat-caret")).to_contain_text("I draw")
        expect(answers(page).last).to_contain_text("I draw my sword at last.")
        expect(answers(page).last.locator(".chat-count")).to_contain_text("tokens")

        server.script(fake.Dies(after=3, seconds=0.15))
        say(page, "And now?")
        expect(answers(page).last).to_contain_text("The wind takes my words.")
        expect(answers(page).last).to_contain_text("broke off in the middle")
        reference = answers(page).last.locator(".chat-why code").inner_text()
        assert stage.count("error_logs", reference=reference) == 1
        shot(page, "test-chat-beside-the-editor")

        # The chat is with what is saved, and says how much is not.
        page.locator("#editor [name=tagline]").fill("One defeat, please.")
        expect(page.locator("#chat-unsaved")).to_contain_text("1 unsaved change")

    def test_is_a_page_of_its_own_on_a_phone(self, visit, creator, character, server, shot):
        page = visit(creator, viewport={"width": 390, "height": 844}).go(f"/characters/{character}/edit")
        page.locator("a[data-chat-panel]").click()
        page.wait_for_url("**/test-chat/**")
        page.get_by_role("button", name="Begin").click()
        say(page, "Hello")
        expect(answers(page).last).to_contain_text("You said: Hello")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, "test-chat-phone")

    def test_is_as_good_in_chinese_and_in_the_dark(self, visit, creator, character, server, shot):
        options = {"locale": "zh-CN", "color_scheme": "dark", "viewport": {"width": 390, "height": 844}}
        page = visit(creator, **options).go(f"/test-chat/{character}")
        page.get_by_role("button", name="开始").click()
        server.script(fake.Status(401))
        say(page, "你好，先给我看看你的剑。" * 12)
        expect(answers(page).last).to_contain_text("后备回复")
        expect(answers(page).last).to_contain_text("服务商设置有误")
        answers(page).last.get_by_role("link", name="提示词").click()
        expect(page.locator(".share-table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, "test-chat-chinese-dark")


class TestChat:
    def test_stops_and_keeps_what_had_come(self, visit, creator, character, server):
        page = begin(visit(creator), character)
        server.script(fake.Stalls(after=2))
        say(page, "Hello")
        expect(answers(page).last).to_contain_text("The tavern")
        page.keyboard.press("Escape")
        expect(answers(page).last).to_contain_text("Stopped")
        expect(answers(page).last).to_contain_text("The tavern")
        assert server.left.wait(10)

    def test_regenerates_and_keeps_the_answer_before(self, visit, creator, character, server):
        page = begin(visit(creator), character)
        server.script(fake.Says("First answer."), fake.Says("Second answer."))
        say(page, "Hello")
        expect(answers(page).last).to_contain_text("First answer.")
        page.get_by_role("button", name="Regenerate").click()
        expect(answers(page).last).to_contain_text("Second answer.")
        answers(page).last.get_by_role("button", name="The answer before").click()
        expect(answers(page).last).to_contain_text("First answer.")

    def test_edits_and_sends_again(self, visit, creator, character, server):
        page = begin(visit(creator), character)
        say(page, "Hello")
        expect(answers(page).last).to_contain_text("You said: Hello")
        mine = page.locator(".chat-message.is-user")
        mine.locator("summary").click()
        mine.locator("textarea").fill("Farewell")
        mine.get_by_role("button", name="Send again").click()
        expect(answers(page).last).to_contain_text("You said: Farewell")
        expect(page.locator(".chat-message.is-user")).to_have_count(1)
        # The chat as it was is one link away, and so is the way back.
        page.locator(".chat-branches a").click()
        expect(answers(page).last).to_contain_text("You said: Hello")
        page.get_by_role("link", name="Back to the later chat").click()
        expect(answers(page).last).to_contain_text("You said: Farewell")

    def test_keeps_what_is_typed_through_a_refusal_and_a_reload(self, visit, creator, character, server):
        visitor = visit(creator)
        page = begin(visitor, character)
        visitor.foresee(422)
        # A long text is told of while it stands there, refused when it is sent, and never cut.
        page.locator("#chat-text").fill("x" * 20_001)
        expect(page.locator("[data-chat-room]")).to_have_text("20,001 of 20,000 characters")
        page.locator("#chat-text").press("Enter")
        expect(page.locator("[data-chat-problem]")).to_contain_text("20,000")
        expect(page.locator("#chat-text")).to_have_value("x" * 20_001)
        page.locator("#chat-text").fill("half a thou")
        page.reload()
        expect(page.locator("#chat-text")).to_have_value("half a thou")

    def test_shows_what_was_sent_and_which_lore_fired(self, visit, creator, character, server, shot):
        page = begin(visit(creator), character)
        say(page, "Show me your sword. <img src=x onerror=alert(1)>")
        expect(answers(page).last.locator(".chat-count")).to_be_visible()
        answers(page).last.get_by_role("link", name="Prompt").click()
        inspector = page.locator("#chat-inspector")
        expect(inspector.locator(".lore-list")).to_contain_text("Iron sword")
        expect(inspector.locator(".lore-list")).to_contain_text("sword")
        expect(inspector.locator(".share-table")).to_contain_text("Description")
        expect(inspector.locator(".sent-text").last).to_contain_text("<img src=x onerror=alert(1)>")
        shot(page, "test-chat-inspector")
        expect(inspector.locator(".inspector-place")).to_have_text("answer 1 of 1")
        answers(page).last.get_by_role("button", name="Regenerate").click()
        expect(inspector.locator(".inspector-place")).to_have_text("answer 2 of 2")

    def test_has_no_serious_fault_for_who_cannot_see(self, visit, creator, character, server, axe):
        visitor = visit(creator)
        page = begin(visitor, character)
        say(page, "Hello")
        expect(answers(page).last.locator(".chat-count")).to_be_visible()
        answers(page).last.get_by_role("link", name="Prompt").click()
        expect(page.locator(".share-table")).to_be_visible()
        assert not visitor.axe(axe)


class TestRun:
    def test_shows_both_sides_answers(self, visit, creator, character, server, shot):
        page = visit(creator).go(f"/test-chat/{character}")
        for text in ("Who are you?", "What do you want?"):
            page.locator("#prompt-text").fill(text)
            page.get_by_role("button", name="Add", exact=True).click()
            expect(page.locator("#chat-prompts")).to_contain_text(text)
        page.get_by_role("button", name="Run all on both").click()
        page.wait_for_url("**/runs/**")
        expect(page.locator("#run")).to_contain_text("4 of 4 answers", timeout=60_000)
        expect(page.locator(".run-table tbody tr")).to_have_count(2)
        expect(page.locator(".run-table tbody tr").first).to_contain_text(
            re.compile("You said: Who are you.*You said: Who are you", re.DOTALL)
        )
        shot(page, "test-chat-run")


class TestAssist:
    def test_offers_a_difference_and_writes_only_what_is_accepted(self, visit, stage, creator, character, server, shot):
        page = visit(creator).go(f"/characters/{character}/edit")
        field = page.locator("#editor [name=personality]")
        before = field.input_value()
        assert before == "proud, lonely"
        server.script(fake.Says("proud, lonely, patient"))
        row = page.locator("#field-personality")
        row.get_by_role("button", name="AI assist").click()
        row.get_by_role("button", name="Improve").click()
        expect(row.locator(".assist-difference ins").first).to_be_visible()
        assert field.input_value() == before
        shot(page, "ai-assist")
        row.get_by_role("button", name="Accept", exact=True).click()
        expect(field).to_have_value("proud, lonely, patient")
        field.press("Control+z")
        expect(field).to_have_value(before)
        with stage.session() as session:
            assert session.scalar(sa.select(Character.personality).where(Character.id == character)) == before
        assert stage.count("writing_assists", owner_id=creator.id, outcome="accepted") == 1

    def test_takes_of_a_greeting_and_of_a_scene_what_is_ticked(self, visit, stage, creator, character, server):
        page = visit(creator).go(f"/characters/{character}/edit")
        page.get_by_role("button", name="Add a scene").click()
        prompt = page.locator("[name=scene_stage_prompt]")
        prompt.fill("Be cool. Say little.")
        for field, offer, expected in (
            (page.locator("[name=greeting_first]"), "Did you come for the sword?", "You came for the sword?"),
            (prompt, "Be warm. Say much.", "Be cool. Say much."),
        ):
            server.script(fake.Says(offer))
            box = field.locator("..")
            box.get_by_role("button", name="AI assist").click()
            box.get_by_role("button", name="Improve").click()
            changes = box.locator(".assist-difference .assist-change")
            expect(changes.first).to_be_visible()
            assert changes.count() >= 2
            changes.first.locator("input").uncheck()
            box.get_by_role("button", name="Accept what is ticked").click()
            expect(field).to_have_value(expected)
        # What became of an offer is told beside the page.
        page.wait_for_load_state("networkidle")
        assert stage.count("writing_assists", owner_id=creator.id, outcome="partly") == 2


class TestPicturesOfMessages:
    def test_are_made_stopped_and_made_again_where_the_message_stands(self, visit, stage, creator, character, shot):
        visitor = visit(creator, viewport=PHONE, locale="zh-CN")
        page = visitor.go(f"/test-chat/{character}")
        page.get_by_role("button", name="开始", exact=True).click()
        message = answers(page).first
        stage.pictures.seconds = 30.0
        message.locator("a[href$='/draw']").click()
        prompt = message.locator("textarea[name=prompt]")
        expect(prompt).to_have_value(re.compile("Dugu"))
        shot(page, "chat-picture-form")
        prompt.fill("Dugu in the rain")
        message.locator(".draw-form button.btn-primary").click()
        expect(message.locator("progress")).to_be_visible()
        page.wait_for_function("() => document.querySelector('.drawing progress')?.value > 3", timeout=60_000)
        shot(page, "chat-picture-drawing")
        message.locator(".drawing-buttons button").click()
        expect(message.locator(".drawing [role=alert]")).to_contain_text("尚未画出就已停止。", timeout=60_000)
        shot(page, "chat-picture-stopped")
        assert stage.pictures.interrupts[-1]["path"] == "/sdapi/v1/interrupt"
        stage.pictures.seconds = 1.0
        message.locator(".drawing [role=alert] button").click()
        picture = message.locator(".chat-picture img")
        expect(picture).to_be_visible(timeout=60_000)
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        shot(page, "chat-picture-done")
        stage.pictures.seconds = 0.0
