"""The desk's figures and the switches of its checks, as people see them."""

from datetime import timedelta

import pytest

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import CharacterPublication, CheckMode
from studio.market.review import decisions
from studio.market.review.rules import AT_ONCE, Reason
from studio.market.screening import check_modes
from studio.market.screening.checks import ALL
from studio.work import budgets
from tests.factories.accounts import make_user
from tests.factories.market import make_claimed_case, make_waiting_case


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    return make_user(session, RoleName.MODERATOR)


class TestFigures:
    def test_tell_charts_in_tables_too(self, session, browser_of, owner, moderator, statements):
        now = utc_now()
        make_waiting_case(session, owner=owner.actor, now=now - timedelta(days=9))
        case = make_claimed_case(session, owner=owner.actor, moderator=moderator.actor, now=now)
        content_hash = session.get_one(CharacterPublication, case.publication_id).content_hash
        decisions.reject(
            session, actor=moderator.actor, case_id=case.id, content_hash=content_hash, now=now,
            reasons=[Reason("spam", "", "")], hold=AT_ONCE,
        )  # fmt: skip
        session.flush()
        browser = browser_of(moderator)
        statements.clear()
        page = browser.get("/review-figures/?days=7").text
        assert len(statements) <= 9, statements
        assert page.count("<canvas") == 2
        assert page.count("data-chart") == 2
        assert '<th scope="row">Age of what waits now</th>' in page
        assert ">9 days<" in page
        assert moderator.name in page

    def test_teach_when_nothing_happened(self, browser_of, moderator):
        page = browser_of(moderator).get("/review-figures/?days=1000000").text
        assert "Nothing was decided in this time." in page
        assert "no appeal was answered" in page

    def test_are_not_for_creators(self, browser_of, owner):
        assert browser_of(owner).get("/review-figures/").status_code == 403


class TestChecks:
    def test_are_switched_by_admins(self, session, browser_of, post):
        browser = browser_of(make_user(session, RoleName.ADMIN))
        page = browser.get("/screening-checks/").text
        assert "no model is set" in page
        assert page.count('name="mode"') == 3 * len(ALL)
        assert post(browser, "/screening-checks/switch", name="macros", mode="shadow").status_code == 303
        assert check_modes.modes(session)["macros"] is CheckMode.SHADOW
        assert "“Macros” is Shadow now." in browser.get("/screening-checks/").text

    def test_say_what_models_cost_the_studio_this_month(self, session, browser_of, moderator):
        for cost in (1_250_000, 30_000):
            budgets.record_of_house(session, kind="judge", cost_micro=cost, requests=2, now=utc_now())
        budgets.record_of_house(session, kind="moderation", cost_micro=0, now=utc_now())
        page = browser_of(moderator).get("/screening-checks/").text
        assert "This month: 4 requests, $1.28" in page
        assert "This month: 1 request, $0.00" in page

    @pytest.mark.parametrize(("name", "mode"), [("macros", "sometimes"), ("horoscope", "off"), ("", "")])
    def test_do_not_take_what_is_not(self, session, browser_of, post, name, mode):
        browser = browser_of(make_user(session, RoleName.ADMIN))
        assert post(browser, "/screening-checks/switch", name=name, mode=mode).status_code == 404

    def test_are_read_by_moderators_and_not_switched(self, browser_of, moderator, post):
        browser = browser_of(moderator)
        page = browser.get("/screening-checks/").text
        assert "Keys and passwords" in page
        assert 'name="mode"' not in page
        assert post(browser, "/screening-checks/switch", name="macros", mode="off").status_code == 403
