"""The desk as a moderator reads it: the card, what changed, what is alike, what models said."""

import re

import pytest
import sqlalchemy as sa

from admin_views.market.labels import check_title
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.kit.clock import utc_now
from studio.kit.money import Money
from studio.market.catalogue import flags
from studio.market.models import (
    CaseState,
    CharacterPublication,
    FlagKind,
    LicenseType,
    ReportReason,
    Severity,
)
from studio.market.review import decisions, notes, recalls
from studio.market.review import rules as review_rules
from studio.market.screening import assessing, screening
from studio.market.screening.checks import ALL, MODEL_CHECKS
from studio.market.screening.checks.base import Finding, about, passage
from studio.market.screening.checks.submission import Text
from studio.memory import embeddings as vectors
from tests.admin_views.review.conftest import EVIL, claim
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
        # It follows a live one; only of what was approved itself is it said that no more than its shelf changed.
        assert "moved to another category" not in page
        flags.put(session, publication_id=made.publication_id, kind=FlagKind.CHANGED_AFTER_APPROVAL, now=now)
        session.flush()
        assert "moved to another category" in browser.get(f"/review/{made.id}").text
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
        desk = browser.get(f"/review/{made.id}").text
        assert re.search(r">text \d+%<", desk)
        assert "checks are not active" not in desk
        session.execute(sa.text("UPDATE screening_results SET mode = 'shadow' WHERE check_name = 'duplicates'"))
        desk = browser.get(f"/review/{made.id}").text
        assert not re.search(r">text \d+%<", desk)
        assert "Not shown, because their checks are not active: same card, text." in desk
        assessing.assess(session, case=made)
        assert "copies" not in {factor["name"] for factor in made.risk_factors}


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


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name)
def test_every_check_has_its_title(app, check):
    # A job's step shows the title too: both must be the same msgid.
    with app.test_request_context():
        assert check_title(check.name) == check.title
