from datetime import timedelta

import pytest

from admin_views import formats, ui
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character


def navigation_of(page: str) -> str:
    return page[page.index('<nav class="side"') : page.index('class="side-veil"')]


class TestPart:
    def test_shows_nobody_the_navigation_of_another_role(self, session, browser_of):
        creator = browser_of(make_user(session, RoleName.CREATOR))
        admin = browser_of(make_user(session, RoleName.STAFF, RoleName.ADMIN))
        for _again in range(2):
            assert 'href="/audit/"' in navigation_of(admin.get("/characters/").text)
            assert 'href="/audit/"' not in navigation_of(creator.get("/characters/").text)

    def test_speaks_each_readers_language(self, session, browser_of):
        english = browser_of(make_user(session, RoleName.CREATOR, locale="en"))
        chinese = browser_of(make_user(session, RoleName.CREATOR, locale="zh_Hans"))
        for _again in range(2):
            assert "Keyboard shortcuts" in english.get("/characters/").text
            assert "Keyboard shortcuts" not in chinese.get("/characters/").text

    def test_marks_the_page_that_is_open(self, session, browser_of):
        browser = browser_of(make_user(session, RoleName.CREATOR))
        for url in ("/characters/", "/imports/", "/characters/"):
            assert f'<a href="{url}" aria-current="page">' in navigation_of(browser.get(url).text)


class TestStatusLabel:
    def test_speaks_each_readers_language(self, app):
        labels = set()
        for language in ("en", "zh-CN", "en"):
            with app.test_request_context(headers={"Accept-Language": language}):
                labels.add(formats.status_label("draft"))
        assert len(labels) == 2

    def test_shows_what_it_does_not_know_as_it_is(self, app):
        with app.test_request_context():
            assert formats.status_label("half_way") == "half way"


class TestMoment:
    def test_is_written_in_each_readers_time_zone(self, session, browser_of):
        creator = make_user(session, RoleName.CREATOR, timezone="Asia/Shanghai")
        character = make_character(session, owner=creator.actor, name="Early")
        character.updated_at = utc_now().replace(year=2020, month=1, day=31, hour=20)
        staff = make_user(session, RoleName.STAFF, timezone="UTC")
        assert "Feb 1, 2020" in browser_of(creator).get("/characters/").text
        assert "Jan 31, 2020" in browser_of(staff).get("/characters/").text

    def test_says_how_long_ago_it_was(self, app):
        with app.test_request_context():
            assert "2 hours ago" in ui.moment(utc_now() - timedelta(hours=2))

    def test_of_nothing_is_a_dash(self, app):
        with app.test_request_context():
            assert "–" in ui.moment(None)


class TestMarks:
    @pytest.mark.parametrize(
        "mark",
        [
            lambda text: ui.badge("draft", text),
            ui.badge,
            lambda text: ui.avatar(text, "name"),
            lambda text: ui.avatar(None, text),
            lambda text: ui.link(text, text),
            lambda text: ui.icon(text, text),
        ],
    )
    def test_escape_what_people_wrote(self, app, mark):
        with app.test_request_context():
            assert '<b "' not in mark('<b "')
            assert "<b" not in mark('<b "')


class TestEscaped:
    def test_escapes_each_text_by_itself(self):
        assert ui.escaped(["<b>", "", 'Tom & "Jerry"', "名字"]) == [
            "&lt;b&gt;",
            "",
            "Tom &amp; &#34;Jerry&#34;",
            "名字",
        ]

    def test_has_nothing_for_nothing(self):
        assert ui.escaped([]) == []
