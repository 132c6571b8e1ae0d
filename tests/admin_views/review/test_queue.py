"""The queue as a moderator works through it."""

import re

import pytest

from studio.accounts.permissions import RoleName
from studio.market.review import queue
from tests.factories.accounts import make_user
from tests.factories.market import (
    make_waiting_case,
)


class TestQueue:
    def test_shows_what_waits_with_its_findings(self, browser, owner):
        page = browser.get("/review/").text
        assert "The keeper of the light" in page
        assert owner.name in page
        assert "severe" in page

    def test_teaches_when_it_is_empty(self, session, browser_of):
        page = browser_of(make_user(session, RoleName.MODERATOR)).get("/review/").text
        assert "Nothing waits for review" in page

    def test_is_not_for_creators(self, browser_of, owner, case):
        browser = browser_of(owner)
        assert browser.get("/review/").status_code == 403
        assert browser.get(f"/review/{case.id}").status_code == 403

    def test_claims_what_is_due_first(self, browser, session, post, case, moderator):
        answer = post(browser, "/review/next")
        assert answer.location.endswith(f"/review/{case.id}")
        session.refresh(case)
        assert case.claimed_by_id == moderator.id

    def test_keeps_its_budget(self, browser, session, owner, now, statements, post):
        for _ in range(10):
            make_waiting_case(session, owner=owner.actor, now=now)
        session.flush()
        statements.clear()
        browser.get("/review/")
        assert len(statements) <= 4, statements
        browser.get("/review/")
        statements.clear()
        post(browser, "/review/next")
        # The token's page costs what the queue costs; the rest is the person, the case, the claim and its entry.
        assert len([one for one in statements if "review_cases" in one]) <= 6, statements

    def test_says_why_to_look_and_what_the_risk_is_made_of(self, browser):
        page = browser.get("/review/").text
        assert "new creator" in page
        assert "held by screening" in page
        assert re.search(r"Risk \d+ of 100", page)
        assert "Checks that found something severe." in page

    @pytest.mark.parametrize("show", ["free", "mine", "overdue", "nonsense"])
    def test_shows_a_part_of_itself(self, browser, show):
        assert browser.get(f"/review/?show={show}").status_code == 200


def test_the_queue_is_what_the_service_says(session, moderator, case, now):
    assert [row.case.id for row in queue.page(session, actor=moderator.actor, now=now).rows] == [case.id]
