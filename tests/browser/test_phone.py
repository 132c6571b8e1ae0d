"""On a telephone every main page fits the width, and the navigation opens and closes."""

import pytest
from playwright.sync_api import expect

from tests.browser.house import DEMO, ROLES, main_pages

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
