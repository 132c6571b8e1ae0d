"""Signing in with a second factor, proving oneself again, password links, and one's own account's page."""

import re
import time

import pyotp
import pytest

from studio.accounts import password_links, passwords, second_factor
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from tests.factories.accounts import PASSWORD, make_actor, make_user

pytestmark = pytest.mark.usefixtures("redis_client")

KEY = b"a-key-for-tests-and-nothing-else"


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def enter(post):
    return lambda client, user, **data: post(client, "/sign-in", email=user.email, password=PASSWORD, **data)


def is_signed_in(client):
    return client.get("/").status_code == 200


def code_of(user, seed, drift=0):
    secret = second_factor.shared_secret(KEY, user_id=user.id, seed=seed)
    return pyotp.TOTP(secret).at(int(time.time()) + drift)


@pytest.fixture
def seed(session, person):
    """The person has an authenticator; a code of two minutes ago proved it."""
    seed, past = second_factor.fresh_seed(), utc_now().timestamp() - 120
    secret = second_factor.shared_secret(KEY, user_id=person.id, seed=seed)
    moment = utc_now().fromtimestamp(past, tz=utc_now().tzinfo)
    second_factor.enable(
        session, actor=person.actor, key=KEY, seed=seed, code=pyotp.TOTP(secret).at(int(past)), now=moment
    )
    return seed


class TestCode:
    def test_stands_between_the_password_and_the_session(self, client, person, seed, enter, post):
        answer = enter(client, person)
        assert answer.location == "/sign-in/code"
        assert not is_signed_in(client)
        assert post(client, "/sign-in/code", code="000000").status_code == 200
        assert not is_signed_in(client)
        assert post(client, "/sign-in/code", code=code_of(person, seed)).location == "/"
        assert is_signed_in(client)

    def test_serves_once(self, app, person, seed, enter, post):
        code = code_of(person, seed)
        for expected in (302, 200):
            client = app.test_client()
            enter(client, person)
            assert post(client, "/sign-in/code", code=code).status_code == expected

    def test_is_asked_of_nobody_without_a_password(self, client, seed, post):
        assert client.get("/sign-in/code").location == "/sign-in"
        assert post(client, "/sign-in/code", code="123456").location == "/sign-in"

    def test_is_limited(self, client, person, seed, enter, post):
        enter(client, person)
        statuses = [post(client, "/sign-in/code", code="000000").status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert post(client, "/sign-in/code", code=code_of(person, seed)).status_code == 429


class TestSetUp:
    def test_shows_a_picture_and_asks_for_codes_once_one_was_right(self, client, session, person, enter, post):
        enter(client, person)
        page = client.get("/account/second-factor").text
        assert "<svg" in page
        assert "style=" not in page
        secret = re.search(r'class="secret-key">([A-Z2-7 ]+)<', page).group(1).replace(" ", "")
        assert post(client, "/account/second-factor", code="000000").status_code == 422
        done = post(client, "/account/second-factor", code=pyotp.TOTP(secret).now())
        assert done.headers["Cache-Control"] == "no-store"
        assert (
            len(re.findall(r"(?<![0-9a-f-])[0-9a-f]{4}(?:-[0-9a-f]{4}){3}(?![0-9a-f-])", done.text))
            == second_factor.RECOVERY_CODES
        )
        session.expire_all()
        assert second_factor.has_second_factor(person)

    def test_asks_for_the_password_again_after_a_while(self, client, person, enter, post):
        enter(client, person)
        with client.session_transaction() as cookie:
            cookie["fs_paa"] = time.time() - 7200
            cookie.pop("fs_gexp", None)
        answer = client.get("/account/second-factor")
        assert answer.location == "/prove?next=/account/second-factor"
        assert post(client, answer.location, password="wrong password").status_code == 200
        assert post(client, answer.location, password=PASSWORD).location == "/account/second-factor"
        assert client.get("/account/second-factor").status_code == 200


class TestOwnAccount:
    def test_keeps_name_language_and_colours(self, client, session, person, enter, post):
        enter(client, person)
        assert post(client, "/account/", name="林梅", locale="zh_Hans", theme="dark").status_code == 303
        session.expire_all()
        assert (person.name, person.locale, person.theme) == ("林梅", "zh_Hans", "dark")

    def test_gives_back_what_was_typed_with_a_sentence(self, client, person, enter, post):
        enter(client, person)
        answer = post(client, "/account/", name="n" * 90, locale="en", theme="dark")
        assert answer.status_code == 422
        assert "n" * 90 in answer.text

    def test_changes_the_password_and_signs_out_only_other_browsers(self, app, session, person, enter, post):
        here, elsewhere = app.test_client(), app.test_client()
        enter(here, person)
        enter(elsewhere, person)
        answer = post(here, "/account/password", current_password=PASSWORD, password="quite another one")
        assert answer.status_code == 303
        assert is_signed_in(here)
        assert not is_signed_in(elsewhere)
        session.expire_all()
        assert passwords.matches("quite another one", person.password)

    def test_limits_guesses_at_the_present_password(self, client, person, enter, post):
        enter(client, person)
        statuses = [
            post(client, "/account/password", current_password="a guess", password="quite another one").status_code
            for _ in range(6)
        ]
        assert statuses == [422] * 5 + [429]

    def test_signs_out_other_browsers_and_stays(self, app, person, enter, post):
        here, elsewhere = app.test_client(), app.test_client()
        enter(here, person)
        enter(elsewhere, person)
        assert post(here, "/account/end-sessions").status_code == 303
        assert is_signed_in(here)
        assert not is_signed_in(elsewhere)

    def test_turns_the_second_factor_off(self, client, session, person, seed, enter, post):
        enter(client, person)
        post(client, "/sign-in/code", code=code_of(person, seed))
        assert post(client, "/account/recovery-codes").status_code == 200
        assert post(client, "/account/second-factor/disable").status_code == 303
        session.expire_all()
        assert not second_factor.has_second_factor(person)


class TestNewPassword:
    @pytest.fixture
    def link(self, session, person):
        admin = make_actor(session, RoleName.ADMIN)
        return password_links.make(session, actor=admin, key=KEY, user_id=person.id, now=utc_now())

    def test_lets_the_person_choose_and_then_sign_in(self, client, session, person, link, post):
        address = f"/new-password/{link.token}"
        assert person.email in client.get(address).text
        assert post(client, address, password="short").status_code == 200
        assert post(client, address, password="quite another one").location == "/sign-in"
        assert client.get(address).status_code == 404
        post(client, "/sign-in", email=person.email, password="quite another one")
        assert is_signed_in(client)

    def test_is_not_found_when_made_up(self, client):
        assert client.get("/new-password/made.up.token").status_code == 404
