"""Decisions as a moderator makes them at the desk."""

from uuid import UUID

import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FieldComment,
    PublicationStatus,
    ReviewCase,
)
from studio.market.review import effects
from studio.market.review import rules as review_rules
from tests.admin_views.review.conftest import claim
from tests.factories.accounts import make_user
from tests.factories.market import (
    make_waiting_case,
)


class TestDecide:
    def test_goes_on_with_the_next_one_where_that_is_wanted(
        self, session, browser, post, owner, case, publication, moderator, now
    ):
        following = make_waiting_case(session, owner=owner.actor, now=now)
        session.flush()
        claim(browser, post, case)
        answer = post(browser, f"/review/{case.id}/approve", content_hash=publication.content_hash, then="next")
        assert answer.location.endswith(f"/review/{following.id}")
        session.refresh(following)
        assert following.claimed_by_id == moderator.id

    def test_remembers_whether_the_next_one_was_wanted(self, session, browser, post, owner, case, publication, now):
        box = 'name="then" value="next"'
        for _ in range(2):
            make_waiting_case(session, owner=owner.actor, now=now)
        session.flush()
        claim(browser, post, case)
        page = browser.get(f"/review/{case.id}").text
        assert (f"{box}>" in page, f"{box} checked>" in page) == (True, False)
        given = {"content_hash": publication.content_hash}
        following = post(browser, f"/review/{case.id}/approve", **given, then=["", "next"]).location
        assert f"{box} checked>" in browser.get(following).text
        # A case without the box (nothing else waits) says nothing of it; unticked it stays so.
        address = following.rpartition("/review/")[2]
        listing = session.get_one(CharacterPublication, session.get_one(ReviewCase, UUID(address)).publication_id)
        answer = post(browser, f"/review/{address}/approve", content_hash=listing.content_hash, then=[""])
        assert answer.location.endswith("/review/")
        claimed = post(browser, "/review/next").location
        make_waiting_case(session, owner=owner.actor, now=now)
        assert (f"{box}>" in browser.get(claimed).text, f"{box} checked>" in browser.get(claimed).text) == (True, False)

    def test_approves_what_was_seen(self, browser, session, post, case, publication):
        claim(browser, post, case)
        page = browser.get(f"/review/{case.id}").text
        assert publication.content_hash in page
        for _ in range(2):
            answer = post(browser, f"/review/{case.id}/approve", content_hash=publication.content_hash)
            assert answer.status_code == 303
        assert effects.release_due(session, now=utc_now() + review_rules.UNDO) == 1
        session.refresh(publication)
        assert publication.status is PublicationStatus.APPROVED

    def test_sends_back_with_reasons_at_their_fields(self, browser, session, post, case, publication):
        claim(browser, post, case)
        answer = post(
            browser, f"/review/{case.id}/reject", content_hash=publication.content_hash, note="Please mend",
            reason=["injection", "advertising", "", ""], field=["description", "listing.title", "", ""],
            comment=["Remove the script", "", "", ""],
        )  # fmt: skip
        assert answer.status_code == 303
        fields = session.scalars(sa.select(FieldComment.field).order_by(FieldComment.id)).all()
        assert fields == ["description", "listing.title"]

    def test_keeps_what_was_typed_when_no_reason_is_chosen(self, browser, session, post, case, publication):
        claim(browser, post, case)
        answer = post(
            browser, f"/review/{case.id}/reject", content_hash=publication.content_hash, note="A note that stays",
            reason=["", ""], field=["scenario", ""], comment=["Words that stay", ""],
        )  # fmt: skip
        assert answer.status_code == 422
        assert "Words that stay" in answer.text
        assert "A note that stays" in answer.text
        assert '<option value="scenario" selected>' in answer.text
        session.refresh(case)
        assert case.state is CaseState.CLAIMED

    def test_says_that_the_content_changed(self, browser, post, case):
        claim(browser, post, case)
        answer = post(browser, f"/review/{case.id}/approve", content_hash="0" * 64)
        assert answer.status_code == 409
        # The refusal leaves its own address; loaded again, it leads back to the case.
        assert browser.get(f"/review/{case.id}/approve").location == f"/review/{case.id}"
        assert "no longer what you saw" in answer.text

    def test_tells_a_second_moderator_who_holds_it(self, browser, session, browser_of, post, case, moderator):
        claim(browser, post, case)
        other = browser_of(make_user(session, RoleName.MODERATOR))
        answer = post(other, f"/review/{case.id}/claim")
        assert moderator.name in other.get(answer.location).text
        assert post(other, f"/review/{case.id}/approve", content_hash="x").status_code == 409

    def test_loses_nothing_of_what_was_written_when_the_claim_was_over(
        self, browser, session, browser_of, post, case, publication, moderator
    ):
        claim(browser, post, case)
        post(browser, f"/review/{case.id}/release")
        sent = {"content_hash": publication.content_hash, "reason": "injection", "field": "description"}
        words = {"comment": "Remove the script", "note": "Nearly there"}
        refused = post(browser, f"/review/{case.id}/request-changes", **sent, **words)
        assert refused.status_code == 409
        for said in ("Remove the script", "Nearly there", "Prompt injection or scripts", "Claim it again"):
            assert said in refused.text
        # Claimed with it, all of it stands in the form.
        page = post(browser, f"/review/{case.id}/claim", reason="injection", field="description", **words).text
        assert ">Remove the script</textarea>" in page
        assert ">Nearly there</textarea>" in page
        assert browser.get(f"/review/{case.id}/claim").location == f"/review/{case.id}"
        # With somebody else it can still be read, and taken from nobody.
        post(browser, f"/review/{case.id}/release")
        claim(browser_of(make_user(session, RoleName.MODERATOR)), post, case)
        refused = post(browser, f"/review/{case.id}/request-changes", **sent, **words).text
        assert "Remove the script" in refused
        assert "Claim it again" not in refused

    def test_gives_back(self, browser, session, post, case):
        claim(browser, post, case)
        assert post(browser, f"/review/{case.id}/release").status_code == 303
        session.refresh(case)
        assert case.state is CaseState.WAITING

    def test_renews_while_somebody_works(self, browser, post, case):
        claim(browser, post, case)
        assert "You hold this review" in post(browser, f"/review/{case.id}/renew").text

    def test_offers_no_decision_on_ones_own(self, session, browser_of, post, now):
        both = make_user(session, RoleName.CREATOR, RoleName.MODERATOR)
        made = make_waiting_case(session, owner=both.actor, now=now)
        browser = browser_of(both)
        page = browser.get(f"/review/{made.id}").text
        assert "somebody else has to review it" in page
        assert f"/review/{made.id}/approve" not in page
        answer = post(browser, f"/review/{made.id}/claim")
        assert answer.status_code == 303
        session.refresh(made)
        assert made.claimed_by_id is None
