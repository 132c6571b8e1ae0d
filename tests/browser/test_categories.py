"""Arranging categories by keys and by dragging."""

import secrets

import pytest
from playwright.sync_api import expect


@pytest.fixture
def shelves(visit, staff):
    """The page of categories with two of this test's own at its end, and their names."""
    visitor = visit(staff)
    visitor.foresee(422)
    names = [f"Shelf {secrets.token_hex(4)}" for _number in range(2)]
    for name in names:
        visitor.page.goto("/categories/new")
        visitor.page.get_by_label("Name", exact=True).fill(name)
        visitor.page.get_by_role("button", name="Save").click()
        row(visitor.page, name).wait_for()
    return visitor.page, names


def row(page, name):
    return page.locator(".shelf", has_text=name)


def test_alt_and_an_arrow_move_a_category_and_keep_it_chosen(shelves):
    page, (_first, second) = shelves
    row(page, second).focus()
    page.keyboard.press("Alt+ArrowRight")
    page.locator(".shelf.depth-1", has_text=second).wait_for()
    assert row(page, second).evaluate("shelf => shelf === document.activeElement")
    page.keyboard.press("Alt+ArrowLeft")
    page.locator(".shelf.depth-0", has_text=second).wait_for()


def test_a_category_is_dragged_into_another(shelves):
    page, (first, second) = shelves
    row(page, second).drag_to(row(page, first))
    page.locator(".shelf.depth-1", has_text=second).wait_for()
    page.reload()
    assert row(page, second).get_attribute("data-parent") == row(page, first).get_attribute("data-shelf")
    # The other way round it would stand below itself; who tries is told why.
    row(page, first).drag_to(row(page, second))
    expect(page.locator("#toasts")).to_contain_text("A category cannot stand below itself")
    assert row(page, first).get_attribute("data-parent") == ""
