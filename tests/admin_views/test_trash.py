"""The trash on the screen: thrown away, undone, taken out, deleted for good."""

import html
import re

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import queries
from studio.authoring.models import Character, TrashedLorebook, UserFavorite
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.lorebooks import make_lorebook
from tests.factories.market import make_listing
from tests.factories.media import make_generation, make_portrait, make_storage
from tests.factories.voices import make_speech, make_voice


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR, name="Ada Writer")


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


@pytest.fixture
def character(session, owner):
    return make_character(session, owner=owner.actor, name="Slow <Ink>")


class TestTrash:
    def test_offers_to_undo_at_once(self, browser, character, post):
        answer = post(browser, f"/characters/{character.id}/trash")
        assert answer.status_code == 303
        page = browser.get(answer.location).text
        assert "Slow &lt;Ink&gt; is in the trash for 30 days." in page
        assert f'action="/trash/{character.id}/restore"' in page
        answer = browser.get(f"/characters/{character.id}")
        assert answer.status_code == 410
        assert f'action="/trash/{character.id}/restore"' in answer.text

    def test_shows_who_threw_it_away_and_brings_it_back(self, session, browser, character, post):
        post(browser, f"/characters/{character.id}/trash")
        page = browser.get("/trash/").text
        assert "Slow &lt;Ink&gt;" in page
        assert "Ada Writer" in page
        assert "30 days" in page
        assert post(browser, f"/trash/{character.id}/restore").status_code == 303
        assert browser.get(f"/characters/{character.id}").status_code == 200

    def test_names_it_and_who_uses_it_before_deleting(self, session, browser, character, post):
        other = make_user(session, RoleName.CREATOR)
        session.add(UserFavorite(user_id=other.id, character_id=character.id))
        session.flush()
        post(browser, f"/characters/{character.id}/trash")
        page = html.unescape(browser.get(f"/trash/{character.id}/delete").text)
        assert "Delete Slow <Ink> for good?" in page
        assert "People keep it among their favourites (1)." in page
        session.expire_all()
        assert post(browser, f"/trash/{character.id}/delete", row_version="1").status_code == 409
        version, character_id = character.row_version, character.id
        assert post(browser, f"/trash/{character_id}/delete", row_version=version).status_code == 303
        session.expire_all()
        assert session.get(Character, character_id) is None

    def test_counts_speech_pictures_and_files_within_its_budget(
        self, session, browser, owner, character, post, statements, tmp_path
    ):
        make_voice(session, owner=owner.actor, character=character)
        for number in range(2):
            make_speech(session, owner=owner.actor, character=character, text=f"Line {number}.")
        generation = make_generation(session, owner=owner.actor)
        generation.character_id = character.id
        portrait = make_portrait(session, actor=owner.actor, storage=make_storage(tmp_path))
        character.portrait_id = portrait.id
        session.flush()
        post(browser, f"/characters/{character.id}/trash")
        statements.clear()
        page = html.unescape(browser.get(f"/trash/{character.id}/delete").text)
        # person, roles, preferences; the row; who uses it, in one; its files in three.
        assert len(statements) <= 11, "\n".join(statements)
        assert "It has voices (1); they go with it." in page
        assert "1 picture or card file: it goes too" in page
        assert "Speech was made for it (2); it stays" in page
        assert "Pictures were asked for it from prompts (1)" in page
        assert page.index("What goes with it") < page.index("It has voices") < page.index("What stays")
        assert "Nobody else uses it." in page

    def test_asks_before_it_deletes_without_a_token(self, session, browser, character, post):
        post(browser, f"/characters/{character.id}/trash")
        assert post(browser, f"/trash/{character.id}/delete").status_code == 200
        session.expire_all()
        assert session.get(Character, character.id) is not None

    def test_refuses_what_is_proof_with_a_sentence(self, session, browser, owner, character, post, now):
        make_listing(session, owner=owner.actor, character=character, now=now)
        answer = post(browser, f"/characters/{character.id}/trash")
        assert answer.status_code == 303
        page = html.unescape(browser.get(answer.location).text)
        assert "Slow <Ink> cannot be deleted" in page

    @pytest.mark.parametrize("role", list(RoleName))
    def test_is_nobody_elses(self, session, browser, browser_of, character, post, role):
        post(browser, f"/characters/{character.id}/trash")
        other = browser_of(make_user(session, role))
        assert "Slow &lt;Ink&gt;" not in other.get("/trash/").text
        for method, url in (("POST", "restore"), ("GET", "delete"), ("POST", "delete")):
            address = f"/trash/{character.id}/{url}"
            answer = other.get(address) if method == "GET" else post(other, address, row_version="2")
            assert answer.status_code in {403, 404}

    def test_keeps_its_budget(self, session, browser, owner, post, statements):
        for _number in range(12):
            one = make_character(session, owner=owner.actor)
            post(browser, f"/characters/{one.id}/trash")
        statements.clear()
        assert browser.get("/trash/").status_code == 200
        assert len(statements) <= 8


class TestLorebooks:
    def test_are_thrown_away_undone_and_deleted_for_good(self, session, browser, owner, character, post):
        book = make_lorebook(session, owner=owner.actor, character=character, name="The valley")
        session.flush()
        assert "Throw the whole lorebook away" in browser.get(f"/lorebooks/{character.id}").text
        assert post(browser, f"/lorebooks/{character.id}/trash", row_version=99).status_code == 409
        session.expire_all()
        answer = post(browser, f"/lorebooks/{character.id}/trash", row_version=book.row_version)
        page = browser.get(answer.location).text
        assert "The lorebook of Slow &lt;Ink&gt; is in the trash for 30 days." in page
        listed = html.unescape(browser.get("/trash/lorebooks/").text)
        assert "Lorebook of Slow <Ink>: The valley" in listed
        assert "Ada Writer" in listed
        (trashed,) = session.scalars(sa.select(TrashedLorebook)).all()
        assert post(browser, f"/trash/lorebooks/{trashed.id}/restore").status_code == 303
        session.expire_all()
        assert "Entry 1" in browser.get(f"/lorebooks/{character.id}").text
        version = queries.find_lorebook(session, character_id=character.id).row_version
        post(browser, f"/lorebooks/{character.id}/trash", row_version=version)
        (trashed,) = session.scalars(sa.select(TrashedLorebook)).all()
        asked = html.unescape(browser.get(f"/trash/lorebooks/{trashed.id}/delete").text)
        assert "Delete Lorebook of Slow <Ink>: The valley for good?" in asked
        assert post(browser, f"/trash/lorebooks/{trashed.id}/delete", row_version="0").status_code == 303
        assert session.scalar(sa.select(sa.func.count()).select_from(TrashedLorebook)) == 0

    @pytest.mark.parametrize("role", list(RoleName))
    def test_are_nobody_elses(self, session, browser, browser_of, owner, character, post, role):
        book = make_lorebook(session, owner=owner.actor, character=character, name="Secret valley")
        session.flush()
        post(browser, f"/lorebooks/{character.id}/trash", row_version=book.row_version)
        (trashed,) = session.scalars(sa.select(TrashedLorebook)).all()
        other = browser_of(make_user(session, role))
        assert "Secret valley" not in other.get("/trash/lorebooks/").text
        for method, url in (("POST", "restore"), ("GET", "delete"), ("POST", "delete")):
            address = f"/trash/lorebooks/{trashed.id}/{url}"
            answer = other.get(address) if method == "GET" else post(other, address, row_version="0")
            assert answer.status_code in {403, 404}


class TestWhatIsOpenedOrSavedInTheTrash:
    def test_keeps_the_text_and_offers_the_way_back(self, session, browser, character, post):
        post(browser, f"/characters/{character.id}/trash")
        sent = {"row_version": "1", "name": "Slow <Ink>", "description": "A page that was long in writing."}
        answer = post(browser, f"/characters/{character.id}/edit", **sent)
        assert answer.status_code == 410
        page = html.unescape(answer.text)
        assert "Slow <Ink> is in the trash" in page
        assert "A page that was long in writing." in page
        assert 'href="/trash/"' in page
        draft = re.search(r'name="draft" value="([^"]+)"', page)[1]
        back = post(browser, f"/trash/{character.id}/restore", draft=draft)
        assert back.status_code == 303
        assert "A page that was long in writing." in browser.get(back.location).text
        session.expire_all()
        assert session.get(Character, character.id).description != "A page that was long in writing."

    @pytest.mark.parametrize(
        "place", ["/characters/{}", "/characters/{}/edit", "/test-chat/{}", "/lorebooks/{}", "/characters/{}/export"]
    )
    def test_is_said_to_who_may_restore_it_and_to_nobody_else(
        self, session, browser, browser_of, character, post, place
    ):
        post(browser, f"/characters/{character.id}/trash")
        address = place.format(character.id)
        answer = browser.get(address)
        assert answer.status_code == 410
        assert f'action="/trash/{character.id}/restore"' in answer.text
        other = browser_of(make_user(session, RoleName.CREATOR)).get(address)
        assert other.status_code == 404
        assert "Slow" not in other.text

    def test_an_outsiders_save_is_not_found(self, session, browser, browser_of, character, post):
        post(browser, f"/characters/{character.id}/trash")
        other = browser_of(make_user(session, RoleName.CREATOR))
        assert post(other, f"/characters/{character.id}/edit", row_version="1", name="Mine").status_code == 404

    def test_tells_a_script_in_a_sentence(self, browser, character, post):
        post(browser, f"/characters/{character.id}/trash")
        answer = browser.get(f"/characters/{character.id}/autosave", headers={"Accept": "application/json"})
        assert answer.status_code == 410
        assert "in the trash" in answer.json["error"]

    def test_the_days_left_are_said_as_days(self, browser, character, post):
        post(browser, f"/characters/{character.id}/trash")
        page = browser.get("/trash/").text
        assert "in 30 days" in page
        assert "month" not in page

    @pytest.mark.parametrize("place", ["/trash/", "/trash/lorebooks/", "/trash/stories/"])
    def test_every_tab_is_the_trash_in_the_menu(self, session, browser_of, place):
        browser = browser_of(make_user(session, RoleName.STAFF))
        assert re.search(r'href="/trash/" aria-current="page"', browser.get(place).text)
