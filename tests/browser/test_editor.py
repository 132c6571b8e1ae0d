"""The character editor while somebody writes: tokens, macros, previews, scenes, replies, tags, the keyboard, a telephone."""

import json
import re

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.authoring import characters, rules
from studio.authoring.models import Character
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.kit.clock import utc_now
from tests.authoring.test_token_budget import TEXTS
from tests.browser.test_phone import PHONE, overflow
from tests.factories.authoring import make_character


@pytest.fixture
def character(stage, creator):
    """A draft with something of everything; its address."""
    with stage.session() as session:
        owner = session.get_one(User, creator.id).actor
        made = make_character(
            session,
            owner=owner,
            name="Slow Ink",
            description="{{char}} writes letters to {{user}}. " * 20,
            example_dialogue="<START>\n{{user}}: Hello\n{{char}}: Dear {{user}}.",
            tags=["letters", "武侠"],
        )
        characters.update(
            session,
            actor=owner,
            character_id=made.id,
            row_version=made.row_version,
            changes={"content_warnings": ["gore", "spiders"], "license": "cc_by"},
            greetings=Greetings("First {{user}}", ("Second", "Third"), ("All of you",)),
            replies=[ReplyDraft("Hm?", 3, "en"), ReplyDraft("嗯？", 1, "zh-Hans"), ReplyDraft("…", 1)],
            scenes=[SceneDraft("Strangers", "first", 0, "Be cool.", 0), SceneDraft("Friends", "", 60, "", 40)],
            now=utc_now(),
        )
        return f"/characters/{made.id}/edit"


class TestTokens:
    def test_are_counted_while_typing_and_fill_the_bar(self, visit, creator, character):
        page = visit(creator).go(character)
        meter = page.locator("[data-meter]")
        before = page.locator("[data-bar=permanent]").get_attribute("width")
        page.get_by_label("Description", exact=True).fill("剑" * 3_000)
        expect(page.locator("[data-length-of=description]")).to_have_text("3,000 characters · about 3,000 tokens")
        expect(meter.locator("[data-sum=permanent]")).to_have_text("3,000")
        assert page.locator("[data-bar=permanent]").get_attribute("width") != before
        expect(meter.locator("[data-much]")).to_be_hidden()
        page.get_by_label("The model's window, in tokens").fill("4096")
        expect(meter.locator("[data-much]")).to_be_visible()

    def test_are_estimated_by_the_browser_as_by_the_server(self, visit, creator, character):
        page = visit(creator).go(character)
        found = page.evaluate("texts => texts.map((text) => window.studioTokens.tokens(text))", list(TEXTS))
        assert found == [rules.tokens(text) for text in TEXTS]

    def test_leave_typing_alone_in_a_text_of_seventy_thousand_signs(self, visit, creator, character):
        page = visit(creator).go(character)
        field = page.get_by_label("Description", exact=True)
        field.fill("走 a {{char}} " * 6_000)
        expect(page.locator("[data-length-of=description]")).to_contain_text("78,000")
        # What the page itself does between a key and the next moment in which it can draw: nothing that grows with the text.
        work = page.evaluate(
            """async () => {
                const field = document.getElementById("description");
                const calls = [];
                const real = window.studioTokens.tokens;
                window.studioTokens.tokens = (text) => (calls.push(text.length), real(text));
                for (let i = 0; i < 20; i += 1) {
                    field.setRangeText("x", field.value.length, field.value.length, "end");
                    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
                }
                await new Promise((done) => requestAnimationFrame(done));
                return calls;
            }"""
        )
        assert work == []
        expect(page.locator("[data-length-of=description]")).to_contain_text("78,020")

    def test_follow_the_window_of_a_known_model(self, visit, creator, character):
        page = visit(creator).go(character)
        page.get_by_label("Model", exact=True).fill("gpt-4o")
        page.keyboard.press("Tab")
        expect(page.locator("[data-window-text]")).to_have_text("128,000")


class TestMacros:
    def test_are_put_right_with_one_press_and_that_can_be_undone(self, visit, creator, character):
        page = visit(creator).go(character)
        field = page.get_by_label("Personality", exact=True)
        field.fill("{char} likes {{uset}} and {char}. {{mood of the day}}")
        notes = page.locator("[data-notes=personality] li")
        expect(notes).to_have_count(3)
        expect(notes.nth(2).locator("button")).to_have_count(0)
        notes.filter(has_text="only one brace").get_by_role("button").click()
        expect(field).to_have_value("{{char}} likes {{uset}} and {{char}}. {{mood of the day}}")
        notes.filter(has_text="Did you mean").get_by_role("button", name="Write {{user}}").click()
        expect(field).to_have_value("{{char}} likes {{user}} and {{char}}. {{mood of the day}}")
        expect(notes).to_have_count(1)
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        expect(field).to_have_value("{char} likes {{uset}} and {char}. {{mood of the day}}")

    def test_are_rendered_in_a_preview_as_text(self, visit, creator, character):
        page = visit(creator).go(character)
        page.locator("[data-preview-user]").fill("Mei")
        page.get_by_label("First greeting").fill("{{char}} sees {{user}}. <img src=x onerror=alert(1)>{{// hush}}")
        page.locator("[data-preview='greeting-first']").click()
        panel = page.locator("#preview-greeting-first [data-preview-text]")
        expect(panel).to_have_text("Slow Ink sees Mei. <img src=x onerror=alert(1)>")
        page.get_by_label("Nickname").fill("Ink")
        expect(panel).to_contain_text("Ink sees Mei")
        page.get_by_label("First greeting").fill("{{roll:1000000}}")
        expect(panel).to_have_text(re.compile(r"^\d+$"))
        thrown = panel.inner_text()
        page.locator("#preview-greeting-first").get_by_role("button", name="Throw the dice again").click()
        expect(panel).not_to_have_text(thrown)


class TestScenes:
    def test_are_added_drawn_and_saved(self, visit, stage, creator, character):
        page = visit(creator).go(character)
        page.get_by_role("button", name="Add a scene").click()
        expect(page.locator(".path-stop")).to_have_count(3)
        expect(page.get_by_label("Title of scene 3")).to_be_focused()
        page.keyboard.type("Bound")
        page.locator("#scene-2-progress").fill("90")
        page.locator("#scene-2-required").fill("95")
        expect(page.locator("[data-stop='2'] circle")).to_have_attribute("cx", str(50 + 9 * 90))
        expect(page.locator("[data-stop-text='2']")).to_have_text("Bound: at 90, opens at 95")
        expect(page.locator("[data-scene='2'] [data-scene-late]")).to_be_visible()
        page.locator("#scene-2-required").fill("80")
        expect(page.locator("[data-scene='2'] [data-scene-late]")).to_be_hidden()
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.")
        assert stage.count("character_scenes", title="Bound") == 1

    def test_are_refused_at_their_row(self, visit, creator, character):
        visitor = visit(creator)
        visitor.foresee(422)
        page = visitor.go(character)
        page.locator("#scene-1-progress").fill("101")
        page.locator("[data-save]").first.click()
        expect(page.locator("#scene-1-errors")).to_contain_text("from 0 to 100")
        expect(page.locator("#scene-1-progress")).to_have_value("101")


class TestRows:
    def test_move_with_the_keyboard_and_keep_the_focus(self, visit, creator, character):
        page = visit(creator).go(character)
        page.locator("#greeting-alternate-1").click()
        page.keyboard.press("Alt+ArrowUp")
        expect(page.locator("#greeting-alternate-0")).to_have_value("Third")
        expect(page.locator("#greeting-alternate-0")).to_be_focused()
        page.keyboard.press("Alt+ArrowDown")
        expect(page.locator("#greeting-alternate-1")).to_have_value("Third")
        expect(page.locator("#greeting-alternate-1")).to_be_focused()

    def test_are_duplicated(self, visit, creator, character):
        page = visit(creator).go(character)
        page.locator("[value='copy:alternate:0']").click()
        expect(page.locator("#greeting-alternate-1")).to_have_value("Second")
        expect(page.locator("#greeting-alternate-1")).to_be_focused()
        expect(page.locator("#greeting-alternate-2")).to_have_value("Third")

    def test_that_were_moved_count_as_unsaved(self, visit, creator, character):
        page = visit(creator).go(character)
        page.locator("[value='down:alternate:0']").click()
        expect(page.locator("#greeting-alternate-0")).to_have_value("Third")
        asked = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
        page.locator("#greeting-alternate-0").click()
        page.goto("/characters/")
        assert asked == ["beforeunload"]


class TestReplies:
    def test_say_which_one_would_be_said(self, visit, creator, character):
        page = visit(creator).go(character)
        page.get_by_label("Language of the chat").select_option("en")
        page.get_by_label("Tries").fill("40")
        page.get_by_role("button", name="Draw a reply").click()
        rows = page.locator(".draw-table tbody tr")
        expect(rows).to_have_count(3)
        expect(rows.nth(0)).to_contain_text("75%")
        expect(rows.nth(1)).to_contain_text("0%")
        expect(page.locator(".drawn")).to_contain_text("would be said")
        assert sum(int(row.locator("td").nth(1).inner_text()) for row in rows.all()) == 40


class TestTags:
    def test_are_suggested_pasted_and_saved(self, visit, stage, creator, character):
        with stage.session() as session:
            make_character(session, owner=session.get_one(User, creator.id).actor, tags=["lighthouse", "武林"])
        page = visit(creator).go(character)
        field = page.locator("#labels .ts-control input")
        field.click()
        field.press_sequentially("light")
        expect(page.locator(".ts-dropdown [data-value=lighthouse]")).to_be_visible()
        field.press("ArrowDown")
        page.locator(".ts-dropdown [data-value=lighthouse]").click()
        field.press_sequentially("武")
        page.locator(".ts-dropdown [data-value=武林]").click()
        field.press_sequentially("new one，")
        expect(page.locator("#labels .ts-control .item")).to_have_count(5)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.")
        with stage.session() as session:
            saved = session.get_one(Character, character.split("/")[2])
            assert saved.tags == ["letters", "武侠", "lighthouse", "武林", "new one"]

    def test_are_the_same_after_a_save_that_changed_nothing(self, visit, stage, creator, character):
        page = visit(creator).go(character)
        expect(page.locator("#labels .ts-control .item")).to_have_count(2)
        page.locator("[data-save]").first.click()
        expect(page.locator(".messages")).to_contain_text("Saved.")
        with stage.session() as session:
            saved = session.get_one(Character, character.split("/")[2])
            assert (saved.tags, saved.content_warnings) == (["letters", "武侠"], ["gore", "spiders"])


class TestForEverybody:
    @pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
    def test_has_no_serious_violation(self, visit, creator, character, axe, shot, locale):
        visitor = visit(creator, locale=locale)
        page = visitor.go(character)
        page.locator("[data-preview-all]").click()
        page.locator("[value=draw]").click()
        expect(page.locator(".draw-table")).to_be_visible()
        page.get_by_label("Description" if locale == "en-GB" else "描述", exact=True).fill("{char} {{uset}}")
        expect(page.locator("[data-notes=description] li")).to_have_count(2)
        page.locator("#labels .ts-control").click()
        found = visitor.axe(axe)
        shot(page, f"editor-{locale}")
        page.emulate_media(color_scheme="dark")
        found += visitor.axe(axe, runOnly=["color-contrast"])
        shot(page, f"editor-{locale}-dark")
        assert not found, json.dumps(found, ensure_ascii=False, indent=1)

    def test_fits_a_telephone(self, visit, creator, character, shot):
        page = visit(creator, **PHONE).go(character)
        assert overflow(page) == []
        page.get_by_role("button", name="Add a scene").tap()
        expect(page.locator(".path-stop")).to_have_count(3)
        shot(page, "editor-phone")
        assert overflow(page) == []

    def test_marks_the_section_that_is_read(self, visit, creator, character):
        page = visit(creator).go(character)
        expect(page.locator(".editor-nav a[aria-current]")).to_have_attribute("href", "#identity")
        page.locator("#part-replies").evaluate("one => one.scrollIntoView()")
        expect(page.locator(".editor-nav a[aria-current]")).to_have_attribute("href", "#part-replies")
