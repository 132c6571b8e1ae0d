"""The screens of people and roles."""

import re

import pytest
import sqlalchemy as sa

from studio.accounts import second_factor
from studio.accounts.models import AuditEntry, User, UserStatus
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from tests.factories.accounts import PASSWORD, make_user
from tests.factories.authoring import make_character
from tests.factories.media import make_generation
from tests.factories.money import buy, make_offer
from tests.factories.voices import make_speech

pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture
def admin(session):
    return make_user(session, RoleName.ADMIN)


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR, name="林晓梅")


@pytest.fixture
def browser(client, admin, post):
    """A browser in which the admin signed in a moment ago."""
    post(client, "/sign-in", email=admin.email, password=PASSWORD)
    return client


class TestList:
    def test_shows_people_with_roles_and_state(self, browser, person):
        page = browser.get("/people/").text
        assert "林晓梅" in page
        assert person.email in page

    @pytest.mark.parametrize(
        ("query", "is_found"),
        [
            ("q=晓梅", True),
            ("q=%25", False),
            ("role=creator", True),
            ("role=staff", False),
            ("status=active", True),
            ("status=suspended", False),
            ("role=made-up", True),
        ],
    )
    def test_searches_and_filters(self, browser, person, query, is_found):
        answer = browser.get(f"/people/?{query}")
        assert answer.status_code == 200
        assert (person.email in answer.text) == is_found

    def test_stays_within_its_budget_of_statements(self, browser, session, statements):
        for _ in range(12):
            make_user(session, RoleName.CREATOR, RoleName.STAFF)
        statements.clear()
        assert browser.get("/people/").status_code == 200
        # The person with roles 1, the page 1, its roles 1, the count 1, the tray of jobs up to 2.
        assert len(statements) <= 8

    @pytest.mark.parametrize("role", [RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF])
    def test_is_for_admins(self, browser_of, session, role, person):
        other = browser_of(make_user(session, role))
        assert other.get("/people/").status_code == 403
        assert other.get(f"/people/{person.id}").status_code == 403


class TestCreate:
    def test_makes_an_account_whose_person_chooses_the_password(self, app, browser, session, post):
        answer = post(browser, "/people/new", name="Ann", email="ann@example.com", roles=["creator", "moderator"])
        user = session.scalars(sa.select(User).where(User.email == "ann@example.com")).one()
        assert answer.location == f"/people/{user.id}"
        assert user.actor.roles == {RoleName.CREATOR, RoleName.MODERATOR}
        assert "no password yet" in browser.get(answer.location).text
        page = post(browser, f"/people/{user.id}/password-link")
        assert page.headers["Cache-Control"] == "no-store"
        link = re.search(r"http://localhost(/new-password/[^\"]+)", page.text).group(1)
        theirs = app.test_client()
        post(theirs, link, password="a long sentence to type")
        post(theirs, "/sign-in", email="ann@example.com", password="a long sentence to type")
        assert theirs.get("/").status_code == 200

    def test_gives_back_what_was_typed(self, browser, person, post):
        answer = post(browser, "/people/new", name="Another", email=person.email.upper())
        assert answer.status_code == 422
        assert "There is an account with this e-mail address already." in answer.text
        assert "Another" in answer.text


class TestRoles:
    def test_are_kept_and_written_down(self, browser, session, person, post):
        answer = post(browser, f"/people/{person.id}/roles", roles=["staff"], row_version=person.row_version)
        assert answer.status_code == 303
        session.expire_all()
        assert person.actor.roles == {RoleName.STAFF}
        assert "Roles changed" in browser.get(f"/people/{person.id}").text

    def test_of_a_stale_page_change_nothing(self, browser, session, person, post):
        answer = post(browser, f"/people/{person.id}/roles", roles=["admin"], row_version=person.row_version - 1)
        assert answer.status_code == 409
        session.expire_all()
        assert person.actor.roles == {RoleName.CREATOR}

    def test_that_do_not_exist_are_refused(self, browser, session, person, post):
        assert post(browser, f"/people/{person.id}/roles", roles=["root"]).status_code == 422

    def test_of_oneself_are_refused_with_a_sentence(self, browser, session, admin, post):
        answer = post(browser, f"/people/{admin.id}/roles", roles=["staff"])
        assert answer.status_code == 403
        assert "Ask another admin" in answer.text
        session.expire_all()
        assert admin.actor.roles == {RoleName.ADMIN}

    def test_want_the_password_again_after_a_while(self, browser, session, person, post):
        with browser.session_transaction() as cookie:
            cookie["fs_paa"] = 1.0
            cookie.pop("fs_gexp", None)
        answer = post(browser, f"/people/{person.id}/roles", roles=["admin"])
        assert answer.location.startswith("/prove?next=")
        session.expire_all()
        assert person.actor.roles == {RoleName.CREATOR}


class TestSuspend:
    def test_wants_a_reason_and_keeps_what_was_typed(self, browser, session, person, post):
        answer = post(browser, f"/people/{person.id}/suspend", reason=" " * 5)
        assert answer.status_code == 422
        session.expire_all()
        assert person.status is UserStatus.ACTIVE

    def test_and_reinstating_are_seen_on_the_page(self, browser, session, person, post):
        assert post(browser, f"/people/{person.id}/suspend", reason="Spam").status_code == 303
        page = browser.get(f"/people/{person.id}").text
        assert ("Spam" in page, "Suspended: signed out everywhere" in page) == (True, True)
        session.expire_all()
        assert person.status is UserStatus.SUSPENDED
        assert post(browser, f"/people/{person.id}/suspend", reason="Spam").status_code == 409
        assert post(browser, f"/people/{person.id}/reinstate").status_code == 303
        assert "Reinstated: this person can sign in again" in browser.get(f"/people/{person.id}").text
        session.expire_all()
        assert person.status is UserStatus.ACTIVE


class TestClose:
    def test_says_first_what_goes_and_what_stays_then_wants_the_address(self, browser, session, person, post):
        draft = make_character(session, owner=person.actor, name="Draft")
        make_speech(session, owner=person.actor, character=draft)
        for _number in range(2):
            make_generation(session, owner=person.actor)
        address = f"/people/{person.id}/close"
        page = browser.get(address).text
        assert "1 character that was never offered" in page
        assert "1 text that was spoken." in page
        assert "2 requests for pictures." in page
        assert "Deleted person" in page
        given = {"reason": "She asked for it.", "row_version": person.row_version}
        answer = post(browser, address, email="somebody@else.example", **given)
        assert answer.status_code == 422
        assert "She asked for it." in answer.text
        session.expire_all()
        assert person.active
        answer = post(browser, address, email=person.email, **given)
        assert answer.location == f"/people/{person.id}"
        session.expire_all()
        assert person.status is UserStatus.CLOSED
        page = browser.get(answer.location).text
        assert "A job is deleting what goes with it" in page
        assert "Reinstate" not in page
        assert browser.get(address).location == f"/people/{person.id}"

    def test_names_unpaid_earnings_and_offers_no_button(self, browser, session, person, post):
        offer = make_offer(session, owner=person.actor, now=utc_now(), price=5_000)
        buy(session, buyer=make_user(session, RoleName.CREATOR).actor, offer=offer, now=utc_now())
        page = browser.get(f"/people/{person.id}/close").text
        assert "$42.50 of earnings are still held back" in page
        assert "Close the account</button>" not in page
        answer = post(browser, f"/people/{person.id}/close", email=person.email, reason="x", leaves_small="y")
        assert answer.status_code == 409
        session.expire_all()
        assert person.active

    def test_of_ones_own_wants_the_password_and_signs_out(self, app, session, person, post):
        theirs = app.test_client()
        post(theirs, "/sign-in", email=person.email, password=PASSWORD)
        assert "Close my account" in theirs.get("/account/").text
        assert "What is deleted" in theirs.get("/account/close").text
        assert post(theirs, "/account/close", current_password="something else").status_code == 422
        answer = post(theirs, "/account/close", current_password=PASSWORD)
        assert answer.location.startswith("/sign-in")
        assert "Your account is closed" in theirs.get("/sign-in").text
        assert theirs.get("/account/").status_code in {302, 303}
        session.expire_all()
        assert person.status is UserStatus.CLOSED


class TestOtherActions:
    def test_rename_end_sessions_and_remove_the_second_factor(self, browser, session, person, post):
        person.tf_primary_method, person.tf_totp_secret = second_factor.METHOD, "seed"
        session.flush()
        before = person.fs_uniquifier
        assert post(browser, f"/people/{person.id}/rename", name="Mei").status_code == 303
        assert post(browser, f"/people/{person.id}/end-sessions").status_code == 303
        assert post(browser, f"/people/{person.id}/remove-second-factor", reason="Lost").status_code == 303
        session.expire_all()
        assert person.name == "Mei"
        assert person.fs_uniquifier != before
        assert not second_factor.has_second_factor(person)
        done = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.resource_id == person.id)).all()
        assert {"person.rename", "person.end_sessions", "person.remove_second_factor"} <= set(done)

    def test_without_a_token_change_nothing(self, browser, session, person):
        assert browser.post(f"/people/{person.id}/suspend", data={"reason": "Spam"}).status_code == 400
        session.expire_all()
        assert person.status is UserStatus.ACTIVE
