"""How often a password may be tried, by whom, and who is never kept out."""

import pytest
from pydantic import SecretStr

from studio.accounts.permissions import RoleName
from tests.admin_views.conftest import token_of
from tests.factories.accounts import PASSWORD, make_user


@pytest.fixture
def person(session):
    return make_user(session, RoleName.CREATOR)


pytestmark = pytest.mark.usefixtures("redis_client")


def attempt(client, email, password="wrong password", address="203.0.113.7", **headers):
    return client.post(
        "/sign-in",
        data={"email": email, "password": password, "csrf_token": token_of(client)},
        environ_base={"REMOTE_ADDR": address},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


class TestLimits:
    def test_the_sixth_failure_in_a_minute_waits_and_is_told_how_long(self, client, person):
        for _ in range(5):
            assert attempt(client, person.email).status_code == 200
        refused = attempt(client, person.email, PASSWORD)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert "Too many attempts. Try again in" in refused.text
        assert person.email in refused.text

    def test_an_unknown_address_is_limited_alike(self, client):
        statuses = [attempt(client, "nobody@example.com").status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]

    def test_successes_count_for_nothing(self, client, person):
        for _ in range(12):
            assert attempt(client, person.email, PASSWORD).status_code == 302
            client.post("/sign-out", data={"csrf_token": token_of(client)})

    def test_headers_that_a_client_sets_change_nothing(self, client, person):
        for number in range(5):
            attempt(client, person.email, X_Forwarded_For=f"198.51.100.{number}", X_Real_IP=f"198.51.100.{number}")
        assert attempt(client, person.email, X_Forwarded_For="198.51.100.99").status_code == 429

    def test_spellings_of_an_address_share_a_counter(self, client, person):
        for spelling in ("{}", " {}", "{} ", "{}\t", "\u200b{}"):
            attempt(client, spelling.format(person.email.upper()))
        assert attempt(client, person.email).status_code == 429

    def test_somebody_elses_failures_do_not_keep_a_person_out(self, client, person):
        for _ in range(6):
            attempt(client, person.email)
        assert attempt(client, person.email, PASSWORD, address="198.51.100.1").status_code == 302

    def test_a_crowd_does_not_keep_a_person_out_of_their_own_browser(self, app, person):
        own, crowd = app.test_client(), app.test_client()
        attempt(own, person.email, PASSWORD, address="198.51.100.1")
        own.post("/sign-out", data={"csrf_token": token_of(own)})
        for number in range(31):
            last = attempt(crowd, person.email, address=f"203.0.113.{number}")
        assert last.status_code == 429
        assert attempt(app.test_client(), person.email, PASSWORD, address="198.51.100.2").status_code == 429
        assert attempt(own, person.email, PASSWORD, address="198.51.100.3").status_code == 302

    def test_a_forged_device_opens_no_counter_of_its_own(self, client, person):
        for number in range(5):
            client.set_cookie("known_device", f"WyJhIl0.aaa.bbb{number}")
            attempt(client, person.email)
        client.set_cookie("known_device", "another")
        assert attempt(client, person.email).status_code == 429

    def test_one_address_cannot_try_everybody(self, client):
        statuses = [attempt(client, f"person{number}@example.com").status_code for number in range(61)]
        assert statuses == [200] * 60 + [429]

    def test_ipv6_counts_by_the_network_that_one_client_has(self, client, person):
        for number in range(5):
            attempt(client, person.email, address=f"2001:db8:1:2::{number}")
        assert attempt(client, person.email, address="2001:db8:1:2:ffff::9").status_code == 429
        assert attempt(client, person.email, address="2001:db8:1:3::1").status_code == 200

    def test_behind_a_trusted_proxy_only_its_own_word_counts(self, settings, make_app, person):
        client = make_app(settings.model_copy(update={"behind_proxy": 1})).test_client()
        for number in range(5):
            # A client writes what it likes to the left; the proxy adds the true address at the right.
            attempt(client, person.email, address="10.0.0.1", X_Forwarded_For=f"9.9.9.{number}, 203.0.113.50")
        assert (
            attempt(client, person.email, address="10.0.0.1", X_Forwarded_For="8.8.8.8, 203.0.113.50").status_code
            == 429
        )
        assert attempt(client, person.email, address="10.0.0.1", X_Forwarded_For="203.0.113.51").status_code == 200

    def test_counts_in_memory_while_redis_is_away(self, settings, make_app, person):
        gone = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
        client = make_app(gone).test_client()
        statuses = [attempt(client, person.email).status_code for _ in range(6)]
        assert statuses == [200] * 5 + [429]
