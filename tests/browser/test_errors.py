"""When something breaks, the person gets a reference, and staff find it."""

import re

import sqlalchemy as sa
from playwright.sync_api import expect


class TestErrorPage:
    def test_shows_a_reference_that_staff_find(self, visit, stage, staff):
        visitor = visit(staff)
        visitor.foresee(500)
        # The table of shelves is away for a moment: a failure as real as any.
        with stage.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE character_categories RENAME TO away"))
        try:
            page = visitor.go("/categories/")
        finally:
            with stage.engine.begin() as connection:
                connection.execute(sa.text("ALTER TABLE away RENAME TO character_categories"))
        reference = page.locator(".reference").inner_text()
        assert re.fullmatch(r"[A-Z0-9-]{6,}", reference)
        expect(page.locator("body")).not_to_contain_text("character_categories")
        page = visitor.go(f"/errors/find?reference={reference}")
        expect(page.locator("main")).to_contain_text(reference)
        expect(page.locator(".trace")).to_contain_text("character_categories")
        expect(visitor.go("/categories/").locator("#shelves")).to_be_visible()

    def test_tells_outsiders_not_found(self, visit, stage, creator):
        visitor = visit(creator)
        with stage.engine.connect() as connection:
            foreign = connection.scalar(sa.text("SELECT id FROM characters WHERE status = 'draft' ORDER BY id LIMIT 1"))
        visitor.foresee(404)
        page = visitor.go(f"/characters/{foreign}/edit")
        expect(page.locator("h1")).to_have_text("Not found")
        page.get_by_role("link", name="Go to the first page").click()
        expect(page.locator("h1")).to_contain_text("Hello")
