"""Undoing, taking down and reasons as moderators press them."""

import re
from types import MappingProxyType

import pytest
import sqlalchemy as sa

from studio.kit.clock import utc_now
from studio.market.models import (
    CaseState,
    ReviewNote,
    ReviewReason,
)
from studio.market.review import effects, held_queries
from studio.market.review import rules as review_rules
from tests.admin_views.oversight.conftest import S, reasons_of
from tests.factories.market import (
    make_sent_back,
    make_waiting_case,
)


class TestUndo:
    def test_is_offered_for_ten_seconds_and_gives_the_form_back(
        self, session, browser_of, post, case, publication, moderator
    ):
        browser = browser_of(moderator)
        answer = post(browser, f"/review/{case.id}/request-changes", **reasons_of(publication))
        page = browser.get(answer.location).text
        assert f'action="/review/{case.id}/undo"' in page
        assert 'data-seconds="10"' in page
        assert "Decided, not in effect yet" in browser.get(f"/review/{case.id}").text
        answer = post(browser, f"/review/{case.id}/undo")
        page = browser.get(answer.location).text
        assert "Undone: nothing happened" in page
        assert "Who is his rival?" in page
        assert "Nearly there" in page
        assert '<option value="first_mes" selected>' in page
        session.refresh(publication)
        assert publication.status is S.PENDING

    def test_says_when_it_is_too_late(self, session, browser_of, post, case, publication, moderator):
        browser = browser_of(moderator)
        post(browser, f"/review/{case.id}/reject", **reasons_of(publication))
        effects.release_due(session, now=utc_now() + review_rules.UNDO)
        answer = post(browser, f"/review/{case.id}/undo")
        assert "too late to undo" in browser.get(answer.location).text

    def test_keeps_the_decision_from_its_creator_until_then(
        self, session, browser_of, post, case, publication, moderator, owner
    ):
        post(browser_of(moderator), f"/review/{case.id}/request-changes", **reasons_of(publication))
        creator = browser_of(owner)
        page = creator.get(f"/listings/{publication.id}").text
        assert "Who is his rival?" not in page
        assert "A moderator is reading it" in page
        effects.release_due(session, now=utc_now() + review_rules.UNDO)
        assert creator.get(f"/listings/{publication.id}/state?was=deciding").headers["HX-Refresh"] == "true"
        page = creator.get(f"/listings/{publication.id}").text
        assert "Who is his rival?" in page
        assert f'<a href="/characters/{publication.character_id}/edit#field-greeting_first">' in page
        # What is decided is due no more.
        [looks] = re.findall(
            r'<ul class="looks".*?</ul>', browser_of(moderator).get(f"/review/{case.id}").text, re.DOTALL
        )
        assert ("Risk" in looks, " due " in looks) == (True, False)
        editor = creator.get(f"/characters/{publication.character_id}/edit").text
        assert 'id="asked-description"' in editor
        assert 'id="asked-greeting_first"' in editor

    def test_takes_the_next_case_and_still_offers_the_way_back(
        self, session, browser_of, post, case, publication, moderator, owner, now
    ):
        following = make_waiting_case(session, owner=owner.actor, now=utc_now())
        browser = browser_of(moderator)
        answer = post(browser, f"/review/{case.id}/approve", content_hash=publication.content_hash, then="next")
        assert answer.location.endswith(f"/review/{following.id}")
        assert f'action="/review/{case.id}/undo"' in browser.get(answer.location).text


class TestTakedown:
    def test_that_is_severe_waits_for_a_second_person(
        self, session, browser_of, post, live, live_case, moderator, other
    ):
        first, second = browser_of(moderator), browser_of(other)
        answer = post(first, f"/review/{live_case.id}/take-down", **reasons_of(live, is_severe="1"))
        assert "a second person has confirmed" in first.get(answer.location).text
        session.refresh(live)
        assert live.status is S.QUARANTINED
        assert "Waits for a second person" in second.get("/review/").text
        assert "Confirm the takedown" not in first.get(f"/review/{live_case.id}").text
        assert "Confirm the takedown" in second.get(f"/review/{live_case.id}").text
        answer = post(first, f"/review/{live_case.id}/second", agrees="yes")
        assert "a second person has to confirm" in first.get(answer.location).text
        answer = post(second, f"/review/{live_case.id}/second")
        assert "Press one of the two buttons" in second.get(answer.location).text
        session.refresh(live_case)
        assert live_case.state is CaseState.DECIDING
        post(second, f"/review/{live_case.id}/second", agrees="yes")
        effects.release_due(session, now=utc_now() + review_rules.UNDO)
        session.refresh(live)
        assert live.status is S.TAKEN_DOWN
        assert held_queries.list_proposals(session, actor=other.actor) == []

    @pytest.mark.parametrize("button", ["reject", "request-changes"])
    def test_that_is_severe_needs_two_whichever_button_is_pressed(
        self, session, browser_of, post, live, live_case, moderator, other, button
    ):
        first, second = browser_of(moderator), browser_of(other)
        page = first.get(f"/review/{live_case.id}").text
        assert "whichever button you press, it is taken down when a second person agrees" in page
        assert "it was on the market, so two people decide" in page
        answer = post(first, f"/review/{live_case.id}/{button}", **reasons_of(live, is_severe="1"))
        assert "a second person has confirmed" in first.get(answer.location).text
        answer = post(second, f"/review/{live_case.id}/second", agrees="yes")
        page = second.get(answer.location).text
        assert "Take back the confirmation" in page
        assert page.count(f'action="/review/{live_case.id}/undo"') == 1
        answer = post(second, f"/review/{live_case.id}/undo")
        assert "waits for a second person again" in second.get(answer.location).text
        assert effects.release_due(session, now=utc_now() + review_rules.UNDO) == 0
        post(second, f"/review/{live_case.id}/second", agrees="yes")
        effects.release_due(session, now=utc_now() + review_rules.UNDO)
        session.refresh(live)
        assert live.status is S.TAKEN_DOWN

    def test_that_is_refused_stays_severe_in_the_form(self, browser_of, post, live, live_case, moderator):
        answer = post(
            browser_of(moderator), f"/review/{live_case.id}/take-down", content_hash=live.content_hash, is_severe="1"
        )
        assert answer.status_code == 422
        assert 'name="is_severe" value="1" checked' in answer.text

    def test_that_is_declined_says_by_whom_and_why(self, browser_of, post, live, live_case, moderator, other):
        first, second = browser_of(moderator), browser_of(other)
        post(first, f"/review/{live_case.id}/take-down", **reasons_of(live, is_severe="1"))
        assert "Takedowns that need you" in second.get("/").text
        assert "Takedowns that need you" not in first.get("/").text
        post(second, f"/review/{live_case.id}/second", agrees="no", reason="She is plainly\n grown up.")
        assert f"{other.name}: She is plainly grown up." in first.get(f"/review/{live_case.id}").text
        assert "Takedowns that need you" not in second.get("/").text

    def test_is_not_offered_for_what_was_never_live(self, browser_of, case, moderator):
        page = browser_of(moderator).get(f"/review/{case.id}").text
        assert f"/review/{case.id}/take-down" not in page
        assert f"/review/{case.id}/reject" in page


class TestAtTheDesk:
    def test_notes_are_read_by_moderators_alone(self, session, browser_of, post, case, publication, moderator, owner):
        browser = browser_of(moderator)
        assert f'action="/review/{case.id}/note"' in browser.get(f"/review/{case.id}").text
        post(browser, f"/review/{case.id}/note", text="<b>Ask</b> for the source.")
        assert "&lt;b&gt;Ask&lt;/b&gt; for the source." in browser.get(f"/review/{case.id}").text
        assert "for the source" not in browser_of(owner).get(f"/listings/{publication.id}").text
        answer = post(browser, f"/review/{case.id}/note", text=" ")
        assert "the note is empty" in browser.get(answer.location).text
        assert session.scalar(sa.select(sa.func.count()).select_from(ReviewNote)) == 1

    def test_hides_at_once_and_puts_back(self, session, browser_of, post, live, live_case, moderator, owner):
        browser = browser_of(moderator)
        answer = post(browser, f"/review/{live_case.id}/quarantine", reason="Look at the third greeting.")
        page = browser.get(answer.location).text
        assert "Hidden at once" in page
        assert "Look at the third greeting." in page
        session.refresh(live)
        assert live.status is S.QUARANTINED
        own = browser_of(owner).get(f"/listings/{live.id}").text
        assert "hidden until a moderator has looked" in own
        assert "third greeting" not in own
        post(browser, f"/review/{live_case.id}/release-hidden")
        session.refresh(live)
        assert live.status is S.APPROVED


class TestReasons:
    FORM = MappingProxyType(
        {
            "title": "Too short",
            "title_zh": "太短",
            "message": "Say more.",
            "message_zh": "请多写一些。",
            "field": "scenario",
            "sort_order": "7",
            "is_active": "y",
        }
    )

    def test_are_written_put_out_of_use_and_deleted_by_moderators(
        self, session, browser_of, post, moderator, owner, statements, now
    ):
        browser = browser_of(moderator)
        refused = post(browser, "/review_reasons/new", **self.FORM | {"title_zh": " ", "sort_order": "a"})
        assert (refused.status_code, "Give the reason a name" in refused.text) == (422, True)
        assert "whole number from 0 to 9999" in refused.text
        assert post(browser, "/review_reasons/new", **self.FORM).status_code == 303
        made = session.scalars(sa.select(ReviewReason).where(ReviewReason.code == "too_short")).one()
        statements.clear()
        page = browser.get("/review_reasons/").text
        assert len(statements) <= 8, statements
        assert page.index("Too short") < page.index("Description too thin"), "a lower place stands first"
        case = make_waiting_case(session, owner=owner.actor, now=now)
        post(browser, f"/review/{case.id}/claim")
        assert '<option value="too_short" data-about="scenario"' in browser.get(f"/review/{case.id}").text
        address = f"/review_reasons/{made.id}/edit"
        out = {name: value for name, value in self.FORM.items() if name != "is_active"}
        assert post(browser, address, **out, row_version=made.row_version).status_code == 303
        assert '<option value="too_short"' not in browser.get(f"/review/{case.id}").text
        assert "out of use" in browser.get("/review_reasons/").text
        assert f"/review_reasons/{made.id}/delete" in browser.get(address).text
        session.refresh(made)
        post(browser, f"/review_reasons/{made.id}/delete", row_version=made.row_version)
        assert session.scalar(sa.select(ReviewReason.id).where(ReviewReason.code == "too_short")) is None
        assert browser_of(owner).get("/review_reasons/").status_code == 403

    def test_that_were_given_say_in_how_many_decisions(self, session, browser_of, post, moderator, owner, now):
        make_sent_back(session, owner=owner.actor, moderator=moderator.actor, now=now)
        given = session.scalars(sa.select(ReviewReason).where(ReviewReason.code == "thin_description")).one()
        browser = browser_of(moderator)
        page = browser.get(f"/review_reasons/{given.id}/edit").text
        assert "It stands in 1 decision." in page
        assert f"/review_reasons/{given.id}/delete" not in page
        answer = post(browser, f"/review_reasons/{given.id}/delete", row_version=given.row_version)
        assert answer.status_code == 409
        assert "Take it out of use" in answer.text
