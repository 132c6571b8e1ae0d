"""On a telephone every main page fits the width, and the navigation opens and closes."""

import pytest
from playwright.sync_api import expect

from studio.accounts.models import User
from studio.authoring import versions
from studio.kit.clock import utc_now
from tests.browser.house import DEMO, ROLES, main_pages
from tests.factories.authoring import make_character

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

OF_THE_MARKET = (
    *("/listings", "/shop", "/earnings", "/statements", "/payouts", "/money", "/sales"),
    *("/review-figures", "/screening-checks", "/reports", "/appeals"),
)
"""Pages whose tables fit as they are."""


def overflow(page):
    """What reaches out of the page at its right side, if the page can be scrolled sideways."""
    return page.evaluate(
        """() => {
            const root = document.scrollingElement;
            if (root.scrollWidth <= root.clientWidth) return [];
            const out = [...document.querySelectorAll("main *, .top *")].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1);
            return [`${root.scrollWidth} px wide`, ...out.slice(0, 5).map((one) => `${one.localName}.${one.className?.baseVal ?? one.className}`)];
        }"""
    )


def cut_off(page):
    """The cells of tables that one would have to push sideways to read."""
    return page.evaluate(
        """() => [...document.querySelectorAll("main :is(td, th)")]
            .filter((cell) => cell.checkVisibility() && !cell.closest(".stacked thead"))
            .filter((cell) => cell.getBoundingClientRect().right > cell.closest("main, .table-wrap, .table-scroll").getBoundingClientRect().right + 1)
            .map((cell) => `cut off: ${cell.innerText.slice(0, 40)}`).slice(0, 5)"""
    )


class TestEveryMainPage:
    @pytest.mark.parametrize("role", ROLES)
    def test_fits_the_width(self, visit, stage, role):
        visitor = visit(DEMO[role], **PHONE)
        found = {}
        for path in main_pages(stage, role):
            page = visitor.go(path)
            found[path] = overflow(page) or (cut_off(page) if path.startswith(OF_THE_MARKET) else [])
        assert not {path: what for path, what in found.items() if what}


class TestNavigation:
    def test_opens_and_leads_on(self, visit, creator):
        visitor = visit(creator, **PHONE)
        page = visitor.go("/")
        page.get_by_label("Open the navigation").click()
        page.locator("#side").get_by_role("link", name="Characters").click()
        expect(page.locator("h1")).to_have_text("Characters")


class TestVersions:
    def test_are_chosen_below_their_headings_with_a_finger(self, visit, stage, creator):
        with stage.session() as session:
            owner = session.get_one(User, creator.id).actor
            row = make_character(session, owner=owner, name="Twice")
            versions.make(session, actor=owner, character_id=row.id, now=utc_now())
            path = f"/characters/{row.id}/versions"
        page = visit(creator, **PHONE).go(path)
        heads = [one.bounding_box() for one in page.locator("th.version-pick").all()]
        picks = [one.bounding_box() for one in page.locator("tbody tr").last.locator("td.version-pick").all()]
        for head, pick in zip(heads, picks, strict=True):
            assert abs(head["x"] - pick["x"]) < 1
            assert min(pick["width"], pick["height"]) >= 44
        page.mouse.click(picks[1]["x"] + 3, picks[1]["y"] + 3)
        expect(page.get_by_label("To version 1")).to_be_checked()
        assert not cut_off(page)
