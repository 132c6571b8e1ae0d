"""Reports, appeals and times as the people concerned see them."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from admin_views.money.shop import ShopView
from studio.accounts.models import Role
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import (
    Appeal,
    AppealState,
    CaseState,
    CharacterPublication,
    ListingReport,
    ReportState,
    ReviewDecision,
)
from studio.market.review import claims, decisions, effects, notes, recalls, reports, schedules
from studio.market.review import rules as review_rules
from tests.admin_views.oversight.conftest import S, reasons_of
from tests.factories.accounts import make_actor, make_user
from tests.factories.market import (
    case_of,
    make_appeal,
    make_claimed_case,
    make_listing,
    make_live_listing,
    make_report,
    make_sent_back,
)


class TestShop:
    def test_begins_with_what_is_featured_and_loses_none_between_pages(
        self, session, browser_of, moderator, owner, now, monkeypatch
    ):
        monkeypatch.setattr(ShopView, "page_size", 2)
        staff = make_user(session, RoleName.STAFF)
        made = [
            make_live_listing(
                session,
                owner=owner.actor,
                moderator=moderator.actor,
                now=now + timedelta(minutes=number),
                title=f"Listing {number}",
            )
            for number in range(5)
        ]
        for number in (1, 3):
            schedules.feature(
                session, actor=staff.actor, publication_id=made[number].id, until=utc_now() + timedelta(days=1),
                now=utc_now(),
            )  # fmt: skip
        browser, address, shown = browser_of(staff), "/shop/", []
        while address:
            page = browser.get(address).text
            shown += re.findall(r">(Listing \d)<", page)
            following = re.search(r'href="([^"]*[?&;]after=[^"]*)"', page)
            address = following[1].replace("&amp;", "&") if following else ""
        assert shown == ["Listing 3", "Listing 1", "Listing 4", "Listing 2", "Listing 0"]


class TestReports:
    def test_are_made_from_the_shop_by_anybody(self, session, browser_of, post, live, owner):
        browser = browser_of(make_user(session, RoleName.CREATOR))
        assert f'href="/reports/new/{live.id}"' in browser.get(f"/shop/{live.id}").text
        assert browser.get(f"/reports/new/{live.id}").status_code == 200
        answer = post(browser, f"/reports/new/{live.id}", reason="", comment="Words that stay")
        assert (answer.status_code, "Words that stay" in answer.text) == (422, True)
        answer = post(browser, f"/reports/new/{live.id}", reason="other", comment="")
        assert "Say in a sentence" in answer.text
        answer = post(browser, f"/reports/new/{live.id}", reason="copyright", comment="Seen elsewhere.")
        assert "Moderators see your report" in browser.get(answer.location).text
        row = session.scalars(sa.select(ListingReport)).one()
        assert row.reporter_count == 1
        page = browser.get(f"/reports/new/{live.id}").text
        assert "You reported this listing already" in page
        assert (page.count("Seen elsewhere."), "No moderator has answered it yet" in page) == (1, True)
        own = browser_of(owner)
        assert (
            "reported this listing already"
            not in browser_of(make_user(session, RoleName.CREATOR)).get(f"/reports/new/{live.id}").text
        )
        assert f"/reports/new/{live.id}" not in own.get(f"/shop/{live.id}").text
        for answer in (
            own.get(f"/reports/new/{live.id}"),
            post(own, f"/reports/new/{live.id}", reason="copyright"),
        ):
            assert answer.location.endswith(f"/shop/{live.id}")
            assert "your own listing" in own.get(f"/shop/{live.id}").text

    def test_are_read_and_closed_by_moderators(self, session, browser_of, post, live, moderator, statements):
        people = [make_actor(session, RoleName.CREATOR) for _ in range(2)]
        for one in people:
            row = make_report(session, reporter=one, publication=live, now=utc_now())
        browser = browser_of(moderator)
        statements.clear()
        page = browser.get("/reports/?state=open").text
        assert len(statements) <= 8, statements
        assert live.title in page
        statements.clear()
        page = browser.get(f"/reports/{row.id}").text
        assert len(statements) <= 12, statements
        assert all(one.name in page for one in people)
        assert post(browser, f"/reports/{row.id}/dismiss").status_code == 303
        session.refresh(row)
        assert row.state is ReportState.DISMISSED
        assert browser_of(make_user(session, RoleName.CREATOR)).get("/reports/").status_code == 403

    def test_tell_who_made_them_what_became_of_them_and_nobody_else(
        self, session, browser_of, post, live, owner, moderator, statements
    ):
        people = [make_user(session, RoleName.CREATOR) for _ in range(3)]
        mine, stranger = browser_of(people[0]), browser_of(people[2])
        assert "You reported nothing" in mine.get("/own_reports/").text
        post(mine, f"/reports/new/{live.id}", reason="copyright", comment="Seen elsewhere.")
        row = session.scalars(sa.select(ListingReport)).one()
        statements.clear()
        page = mine.get("/own_reports/").text
        assert len(statements) <= 8, statements
        assert (live.title in page, "No moderator has answered it yet" in page) == (True, True)
        reports.dismiss(session, actor=moderator.actor, report_id=row.id, now=utc_now())
        page = mine.get("/own_reports/").text
        assert "left it as it is" in page
        assert moderator.name not in page
        make_report(session, reporter=people[1].actor, publication=live, now=utc_now() + timedelta(seconds=1))
        case = case_of(session, live)
        case.state = CaseState.WAITING
        session.flush()
        claims.claim(session, actor=moderator.actor, case_id=case.id, now=utc_now())
        decisions.take_down(
            session, actor=moderator.actor, case_id=case.id, content_hash=live.content_hash, now=utc_now(),
            reasons=[review_rules.Reason("spam")], hold=review_rules.AT_ONCE,
        )  # fmt: skip
        page = mine.get("/own_reports/").text
        assert "You were right to say so" in page
        assert f"/shop/{live.id}" not in page
        assert live.title not in stranger.get("/own_reports/").text
        assert live.title not in browser_of(owner).get("/own_reports/").text

    def test_teach_when_there_are_none(self, browser_of, moderator):
        assert "Nobody reported anything" in browser_of(moderator).get("/reports/").text


class TestAppeals:
    def test_are_made_by_the_creator_and_answered_by_somebody_else(
        self, session, browser_of, post, owner, moderator, other
    ):
        sent_back = make_sent_back(
            session, owner=owner.actor, moderator=moderator.actor, now=utc_now(), decide=decisions.reject
        )
        own = browser_of(owner)
        assert f'href="/listings/{sent_back.id}/appeal"' in own.get(f"/listings/{sent_back.id}").text
        answer = post(own, f"/listings/{sent_back.id}/appeal", text="x" * 2001)
        assert (answer.status_code, "2,000 characters" in answer.text) == (422, True)
        answer = post(own, f"/listings/{sent_back.id}/appeal", text="He says it in the third line.")
        assert "Your appeal is made" in own.get(answer.location).text
        for address in (f"/listings/{sent_back.id}", f"/listings/{sent_back.id}/appeal"):
            page = own.get(address).text
            assert "waits for an answer" in page
            assert "Send the appeal" not in page
            assert f'href="/listings/{sent_back.id}/appeal"' not in page
        assert "You appealed against this decision already" in page
        row = session.scalars(sa.select(ReviewDecision)).one()
        assert sent_back.title in own.get("/appeals/").text
        appeal = session.scalars(sa.select(Appeal).where(Appeal.decision_id == row.id)).one()
        staff = make_user(session, RoleName.STAFF)
        for person, why in (
            (moderator, "You made this decision; somebody who took no part in it answers the appeal."),
            (staff, "Only moderators answer appeals; you read along."),
        ):
            page = browser_of(person).get(f"/appeals/{appeal.id}").text
            assert f"/appeals/{appeal.id}/answer" not in page
            assert why in page
            assert f"It can be answered by: {other.name}." in page
        assert "Your appeal waits." in own.get(f"/appeals/{appeal.id}").text
        desk = browser_of(other)
        assert "Appeals to answer" in desk.get("/").text
        assert "Appeals to answer" not in browser_of(moderator).get("/").text
        assert "He says it in the third line." in desk.get(f"/appeals/{appeal.id}").text
        answer = post(desk, f"/appeals/{appeal.id}/answer", do="uphold", text="")
        assert (answer.status_code, "Write an answer" in answer.text) == (422, True)
        for forged in ({}, {"do": "perhaps"}):
            answer = post(desk, f"/appeals/{appeal.id}/answer", text="You are right.", **forged)
            assert (answer.status_code, "Press one of the two buttons" in answer.text) == (422, True)
            assert "You are right." in answer.text
        post(desk, f"/appeals/{appeal.id}/answer", do="uphold", text="You are right.")
        session.expire_all()
        assert (appeal.state, sent_back.status) == (AppealState.UPHELD, S.PENDING)
        page = own.get(f"/listings/{sent_back.id}").text
        assert "You are right." in page
        assert "overturned on appeal" in page
        assert other.name not in own.get(f"/appeals/{appeal.id}").text
        case = case_of(session, sent_back)
        case.state = CaseState.WAITING
        session.flush()
        overturned = browser_of(moderator)
        page = overturned.get(f"/review/{case.id}").text
        assert "An appeal overturned your decision on this listing; somebody else has to review it now." in page
        assert f"/review/{case.id}/claim" not in page
        assert "an appeal overturned you here: somebody else reviews it" in overturned.get("/review/").text
        assert f"/review/{case.id}/claim" in desk.get(f"/review/{case.id}").text
        page = browser_of(staff).get(f"/review/{case.id}").text
        assert "Only moderators decide here; you read along." in page

    def test_of_others_are_not_found(self, session, browser_of, post, owner, moderator, statements):
        row = make_appeal(session, owner=owner.actor, moderator=moderator.actor, now=utc_now())
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert stranger.get(f"/appeals/{row.id}").status_code == 404
        assert "No appeals" in stranger.get("/appeals/").text
        own = browser_of(owner)
        statements.clear()
        assert own.get("/appeals/").status_code == 200
        assert len(statements) <= 8, statements
        statements.clear()
        assert own.get(f"/appeals/{row.id}").status_code == 200
        assert len(statements) <= 12, statements


class TestTimes:
    def test_are_typed_in_the_readers_zone_and_kept(self, session, browser_of, post, owner):
        publication = make_listing(session, owner=owner.actor, now=utc_now())
        browser = browser_of(owner)
        typed = (utc_now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
        answer = post(browser, f"/listings/{publication.id}/schedule", publish_at=typed)
        page = browser.get(answer.location).text
        assert "The time is kept." in page
        assert f'value="{typed}"' in page
        session.refresh(publication)
        assert publication.publish_at.strftime("%Y-%m-%dT%H:%M") == typed
        answer = post(browser, f"/listings/{publication.id}/schedule", publish_at="tomorrow")
        page = browser.get(answer.location).text
        assert ("Write the time as a date" in page, 'value="tomorrow"' in page) == (True, True)
        answer = post(browser, f"/listings/{publication.id}/schedule", publish_at="")
        assert "Choose a day and a time first" in browser.get(answer.location).text
        session.refresh(publication)
        assert publication.publish_at is not None
        post(browser, f"/listings/{publication.id}/schedule", do="now", publish_at=typed)
        session.refresh(publication)
        assert publication.publish_at is None

    def test_feature_a_live_listing_in_the_shop(self, session, browser_of, post, live):
        staff = browser_of(make_user(session, RoleName.STAFF))
        until = (utc_now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
        assert post(staff, f"/listings/{live.id}/feature", until=until).status_code == 303
        shop = staff.get("/shop/?featured=yes").text
        assert live.title in shop
        assert "mark-featured" in shop
        answer = post(staff, f"/listings/{live.id}/feature", until="")
        assert "Choose a day and a time first" in staff.get(answer.location).text
        assert live.title in staff.get("/shop/?featured=yes").text
        post(staff, f"/listings/{live.id}/feature", do="end")
        assert live.title not in staff.get("/shop/?featured=yes").text


class TestFromTheListingsPage:
    def test_moderators_bring_it_to_the_desk_or_hide_it(self, session, browser_of, post, live, moderator, owner):
        browser = browser_of(moderator)
        page = browser.get(f"/listings/{live.id}").text
        assert f"/listings/{live.id}/review-again" in page
        answer = post(browser, f"/listings/{live.id}/review-again", reason="")
        assert "Say why in a sentence" in browser.get(answer.location).text
        post(browser, f"/listings/{live.id}/review-again", reason="Old rules.")
        assert case_of(session, live).state is CaseState.SCREENING
        post(browser, f"/listings/{live.id}/hide", reason="Look at once.")
        session.refresh(live)
        assert live.status is S.QUARANTINED
        assert post(browser_of(owner), f"/listings/{live.id}/hide", reason="x").status_code == 403

    def test_keeps_its_budget(self, session, browser_of, owner, moderator, statements):
        sent_back = make_sent_back(session, owner=owner.actor, moderator=moderator.actor, now=utc_now())
        browser = browser_of(owner)
        statements.clear()
        assert browser.get(f"/listings/{sent_back.id}").status_code == 200
        assert len(statements) <= 16, statements


class TestOnesOwn:
    """Somebody who reviews and creates learns of their own listing what every creator learns."""

    @pytest.fixture
    def both(self, session):
        return make_user(session, RoleName.CREATOR, RoleName.MODERATOR, RoleName.STAFF, name="Both Of Them")

    def test_reports_notes_and_words_are_left_out_everywhere(self, session, browser_of, post, both, moderator, other):
        live = make_live_listing(session, owner=both.actor, moderator=moderator.actor, now=utc_now())
        people = [make_actor(session, RoleName.CREATOR, name=f"Quiet Reporter {one}") for one in range(2)]
        for one in people:
            row = make_report(session, reporter=one, publication=live, now=utc_now(), comment="Secret words.")
        case = case_of(session, live)
        case.state = CaseState.WAITING
        notes.add(session, actor=other.actor, publication_id=live.id, text="Between us.", now=utc_now())
        recalls.review_again(session, actor=other.actor, publication_id=live.id, reason="Odd greeting.", now=utc_now())
        own, desk = browser_of(both), browser_of(other)
        pages = [
            f"/review/{case.id}", "/review/", "/reports/", "/audit/?what=listing", f"/audit/?row={live.id}",
            f"/audit/?row={row.id}", f"/listings/{live.id}", "/", f"/search/?q={live.title}", "/review/figures/", "/jobs/",
        ]  # fmt: skip
        for page in pages:
            text = own.get(page, follow_redirects=True).text
            for secret in (*(one.name for one in people), "Secret words.", "Between us.", "Odd greeting."):
                assert secret not in text, (page, secret)
        entries = browser_of(make_user(session, RoleName.STAFF)).get(f"/audit/?row={live.id}").text
        assert all(one.name in entries for one in people)
        assert "listing.report" not in own.get(f"/audit/?who={people[0].name}").text
        assert own.get(f"/reports/{row.id}").status_code == 404
        assert post(own, f"/reports/{row.id}/dismiss").status_code == 404
        assert live.title not in own.get("/reports/").text
        answer = post(own, f"/review/{case.id}/note", text="A word to myself")
        assert "your own listing" in own.get(answer.location).text
        text = desk.get(f"/review/{case.id}").text
        assert all(said in text for said in ("Between us.", "Odd greeting.", f"/reports/{row.id}"))
        assert "Secret words." in desk.get(f"/reports/{row.id}").text

    def test_a_decision_is_told_when_it_is_in_effect_and_without_a_name(
        self, session, browser_of, post, both, moderator
    ):
        case = make_claimed_case(session, owner=both.actor, moderator=moderator.actor, now=utc_now())
        publication = session.get_one(CharacterPublication, case.publication_id)
        post(browser_of(moderator), f"/review/{case.id}/reject", **reasons_of(publication))
        own = browser_of(both)
        for page in (f"/review/{case.id}", f"/audit/?row={case.id}"):
            text = own.get(page).text
            assert not any(said in text for said in ("Nearly there", "Who is his rival?", moderator.name)), page
        effects.release_due(session, now=utc_now() + review_rules.UNDO)
        text = own.get(f"/review/{case.id}").text
        assert "Who is his rival?" in text
        assert moderator.name not in text

    def test_a_takedown_that_waits_for_its_second_person_is_not_told(
        self, session, browser_of, post, live_case, live, owner, moderator, other
    ):
        owner.roles.append(session.scalars(sa.select(Role).where(Role.name == RoleName.MODERATOR)).one())
        reasons = {**reasons_of(live), "is_severe": "1"}
        assert post(browser_of(moderator), f"/review/{live_case.id}/take-down", **reasons).status_code == 303
        strip = f"/review/{live_case.id}"
        assert strip in browser_of(other).get("/review/").text
        text = browser_of(owner).get("/review/").text
        assert strip not in text
        assert moderator.name not in text
