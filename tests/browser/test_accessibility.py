"""Every main page is for everybody: axe-core finds nothing serious, in both languages, light and dark."""

import pytest

from tests.browser.house import DEMO, ROLES, main_pages

LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
"""Colours do not depend on the language: dark ones are looked at in the first alone."""


def findings(visitor, axe, path, *, dark):
    """What is wrong with one page: all rules in light, perhaps the colours once more in dark; and its outline."""
    page = visitor.go(path)
    found = [f"{path} {one}" for one in visitor.axe(axe)]
    if dark:
        page.emulate_media(color_scheme="dark")
        found += [f"{path} dark {one}" for one in visitor.axe(axe, runOnly=["color-contrast"])]
        page.emulate_media(color_scheme="light")
    if page.locator("h1").count() != 1 or page.locator("main").count() != 1:
        found.append(f"{path} has not one h1 and one main")
    return found


class TestEveryMainPage:
    # What a page is made of does not depend on its language: one role is looked at in both.
    @pytest.mark.parametrize(("role", "language"), [*((role, "en") for role in ROLES), ("creator", "zh")])
    def test_has_no_serious_violation(self, visit, stage, axe, role, language):
        visitor = visit(DEMO[role], locale=LANGUAGES[language])
        found = [one for path in main_pages(stage, role) for one in findings(visitor, axe, path, dark=language == "en")]
        assert visitor.page.locator("html").get_attribute("lang").startswith(language)
        assert not found, "\n".join(found)

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_has_none_before_signing_in(self, visit, axe, language):
        visitor = visit(locale=LANGUAGES[language])
        visitor.foresee(404)
        found = [
            one for path in ("/sign-in", "/no-such-page") for one in findings(visitor, axe, path, dark=language == "en")
        ]
        assert not found, "\n".join(found)


class TestDialogs:
    def test_have_no_serious_violation(self, visit, axe):
        visitor = visit(DEMO["creator"])
        page = visitor.go("/characters/")
        page.keyboard.press("Control+k")
        page.locator("#palette-found a").first.wait_for()
        found = visitor.axe(axe)
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        found += visitor.axe(axe)
        page.keyboard.press("Escape")
        visitor.open_menu("Your account")
        found += visitor.axe(axe)
        assert not found, "\n".join(found)
