from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask, session

from admin_views.session_cookie import LastingSessions


@pytest.fixture
def app() -> Flask:
    app = Flask("cookies")
    app.secret_key = "a-key-for-tests"
    app.permanent_session_lifetime = timedelta(hours=1)
    app.session_interface = LastingSessions()

    @app.get("/write")
    def write() -> str:
        session["name"] = "Mei"
        return ""

    @app.get("/read")
    def read() -> str:
        return session.get("name", "nobody")

    return app


def cookie_of(app: Flask) -> str:
    client = app.test_client()
    client.get("/write")
    return client.get_cookie("session").value


def reading(app: Flask, cookie: str) -> str:
    client = app.test_client()
    client.set_cookie("session", cookie)
    return client.get("/read").text


def test_a_cookie_is_read_again_and_again(app):
    cookie = cookie_of(app)
    assert [reading(app, cookie) for _ in range(3)] == ["Mei", "Mei", "Mei"]


def test_a_changed_cookie_is_nobodys_however_often_the_right_one_was_read(app):
    cookie = cookie_of(app)
    assert reading(app, cookie) == "Mei"
    payload, moment, signature = cookie.rsplit(".", 2)
    other = payload[:-1] + ("A" if payload[-1] != "A" else "B")
    for wrong in (
        f"{other}.{moment}.{signature}",
        f"{payload}.{moment}.{signature[::-1]}",
        f"{payload}.A{moment}.{signature}",
    ):
        assert reading(app, wrong) == "nobody"


def test_a_cookie_ends_by_its_age_although_it_was_read_before(app, monkeypatch):
    cookie = cookie_of(app)
    assert reading(app, cookie) == "Mei"
    later = datetime.now(UTC) + timedelta(hours=2)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return later

    monkeypatch.setattr("admin_views.session_cookie.datetime", Later)
    monkeypatch.setattr("itsdangerous.timed.time.time", later.timestamp)
    assert reading(app, cookie) == "nobody"


def test_a_new_key_ends_all_cookies(app):
    cookie = cookie_of(app)
    assert reading(app, cookie) == "Mei"
    app.secret_key = "another-key"
    assert reading(app, cookie) == "nobody"
    app.config["SECRET_KEY_FALLBACKS"] = ["a-key-for-tests"]
    assert reading(app, cookie) == "Mei"
