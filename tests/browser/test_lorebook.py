"""A lorebook of hundreds of entries as a creator works with it: the grid, many at once, the test box, an evil pattern."""

from uuid import UUID

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.authoring.rules import Greetings
from tests.browser.visitors import Visitor
from tests.factories.authoring import make_character
from tests.factories.lorebooks import entry_document, make_lorebook

ENTRIES = 340
LONG = "The valley lies between two rivers, and nobody who lives there has ever seen the sea. " * 12


def filled(stage, creator, *, size=ENTRIES, **settings) -> str:
    """A character with a book; its id."""
    names = ("Valley", "河谷", "The tower of the very long name that goes on for a while", "Order of the lamp")
    entries = [
        entry_document(
            number,
            name=f"{names[number % 4]} {number}",
            keys=[f"key{number}", f"topic {number}", "河谷" if number % 50 == 1 else f"word{number}"],
            content=LONG[: 80 + number * 3],
            is_enabled=number % 9 != 0,
            is_constant=number % 60 == 5,
            place=("before_char", "after_char", "at_depth")[number % 3],
            priority=number,
        )
        for number in range(size)
    ]
    with stage.session() as session:
        owner = session.get_one(User, UUID(creator.id)).actor
        character = make_character(
            session, owner=owner, name="Lorekeeper", greetings=Greetings(first="{{char}} speaks of key12.")
        )
        make_lorebook(session, owner=owner, character=character, entries=entries, name="The valley", **settings)
        return str(character.id)


@pytest.fixture
def writer(visit, creator) -> Visitor:
    return visit(creator)


class TestGrid:
    def test_switches_an_entry_in_place_and_a_bulk_change_still_fits(self, stage, creator, writer, axe, shot):
        character = filled(stage, creator)
        page = writer.go(f"/lorebooks/{character}")
        expect(page.locator(".lore-row")).to_have_count(100)
        row = page.locator(".lore-row").nth(1)
        switch = row.get_by_role("switch").nth(1)
        expect(switch).to_have_text("on")
        switch.click()
        expect(page.locator(".lore-row").nth(1).get_by_role("switch").nth(1)).to_have_text("off")
        # The version in the form came along: the next change of many is not stale.
        page.locator(".lore-row").nth(2).locator("input[name=entry]").check()
        page.keyboard.press("Escape")
        expect(page.locator("[data-lore-chosen]")).to_have_text("1 chosen")
        page.locator("select[name=act]").select_option("add_key")
        page.locator("input[name=key]").fill("brought")
        writer.press("Apply")
        expect(page.get_by_text("1 entry is changed.")).to_be_visible()
        expect(page.locator(".lore-row").nth(2)).to_contain_text("brought")
        # A number is never broken in two, and boxes to tick are square.
        for cell in (".lore-order", ".lore-tokens"):
            expect(page.locator(f".lore-row {cell}").first).to_have_css("overflow-wrap", "normal")
            expect(page.locator(f".lore-row {cell}").first).to_have_css("white-space", "nowrap")
        expect(page.locator(".lore-row input[name=entry]").first).to_have_css("border-top-left-radius", "5px")
        shot(page, "lore-grid")
        assert writer.axe(axe) == []

    def test_all_that_match_are_deleted_and_brought_back(self, stage, creator, writer):
        character = filled(stage, creator)
        page = writer.go(f"/lorebooks/{character}?q=word3")
        page.locator("input[name=all]").check()
        writer.press("Delete")
        writer.agree()
        expect(page.get_by_text("entries are deleted.")).to_be_visible()

        writer.press("Undo")
        expect(page.get_by_text("The book is as it was before.")).to_be_visible()
        expect(page.locator(".lore-count")).to_contain_text(f"{ENTRIES} entries")

    def test_further_entries_come_below_and_keys_move_and_open(self, stage, creator, writer):
        character = filled(stage, creator)
        page = writer.go(f"/lorebooks/{character}")
        page.get_by_role("link", name="Further entries").click()
        expect(page.locator(".lore-row")).to_have_count(200)
        page.locator("h1").click()
        for key in "jjx":
            page.keyboard.press(key)
        expect(page.locator(".lore-row.is-at input[name=entry]")).to_be_checked()
        page.keyboard.press("e")
        page.wait_for_url("**/entries/*")
        expect(page.locator("input[name=name]")).to_have_value("河谷 1")

    def test_an_entry_is_edited_with_its_keys_explained(self, stage, creator, writer, axe, shot):
        character = filled(stage, creator, size=3)
        page = writer.go(f"/lorebooks/{character}")
        page.get_by_role("link", name="Valley 0").click()
        page.locator("#entry_keys").fill("/drag(on|oon)/i\n/(?<=a)b/")
        page.locator("#may_be_pattern").check()
        expect(page.locator("#lore-read")).to_contain_text("This is read as a pattern.")
        expect(page.locator("#lore-read")).to_contain_text("looks ahead or behind")
        shot(page, "lore-entry")
        assert writer.axe(axe) == []
        page.locator("#content").fill("Dragons are big.")
        writer.press("Save and go to the book")
        expect(page.locator(".lore-row").first).to_contain_text("/drag(on|oon)/i")

    def test_two_windows_over_one_entry_are_merged(self, stage, creator, writer, shot):
        character = filled(stage, creator, size=2)
        first = writer.go(f"/lorebooks/{character}")
        first.get_by_role("link", name="Valley 0").click()
        second = writer.context.new_page()
        second.goto(first.url)
        first.locator("#content").fill("What the first window says of the valley.")
        first.locator("#name").fill("The long valley")
        writer.press("Save")
        expect(first.locator(".messages")).to_contain_text("Saved.")
        second.locator("#content").fill("What the second window says of the valley.")
        writer.foresee(409)
        second.get_by_role("button", name="Save", exact=True).click()
        merge = second.locator("form.merge")
        expect(merge).to_contain_text("You saved this in another window")
        expect(merge).to_contain_text("Where you both started")
        expect(second.locator("#merge-theirs")).to_be_visible()
        shot(second, "lore-merge")
        second.get_by_label("Keep mine").check()
        second.get_by_role("button", name="Save the merge").click()
        expect(second.locator(".messages")).to_contain_text("Saved.")
        expect(second.locator("#name")).to_have_value("The long valley")
        expect(second.locator("#content")).to_have_value("What the second window says of the valley.")

    def test_the_whole_book_is_thrown_away_and_undone(self, stage, creator, writer):
        character = filled(stage, creator, size=2)
        page = writer.go(f"/lorebooks/{character}")
        writer.press("Throw the whole lorebook away")
        writer.agree()
        expect(page.locator(".messages")).to_contain_text("is in the trash for 30 days")
        expect(page.locator(".lore-row")).to_have_count(0)
        page.locator(".messages").get_by_role("button", name="Undo").click()
        expect(page.locator(".lore-row")).to_have_count(2)

    @pytest.mark.parametrize("dark", [False, True])
    def test_a_phone_shows_it_all(self, stage, creator, visit, shot, dark):
        character = filled(stage, creator, size=30)
        reader = visit(
            creator,
            viewport={"width": 390, "height": 844},
            locale="zh-CN",
            color_scheme="dark" if dark else "light",
        )
        for path, name in (("", "grid"), ("/test", "test"), ("/entries/new", "entry"), ("/import", "import")):
            page = reader.go(f"/lorebooks/{character}{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            shot(page, f"lore-phone-{name}-{'dark' if dark else 'light'}")


class TestBox:
    def test_says_what_a_chat_calls_up_in_a_large_book(self, stage, creator, writer, axe, shot):
        character = filled(stage, creator, token_budget=900, scan_depth=3, recursive_scanning=True)
        page = writer.go(f"/lorebooks/{character}/test")
        page.locator("#chat").fill(
            "User: Long ago there was key40.\nChar: And 河谷?\nUser: Tell me of key12 and key17.\nChar: key18 too."
        )
        page.locator("#greeting").select_option("0")
        writer.press("Test")
        summary = page.locator("#lore-summary")
        expect(summary).to_contain_text(f"of {ENTRIES} entries come into the prompt")
        expect(summary).to_contain_text("of 900 tokens")
        expect(page.locator(".lore-result")).to_contain_text("“key12” in message 4")
        expect(page.locator(".lore-missed")).to_contain_text("it is off")
        expect(page.locator(".lore-missed")).to_contain_text("further back than the scan depth")
        expect(page.locator(".lore-dropped")).to_contain_text("over the budget")
        expect(page.locator(".lore-chat mark").first).to_be_visible()
        widths = [page.locator(f".lore-found thead th:nth-child({place})").bounding_box()["width"] for place in (1, 2)]
        assert widths[0] < 90
        assert widths[1] > 200
        shot(page, "lore-test")
        assert writer.axe(axe) == []

    def test_a_pattern_that_would_stall_a_worker_does_not(self, stage, creator, writer):
        character = filled(stage, creator, size=3)
        page = writer.go(f"/lorebooks/{character}/entries/new")
        page.locator("#entry_keys").fill("/(a+)+$/")
        page.locator("#may_be_pattern").check()
        page.locator("#content").fill("Found.")
        writer.press("Save and go to the book")
        page.get_by_role("link", name="Test box").click()
        page.locator("#chat").fill("a" * 50_000 + "!")
        writer.press("Test")
        expect(page.locator("#lore-summary")).to_contain_text("of 4 entries come into the prompt")

    def test_works_without_javascript(self, stage, creator, visit):
        character = filled(stage, creator, size=30)
        reader = visit(creator, java_script_enabled=False)
        page = reader.go(f"/lorebooks/{character}/test")
        page.locator("#chat").fill("key12")
        reader.press("Test")
        expect(page.locator("#lore-summary")).to_contain_text("of 30 entries come into the prompt")
        reader.go(f"/lorebooks/{character}")
        page.locator(".lore-row").nth(1).get_by_role("switch").nth(1).click()
        expect(page.locator(".lore-row").nth(1).get_by_role("switch").nth(1)).to_have_text("off")


class TestFiles:
    def test_a_file_is_dropped_looked_at_and_brought_in(self, stage, creator, writer, shot):
        character = filled(stage, creator, size=3)
        page = writer.go(f"/lorebooks/{character}/import")
        data = '{"entries": {"0": {"uid": 0, "key": ["dragon"], "content": "Big.", "comment": "Dragon", "order": 5}}}'
        writer.drop("label[data-drop]", [("world.json", data.encode())])
        writer.press("See what it would do")
        expect(page.locator("#lore-plan")).to_contain_text("SillyTavern world info")
        expect(page.locator("#lore-plan")).to_contain_text("Dragon")
        shot(page, "lore-import")
        writer.press("Add to the book")
        expect(page.locator(".lore-count")).to_contain_text("4 entries")
        writer.go(f"/lorebooks/{character}/export")
        shot(page, "lore-export")
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").first.click()
        assert download.value.suggested_filename.endswith(".json")
