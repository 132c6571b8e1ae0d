"""The core works where scripts do not run: signing in, importing, editing, submitting, deciding."""

import time

from playwright.sync_api import expect

from studio import demo
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now


def wait_for(page, selector, *, seconds=60):
    """Reload until something is there, as a person does without scripts."""
    deadline = time.monotonic() + seconds
    while page.locator(selector).count() == 0:
        assert time.monotonic() < deadline, f"{selector} does not come"
        page.wait_for_timeout(500)
        page.reload()


class TestWithoutScripts:
    def test_a_card_becomes_a_live_listing(self, visit, stage, creator, tmp_path):
        name, data = demo.card_file("xiao-man", now=utc_now())
        file = tmp_path / name
        file.write_bytes(data)
        writer = visit(creator, java_script_enabled=False)
        page = writer.go("/imports/")
        page.locator("input[type=file]").set_input_files(file)
        writer.press("Read the card")
        writer.press("Make the character")
        page.get_by_role("link", name="Edit", exact=True).click()
        page.get_by_label("Description", exact=True).fill("没有脚本，也能改。 Written without scripts.")
        writer.press("Add a reply")
        expect(page.get_by_label("Description", exact=True)).to_have_value(
            "没有脚本，也能改。 Written without scripts."
        )
        page.get_by_label("Reply 1", exact=True).fill("嗯。")
        writer.press("Save")
        expect(page.locator(".messages")).to_contain_text("Saved.")
        character = page.url.removesuffix("/edit").rpartition("/")[2]
        assert stage.count("fallback_replies", character_id=character) == 1
        page = writer.go(f"/listings/new?character_id={character}")
        title = f"Without scripts {creator.id[-6:]}"
        page.get_by_label("Title").fill(title)
        page.get_by_label("Category").select_option(index=1)
        writer.press("Submit for review")
        wait_for(page, "text=Waiting for a moderator")
        listing = page.url

        reader = visit(stage.person(RoleName.MODERATOR), java_script_enabled=False)
        desk = reader.go("/review/")
        desk.get_by_role("link", name=title).click()
        reader.press("Claim")
        expect(desk.get_by_text("没有脚本，也能改").first).to_be_visible()
        reader.press("Approve")
        expect(desk.locator(".messages .alert-success")).to_be_visible()
        # Without scripts too there are ten seconds in which the decision can be undone.
        expect(desk.get_by_role("button", name="Undo")).to_be_visible()
        page.goto(listing)
        wait_for(page, "text=Went live")
