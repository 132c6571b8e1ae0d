"""Addresses made by hand: places in lists, dates, searches and ways back that no page of ours offers."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from admin_views.preferences import local_target
from studio.accounts.models import User
from studio.accounts.permissions import RoleName
from tests.factories import accounts

Browser = Callable[[User], FlaskClient]


def cursor_of(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


class TestCursors:
    @pytest.mark.parametrize("direction", ["after", "before"])
    @pytest.mark.parametrize(
        ("path", "values"),
        [
            ("/characters/?sort=name", ("\ud800", str(uuid4()))),
            ("/listings/?sort=title", ("a\x00b", str(uuid4()))),
            ("/errors/?sort=count", (10**30, "a")),
            ("/errors/?sort=count", (-(2**63) - 5, "a")),
            ("/errors/?sort=count", (1e308, "a")),
            ("/errors/?sort=count", (1, "\ud800")),
        ],
    )
    def test_that_no_column_can_hold_are_refused(
        self, session: Session, browser_of: Browser, path: str, values: tuple[Any, ...], direction: str
    ) -> None:
        staff = browser_of(accounts.make_user(session, RoleName.STAFF))

        assert staff.get(f"{path}&{direction}={cursor_of(*values)}").status_code == 400

    @pytest.mark.parametrize("count", [0, 2**31 - 1])
    def test_within_the_column_are_used(self, session: Session, browser_of: Browser, count: int) -> None:
        staff = browser_of(accounts.make_user(session, RoleName.STAFF))

        assert staff.get(f"/errors/?sort=count&after={cursor_of(count, 'a')}").status_code == 200


class TestFilters:
    @pytest.mark.parametrize("name", ["since", "until"])
    @pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2026-02-30"])
    def test_survive_days_at_the_end_of_time(self, session: Session, browser_of: Browser, name: str, day: str) -> None:
        staff = browser_of(accounts.make_user(session, RoleName.STAFF))

        assert staff.get(f"/audit/?{name}={day}").status_code == 200


class TestSearch:
    @pytest.mark.parametrize("path", ["/search/?q=", "/palette/?q=", "/characters/?q=", "/errors/find?reference="])
    def test_survives_what_postgresql_cannot_keep(self, session: Session, browser_of: Browser, path: str) -> None:
        person = browser_of(accounts.make_user(session, RoleName.STAFF))

        for text in ("%00", "a%00b", "%ED%A0%80"):
            assert person.get(path + text).status_code < 400


class TestLocalTarget:
    @pytest.mark.parametrize(
        "url",
        [
            None,
            "",
            "//elsewhere.example",
            "/\\elsewhere.example",
            "https://elsewhere.example",
            "/\t/elsewhere.example",
            "/\n/elsewhere.example",
            "/\r/elsewhere.example",
            "\t//elsewhere.example",
            "javascript:alert(1)",
        ],
    )
    def test_leads_nowhere_else(self, url: str | None) -> None:
        assert local_target(url) == "/"

    @pytest.mark.parametrize("url", ["/", "/characters/?q=林梅&desc=1", "/review/"])
    def test_leads_back_to_our_pages(self, url: str) -> None:
        assert local_target(url) == url

    def test_is_asked_by_the_switches(self, client: FlaskClient, post: Callable[..., Any]) -> None:
        answer = post(client, "/preferences/theme", value="dark", next="/\t/elsewhere.example")

        assert answer.headers["Location"] == "/"
