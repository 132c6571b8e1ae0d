"""The search page shows what was found, why, and nothing that is not the searcher's to see."""

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring import listed, versions
from studio.authoring.models import CharacterStatus
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character


@pytest.fixture
def creator(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def character(session, creator):
    made = make_character(session, owner=creator.actor, name="小满", description="夜市馄饨摊的摊主。")
    session.flush()
    return made


class TestSearch:
    def test_teaches_the_first_step(self, browser_of, creator):
        assert "What are you looking for?" in browser_of(creator).get("/search/").text

    def test_finds_two_chinese_characters_and_says_where(self, browser_of, statements, creator, character):
        browser = browser_of(creator)
        statements.clear()
        page = browser.get("/search/?q=馄饨&mode=words").text
        assert "小满" in page
        assert "word in:" in page
        assert len(statements) <= 8, "\n".join(statements)

    def test_says_that_meaning_is_not_there_yet(self, browser_of, creator, character):
        assert "only words were searched" in browser_of(creator).get("/search/?q=馄饨").text

    def test_narrows_by_state(self, browser_of, creator, character):
        browser = browser_of(creator)
        assert "小满" not in browser.get("/search/?q=馄饨&mode=words&status=published").text
        assert "小满" in browser.get("/search/?q=馄饨&mode=words&status=draft").text

    def test_ignores_choices_that_are_none(self, browser_of, creator, character):
        assert browser_of(creator).get("/search/?q=馄饨&mode=%00&rating=x&status=1").status_code == 200

    def test_shows_text_as_text(self, session, browser_of, creator):
        make_character(session, owner=creator.actor, name="<script>alert(1)</script>", description="馄饨")
        session.flush()
        assert "<script>alert(1)" not in browser_of(creator).get("/search/?q=馄饨&mode=words").text


class TestSimilar:
    def test_says_that_the_job_has_not_run(self, browser_of, creator, character):
        page = browser_of(creator).get(f"/search/similar/{character.id}")
        assert page.status_code == 200
        assert "not been embedded yet" in page.text

    def test_does_not_find_a_strangers_draft(self, session, browser_of, character):
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert stranger.get(f"/search/similar/{character.id}").status_code == 404

    def test_shows_a_strangers_listed_character(self, session, browser_of, creator, character, now):
        version = versions.make(session, actor=creator.actor, character_id=character.id, change_note="", now=now)
        character.status = CharacterStatus.PUBLISHED
        listed.show(session, character_id=character.id, version_number=version.version_number)
        session.flush()
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert stranger.get(f"/search/similar/{character.id}").status_code == 200
