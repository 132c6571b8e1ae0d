"""Drafts that save themselves, recovery and the merge, over the routes that browsers use."""

import html
import re
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.rules import Greetings
from studio.editing.models import Autosave
from studio.market.catalogue import categories
from tests.admin_views.conftest import token_of
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.market import make_category


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


@pytest.fixture
def character(session, owner):
    return make_character(
        session,
        owner=owner.actor,
        name="Slow Ink",
        description="She keeps a light. She hums.",
        tags=["sea"],
        greetings=Greetings("Hello.", ("Good evening.",)),
    )


def fields_of(character, **changes):
    return {
        "row_version": str(character.row_version),
        "name": character.name,
        "tags": ", ".join(character.tags),
        "description": character.description,
        "content_rating": "unrated",
        "greeting_first": "Hello.",
        "greeting_alternate": "Good evening.",
        **changes,
    }


def keep(client, url, person, fields, *, client_id=None, sequence=1, **more):
    body = {
        "person": str(person.id),
        "client": str(client_id or uuid4()),
        "sequence": sequence,
        "fields": [list(pair) for pair in fields.items()],
        **more,
    }
    headers = {"X-CSRFToken": token_of(client), "Accept": "application/json"}
    return client.post(url, json=body, headers=headers)


NEW = f"/characters/{UUID(int=0)}/autosave?part=new"


def address(character):
    return f"/characters/{character.id}/autosave"


def save_elsewhere(session, owner, character, now, **changes):
    parts = {name: changes.pop(name) for name in ("greetings", "replies") if name in changes}
    characters.update(
        session,
        actor=owner.actor,
        character_id=character.id,
        row_version=character.row_version,
        changes=changes,
        now=now,
        **parts,
    )


class TestAutosave:
    def test_is_kept_and_offered(self, session, browser, owner, character):
        answer = keep(browser, address(character), owner, fields_of(character, description="She sings."))
        assert answer.json["kept"] == "kept"
        page = browser.get(f"/characters/{character.id}/edit").text
        assert "You have unsaved work from" in page
        assert "<ins>sings</ins>" in page
        assert 'name="description"' in page
        assert "She keeps a light. She hums.</textarea>" in page

    def test_changes_nothing_of_the_character(self, session, browser, owner, character):
        version = character.row_version
        keep(browser, address(character), owner, fields_of(character, description="She sings."))
        session.expire_all()
        assert (character.row_version, character.description) == (version, "She keeps a light. She hums.")

    def test_that_says_what_is_saved_is_not_offered(self, browser, owner, character):
        keep(browser, address(character), owner, fields_of(character))
        assert "unsaved work" not in browser.get(f"/characters/{character.id}/edit").text

    def test_keeps_no_token_and_no_button(self, session, browser, owner, character):
        keep(browser, address(character), owner, fields_of(character, csrf_token="secret", do="add:replies"))
        (kept,) = session.scalars(sa.select(Autosave.fields)).all()
        assert not {"csrf_token", "do"} & {name for name, _value in kept}

    @pytest.mark.parametrize(
        "body",
        [
            [],
            {"client": "x", "sequence": 1, "fields": []},
            {"client": str(uuid4()), "sequence": "1", "fields": []},
            {"client": str(uuid4()), "sequence": True, "fields": []},
            {"client": str(uuid4()), "sequence": 1, "fields": [["a", 1]]},
            {"client": str(uuid4()), "sequence": 1, "fields": [["a"]]},
        ],
    )
    def test_refuses_what_is_no_draft(self, browser, owner, character, body):
        if isinstance(body, dict):
            body = {"person": str(owner.id), **body}
        headers = {"X-CSRFToken": token_of(browser), "Accept": "application/json"}
        assert browser.post(address(character), json=body, headers=headers).status_code in {409, 422}

    def test_needs_the_token(self, browser, owner, character):
        assert browser.post(address(character), json={}).status_code == 400

    def test_of_a_page_that_another_person_opened_is_refused(self, session, browser, character):
        other = make_user(session, RoleName.CREATOR)
        assert keep(browser, address(character), other, fields_of(character)).status_code == 409
        assert session.scalar(sa.select(sa.func.count()).select_from(Autosave)) == 0

    def test_tells_who_is_signed_in_and_gives_a_token(self, browser, owner, character):
        told = browser.get(address(character)).json
        assert told["person"] == str(owner.id)
        assert (
            browser.get(address(character), headers={"Accept": "application/json"}).headers["Cache-Control"]
            == "no-store"
        )
        body = {"person": str(owner.id), "client": str(uuid4()), "sequence": 1, "fields": []}
        assert browser.post(address(character), json=body, headers={"X-CSRFToken": told["token"]}).status_code == 200

    def test_too_large_is_said(self, browser, owner, character):
        answer = keep(browser, address(character), owner, {"description": "x" * (8 * 1024 * 1024 + 1)})
        assert answer.status_code == 413
        assert "8 MB" in answer.json["error"]

    def test_of_another_form_over_the_same_row_is_another_draft(self, browser, owner, character):
        url = address(character) + "?part=lorebook"
        assert keep(browser, url, owner, {"entries-0-content": "x"}).json["kept"] == "kept"
        assert "unsaved work" not in browser.get(f"/characters/{character.id}/edit").text
        assert keep(browser, address(character) + "?part=nonsense", owner, {}).status_code == 404


class TestRoles:
    @pytest.mark.parametrize("role", list(RoleName))
    def test_nobody_keeps_drafts_of_what_is_not_theirs_to_change(self, session, browser_of, character, role):
        person = make_user(session, role)
        answer = keep(browser_of(person), address(character), person, fields_of(character))
        assert answer.status_code in {403, 404}
        assert session.scalar(sa.select(sa.func.count()).select_from(Autosave)) == 0

    def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(self, client, owner, character):
        answer = keep(client, address(character), owner, fields_of(character))
        assert answer.status_code == 302

    @pytest.mark.parametrize("role", [RoleName.STAFF, RoleName.MODERATOR, RoleName.ADMIN])
    def test_nobody_sees_anothers_draft(self, session, browser, browser_of, owner, character, role):
        client_id = uuid4()
        keep(browser, address(character), owner, fields_of(character, description="secret plan"), client_id=client_id)
        other = browser_of(make_user(session, role))
        for url in (f"/characters/{character.id}", f"/characters/{character.id}/edit?draft={client_id}"):
            assert "secret plan" not in other.get(url).text

    def test_a_draft_of_another_document_is_not_taken_up(self, session, browser, owner, character):
        client_id = uuid4()
        keep(browser, address(character), owner, fields_of(character, description="of the first"), client_id=client_id)
        other = make_character(session, owner=owner.actor, name="Other")
        page = browser.get(f"/characters/{other.id}/edit?draft={client_id}").text
        assert "of the first" not in page
        assert "This draft is not there any more" in page


class TestGoingOn:
    def test_fills_the_form_from_the_draft(self, session, browser, owner, character):
        client_id = uuid4()
        draft = fields_of(character, description="She sings.", greeting_first="Welcome.")
        keep(browser, address(character), owner, draft, client_id=client_id)
        page = browser.get(f"/characters/{character.id}/edit?draft={client_id}").text
        assert "\nShe sings.</textarea>" in page
        assert "\nWelcome.</textarea>" in page
        assert "data-dirty" in page
        assert f'name="autosave_continues" value="{client_id}"' in page

    def test_saving_takes_the_drafts_away(self, session, browser, owner, character, post):
        old, new = uuid4(), uuid4()
        draft = fields_of(character, description="She sings.")
        keep(browser, address(character), owner, draft, client_id=old)
        answer = post(
            browser,
            f"/characters/{character.id}/edit",
            **draft,
            autosave_client=str(new),
            autosave_continues=str(old),
        )
        assert answer.status_code == 303
        assert keep(browser, address(character), owner, draft, client_id=new, sequence=9).json["kept"] == "closed"
        assert "unsaved work" not in browser.get(f"/characters/{character.id}/edit").text
        session.expire_all()
        assert character.description == "She sings."

    def test_a_refused_save_keeps_the_draft(self, session, browser, owner, character, post):
        client_id = uuid4()
        draft = fields_of(character, name="", description="She sings.")
        keep(browser, address(character), owner, draft, client_id=client_id)
        answer = post(browser, f"/characters/{character.id}/edit", **draft, autosave_client=str(client_id))
        assert answer.status_code == 422
        assert f'name="autosave_continues" value="{client_id}"' in answer.text
        assert session.scalar(sa.select(Autosave.state)) == "open"

    def test_a_discarded_draft_can_be_taken_back(self, browser, owner, character, post):
        client_id = uuid4()
        keep(browser, address(character), owner, fields_of(character, description="She sings."), client_id=client_id)
        url = f"/characters/{character.id}/autosave/discard"
        assert post(browser, url, draft=str(client_id)).status_code == 303
        page = browser.get(f"/characters/{character.id}/edit").text
        assert "unsaved work" not in page
        assert "The draft is discarded." in page
        assert 'value="undo"' in page
        post(browser, url, draft=str(client_id), do="undo")
        assert "unsaved work" in browser.get(f"/characters/{character.id}/edit").text

    def test_of_several_the_newest_is_shown_and_the_older_ones_are_folded_away(self, browser, owner, character):
        for number in range(4):
            keep(browser, address(character), owner, fields_of(character, description=f"She sings, {number}."))
        keep(browser, address(character), owner, fields_of(character, description="She sings, 3."))
        page = browser.get(f"/characters/{character.id}/edit").text
        shown, _folded, older = page.partition('<details class="recovered-older">')
        assert shown.count("You have unsaved work") == 1
        assert "3 older" in older
        assert older.count("You have unsaved work") == 3

    def test_costs_no_statement_where_there_is_none(self, browser, character, statements):
        statements.clear()
        browser.get(f"/characters/{character.id}/edit")
        assert sum("FROM autosaves" in statement for statement in statements) == 1


class TestMerge:
    def merge(self, browser, post, character, **data):
        return post(browser, f"/characters/{character.id}/edit", **data)

    def test_fields_of_one_side_are_merged_by_themselves(self, session, browser, owner, character, post, now):
        mine = fields_of(character, tagline="Only mine.")
        save_elsewhere(session, owner, character, now, description="Only theirs.")
        page = self.merge(browser, post, character, **mine)
        assert page.status_code == 409
        text = html.unescape(page.text)
        assert "You saved this in another window in the meantime" in text
        assert "Taken over from the other save" in text
        assert "Kept from yours" in text
        assert "Changed by both" not in text
        seen = re.search(r'name="merge_version" value="(\d+)"', text)[1]
        assert self.merge(browser, post, character, **mine, merge_version=seen).status_code == 303
        session.expire_all()
        assert (character.tagline, character.description) == ("Only mine.", "Only theirs.")

    def test_both_changes_of_one_text_go_together_where_they_do_not_meet(
        self, session, browser, owner, character, post, now
    ):
        mine = fields_of(character, description="She keeps a light. She whistles.")
        save_elsewhere(session, owner, character, now, description="She keeps a lamp. She hums.")
        page = html.unescape(self.merge(browser, post, character, **mine).text)
        assert "\nShe keeps a lamp. She whistles.</textarea>" in page
        seen = re.search(r'name="merge_version" value="(\d+)"', page)[1]
        assert self.merge(browser, post, character, **mine, merge_version=seen).status_code == 303
        session.expire_all()
        assert character.description == "She keeps a lamp. She whistles."

    @pytest.mark.parametrize("version", ["-1", "abc", "2147483648", "9" * 40])
    def test_a_version_that_cannot_be_is_an_old_one(self, session, browser, owner, character, post, now, version):
        mine = fields_of(character, tagline="Only mine.", row_version=version)
        save_elsewhere(session, owner, character, now, tagline="Only theirs.")
        assert self.merge(browser, post, character, **mine).status_code == 409

    @pytest.mark.parametrize(
        ("choice", "becomes"), [("mine", "She whistles."), ("theirs", "She sings."), ("own", "She sings and whistles.")]
    )
    def test_a_conflict_is_chosen(self, session, browser, owner, character, post, now, choice, becomes):
        mine = fields_of(character, description="She whistles.")
        save_elsewhere(session, owner, character, now, description="She sings.")
        page = html.unescape(self.merge(browser, post, character, **mine).text)
        for text in ("She keeps a light. She hums.", "Where you both started", "Changed by both"):
            assert text in page
        seen = re.search(r'name="merge_version" value="(\d+)"', page)[1]
        unchosen = self.merge(browser, post, character, **mine, merge_version=seen)
        assert unchosen.status_code == 409
        assert "Choose for each of the fields below" in unchosen.text
        choices = {"choice.description": choice, "text.description": "She sings and whistles."}
        assert self.merge(browser, post, character, **mine, merge_version=seen, **choices).status_code == 303
        session.expire_all()
        assert character.description == becomes

    def test_greetings_and_tags_are_merged_by_item(self, session, browser, owner, character, post, now):
        mine = fields_of(character, tags="sea, mine", greeting_first="Hello, you.")
        save_elsewhere(
            session,
            owner,
            character,
            now,
            tags=["sea", "theirs"],
            greetings=Greetings("Hello.", ("Good evening.", "Good night.")),
        )
        page = html.unescape(self.merge(browser, post, character, **mine).text)
        seen = re.search(r'name="merge_version" value="(\d+)"', page)[1]
        assert self.merge(browser, post, character, **mine, merge_version=seen).status_code == 303
        session.expire_all()
        assert character.tags == ["sea", "theirs", "mine"]
        page = browser.get(f"/characters/{character.id}/edit").text
        for greeting in ("Hello, you.", "Good evening.", "Good night."):
            assert f"\n{greeting}</textarea>" in page

    def test_a_third_save_leads_to_another_merge_and_keeps_the_choices(
        self, session, browser, owner, character, post, now
    ):
        mine = fields_of(character, description="She whistles.")
        save_elsewhere(session, owner, character, now, description="She sings.")
        page = self.merge(browser, post, character, **mine).text
        seen = re.search(r'name="merge_version" value="(\d+)"', page)[1]
        save_elsewhere(session, owner, character, now, description="She dances.")
        choices = {"choice.description": "own", "text.description": "My own words."}
        answer = self.merge(browser, post, character, **mine, merge_version=seen, **choices)
        assert answer.status_code == 409
        text = html.unescape(answer.text)
        assert "It was saved once more while you chose." in text
        assert "She dances." in re.sub(r"<del>.*?</del>|</?ins>", "", text)
        assert "\nMy own words.</textarea>" in text
        session.expire_all()
        assert character.description == "She dances."

    def test_can_be_gone_on_with_in_the_editor(self, session, browser, owner, character, post, now):
        mine = fields_of(character, tagline="Only mine.")
        save_elsewhere(session, owner, character, now, description="Only theirs.")
        seen = re.search(r'name="merge_version" value="(\d+)"', self.merge(browser, post, character, **mine).text)[1]
        page = self.merge(browser, post, character, **mine, merge_version=seen, do="write")
        assert page.status_code == 200
        assert "\nOnly theirs.</textarea>" in page.text
        assert 'value="Only mine."' in page.text
        assert f'name="row_version" value="{seen}"' in page.text
        session.expire_all()
        assert character.tagline == ""

    def test_a_page_older_than_what_is_remembered_is_chosen_field_by_field(
        self, session, browser, owner, character, post, now
    ):
        mine = fields_of(character, tagline="Only mine.")
        save_elsewhere(session, owner, character, now, description="Only theirs.")
        session.execute(sa.text("UPDATE earlier_values SET values = NULL"))
        page = self.merge(browser, post, character, **mine).text
        assert "Where you both started is not known any more" in page
        assert 'name="choice.description"' in page
        assert 'name="choice.tagline"' in page

    def test_names_the_other_person(self, session, browser_of, post, now):
        first, second = make_user(session, RoleName.STAFF, name="First Person"), make_user(session, RoleName.STAFF)
        shelf = make_category(session, staff=first.actor, name="Old", description="start")
        browser = browser_of(second)
        url = f"/categories/{shelf.id}/edit"
        mine = {
            "name": "Old",
            "description": "mine",
            "name_zh": "架",
            "icon": shelf.icon,
            "row_version": shelf.row_version,
        }
        categories.update(
            session,
            actor=first.actor,
            category_id=shelf.id,
            row_version=shelf.row_version,
            draft=categories.CategoryDraft(name="New name", description="start", icon=shelf.icon),
            now=now,
        )
        page = post(browser, url, **mine)
        assert page.status_code == 409
        text = html.unescape(page.text)
        assert "First Person saved this in the meantime" in text
        seen = re.search(r'name="merge_version" value="(\d+)"', text)[1]
        assert post(browser, url, **mine, merge_version=seen).status_code == 303
        session.expire_all()
        assert (shelf.name, shelf.description, shelf.name_zh) == ("New name", "mine", "架")


class TestOfEveryForm:
    def test_drafts_of_a_generic_form_are_kept_and_offered(self, session, browser_of):
        staff = make_user(session, RoleName.STAFF)
        shelf = make_category(session, staff=staff.actor, name="Shelf", description="start")
        browser, client_id = browser_of(staff), uuid4()
        fields = {"name": "Shelf", "description": "typed", "name_zh": "", "icon": shelf.icon, "row_version": "1"}
        assert keep(browser, f"/categories/{shelf.id}/autosave", staff, fields, client_id=client_id).status_code == 200
        page = browser.get(f"/categories/{shelf.id}/edit").text
        assert "You have unsaved work from" in page
        assert f'data-autosave="/categories/{shelf.id}/autosave"' in page
        page = browser.get(f"/categories/{shelf.id}/edit?draft={client_id}").text
        assert "\ntyped</textarea>" in page


class TestNewForms:
    @pytest.mark.parametrize(
        ("role", "view", "fields"),
        [
            (RoleName.CREATOR, "characters", {"name": "Half a name", "tagline": "", "description": "Half a text."}),
            (RoleName.STAFF, "stories", {"title": "Half a title", "description": "Half a text."}),
        ],
    )
    def test_that_were_left_offer_their_text_again_until_it_is_made(
        self, session, browser_of, post, role, view, fields
    ):
        person, client_id = make_user(session, role), uuid4()
        browser = browser_of(person)
        page = browser.get(f"/{view}/new").text
        url = re.search(r'data-autosave="([^"]+)"', page)[1].replace("&amp;", "&")
        assert "unsaved work" not in page
        assert keep(browser, url, person, fields, client_id=client_id).json["kept"] == "kept"
        offered = browser.get(f"/{view}/new").text
        assert offered.count("You have unsaved work from") == 1
        assert "<ins>Half a text.</ins>" in offered
        typed = browser.get(f"/{view}/new?draft={client_id}").text
        assert "\nHalf a text.</textarea>" in typed
        assert "Begin with an empty form instead" in typed
        answer = post(
            browser, f"/{view}/new", **fields, autosave_client=str(uuid4()), autosave_continues=str(client_id)
        )
        assert answer.status_code == 303
        assert "unsaved work" not in browser.get(f"/{view}/new").text

    def test_that_are_empty_are_no_work(self, session, browser, owner):
        blank = {"name": "", "tagline": "", "description": ""}
        keep(browser, NEW, owner, blank)
        assert "unsaved work" not in browser.get("/characters/new").text

    def test_are_discarded_and_taken_back(self, session, browser, owner, post):
        client_id = uuid4()
        keep(browser, NEW, owner, {"name": "Half a name"}, client_id=client_id)
        discard = NEW.replace("autosave?", "autosave/discard?")
        assert post(browser, discard, draft=str(client_id)).location == "/characters/new"
        assert "You have unsaved work" not in browser.get("/characters/new").text
        post(browser, discard, draft=str(client_id), do="undo")
        assert "You have unsaved work" in browser.get("/characters/new").text

    def test_are_each_persons_own(self, session, browser, browser_of, owner):
        client_id = uuid4()
        keep(browser, NEW, owner, {"name": "Secret plan"}, client_id=client_id)
        other = browser_of(make_user(session, RoleName.CREATOR))
        for url in ("/characters/new", f"/characters/new?draft={client_id}"):
            assert "Secret plan" not in other.get(url).text

    @pytest.mark.parametrize("role", [RoleName.MODERATOR, RoleName.ADMIN, RoleName.STAFF])
    def test_are_for_who_may_make_one(self, session, browser_of, role):
        person = make_user(session, role)
        assert keep(browser_of(person), NEW, person, {"name": "x"}).status_code in {403, 404}


class TestMergingDifferentTexts:
    def test_shows_both_whole_and_no_scraps(self, session, browser, owner, character, now, post):
        start = "The keeper of the light has lived alone on the rock for many years, and she hums in the evening. " * 3
        theirs = "He is a merchant from the south, who sells maps of places that do not exist to whoever asks. " * 3
        mine = "Two children run a ferry between the islands, and nobody knows what became of their parents. " * 3
        save_elsewhere(session, owner, character, now, description=start)
        sent = fields_of(character, description=mine)
        save_elsewhere(session, owner, character, now, description=theirs)
        session.flush()
        page = html.unescape(post(browser, f"/characters/{character.id}/edit", **sent).text)
        for text in (start, theirs, mine):
            assert f'<div class="long-text">{text.strip()}' in page
