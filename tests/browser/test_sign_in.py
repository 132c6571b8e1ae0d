"""Signing in and out, and being sent out."""

from playwright.sync_api import expect

from studio.accounts import demo_accounts


class TestSignIn:
    def test_leads_to_the_page_that_was_asked_for(self, visit, creator):
        visitor = visit()
        page = visitor.go("/characters/")
        page.wait_for_url("**/sign-in**")
        form = page.locator("form").filter(has=page.locator("input[type=password]"))
        form.locator("input[name=email]").fill(creator.email)
        form.locator("input[type=password]").fill(creator.password)
        form.locator("button[type=submit]").click()
        page.wait_for_url("**/characters/**")
        expect(page.locator("h1")).to_have_text("Characters")

    def test_refuses_a_wrong_password_and_keeps_the_address(self, visit, creator):
        visitor = visit()
        page = visitor.go("/sign-in")
        form = page.locator("form").filter(has=page.locator("input[type=password]"))
        form.locator("input[name=email]").fill(creator.email)
        form.locator("input[type=password]").fill("not the password")
        visitor.foresee(400, 401, 422)
        form.locator("button[type=submit]").click()
        expect(page.get_by_role("alert").first).to_be_visible()
        expect(
            page.locator("form").filter(has=page.locator("input[type=password]")).locator("input[name=email]")
        ).to_have_value(creator.email)

    def test_says_that_demo_accounts_are_for_the_demo(self, visit):
        visitor = visit()
        page = visitor.go("/sign-in")
        expect(page.get_by_role("heading", name="Demo mode")).to_be_visible()
        page.get_by_role("button", name=demo_accounts.ACCOUNTS[0].name).first.click()
        expect(page.locator("h1")).to_contain_text(demo_accounts.ACCOUNTS[0].name)


class TestSignOut:
    def test_ends_the_session_also_for_the_back_button(self, visit, creator):
        visitor = visit(creator)
        page = visitor.go("/characters/")
        visitor.open_menu("Your account")
        visitor.press("Sign out")
        page.wait_for_url("**/sign-in**")
        page.go_back()
        page.wait_for_url("**/sign-in**")


class TestSuspension:
    def test_ends_the_sessions_of_the_person_at_once(self, visit, creator, admin):
        writer = visit(creator)
        writer.go("/characters/")
        boss = visit(admin)
        page = boss.go(f"/people/{creator.id}")
        page.get_by_label("Why this person is suspended").fill("A test of the door.")
        boss.press("Suspend")
        boss.agree()
        expect(page.locator(".page-head .mark")).to_contain_text("suspended")
        page = writer.go("/characters/")
        page.wait_for_url("**/sign-in**")
        writer.foresee(400, 401, 422)
        form = page.locator("form").filter(has=page.locator("input[type=password]"))
        form.locator("input[name=email]").fill(creator.email)
        form.locator("input[type=password]").fill(creator.password)
        form.locator("button[type=submit]").click()
        expect(page.get_by_role("alert").first).to_be_visible()
