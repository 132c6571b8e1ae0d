import re

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring import characters, queries, versions
from studio.authoring.models import Lorebook
from studio.authoring.rules import Greetings
from studio.kit.differences import LONGEST
from studio.providers import storage as storages
from tests.factories.accounts import make_user
from tests.factories.authoring import NOW, import_character, make_character
from tests.factories.market import make_listing, make_live_listing


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


def write(session, owner, character, greetings=None, **changes):
    characters.update(
        session,
        actor=owner.actor,
        character_id=character.id,
        row_version=character.row_version,
        changes=changes,
        greetings=greetings,
        now=NOW,
    )


@pytest.fixture
def character(session, owner):
    """A character with one version, and a draft that has moved on."""
    character = make_character(
        session, owner=owner.actor, name="Keeper", description="A quiet keeper.", greetings=Greetings("Hello.")
    )
    versions.make(session, actor=owner.actor, character_id=character.id, change_note="The first", now=NOW)
    write(session, owner, character, Greetings("Hello.", ("Come in.",)), description="A proud keeper.", tags=["sea"])
    return character


class TestSave:
    def test_keeps_the_draft_with_a_note(self, session, browser, character, post):
        answer = post(browser, f"/characters/{character.id}/versions/save", change_note="Prouder")
        assert answer.status_code == 303
        newest = queries.find_newest_version(session, character_id=character.id)
        assert (newest.version_number, newest.change_note) == (2, "Prouder")
        assert "Version 2 is saved." in browser.get(f"/characters/{character.id}").text

    def test_says_so_where_nothing_changed(self, browser, character, post):
        for _ in range(2):
            post(browser, f"/characters/{character.id}/versions/save")
        assert "Nothing has changed since version 2" in browser.get(f"/characters/{character.id}").text

    def test_in_the_editor_saves_the_text_first(self, session, browser, character, post):
        post(
            browser,
            f"/characters/{character.id}/edit",
            do="version",
            change_note="From the editor",
            row_version=character.row_version,
            name="Keeper",
            description="What is typed.",
            content_rating="unrated",
        )
        newest = queries.find_newest_version(session, character_id=character.id)
        assert newest.card["data"]["description"] == "What is typed."
        assert newest.change_note == "From the editor"

    def test_in_the_editor_saves_neither_where_the_text_is_refused(self, session, browser, character, post):
        answer = post(
            browser,
            f"/characters/{character.id}/edit",
            do="version",
            row_version=character.row_version,
            name="",
            description="What is typed.",
            content_rating="unrated",
        )
        assert answer.status_code == 422
        assert "What is typed." in answer.text
        assert queries.find_newest_version(session, character_id=character.id).version_number == 1


class TestStanding:
    def test_says_how_far_the_draft_is_from_what_others_see(self, session, browser, owner):
        moderator = make_user(session, RoleName.MODERATOR).actor
        listing = make_live_listing(session, owner=owner.actor, moderator=moderator, now=NOW)
        page = f"/characters/{listing.character_id}"
        assert "Others see version 1, which is what the draft says." in browser.get(page).text
        write(session, owner, listing_character(session, owner, listing), tagline="New", personality="Shy")
        text = browser.get(page).text
        assert "Others see version 1; your draft has 2 changes since." in text
        assert f"{page}/versions/compare?from=1&amp;to=draft" in text

    def test_teaches_what_a_version_is(self, session, browser, owner):
        character = make_character(session, owner=owner.actor)
        assert "None yet. A version keeps everything" in browser.get(f"/characters/{character.id}").text
        assert "No version yet" in browser.get(f"/characters/{character.id}/versions").text


def listing_character(session, owner, listing):
    return queries.get_writable(session, actor=owner.actor, character_id=listing.character_id)


class TestList:
    def test_shows_notes_makers_and_the_listing_that_pins_each(self, session, browser, owner, character):
        make_listing(session, owner=owner.actor, character=character, now=NOW, title="On the shelf")
        page = browser.get(f"/characters/{character.id}/versions").text
        assert "The first" in page
        assert owner.name in page
        assert "On the shelf" in page
        assert "Made by submitting" in page

    def test_is_paged_and_asks_little_of_the_database(self, session, browser, owner, character, statements):
        for number in range(25):
            write(session, owner, character, description=f"Text {number}")
            versions.make(session, actor=owner.actor, character_id=character.id, now=NOW)
        address = f"/characters/{character.id}/versions"
        statements.clear()
        page = browser.get(address).text
        # The person, their roles, the character, a page of versions; newest, live and five recent ones, the draft
        # (source, greetings, replies, scenes, settings, lorebook); the makers, the listings, and which one is live.
        assert len(statements) <= 18, statements
        assert "Version 26" in page
        assert "Version 6<" not in page
        older = browser.get(re.search(r'href="([^"]*before=\d+)"', page)[1]).text
        assert "Version 6<" in older
        assert "Version 26<" not in older


class TestPage:
    def test_shows_the_version_and_not_the_draft(self, browser, character):
        page = browser.get(f"/characters/{character.id}/versions/1").text
        assert "A quiet keeper." in page
        assert "A proud keeper." not in page

    @pytest.mark.parametrize("number", ["0", "2", "99999999999999999999"])
    def test_is_not_found_for_another_number(self, browser, character, number):
        assert browser.get(f"/characters/{character.id}/versions/{number}").status_code == 404

    def test_of_an_imported_card_shows_its_lorebook(self, session, browser, owner, settings):
        book = {"entries": [{"keys": ["剑冢"], "content": "Where swords rest.", "extensions": {}, "enabled": True}]}
        from tests.factories.authoring import card_file

        character = import_character(
            session,
            actor=owner.actor,
            storage=storages.from_settings(settings),
            data=card_file(character_book=book),
        )
        assert session.query(Lorebook).count() == 1
        versions.make(session, actor=owner.actor, character_id=character.id, now=NOW)
        page = browser.get(f"/characters/{character.id}/versions/1").text
        assert "Where swords rest." in page
        answer = browser.get(f"/characters/{character.id}/export?version=1&to=v3&as=json")
        assert answer.status_code == 200
        assert "version=1" in answer.text


class TestCompare:
    def test_marks_words_and_names_items(self, browser, character):
        page = browser.get(f"/characters/{character.id}/versions/compare?from=1&to=draft").text
        assert "<del>quiet </del><ins>proud </ins>" in page
        assert "3 changes" in page
        assert "Come in." in page
        assert "added" in page

    def test_goes_both_ways_and_from_version_to_version(self, session, browser, owner, character):
        versions.make(session, actor=owner.actor, character_id=character.id, now=NOW)
        address = f"/characters/{character.id}/versions/compare"
        assert "<del>proud </del><ins>quiet </ins>" in browser.get(f"{address}?from=2&to=1").text
        assert "<del>quiet </del><ins>proud </ins>" in browser.get(f"{address}?to=2").text
        assert "The two say the same, word for word." in browser.get(f"{address}?from=2&to=draft").text

    @pytest.mark.parametrize("query", ["from=7", "from=x", "to=0", "from=1&to=²", "to=99999999999999999999"])
    def test_is_not_found_for_what_is_no_version(self, browser, character, query):
        assert browser.get(f"/characters/{character.id}/versions/compare?{query}").status_code == 404

    def test_stays_bounded_for_long_texts(self, session, browser, owner, character):
        write(session, owner, character, description="word " * 40_000, personality="y" * (LONGEST + 50))
        page = browser.get(f"/characters/{character.id}/versions/compare").text
        assert len(page) < 200_000
        assert "characters are left out" in page

    def test_shows_people_nothing_but_text(self, session, browser, owner, character):
        write(session, owner, character, description="A <script>alert(1)</script> keeper.")
        page = browser.get(f"/characters/{character.id}/versions/compare").text
        assert "<script>alert" not in page


class TestRestore:
    def test_brings_the_version_back_and_offers_to_undo(self, session, browser, character, post):
        address = f"/characters/{character.id}/versions"
        answer = post(browser, f"{address}/1/restore", row_version=character.row_version)
        assert answer.status_code == 303
        session.expire_all()
        assert character.description == "A quiet keeper."
        page = browser.get(address).text
        assert "that is version 3 now" in page
        undo = re.search(r'action="([^"]*/versions/2/restore)"', page)
        post(browser, undo[1], row_version=character.row_version)
        session.expire_all()
        assert character.description == "A proud keeper."

    def test_changes_nothing_where_the_draft_was_saved_in_the_meantime(self, session, browser, character, post):
        answer = post(browser, f"/characters/{character.id}/versions/1/restore", row_version=1)
        assert answer.status_code == 303
        assert "Someone saved this character in the meantime" in browser.get(answer.location).text
        session.expire_all()
        assert character.description == "A proud keeper."

    @pytest.mark.parametrize("role", [RoleName.MODERATOR, RoleName.STAFF])
    def test_is_not_for_who_only_reads(self, session, browser_of, character, post, role):
        reader = browser_of(make_user(session, role))
        address = f"/characters/{character.id}/versions"
        assert "Restore" not in reader.get(f"{address}/1").text
        assert post(reader, f"{address}/1/restore", row_version=character.row_version).status_code in {403, 404}

    def test_of_others_is_not_found(self, session, browser_of, character, post):
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        address = f"/characters/{character.id}/versions"
        for path in ("", "/1", "/compare"):
            assert stranger.get(address + path).status_code == 404
        for path in ("/1/restore", "/save"):
            assert post(stranger, address + path, row_version=1).status_code == 404
