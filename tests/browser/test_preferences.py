"""Language and colours: from the device at first, then as the person chose."""

from playwright.sync_api import expect


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


class TestLanguage:
    def test_follows_the_browser_before_anybody_signed_in(self, visit):
        page = visit(locale="zh-CN").go("/sign-in")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        expect(page.locator("h1")).to_have_text("登录")

    def test_is_switched_and_stays(self, visit, creator):
        visitor = visit(creator)
        page = visitor.go("/characters/")
        for language, label in (("zh-Hans", "简体中文"), ("en", "English")):
            page.locator("summary", has=page.locator(".top-name")).click()
            page.get_by_role("button", name=label).click()
            expect(page.locator("html")).to_have_attribute("lang", language)
            assert page.url.endswith("/characters/")
            page.reload()
            expect(page.locator("html")).to_have_attribute("lang", language)


class TestTheme:
    def test_follows_the_device(self, visit, creator):
        page = visit(creator).go("/")
        light = background(page)
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        assert background(page) != light

    def test_is_switched_and_stays(self, visit, creator):
        visitor = visit(creator)
        page = visitor.go("/")
        light = background(page)
        visitor.open_menu("Your account")
        with page.expect_response("**/preferences/theme"):
            page.get_by_role("button", name="Dark", exact=True).click()
        assert background(page) != light
        dark = background(page)
        page.reload()
        assert background(page) == dark
