"""Submitting and following a listing, and the shelves, as people do it on the screens."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.market.catalogue import listings
from studio.market.models import CharacterCategory, CharacterPublication, LicenseType, ListingDraft, PublicationStatus
from studio.market.review import decisions
from studio.market.review import queries as review_queries
from studio.market.review.rules import AT_ONCE, Reason
from studio.market.screening import screening
from tests.admin_views.conftest import token_of
from tests.factories.accounts import make_actor, make_user
from tests.factories.market import any_category, case_of, make_card, make_claimed_case, make_listing, make_live_listing


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def moderator(session):
    return make_user(session, RoleName.MODERATOR)


@pytest.fixture
def character(session, owner, now):
    return make_card(
        session, owner=owner.actor, now=now, name="灯塔守护人", tagline="He writes to ships.", tags=["sea"]
    )


@pytest.fixture
def browser(browser_of, owner, character):
    return browser_of(owner)


def form_of(session, character, **changes):
    return {
        "character_id": str(character.id),
        "title": "灯塔",
        "description": "Quiet talks.",
        "category_id": str(any_category(session)),
        "tags": "海，calm",
        "license_type": "premium",
        "price": "4.99",
        "currency": "USD",
        **changes,
    }


def make_sent_back(session, *, owner, moderator, now, character, field="first_mes", **values):
    case = make_claimed_case(
        session, owner=owner.actor, moderator=moderator.actor, now=now, character=character, **values
    )
    publication = session.get_one(CharacterPublication, case.publication_id)
    decisions.reject(
        session, actor=moderator.actor, case_id=case.id, content_hash=publication.content_hash, now=now,
        reasons=[Reason("broken_greeting", field, "One brace.")], hold=AT_ONCE,
    )  # fmt: skip
    session.flush()
    return publication


@pytest.mark.parametrize("field", ["first_mes", "listing.price"])
def test_what_to_change_leads_nobody_to_a_form_that_is_not_theirs(
    session, browser_of, browser, owner, moderator, character, now, field
):
    make_sent_back(session, owner=owner, moderator=moderator, now=now, character=character, field=field)
    assert '<a class="feedback-field"' in browser.get(f"/characters/{character.id}").text
    read = browser_of(moderator).get(f"/characters/{character.id}").text
    assert "One brace." in read
    assert '<a class="feedback-field"' not in read


class TestSubmit:
    def test_starts_from_the_character(self, browser, character):
        page = browser.get(f"/listings/new?character_id={character.id}").text
        assert 'value="灯塔守护人"' in page
        assert "He writes to ships." in page
        assert 'value="sea"' in page

    def test_starts_without_a_character_from_a_choice_of_ones_own(self, browser, session, character, now):
        foreign = make_card(session, owner=make_user(session, RoleName.CREATOR).actor, now=now, name="Foreign")
        session.flush()
        page = browser.get("/listings/new").text
        assert str(character.id) in page
        assert str(foreign.id) not in page

    def test_submits(self, browser, session, post, character):
        answer = post(browser, "/listings/new", **form_of(session, character))
        assert answer.status_code == 303
        publication = session.scalars(sa.select(CharacterPublication)).one()
        assert answer.location.endswith(f"/listings/{publication.id}")
        assert (publication.title, publication.price_minor, publication.tags) == ("灯塔", 499, ["海", "calm"])
        page = browser.get(answer.location)
        assert page.status_code == 200
        assert "Being screened" in page.text

    @pytest.mark.parametrize(
        ("typed", "currency", "read"),
        [
            ("1,5", "USD", ("Read as: $1.50", "Offered for $1.50")),
            ("1500", "JPY", ("Read as: ¥1,500", "Offered for ¥1,500")),
            ("", "USD", ("Read as: free", "Offered for free")),
            ("1.500.0", "USD", ('class="price-read price-wrong"', "The price cannot be read yet.")),
            ("9" * 300, "EUR", ("price-wrong", "below ten million")),
        ],
    )
    def test_reads_a_price_back_before_it_is_submitted(self, browser, statements, typed, currency, read):
        statements.clear()
        part = browser.get("/listings/price", query_string={"price": typed, "currency": currency}).text
        assert len(statements) <= 2, statements
        for words in (*read, 'id="price-read"', 'id="price-again" hx-swap-oob="true"'):
            assert words in part, words

    def test_reads_the_price_back_on_the_form_and_for_creators_alone(
        self, browser, browser_of, moderator, session, post, character
    ):
        assert "Read as: free" in browser.get("/listings/new").text
        page = post(browser, "/listings/new", **form_of(session, character, price="1,5", title=" "))
        assert page.status_code == 422
        assert ("Read as: $1.50" in page.text, "Offered for $1.50" in page.text) == (True, True)
        assert browser_of(moderator).get("/listings/price?price=1").status_code == 403

    def test_keeps_all_that_was_typed_and_names_every_wrong_field(self, browser, session, post, character):
        wrong = {"title": " ", "price": "abc", "category_id": "", "description": "Words that <b>stay</b>"}
        answer = post(browser, "/listings/new", **form_of(session, character, **wrong))
        assert answer.status_code == 422
        assert "Words that &lt;b&gt;stay&lt;/b&gt;" in answer.text
        assert 'value="abc"' in answer.text
        for sentence in ("Give the listing a title.", "Write the price as a number"):
            assert sentence in answer.text
        assert session.scalar(sa.select(sa.func.count()).select_from(CharacterPublication)) == 0

    def test_says_what_to_do_when_one_waits_already(self, browser, session, post, character, owner, now):
        make_listing(session, owner=owner.actor, now=now, character=character)
        session.flush()
        answer = post(browser, "/listings/new", **form_of(session, character))
        assert answer.status_code == 409
        assert "already waits for review" in answer.text
        assert 'value="灯塔"' in answer.text

    def test_does_not_find_a_foreign_character(self, session, browser_of, post, character):
        other = browser_of(make_user(session, RoleName.CREATOR))
        assert other.get(f"/listings/new?character_id={character.id}").status_code == 404
        assert post(other, "/listings/new", **form_of(session, character)).status_code == 404

    def test_does_not_stumble_over_odd_values(self, browser, session, post, character):
        odd = {
            "category_id": "x",
            "license_type": "nonsense",
            "currency": "XXX",
            "price": "NaN",
            "character_id": "nope",
        }
        assert post(browser, "/listings/new", **form_of(session, character, **odd)).status_code == 422

    def test_starts_from_the_last_listing_with_its_reasons(self, browser, session, character, owner, moderator, now):
        case = make_claimed_case(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        publication = session.get_one(CharacterPublication, case.publication_id)
        decisions.reject(
            session, actor=moderator.actor, case_id=case.id, content_hash=publication.content_hash, now=now,
            reasons=[Reason("thin_description", "description", "Tell what he wants.")], hold=AT_ONCE,
        )  # fmt: skip
        session.flush()
        page = browser.get(f"/listings/new?character_id={character.id}").text
        assert 'value="The keeper of the light"' in page
        assert "Tell what he wants." in page
        assert "The description does not yet tell who the character is" in page


class TestFollow:
    def test_shows_the_decision_with_its_reasons(self, browser, session, character, owner, moderator, now):
        case = make_claimed_case(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        publication = session.get_one(CharacterPublication, case.publication_id)
        decisions.reject(
            session, actor=moderator.actor, case_id=case.id, content_hash=publication.content_hash, now=now,
            reasons=[Reason("broken_greeting", "first_mes", "One brace.")], note="Nearly there", hold=AT_ONCE,
        )  # fmt: skip
        session.flush()
        page = browser.get(f"/listings/{publication.id}").text
        for words in ("First greeting", "One brace.", "Nearly there", "macros do not work"):
            assert words in page
        chinese = browser.get(f"/listings/{publication.id}", headers={"Accept-Language": "zh-CN"}).text
        assert "开场白" in chinese

    def test_leads_on_to_the_newer_listing_of_the_character(self, browser, session, character, owner, moderator, now):
        former = make_sent_back(session, owner=owner, moderator=moderator, now=now, character=character)
        page = browser.get(f"/listings/{former.id}").text
        assert "Submit anew" in page
        assert "Open the newer listing" not in page
        newer = make_listing(session, owner=owner.actor, now=now + timedelta(hours=1), character=character)
        session.flush()
        page = browser.get(f"/listings/{former.id}").text
        assert "Submit anew" not in page
        assert f'href="/listings/{newer.id}"' in page
        assert "Open the newer listing" not in browser.get(f"/listings/{newer.id}").text

    def test_is_not_found_by_others_even_when_live(self, session, browser_of, character, owner, moderator, now):
        live = make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        other = browser_of(make_user(session, RoleName.CREATOR))
        assert other.get(f"/listings/{live.id}").status_code == 404
        assert other.get(f"/listings/{live.id}/state").status_code == 404
        assert live.title not in other.get("/listings/").text

    def test_asks_again_only_while_the_checks_run(self, browser, session, character, owner, now):
        publication = make_listing(session, owner=owner.actor, now=now, character=character)
        session.flush()
        assert "every 2s" in browser.get(f"/listings/{publication.id}/state").text
        screening.give_up(session, case_id=case_of(session, publication).id, now=now)
        assert "every 2s" not in browser.get(f"/listings/{publication.id}/state").text

    def test_withdraws_unlists_and_lists_again(self, browser, session, post, character, owner, moderator, now):
        publication = make_listing(session, owner=owner.actor, now=now, character=character)
        for _ in range(2):
            assert post(browser, f"/listings/{publication.id}/withdraw").status_code == 303
        session.refresh(publication)
        assert publication.status is PublicationStatus.WITHDRAWN
        live = make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        for action, status in (("unlist", PublicationStatus.UNLISTED), ("relist", PublicationStatus.APPROVED)):
            assert post(browser, f"/listings/{live.id}/{action}").status_code == 303
            session.refresh(live)
            assert live.status is status

    def test_says_why_it_cannot_be_withdrawn(self, browser, session, post, character, owner, moderator, now):
        live = make_live_listing(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        answer = post(browser, f"/listings/{live.id}/withdraw")
        assert "does not wait for review any more" in browser.get(answer.location).text

    def test_list_keeps_its_budget(self, browser, session, character, owner, now, statements):
        for n in range(12):
            publication = make_listing(session, owner=owner.actor, now=now, character=character, title=f"Edition {n}")
            listings.withdraw(session, actor=owner.actor, publication_id=publication.id, now=now)
        session.flush()
        statements.clear()
        page = browser.get("/listings/?status=withdrawn")
        assert page.text.count("row-link") == 12
        assert len(statements) <= 8, statements
        assert len(page.data) < 40_000


class TestHome:
    def test_lists_what_was_sent_back_until_it_is_submitted_anew(
        self, browser, session, character, owner, moderator, now
    ):
        make_sent_back(session, owner=owner, moderator=moderator, now=now, character=character, title="First try")
        other = make_card(session, owner=owner.actor, now=now)
        make_sent_back(session, owner=owner, moderator=moderator, now=now, character=other, title="Another's try")
        assert "First try" in browser.get("/").text
        make_listing(session, owner=owner.actor, now=now + timedelta(hours=1), character=character, title="Second try")
        session.flush()
        page = browser.get("/").text
        assert "First try" not in page
        assert "Second try" in page
        assert "Another&#39;s try" in page


class TestCategories:
    @pytest.fixture
    def staff(self, session, browser_of):
        return browser_of(make_user(session, RoleName.STAFF))

    def test_makes_a_shelf_closes_it_and_opens_it_again(self, staff, session, post):
        given = {"name": "Ghosts", "name_zh": "鬼", "parent_id": "", "icon": "ghost"}
        assert post(staff, "/categories/new", **given).status_code == 303
        shelf = session.scalars(sa.select(CharacterCategory).where(CharacterCategory.name == "Ghosts")).one()
        for way, is_active in (("close", False), ("reopen", True)):
            answer = post(staff, f"/categories/{shelf.id}/{way}", row_version=str(shelf.row_version))
            assert answer.status_code == 303
            session.refresh(shelf)
            assert shelf.is_active is is_active

    def test_names_its_icons_in_the_readers_language(self, staff):
        assert 'title="Magic wand"' in staff.get("/categories/new").text
        staff.set_cookie("studio_locale", "zh_Hans")
        page = staff.get("/categories/new", headers={"Accept-Language": "zh-CN"}).text
        assert ('title="魔法棒"' in page, "Magic wand" in page) == (True, False)

    def test_asks_where_the_listings_go_before_it_closes(self, staff, session, post, now):
        listing = make_listing(session, owner=make_actor(session, RoleName.CREATOR), now=now)
        shelf = session.get_one(CharacterCategory, listing.category_id)
        address = f"/categories/{shelf.id}/close"
        assert "1 listing stands in this category." in staff.get(address).text
        answer = post(staff, address, row_version=str(shelf.row_version))
        assert answer.status_code == 409
        assert "Say where the listings go." in answer.text
        assert post(staff, address, row_version=str(shelf.row_version), to="stay").status_code == 303

    def test_arranges_by_steps_and_by_dropping(self, staff, session, post):
        shelves = session.scalars(sa.select(CharacterCategory).order_by(CharacterCategory.sort_order)).all()
        first, second, third = shelves[:3]
        assert post(staff, f"/categories/{second.id}/step", row_version=second.row_version, way="in").status_code == 303
        session.refresh(second)
        assert second.parent_id == first.id
        answer = post(
            staff,
            f"/categories/{third.id}/place",
            row_version=third.row_version,
            parent_id=first.id,
            before_id=second.id,
        )
        assert answer.status_code == 303
        session.refresh(third)
        session.refresh(second)
        assert third.parent_id == first.id
        assert third.sort_order < second.sort_order

    def test_tell_who_has_no_script_why_a_step_was_refused(self, staff, session, post):
        shelf = session.scalars(sa.select(CharacterCategory)).first()
        for way in ("step", "place"):
            answer = post(staff, f"/categories/{shelf.id}/{way}", row_version=999, way="down")
            assert answer.status_code == 303
            assert "Somebody changed this category in the meantime" in staff.get("/categories/").text
        answer = post(
            staff, f"/categories/{shelf.id}/step", headers={"HX-Request": "true"}, row_version=999, way="down"
        )
        assert answer.status_code == 409

    def test_refuses_a_circle_with_a_sentence(self, staff, session, post):
        upper = CharacterCategory(name="Upper")
        session.add(upper)
        session.flush()
        lower = CharacterCategory(name="Lower", parent_id=upper.id)
        session.add(lower)
        session.flush()
        answer = post(
            staff, f"/categories/{upper.id}/move", parent_id=str(lower.id), row_version=str(upper.row_version)
        )
        assert answer.status_code == 422
        assert "cannot stand below itself" in answer.text

    def test_costs_the_same_however_many_shelves_there_are(self, staff, session, statements):
        staff.get("/categories/")
        few = len(statements)
        session.add_all(CharacterCategory(name=f"Shelf {number}") for number in range(60))
        session.flush()
        statements.clear()
        assert "Shelf 59" in staff.get("/categories/").text
        assert len(statements) == few <= 6

    def test_is_for_staff(self, browser):
        assert browser.get("/categories/").status_code == 403

    def test_offers_the_licences_and_shelves_in_the_readers_language(self, browser, character):
        page = browser.get("/listings/new", headers={"Accept-Language": "zh-CN"}).text
        assert "奇幻" in page
        assert len(re.findall(r'<option (?:selected )?value="(free|premium|exclusive)"', page)) == len(LicenseType)


class TestDrafts:
    @pytest.fixture
    def draft(self, browser, session, post, character):
        """A draft as it is begun on the form, with much that is missing."""
        answer = post(browser, "/listings/new", **form_of(session, character, title="", price="abc", do="draft"))
        assert answer.location.endswith("/listings/")
        return session.scalars(sa.select(ListingDraft)).one()

    def test_keep_what_was_typed_and_say_what_is_missing(self, browser, session, draft, character, statements):
        statements.clear()
        page = browser.get("/listings/").text
        assert len(statements) <= 8, statements
        assert "Without a title" in page
        assert "Still needed: Title, Price" in page
        page = browser.get(f"/listing_drafts/{draft.id}/edit").text
        assert 'value="abc"' in page
        assert "Give the listing a title." in page
        assert "Write the price as a number, like 1500 or 4.99." in page
        assert session.scalar(sa.select(sa.func.count()).select_from(CharacterPublication)) == 0

    def test_are_gone_on_with_and_submitted(self, browser, session, post, draft, character):
        address, typed = f"/listing_drafts/{draft.id}/edit", form_of(session, character)
        assert post(browser, address, row_version=1, **{**typed, "title": "灯塔看守", "do": "draft"}).status_code == 303
        refused = post(browser, address, row_version=2, **{**typed, "price": "-1", "do": "submit"})
        assert refused.status_code == 422
        assert session.scalar(sa.select(sa.func.count()).select_from(ListingDraft)) == 1
        answer = post(browser, address, row_version=2, **typed, do="submit")
        publication = session.scalars(sa.select(CharacterPublication)).one()
        assert answer.location.endswith(f"/listings/{publication.id}")
        assert "Submitted for review." in browser.get(answer.location).text
        assert session.scalar(sa.select(sa.func.count()).select_from(ListingDraft)) == 0

    def test_meet_a_merge_where_they_were_saved_elsewhere(self, browser, session, post, draft, character):
        address, typed = f"/listing_drafts/{draft.id}/edit", form_of(session, character, do="draft")
        assert post(browser, address, row_version=1, **{**typed, "title": "Theirs"}).status_code == 303
        answer = post(browser, address, row_version=1, **{**typed, "title": "Mine", "do": "submit"})
        assert answer.status_code == 409
        assert "Theirs" in answer.text
        assert "Mine" in answer.text

    def test_are_listed_offered_again_and_thrown_away(self, browser, post, draft, character):
        page = browser.get("/listing_drafts/").text
        assert character.name in page
        assert "Title, Price" in page
        new = f"/listings/new?character_id={character.id}"
        assert browser.get(new).location.endswith(f"/listing_drafts/{draft.id}/edit")
        page = browser.get(new, follow_redirects=True).text
        assert "You go on with the listing of this character that you have begun." in page
        assert f'href="{new}&amp;another=1"' in page
        assert "You have begun a listing of this character already" in browser.get(f"{new}&another=1").text
        assert post(browser, f"/listing_drafts/{draft.id}/delete", row_version=1).status_code == 303
        assert "No drafts" in browser.get("/listing_drafts/").text

    def test_are_nobody_elses(self, session, browser_of, draft):
        other, moderator = make_user(session, RoleName.CREATOR), make_user(session, RoleName.MODERATOR)
        assert browser_of(other).get(f"/listing_drafts/{draft.id}/edit").status_code == 404
        assert "Without a title" not in browser_of(other).get("/listings/").text
        assert browser_of(moderator).get(f"/listing_drafts/{draft.id}/edit").status_code == 403
        assert browser_of(moderator).get("/listings/").status_code == 200

    def test_that_keep_themselves_are_offered_on_the_new_form(self, browser, session, owner, character, now):
        page = browser.get(f"/listings/new?character_id={character.id}").text
        assert 'data-autosave="/listings/00000000-0000-0000-0000-000000000000/autosave?part=new"' in page
        sent = {
            "person": str(session.scalar(sa.text("SELECT id FROM users WHERE id = :id"), {"id": character.owner_id})),
            "client": str(uuid4()), "sequence": 1, "continues": [],
            "fields": [["character_id", str(character.id)], ["title", "Typed and left"], ["price", "0"]],
        }  # fmt: skip
        token = {"X-CSRFToken": token_of(browser)}
        address = "/listings/00000000-0000-0000-0000-000000000000/autosave?part=new"
        assert browser.post(address, json=sent, headers=token).status_code == 200
        page = browser.get("/listings/new").text
        assert "You have unsaved work from" in page
        assert "You have unsaved work from" in browser.get(f"/listings/new?character_id={character.id}").text
        another = make_card(session, owner=owner.actor, now=now)
        assert "unsaved work" not in browser.get(f"/listings/new?character_id={another.id}").text
        page = browser.get(f"/listings/new?draft={sent['client']}").text
        assert 'value="Typed and left"' in page
        assert f'value="{character.id}"' in page
        # The character may be gone by then.
        session.execute(sa.text("UPDATE characters SET trashed_at = now() WHERE id = :id"), {"id": character.id})
        session.expire_all()
        assert browser.get("/listings/new").status_code == 200
        assert browser.get(f"/listings/new?draft={sent['client']}").status_code == 200


class TestSevereReasons:
    def test_are_said_plainly_with_what_can_be_done(self, browser, session, post, owner, moderator, character, now):
        case = make_claimed_case(session, owner=owner.actor, moderator=moderator.actor, now=now, character=character)
        publication = session.get_one(CharacterPublication, case.publication_id)
        severe = next(one.code for one in review_queries.list_reasons(session) if one.is_severe)
        decisions.reject(
            session, actor=moderator.actor, case_id=case.id, content_hash=publication.content_hash, now=now,
            reasons=[Reason(severe, "description")], hold=AT_ONCE,
        )  # fmt: skip
        session.flush()
        page = browser.get(f"/listings/{publication.id}").text
        assert "The reason is severe, so the same cannot be submitted again." in page
        answer = post(browser, "/listings/new", **form_of(session, character))
        assert answer.status_code == 409
        assert "Change what the reasons name, or appeal" in answer.text
        assert 'value="灯塔"' in answer.text
