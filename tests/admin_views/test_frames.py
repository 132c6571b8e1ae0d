"""What stays of a list's page is rendered once: nothing of it may be another person's, or old where it matters."""

import re

import pytest

from admin_views.frames import Frames, hole
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR, name="Ada Owner")


@pytest.fixture
def many(session, owner):
    found = [make_character(session, owner=owner.actor, name=f"Luna {number}") for number in range(30)]
    session.flush()
    return found


def without_tokens(page):
    return re.sub(r"ago|just now|[\w.-]{60,}", "", page)


class TestFrames:
    def test_put_values_into_their_holes(self):
        frame = Frames().keep("key", f"<p>{hole('rows')}</p>{hole('csrf')}{hole('csrf')}")
        assert frame.filled({"rows": "<b>1</b>", "csrf": "t"}) == "<p><b>1</b></p>tt"

    def test_are_bounded_and_forget_the_longest_unused_first(self):
        frames = Frames(most=2)
        for key in ("a", "b"):
            frames.keep(key, key)
        assert frames.find("a") is not None
        frames.keep("c", "c")
        assert len(frames) == 2
        assert frames.find("b") is None
        assert frames.find("a") is not None

    def test_are_rendered_anew_after_their_time(self, monkeypatch):
        frames = Frames()
        frames.keep("a", "a")
        monkeypatch.setattr("admin_views.frames.time.monotonic", lambda: 10**9)
        assert frames.find("a") is None


class TestALookAgain:
    @pytest.mark.parametrize(
        "url", ["/characters/", "/characters/?layout=table&sort=name&desc=0", "/jobs/?state=queued"]
    )
    def test_shows_what_the_first_look_showed(self, app, many, owner, browser_of, url):
        browser = browser_of(owner)
        browser.get(url)
        first = browser.get(url).text
        (view,) = [one for one in app.extensions["admin"][0]._views if url.startswith(f"{one.url}/") and one.url != "/"]
        if many and "characters" in url:
            assert len(view.frames) == 1
        view.is_framed = False
        try:
            assert without_tokens(browser.get(url).text) == without_tokens(first)
        finally:
            del view.is_framed

    def test_shows_what_was_changed_in_between(self, session, many, owner, browser_of, now):
        browser = browser_of(owner)
        browser.get("/characters/")
        row = many[-1]
        characters.update(
            session,
            actor=owner.actor,
            character_id=row.id,
            row_version=row.row_version,
            changes={"name": "Renamed Luna"},
            now=now,
        )
        session.flush()
        assert "Renamed Luna" in browser.get("/characters/").text

    def test_pages_on_from_where_it_stands(self, many, owner, browser_of):
        browser = browser_of(owner)
        seen = []
        for _round in range(2):
            url, names = "/characters/?sort=name&desc=0", set()
            while url:
                page = browser.get(url).text
                names |= set(re.findall(r"Luna \d+", page))
                found = re.search(r'rel="next" href="([^"]+)"', page)
                url = found[1].replace("&amp;", "&") if found else None
            seen.append(names)
        assert seen[0] == seen[1]
        assert len(seen[0]) == 30

    def test_carries_the_token_of_its_own_session(self, many, owner, browser_of):
        for _browser in range(2):
            browser = browser_of(owner)
            for _look in range(2):
                page = browser.get("/characters/").text
                token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
                answer = browser.post("/preferences/theme", data={"csrf_token": token, "value": "dark"})
                assert answer.status_code == 303

    def test_shows_nothing_of_another_person(self, session, many, owner, browser_of):
        browser_of(owner).get("/characters/")
        staff = make_user(session, RoleName.STAFF, name="Sam Staff")
        page = browser_of(staff).get("/characters/").text
        assert "Sam Staff" in page
        assert "Ada Owner" not in page
        stranger = make_user(session, RoleName.CREATOR, name="Eve Else")
        page = browser_of(stranger).get("/characters/").text
        assert "Luna" not in page

    def test_follows_the_readers_language_colours_and_roles(self, session, many, owner, browser_of, post):
        browser = browser_of(owner)
        browser.get("/characters/")
        post(browser, "/preferences/locale", value="zh_Hans")
        post(browser, "/preferences/theme", value="dark")
        page = browser.get("/characters/").text
        assert 'lang="zh-Hans"' in page
        assert 'data-theme="dark"' in page

    def test_says_once_what_is_to_be_said(self, session, many, owner, browser_of, post):
        browser = browser_of(owner)
        browser.get("/characters/")
        rows = [f"{row.id}~{row.row_version}" for row in many[:2]]
        post(browser, "/characters/bulk", action="characters.archive", row=rows)
        assert "2 changed" in browser.get("/characters/").text
        assert "2 changed" not in browser.get("/characters/").text

    def test_is_asked_of_the_database_by_two_statements(self, many, owner, browser_of, statements):
        browser = browser_of(owner)
        browser.get("/characters/")
        statements.clear()
        browser.get("/characters/")
        assert len(statements) <= 3, statements


class TestSessionCookie:
    def test_is_sent_again_only_when_it_changed(self, many, owner, browser_of):
        browser = browser_of(owner)
        assert "greenroom=" in browser.get("/characters/").headers.get("Set-Cookie", "")
        assert "Set-Cookie" not in browser.get("/characters/").headers

    def test_is_sent_again_before_its_time_is_over(self, many, owner, browser_of):
        from datetime import timedelta

        import time_machine

        from studio.kit.clock import utc_now

        browser = browser_of(owner)
        with browser.session_transaction() as cookie:
            cookie.permanent = True
        browser.get("/characters/")
        assert "Set-Cookie" not in browser.get("/characters/").headers
        with time_machine.travel(utc_now() + timedelta(minutes=11)):
            assert "greenroom=" in browser.get("/characters/").headers.get("Set-Cookie", "")
