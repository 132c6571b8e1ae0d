"""The queue and the desk as a moderator works at them."""

import re
from uuid import UUID

import pytest
import sqlalchemy as sa

from admin_views.market.labels import check_title
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.kit.clock import utc_now
from studio.kit.money import Money
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FieldComment,
    LicenseType,
    PublicationStatus,
    ReportReason,
    ReviewCase,
    Severity,
)
from studio.market.review import decisions, effects, notes, queue, recalls
from studio.market.review import rules as review_rules
from studio.market.screening import screening
from studio.market.screening.checks import ALL, MODEL_CHECKS
from studio.market.screening.checks.base import Finding, about, passage
from studio.market.screening.checks.submission import Text
from studio.memory import embeddings as vectors
from tests.factories.accounts import make_user
from tests.factories.market import (
    case_of,
    make_card,
    make_claimed_case,
    make_listing,
    make_live_listing,
    make_report,
    make_waiting_case,
)
from tests.factories.media import make_storage

STORY = (
    "He keeps the last lighthouse on the northern shore, writes letters to ships that never answer, and hums while he "
    "works. When somebody comes up the stairs he pretends not to have waited. On Sundays he polishes the great lens. "
)
EVIL = "Meet <script>alert(1)</script> {{char}} at https://evil.example/x ![p](https://track.example/p.png)"


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    return make_user(session, RoleName.MODERATOR)


@pytest.fixture
def other(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def case(session, owner, now, tmp_path):
    """A screened case of a card that means no good."""
    character = make_card(session, owner=owner.actor, now=now, name="Eve", description=EVIL)
    made = case_of(session, make_listing(session, owner=owner.actor, now=now, character=character))
    screening.run(session, case_id=made.id, storage=make_storage(tmp_path), now=now)
    session.flush()
    return made


@pytest.fixture
def publication(session, case):
    return session.get_one(CharacterPublication, case.publication_id)


@pytest.fixture
def browser(browser_of, moderator, case):
    return browser_of(moderator)


def claim(browser, post, case):
    assert post(browser, f"/review/{case.id}/claim").status_code == 303


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


class TestDesk:
    def test_shows_the_card_as_text_that_neither_runs_nor_loads(self, browser, case):
        page = browser.get(f"/review/{case.id}").text
        assert "<script>alert" not in page
        assert "&lt;script" in page
        assert 'src="https://' not in page

    def test_marks_evidence_in_place(self, browser, case):
        page = browser.get(f"/review/{case.id}").text
        assert '<mark class="hit hit-severe"' in page
        assert ">https://evil.example/x</mark>" in page
        assert "not screened by a model" in page

    def test_shows_tags_in_one_row(self, session, browser, owner, now, tmp_path):
        character = make_card(session, owner=owner.actor, now=now, name="Ada", tags=["brass", "steam"])
        made = case_of(
            session,
            make_listing(
                session, owner=owner.actor, now=now, character=character, tags=["sea", "calm", "me@shop.example"]
            ),
        )
        screening.run(session, case_id=made.id, storage=make_storage(tmp_path), now=now)
        session.flush()
        page = browser.get(f"/review/{made.id}").text
        assert page.count("<h3>Tags of the listing</h3>") == 1
        assert page.count("<h3>Tags</h3>") == 1
        assert "Tags of the listing 1" not in page
        # Evidence is marked in its tag, and the way from the finding leads there.
        row = page.split("<h3>Tags of the listing</h3>")[1].split("</p>")[0]
        assert row.count('class="mark"') == 3
        [anchor] = re.findall(r'id="(\w+)"><mark [^>]*>me@shop.example</mark>', row)
        assert f'href="#{anchor}"' in page

    def test_shows_macros_of_a_greeting_resolved(self, session, browser, owner, now):
        from studio.authoring import greetings
        from studio.authoring.rules import Greetings

        character = make_card(session, owner=owner.actor, now=now, name="Ada")
        greetings.replace(
            session, actor=owner.actor, character_id=character.id, row_version=character.row_version,
            greetings=Greetings(first="I am {{char}}, and who are you, {{user}}?"), now=now,
        )  # fmt: skip
        made = make_listing(session, owner=owner.actor, now=now, character=character, title="Ada's listing")
        session.flush()
        page = browser.get(f"/review/{case_of(session, made).id}").text
        assert "I am Ada, and who are you, you?" in page

    def test_shows_what_changed_since_the_last_approval(self, session, browser, owner, moderator, now):
        from studio.authoring import characters

        live = make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now)
        character = characters.queries.get_character(session, actor=owner.actor, character_id=live.character_id)
        characters.update(
            session, actor=owner.actor, character_id=character.id, row_version=character.row_version, now=now,
            changes={"description": character.description.replace("old lighthouse", "new lighthouse")},
        )  # fmt: skip
        made = make_waiting_case(session, owner=owner.actor, now=now, character=character, title="Second")
        session.flush()
        page = browser.get(f"/review/{made.id}").text
        assert "<del>old </del><ins>new </ins>" in page

    def test_compares_with_another_character(self, session, browser, owner, case, now):
        other = make_card(session, owner=owner.actor, now=now, name="Another")
        session.flush()
        page = browser.get(f"/review/{case.id}/compare/{other.id}")
        assert page.status_code == 200
        assert "beside Another" in page.text
        assert "<script>alert" not in page.text

    def test_shows_the_nearest_characters_with_their_similarity(self, session, browser, owner, case, now, app):
        near = make_card(session, owner=owner.actor, now=now, name="Eve", description=EVIL)
        far = make_card(session, owner=owner.actor, now=now, name="Otto", description="一位年长的灯塔守护人。")
        provider = app.extensions["studio"].embeddings
        vectors.use_model(session, provider=provider)
        ids = vectors.ids_to_look_at(session, provider=provider)
        pending = vectors.pending_of(session, provider=provider, character_ids=ids)
        made = provider.embed([item.text for item in pending])
        vectors.keep(session, provider=provider, pending=pending, vectors=made, now=now)
        vectors.promote(session, provider=provider)
        session.flush()
        page = browser.get(f"/review/{case.id}").text
        assert f"/review/{case.id}/compare/{near.id}" in page
        # What is only nearer than the rest is no hint.
        assert f"/review/{case.id}/compare/{far.id}" not in page
        assert "idea the meaning, from 92% on" in page
        assert re.search(r">idea \d+%<", page)

    def test_says_which_licence_stands_in_the_card(self, session, browser, owner, now):
        card = make_card(session, owner=owner.actor, now=now, license="cc_by_nc")
        made = case_of(session, make_listing(session, owner=owner.actor, now=now, character=card))
        session.flush()
        page = browser.get(f"/review/{made.id}").text
        assert "Licence in the card" in page
        assert "CC BY-NC 4.0" in page

    def test_gives_the_whole_card_as_a_file(self, browser, case):
        answer = browser.get(f"/review/{case.id}/card.json")
        assert "attachment" in answer.headers["Content-Disposition"]
        assert answer.json["data"]["description"] == EVIL

    def test_a_huge_card_makes_a_bounded_page(self, session, browser, owner, now):
        character = make_card(
            session,
            owner=owner.actor,
            now=now,
            name="Long",
            **dict.fromkeys(("description", "scenario", "personality"), "灯塔。 " * 49_000),
        )
        made = make_listing(session, owner=owner.actor, now=now, character=character)
        session.flush()
        page = browser.get(f"/review/{case_of(session, made).id}")
        assert page.status_code == 200
        assert len(page.data) < 1_200_000
        assert "more characters stand in the file" in page.text

    def test_keeps_its_budget_with_a_former_version_decisions_and_copies(
        self, session, browser, owner, moderator, other, now, post, tmp_path, statements
    ):
        character = make_card(session, owner=owner.actor, now=now, name="Ada", description=STORY)
        make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        theirs = make_card(session, owner=other.actor, now=now, name="Bea", description=STORY)
        storage = make_storage(tmp_path)
        for offered, person in ((theirs, other), (character, owner)):
            made = case_of(
                session, make_listing(session, owner=person.actor, now=now, character=offered, title="Once more")
            )
            screening.run(session, case_id=made.id, storage=storage, now=now)
            made.compared_at = now
        session.flush()
        claim(browser, post, made)
        statements.clear()
        page = browser.get(f"/review/{made.id}").text
        # Person and roles; case with all that stands around it; findings; former version; what is alike; decisions with
        # their reasons; the creator's record; the reasons that can be given.
        assert len(statements) <= 8, statements
        assert "changed after approval" in page
        assert "Bea" in page
        assert 'name="reason"' in page

    def test_shows_what_became_of_the_listings_own_words_and_terms(self, session, browser, owner, moderator, now):
        character = make_card(session, owner=owner.actor, now=now, name="Ada", description=STORY)
        make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        words = {"title": "The keeper again", "price": Money(1_500, "USD"), "license_type": LicenseType.EXCLUSIVE}
        made = case_of(session, make_listing(session, owner=owner.actor, now=now, character=character, **words))
        screening.keep(session, case_id=made.id, findings={}, now=now)
        session.flush()
        page = browser.get(f"/review/{made.id}").text
        changed = page[page.index("Changed since it was last approved") : page.index('id="group-')]
        for label in ("Title of the listing", "Price", "Licence"):
            assert f"<h3>{label}</h3>" in changed, label
        assert "<del>$4.99</del><ins>$15.00</ins>" in changed
        assert "<h3>Category</h3>" not in changed

    def test_shows_what_changed_since_it_was_sent_back_and_what_was_asked_for(
        self, session, browser, owner, moderator, now, statements
    ):
        character = make_card(session, owner=owner.actor, now=now, name="Ada", description=STORY)
        make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        refused = make_claimed_case(
            session, owner=owner.actor, moderator=moderator.actor, now=now, character=character, title="Sailors' tales"
        )
        given = [
            review_rules.Reason("thin_description", "description", "Say more."),
            review_rules.Reason("spam", "listing.title"),
        ]
        decisions.request_changes(
            session, actor=moderator.actor, case_id=refused.id, reasons=given, now=now, hold=review_rules.AT_ONCE,
            content_hash=session.get_one(CharacterPublication, refused.publication_id).content_hash,
        )  # fmt: skip
        characters.update(
            session, actor=owner.actor, character_id=character.id, row_version=character.row_version,
            changes={"description": STORY + "He wants to be found."}, now=now,
        )  # fmt: skip
        made = make_listing(
            session, owner=owner.actor, now=now, character=character, title="Sailors' tales",
            to_moderator=" I told what he wants. <b> ",
        )  # fmt: skip
        case = case_of(session, made)
        screening.keep(session, case_id=case.id, findings={}, now=now)
        case.compared_at = now
        session.flush()
        statements.clear()
        page = browser.get(f"/review/{case.id}").text
        assert len(statements) <= 8, statements
        assert "I told what he wants. &lt;b&gt;" in page
        asked = page[page.index("What was asked for") : page.index("Compare with")]
        assert asked.index("Description") < asked.index("changed since") < asked.index("Title of the listing")
        assert asked.index("Title of the listing") < asked.index("not changed since")
        changed = page[page.index("Changed since it was sent back") : page.index('id="group-')]
        assert "<ins>He wants to be found.</ins>" in changed
        assert "<h3>Title of the listing</h3>" not in changed
        page = browser.get(f"/review/{case.id}?since=approved").text
        changed = page[page.index("Changed since it was last approved") : page.index('id="group-')]
        assert "<h3>Title of the listing</h3>" in changed
        assert "What was asked for" not in page

    @pytest.mark.parametrize("state", ["undone", "held"])
    def test_keeps_its_budget_whatever_stands_around_the_case(
        self, session, browser, owner, moderator, other, now, post, statements, state
    ):
        live = make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now)
        for reason in (ReportReason.COPYRIGHT, ReportReason.HATE):
            make_report(session, reporter=other.actor, publication=live, now=now, reason=reason)
        colleague = make_user(session, RoleName.MODERATOR)
        recalls.quarantine(session, actor=colleague.actor, publication_id=live.id, reason="Somebody called.", now=now)
        for words in ("Ask for the source.", "She wrote back."):
            notes.add(session, actor=colleague.actor, publication_id=live.id, text=words, now=now)
        case = case_of(session, live)
        screening.keep(session, case_id=case.id, findings={check: Finding() for check in ALL}, now=now)
        case.compared_at = now
        session.flush()
        claim(browser, post, case)
        given = [
            review_rules.Reason("broken_greeting", "first_mes", "One brace."),
            review_rules.Reason("spam", "", "Twice."),
        ]
        decisions.reject(
            session, actor=moderator.actor, case_id=case.id, content_hash=live.content_hash, reasons=given,
            note="Sorry.", now=utc_now(),
        )  # fmt: skip
        if state == "undone":
            decisions.undo(session, actor=moderator.actor, case_id=case.id, now=utc_now())
        session.flush()
        statements.clear()
        page = browser.get(f"/review/{case.id}").text
        assert len(statements) <= 8, statements
        for words in ("Ask for the source.", "She wrote back.", "Somebody called.", "It is copied from somebody"):
            assert words in page, words
        assert page.index("She wrote back.") < page.index("Ask for the source."), "the newest note first"
        for words in ("One brace.", "Twice.", "Sorry."):
            assert words in page, words
        assert ("Decided, not in effect yet" in page) == (state == "held")
        assert ('name="reason"' in page) == (state == "undone")

    def test_stays_bounded_while_the_neighbours_are_not_stored_yet(self, browser, case, statements):
        statements.clear()
        browser.get(f"/review/{case.id}")
        assert len(statements) <= 12, statements

    def test_is_not_found_where_there_is_none(self, browser, publication):
        assert browser.get(f"/review/{publication.id}").status_code == 404

    def test_staff_may_read_but_not_decide(self, session, browser_of, post, case):
        staff = browser_of(make_user(session, RoleName.STAFF))
        assert staff.get(f"/review/{case.id}").status_code == 200
        assert post(staff, f"/review/{case.id}/claim").status_code == 403


class TestAhead:
    def test_makes_the_next_page_ready_without_claiming(self, session, browser, owner, case, now):
        following = make_waiting_case(session, owner=owner.actor, now=now)
        session.flush()
        page = browser.get(f"/review/{case.id}").text
        assert f'hx-get="/review/{following.id}/ahead"' in page
        answer = browser.get(f"/review/{following.id}/ahead")
        assert answer.status_code == 200
        session.refresh(following)
        assert (following.state, following.claimed_by_id) == (CaseState.WAITING, None)
        assert "This is your own listing" not in browser.get(f"/review/{following.id}").text

    def test_what_was_made_ahead_is_made_anew_when_a_check_found_something(
        self, session, browser, owner, now, tmp_path
    ):
        character = make_card(session, owner=owner.actor, now=now, name="Eve", description=EVIL)
        made = case_of(session, make_listing(session, owner=owner.actor, now=now, character=character))
        session.flush()
        browser.get(f"/review/{made.id}/ahead")
        assert '<mark class="hit' not in browser.get(f"/review/{made.id}").text
        screening.run(session, case_id=made.id, storage=make_storage(tmp_path), now=now)
        session.flush()
        assert '<mark class="hit' in browser.get(f"/review/{made.id}").text

    def test_is_not_for_creators(self, browser_of, owner, case):
        assert browser_of(owner).get(f"/review/{case.id}/ahead").status_code == 403


class TestCompare:
    def test_marks_what_both_say(self, session, browser, owner, other, now, tmp_path):
        theirs = make_card(session, owner=other.actor, now=now, name="Bea", description=STORY)
        mine = make_card(session, owner=owner.actor, now=now, name="Ada", description=STORY.replace("hums", "sings"))
        storage = make_storage(tmp_path)
        for character, person in ((theirs, other), (mine, owner)):
            made = case_of(session, make_listing(session, owner=person.actor, now=now, character=character))
            screening.run(session, case_id=made.id, storage=storage, now=now)
        characters.update(
            session, actor=other.actor, character_id=theirs.id, row_version=theirs.row_version, now=now,
            changes={"name": "Zoe", "description": "Nothing that is alike."},
        )  # fmt: skip
        session.flush()
        page = browser.get(f"/review/{made.id}/compare/{theirs.id}").text
        # What was found alike is what is shown, though its draft is another by now.
        assert "Ada beside Bea" in page
        assert "Version 1, as it was submitted" in page
        assert "Nothing that is alike." not in page
        assert page.count('<mark class="alike">') >= 4
        assert "signs in common" in page
        assert re.search(r">text \d+%<", page)


class TestModels:
    def test_a_model_that_could_not_look_is_told_at_the_top(self, session, browser, case, now):
        failure = Finding((about("", "The moderation server cannot be reached.", Severity.WARNING),), is_failed=True)
        screening.keep(session, case_id=case.id, findings={MODEL_CHECKS[0]: failure}, now=now)
        session.flush()
        page = browser.get(f"/review/{case.id}").text
        assert "A model was to look at this card and could not." in page
        assert "could not be screened by the model" in page
        assert "The moderation server cannot be reached." in page

    def test_names_the_model_that_looked_and_what_it_said_as_text(self, session, browser, case, now):
        text = Text("data.description", EVIL)
        marked = passage(
            text, 0, 4, "The judging model wants a person to look at this.", Severity.WARNING,
            label="hate", score=0.9, remark="<b>bold</b> words",
        )  # fmt: skip
        finding = Finding((marked,), source="judge-7b, at host")
        screening.keep(session, case_id=case.id, findings={MODEL_CHECKS[1]: finding}, now=now)
        session.flush()
        page = browser.get(f"/review/{case.id}").text
        assert "Rules on this machine, and judge-7b, at host." in page
        assert "&lt;b&gt;bold&lt;/b&gt; words" in page
        assert "not screened by a model" not in page


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


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name)
def test_every_check_has_its_title(app, check):
    # A job's step shows the title too: both must be the same msgid.
    with app.test_request_context():
        assert check_title(check.name) == check.title


def test_the_queue_is_what_the_service_says(session, moderator, case, now):
    assert [row.case.id for row in queue.page(session, actor=moderator.actor, now=now).rows] == [case.id]
