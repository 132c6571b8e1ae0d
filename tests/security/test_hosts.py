"""The studio answers under its own names only, and its logs hold no texts."""

import logging
import sys

import pytest

from studio.app import trusted_hosts


class TestTrustedHosts:
    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost"])
    def test_are_this_machine_where_only_this_machine_is_served(self, client, host):
        assert client.get("/sign-in", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000"])
    def test_are_no_made_up_names(self, client, host):
        answer = client.get("/sign-in", headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text

    def test_hold_the_public_address(self, settings):
        known = trusted_hosts(settings.model_copy(update={"public_url": "https://studio.example/x"}))
        assert "studio.example" in known

    def test_are_any_where_others_are_served_and_nobody_said_a_name(self, settings):
        assert trusted_hosts(settings.model_copy(update={"host": "0.0.0.0"})) is None


class TestLogs:
    @pytest.fixture
    def failure(self):
        try:
            raise RuntimeError("a card's secret text")
        except RuntimeError:
            return sys.exc_info()

    def test_tell_of_an_error_without_its_values(self, app, failure, caplog):
        with app.test_request_context("/"), caplog.at_level(logging.INFO):
            app.log_exception(failure)
        assert "RuntimeError" in caplog.text
        assert "secret text" not in caplog.text
