import re

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring import official, queries
from studio.authoring.models import Story
from studio.authoring.stories import order_token
from tests.factories.accounts import make_user
from tests.factories.authoring import NOW, make_character, make_official, make_story


@pytest.fixture
def staff(session):
    return make_user(session, RoleName.STAFF)


@pytest.fixture
def browser(browser_of, staff):
    return browser_of(staff)


@pytest.fixture
def story(session, staff):
    return make_story(session, staff=staff.actor, title="Night Crossing")


class TestList:
    def test_sorts_by_number_and_pages_by_it(self, session, browser, staff):
        session.add_all([Story(code=f"B{number}", title=f"Story of {number}.") for number in range(1, 31)])
        session.flush()
        first = browser.get("/stories/").text
        found = [int(number) for number in re.findall(r"Story of (\d+)\.", first)]
        assert list(dict.fromkeys(found)) == list(range(1, 26))
        following = browser.get(re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")).text
        assert list(dict.fromkeys(map(int, re.findall(r"Story of (\d+)\.", following)))) == list(range(26, 31))

    @pytest.mark.parametrize("words", ["B1", "b001", "B0001", "Crossing", "B1C1"])
    def test_finds_by_title_and_by_code_however_it_is_padded(self, session, browser, staff, story, words):
        make_story(session, staff=staff.actor, title="Another tale")
        page = browser.get("/stories/", query_string={"q": words}).text
        assert "Night Crossing" in page
        assert "Another tale" not in page

    def test_asks_little_of_the_database(self, session, browser, staff, statements):
        for _ in range(5):
            make_official(session, staff=staff.actor, story=make_story(session, staff=staff.actor))
        browser.get("/stories/")
        statements.clear()
        browser.get("/stories/")
        # The person, their roles, the page of rows, its count, and how many characters each has.
        assert len(statements) <= 6, statements

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.ADMIN])
    def test_is_the_staffs_alone(self, session, browser_of, story, role):
        other = browser_of(make_user(session, role))
        assert other.get("/stories/").status_code == 403
        assert other.get(f"/stories/{story.id}").status_code == 403
        assert "/stories/" not in other.get("/").text


class TestCodes:
    @pytest.mark.parametrize("code", ["B1", "B001", "b0001"])
    def test_lead_to_the_story(self, browser, story, code):
        answer = browser.get(f"/stories/{code}")
        assert (answer.status_code, answer.location) == (302, f"/stories/{story.id}")

    def test_lead_to_a_character(self, session, browser, staff, story):
        character = make_official(session, staff=staff.actor, story=story)
        assert browser.get("/stories/B1C1").location == f"/characters/{character.id}"

    @pytest.mark.parametrize("code", ["B2", "B1C9", "C1", "x"])
    def test_of_nothing_are_not_found(self, browser, story, code):
        assert browser.get(f"/stories/{code}").status_code == 404


class TestForm:
    def test_makes_a_story_under_the_next_code(self, session, browser, story, post):
        answer = post(browser, "/stories/new", title="A second one", description="Text.")
        made = session.query(Story).filter_by(title="A second one").one()
        assert (answer.location, made.code) == (f"/stories/{made.id}", "B002")

    def test_says_what_is_wrong_beside_the_field(self, browser, post):
        answer = post(browser, "/stories/new", title=" ", description="Kept.")
        assert answer.status_code == 422
        assert "Give the story a title." in answer.text
        assert "Kept." in answer.text

    def test_shows_both_texts_of_a_stale_save(self, browser, story, post):
        post(browser, f"/stories/{story.id}/edit", row_version=1, title="First", description="")
        answer = post(browser, f"/stories/{story.id}/edit", row_version=1, title="Second", description="")
        assert answer.status_code == 409
        assert "First" in answer.text
        assert "Where you both started" in answer.text

    def test_merges_what_two_people_changed_in_different_places(self, session, browser, staff, post):
        row = make_story(session, staff=staff.actor, title="Night", description="The ferry leaves. The fog comes.")
        address, first = f"/stories/{row.id}/edit", {"row_version": 1, "title": "Night"}
        post(browser, address, **first, description="The last ferry leaves. The fog comes.")
        mine = first | {"title": "Night Crossing", "description": "The ferry leaves. The fog comes in."}
        page = post(browser, address, **mine)
        assert page.status_code == 409
        chosen = {"merge_version": 2, "choice.description": "own"}
        merged = re.search(r'name="text.description"[^>]*>([^<]*)<', page.text)[1].strip()
        assert post(browser, address, **mine, **chosen, **{"text.description": merged}).status_code == 303
        session.expire_all()
        assert (row.title, row.description) == ("Night Crossing", "The last ferry leaves. The fog comes in.")


class TestStory:
    def test_makes_an_official_character_and_opens_its_editor(self, session, browser, story, post):
        answer = post(browser, f"/stories/{story.id}/characters", name="Captain")
        (character,) = queries.list_cast(session, story_id=story.id)
        assert (character.code, answer.location) == ("B001C001", f"/characters/{character.id}/edit")
        assert browser.get(answer.location).status_code == 200

    def test_says_that_a_character_needs_a_name(self, browser, story, post):
        post(browser, f"/stories/{story.id}/characters", name="")
        assert "A character needs a name." in browser.get(f"/stories/{story.id}").text

    def test_moves_a_character(self, session, browser, staff, story, post):
        made = [
            make_official(session, staff=staff.actor, story=story, name=name)
            for name in ("Adaline", "Bodhild", "Cyrus")
        ]
        moved = {"character_id": made[2].id, "place": 0, "order": order_token(made)}
        assert post(browser, f"/stories/{story.id}/move", **moved).status_code == 303
        assert post(browser, f"/stories/{story.id}/move", **moved | {"place": 1}).status_code == 409
        page = browser.get(f"/stories/{story.id}").text
        assert page.index("Cyrus") < page.index("Adaline") < page.index("Bodhild")

    def test_is_not_deleted_while_somebody_is_in_it(self, session, browser, staff, story, post):
        make_official(session, staff=staff.actor, story=story, name="Captain Li")
        assert "Captain Li" in browser.get(f"/stories/{story.id}/delete").text
        answer = post(browser, f"/stories/{story.id}/delete", row_version=story.row_version)
        assert answer.status_code == 409
        assert "Captain Li (B001C001)" in answer.text

    def test_goes_into_the_trash_when_it_is_empty_and_comes_back(self, session, browser, story, post):
        answer = post(browser, f"/stories/{story.id}/delete", row_version=story.row_version)
        assert answer.status_code == 303
        page = browser.get(answer.location).text
        assert "Night Crossing is in the trash for 30 days." in page
        assert f'action="/trash/stories/{story.id}/restore"' in page
        assert browser.get(f"/stories/{story.id}").status_code == 404
        assert "Night Crossing" in browser.get("/trash/stories/").text
        assert post(browser, f"/trash/stories/{story.id}/restore").status_code == 303
        assert browser.get(f"/stories/{story.id}").status_code == 200

    def test_is_deleted_for_good_after_it_is_named_once_more(self, session, browser, story, post):
        post(browser, f"/stories/{story.id}/delete", row_version=story.row_version)
        session.expire_all()
        address = f"/trash/stories/{story.id}/delete"
        assert "Delete Night Crossing for good?" in browser.get(address).text
        assert post(browser, address, row_version=1).status_code == 409
        session.expire_all()
        assert post(browser, address, row_version=story.row_version).status_code == 303
        assert session.query(Story).count() == 0

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.ADMIN])
    def test_in_the_trash_is_the_staffs_alone(self, session, browser, browser_of, story, post, role):
        post(browser, f"/stories/{story.id}/delete", row_version=story.row_version)
        other = browser_of(make_user(session, role))
        assert other.get("/trash/stories/").status_code == 403
        assert post(other, f"/trash/stories/{story.id}/restore").status_code == 403


class TestOfficialCharacter:
    def test_is_taken_out_as_a_card_by_the_staff_and_no_other_character_is(self, session, browser, staff, story):
        character = make_official(session, staff=staff.actor, story=story, name="Captain")
        assert f"/characters/{character.id}/export" in browser.get(f"/characters/{character.id}").text
        answer = browser.get(f"/characters/{character.id}/export/file?to=v3&as=json")
        assert answer.json["data"]["name"] == "Captain"
        theirs = make_character(session, owner=make_user(session, RoleName.CREATOR).actor)
        session.flush()
        assert f"/characters/{theirs.id}/export" not in browser.get(f"/characters/{theirs.id}").text
        assert browser.get(f"/characters/{theirs.id}/export/file?to=v3&as=json").status_code == 404

    def test_is_published_and_met_by_everybody(self, session, browser, browser_of, staff, story, post):
        character = make_official(session, staff=staff.actor, story=story, name="Captain")
        creator = browser_of(make_user(session, RoleName.CREATOR))
        assert creator.get(f"/characters/{character.id}").status_code == 404
        session.expire_all()
        seen = {"row_version": character.row_version}
        assert post(browser, f"/stories/characters/{character.id}/publish", **seen).status_code == 303
        page = creator.get(f"/characters/{character.id}").text
        assert "Captain" in page
        assert "B001C001" in page
        assert creator.get(f"/characters/{character.id}/versions").status_code == 404
        assert creator.get(f"/characters/{character.id}/edit").status_code == 404
        post(browser, f"/stories/characters/{character.id}/unpublish")
        assert creator.get(f"/characters/{character.id}").status_code == 404

    def test_is_found_by_its_code_in_the_list_and_the_palette(self, session, browser, staff, story):
        make_official(session, staff=staff.actor, story=story, name="Captain")
        assert "Captain" in browser.get("/characters/?q=B1C1").text
        assert "Captain" in browser.get("/palette/?q=b001c001").text
        assert "Captain" in browser.get("/characters/?sort=code&desc=0&layout=table").text

    def test_is_edited_by_the_staff_in_the_same_editor(self, session, browser, staff, story, post):
        character = make_official(session, staff=staff.actor, story=story, name="Captain")
        answer = post(
            browser,
            f"/characters/{character.id}/edit",
            row_version=character.row_version,
            name="Captain Li",
            content_rating="unrated",
        )
        assert answer.status_code == 303
        assert "Publish" in browser.get(f"/characters/{character.id}").text
        session.expire_all()
        official.publish(
            session, actor=staff.actor, character_id=character.id, row_version=character.row_version, now=NOW
        )
