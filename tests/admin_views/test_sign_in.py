"""Signing in and out: passwords, suspension, sessions, demo accounts, and what an outsider can learn."""

import re
from datetime import timedelta

import bcrypt
import pytest
import sqlalchemy as sa

from studio.accounts import demo_accounts, passwords, people, sessions
from studio.accounts.models import EndedSession, UserStatus
from studio.accounts.permissions import SYSTEM, RoleName
from tests.factories.accounts import PASSWORD, make_user

WRONG = "This e-mail address and password do not go together."


pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture
def enter(post):
    """Sign in by the page, as people do: `enter(client, email)`."""
    return lambda client, email, password=PASSWORD: post(client, "/sign-in", email=email, password=password)


def is_signed_in(client):
    return client.get("/").status_code == 200


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR)


class TestSignIn:
    def test_opens_the_studio_with_address_and_password(self, client, session, person, enter):
        assert not is_signed_in(client)
        answer = enter(client, f"  {person.email.upper()} ")
        assert (answer.status_code, answer.location) == (302, "/")
        assert is_signed_in(client)
        session.refresh(person)
        assert person.login_count == 1
        assert person.current_login_at.tzinfo is not None

    def test_goes_back_to_where_the_person_wanted_to_go(self, client, person, post):
        answer = post(client, "/sign-in?next=/audit/", email=person.email, password=PASSWORD)
        assert answer.location == "/audit/"

    @pytest.mark.parametrize("bad", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
    def test_never_sends_a_person_elsewhere(self, client, person, bad, post):
        answer = post(client, "/sign-in", email=person.email, password=PASSWORD, next=bad)
        assert not (answer.location or "/").startswith(("//", "/\\", "http"))

    def test_says_the_same_of_an_unknown_address_and_a_wrong_password(self, client, person, enter):
        unknown = enter(client, "nobody@example.com", "wrong password")
        wrong = enter(client, person.email, "wrong password")
        assert unknown.status_code == wrong.status_code == 200
        assert WRONG in unknown.text
        pages = [re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text) for answer in (unknown, wrong)]
        assert pages[1].replace(person.email, "nobody@example.com") == pages[0]
        assert not is_signed_in(client)

    def test_hashes_once_for_nobody_as_for_somebody(self, client, person, monkeypatch, enter):
        tried = []
        monkeypatch.setattr(passwords, "matches", lambda text, stored: bool(tried.append(stored)))
        enter(client, "nobody@example.com")
        enter(client, person.email)
        assert [stored is None for stored in tried] == [True, False]

    @pytest.mark.parametrize(
        ("email", "password"), [("", ""), ("a", ""), ("", "b"), ("x\x00y", "\x00"), ("林@例子", "p" * 100_000)]
    )
    def test_refuses_odd_input_with_a_sentence(self, client, email, password, enter):
        answer = enter(client, email, password)
        assert answer.status_code == 200
        assert 'role="alert"' in answer.text

    def test_keeps_the_address_that_was_typed_and_never_the_password(self, client, person, enter):
        answer = enter(client, person.email, "my wrong password")
        assert person.email in answer.text
        assert "my wrong password" not in answer.text

    def test_sets_a_cookie_that_scripts_and_other_sites_cannot_use(self, client, person, enter):
        cookie = next(c for c in enter(client, person.email).headers.getlist("Set-Cookie") if "greenroom=" in c)
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie

    def test_tells_of_a_suspension_only_who_knows_the_password(self, client, person, session, now, enter):
        people.suspend(session, actor=SYSTEM, user_id=person.id, reason="Spam", now=now)
        assert "suspended" not in enter(client, person.email, "wrong password").text
        assert "suspended" in enter(client, person.email).text
        assert not is_signed_in(client)

    def test_takes_an_imported_bcrypt_hash_and_makes_it_argon2(self, client, session, enter):
        old = bcrypt.hashpw(b"a password from before", bcrypt.gensalt(4)).decode()
        person = make_user(session, RoleName.CREATOR, password=old)
        enter(client, person.email, "a password from before")
        assert is_signed_in(client)
        session.refresh(person, ["password"])
        assert person.password.startswith("$argon2id$")
        assert passwords.matches("a password from before", person.password)

    def test_offers_no_second_way_in_by_token(self, client, person):
        token = person.get_auth_token if hasattr(person, "get_auth_token") else None
        assert token is not None
        with client.application.app_context():
            made = person.get_auth_token()
        assert client.get("/", headers={"Authentication-Token": made}).status_code == 302
        assert client.get(f"/?auth_token={made}").status_code == 302


class TestSignOut:
    def test_ends_the_session(self, client, person, enter, post):
        enter(client, person.email)
        assert post(client, "/sign-out").status_code == 302
        assert not is_signed_in(client)

    def test_ends_what_somebody_copied_before(self, client, person, enter, post):
        enter(client, person.email)
        copied = client.application.test_client()
        copied.set_cookie("greenroom", client.get_cookie("greenroom").value)
        assert is_signed_in(copied)
        post(client, "/sign-out")
        assert not is_signed_in(copied)

    def test_leaves_the_same_persons_other_browsers_alone(self, client, person, enter, post):
        other = client.application.test_client()
        enter(client, person.email)
        enter(other, person.email)
        post(client, "/sign-out")
        assert is_signed_in(other)

    def test_forgets_sessions_whose_cookies_are_over(self, session, now):
        for token, age in (("old", 2 * sessions.LASTS), ("young", timedelta(0)), ("new", timedelta(seconds=-1))):
            sessions.end(session, token=token, now=now - age)
        sessions.end(session, token="new", now=now + timedelta(seconds=1))
        assert set(session.scalars(sa.select(EndedSession.token))) == {"young", "new"}

    def test_wants_a_post(self, client, person, enter):
        enter(client, person.email)
        assert client.get("/sign-out").status_code == 405
        assert is_signed_in(client)


class TestSessions:
    def test_end_at_once_with_a_suspension(self, client, person, session, now, enter):
        enter(client, person.email)
        people.suspend(session, actor=SYSTEM, user_id=person.id, reason="Spam", now=now)
        assert not is_signed_in(client)
        people.reinstate(session, actor=SYSTEM, user_id=person.id)
        assert not is_signed_in(client)

    def test_of_other_browsers_end_with_a_new_password(self, client, person, session, enter):
        enter(client, person.email)
        people.set_password(session, actor=SYSTEM, user_id=person.id, password="another long password")
        assert not is_signed_in(client)

    def test_end_by_command(self, client, person, session, enter):
        enter(client, person.email)
        people.end_sessions(session, actor=SYSTEM, user_id=person.id)
        assert not is_signed_in(client)


class TestDemoAccounts:
    def test_are_refused_outside_demo_mode(self, client, session, enter):
        demo_accounts.ensure(session)
        answer = enter(client, "creator@demo.example", demo_accounts.PASSWORD)
        assert WRONG in answer.text
        assert "demo.example" not in client.get("/sign-in").text

    def test_are_offered_in_demo_mode_and_said_to_be_demo(self, settings, make_app, session, enter):
        demo_accounts.ensure(session)
        client = make_app(settings.model_copy(update={"demo": True})).test_client()
        page = client.get("/sign-in").text
        assert "Demo mode" in page
        for account in demo_accounts.ACCOUNTS:
            assert account.email in page
        enter(client, "creator@demo.example", demo_accounts.PASSWORD)
        assert is_signed_in(client)

    def test_may_be_made_twice(self, session):
        first = demo_accounts.ensure(session)
        assert [user.id for user in demo_accounts.ensure(session)] == [user.id for user in first]
        assert all(user.status is UserStatus.ACTIVE and user.is_demo for user in first)
