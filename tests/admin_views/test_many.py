"""Choosing rows of a list, and what is done to them, as a browser without a script sends it."""

import re

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.authoring.models import Character, CharacterStatus
from studio.operations.models import BulkItem, BulkRun, BulkState
from studio.work.models import JobRun
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.work import make_job


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def many(session, owner):
    found = [
        make_character(session, owner=owner.actor, name=f"Luna {number}", tags=["even"] if number % 2 == 0 else [])
        for number in range(30)
    ]
    session.flush()
    return found


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


def boxes(page):
    return re.findall(r'name="row" value="([^"]+)"', page)


class TestTheBar:
    def test_of_others_are_not_offered_to_filter_by(self, session, browser_of):
        creator, staff = (browser_of(make_user(session, role)) for role in (RoleName.CREATOR, RoleName.STAFF))
        offered = re.findall(r'<option value="(\w+\.\w+)"', creator.get("/bulk/").text)
        assert "characters.archive" in offered
        assert {"people.suspend", "errors.resolve"}.isdisjoint(offered)
        assert "people.suspend" in staff.get("/bulk/").text

    def test_offers_what_the_person_may_do(self, session, browser, browser_of, many):
        page = browser.get("/characters/").text
        assert len(boxes(page)) == 24
        assert "Add a tag" in page
        moderator = browser_of(make_user(session, RoleName.MODERATOR)).get("/characters/").text
        assert not boxes(moderator)
        assert "Add a tag" not in moderator

    def test_names_every_box(self, browser, many):
        page = browser.get("/characters/?layout=table").text
        assert 'aria-label="Select Luna 29"' in page

    def test_stands_on_the_lists_of_jobs_people_and_errors(self, session, browser_of, now):
        make_job(session, now=now)
        everybody = browser_of(make_user(session, RoleName.ADMIN, RoleName.STAFF))
        for url, label in (("/jobs/", "Do again"), ("/people/", "Sign out everywhere")):
            page = everybody.get(url).text
            assert boxes(page)
            assert label in page


class TestAPage:
    def test_is_changed_at_once_and_told_with_an_undo(self, session, browser, many, post):
        chosen = boxes(browser.get("/characters/").text)[:3]
        answer = post(
            browser, "/characters/bulk", action="characters.archive", row=chosen, back="/characters/?sort=name"
        )
        assert answer.status_code == 303
        assert answer.location == "/characters/?sort=name"
        told = browser.get(answer.location).text
        assert "3 changed" in told
        undo = re.search(r'action="(/bulk/[^"]+/undo)"', told)[1]
        session.expire_all()
        archived = sa.select(sa.func.count()).where(Character.status == CharacterStatus.ARCHIVED)
        assert session.scalar(archived) == 3
        assert post(browser, undo).status_code == 303
        session.expire_all()
        assert session.scalar(archived) == 0

    def test_says_why_a_row_was_refused(self, session, browser, many, post):
        stale = [f"{many[0].id}~{many[0].row_version + 7}"]
        post(browser, "/characters/bulk", action="characters.add_tag", tag="new", row=stale)
        page = browser.get("/characters/").text
        assert "1 refused" in page
        assert "was left as it is" in page

    def test_without_a_row_or_an_action_is_a_sentence(self, browser, many, post):
        for data in ({}, {"action": "characters.archive"}, {"action": "people.suspend", "row": str(many[0].id)}):
            answer = post(browser, "/characters/bulk", **data)
            assert answer.status_code == 422
            assert "Choose" in answer.text

    def test_leads_back_to_its_own_list_only(self, browser, many, post):
        chosen = [f"{many[0].id}~{many[0].row_version}"]
        for back in ("//elsewhere.example", "/people/", "https://elsewhere.example/characters/"):
            answer = post(browser, "/characters/bulk", action="characters.archive", row=chosen, back=back)
            assert answer.location == "/characters/"

    def test_asks_for_the_password_before_people_are_shut_out(self, session, browser_of, post):
        person = make_user(session, RoleName.CREATOR)
        admin = browser_of(make_user(session, RoleName.ADMIN))
        answer = post(
            admin, "/people/bulk", action="people.suspend", reason="Spam.", row=f"{person.id}~{person.row_version}"
        )
        assert "/prove" in answer.location
        assert person.active

    def test_stays_within_its_budget_of_statements(self, browser, many, post, statements):
        chosen = [f"{row.id}~{row.row_version}" for row in many[:1]]
        statements.clear()
        post(browser, "/characters/bulk", action="characters.archive", row=chosen)
        assert len(statements) <= 14, "\n".join(statements)


class TestAllThatMatch:
    def test_are_written_down_as_the_list_was_searched_and_filtered(self, session, browser, many, post):
        answer = post(
            browser,
            "/characters/bulk",
            action="characters.archive",
            everything="1",
            back="/characters/?tag=even&q=Luna&sort=name",
        )
        run = session.scalars(sa.select(BulkRun)).one()
        assert answer.location == f"/bulk/{run.id}"
        assert (run.state, run.total) == (BulkState.PREVIEWING, 15)
        kept = set(session.scalars(sa.select(BulkItem.row_id)))
        assert kept == {str(row.id) for row in many if row.tags}
        assert session.scalar(sa.select(JobRun.name).where(JobRun.about_id == run.id)) == "operations.preview_bulk"
        page = browser.get(answer.location).text
        assert "being tried" in page
        assert "hx-get" in page

    def test_are_never_those_of_somebody_else(self, session, browser, many, post):
        make_character(session, owner=make_user(session, RoleName.CREATOR).actor, name="Luna elsewhere")
        session.flush()
        post(browser, "/characters/bulk", action="characters.archive", everything="1", back="/characters/")
        assert session.scalars(sa.select(BulkRun)).one().total == 30

    def test_is_seen_by_whoever_asked(self, session, browser, browser_of, many, post):
        post(browser, "/characters/bulk", action="characters.archive", everything="1")
        run = session.scalars(sa.select(BulkRun)).one()
        assert browser_of(make_user(session, RoleName.CREATOR)).get(f"/bulk/{run.id}").status_code == 404
        staff = browser_of(make_user(session, RoleName.STAFF))
        assert staff.get(f"/bulk/{run.id}").status_code == 200
        assert post(staff, f"/bulk/{run.id}/stop").status_code == 403

    def test_the_pages_stay_within_the_budget(self, session, browser, many, post, statements):
        post(browser, "/characters/bulk", action="characters.archive", row=[f"{row.id}~1" for row in many[:20]])
        run = session.scalars(sa.select(BulkRun)).one()
        browser.get(f"/bulk/{run.id}")
        for url in ("/bulk/", f"/bulk/{run.id}", f"/bulk/{run.id}?outcome=changed"):
            statements.clear()
            page = browser.get(url)
            assert page.status_code == 200
            assert len(statements) <= 8, (url, statements)
