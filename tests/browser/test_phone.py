"""On a telephone every main page fits the width, and the navigation opens and closes."""

import pytest
from playwright.sync_api import expect

from tests.browser.house import DEMO, ROLES, main_pages

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


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


class TestEveryMainPage:
    @pytest.mark.parametrize("role", ROLES)
    def test_fits_the_width(self, visit, stage, role):
        visitor = visit(DEMO[role], **PHONE)
        found = {path: overflow(visitor.go(path)) for path in main_pages(stage, role)}
        assert not {path: what for path, what in found.items() if what}


class TestNavigation:
    def test_opens_and_leads_on(self, visit, creator):
        visitor = visit(creator, **PHONE)
        page = visitor.go("/")
        page.get_by_label("Open the navigation").click()
        page.locator("#side").get_by_role("link", name="Characters").click()
        expect(page.locator("h1")).to_have_text("Characters")
