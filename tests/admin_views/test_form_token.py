"""The token of a page's forms: Flask-WTF's own, for one session alone, signed now and then."""

import pytest
from flask import g, session
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

from admin_views.form_token import form_token


@pytest.fixture
def page(app):
    with app.test_request_context("/"):
        yield


def on_another_page():
    g.pop("csrf_token", None)
    g.pop("csrf_valid", None)


class TestFormToken:
    def test_is_what_flask_wtf_accepts_and_the_same_on_the_next_page(self, page):
        first = form_token()
        validate_csrf(first)
        on_another_page()
        second = form_token()
        validate_csrf(second)
        on_another_page()
        assert form_token() == second

    def test_of_another_session_is_refused(self, page):
        of_one = form_token()
        on_another_page()
        session["csrf_token"] = "somebody else's"
        with pytest.raises(ValidationError):
            validate_csrf(of_one)
        assert form_token() != of_one
