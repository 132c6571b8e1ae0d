from datetime import timedelta
from uuid import uuid4

import pytest

from studio.accounts.permissions import RoleName
from studio.authoring import characters, dormancy, overview, rules, versions
from studio.authoring.dormancy import TOLD_BEFORE, UNTOUCHED_FOR
from studio.authoring.models import Character, CharacterOrigin, CharacterStatus
from studio.authoring.rules import Greetings, ReplyDraft
from studio.editing import autosaves
from studio.kit.clock import utc_now
from studio.market.models import CharacterPublication
from studio.market.review import decisions, recalls
from studio.market.review.rules import AT_ONCE, Reason
from studio.providers import storage as storages
from tests.factories.accounts import make_user
from tests.factories.authoring import card_file, import_character, make_character, make_preview
from tests.factories.market import make_claimed_case, make_listing


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(browser_of, owner):
    return browser_of(owner)


class TestOverview:
    def test_says_of_each_what_its_own_page_says(self, session, owner, settings):
        storage = storages.from_settings(settings)
        make_character(session, owner=owner.actor, description="灯塔守护人。" * 12, tags=["sea"])
        make_character(
            session,
            owner=owner.actor,
            description="x" * 5_000,
            personality="y" * 5_000,
            tagline="z",
            content_rating="teen",
            greetings=Greetings("Hello."),
            replies=[ReplyDraft("a"), ReplyDraft("b"), ReplyDraft("c")],
        )
        import_character(session, actor=owner.actor, storage=storage)
        shown = overview.list_own(session, actor=owner.actor, limit=10)
        assert len(shown) == 3
        for one in shown:
            row = session.get_one(Character, one.id)
            assert one.completeness == rules.completeness(characters.facts_of(session, row))


class TestCreatorsHome:
    def test_teaches_the_first_step(self, browser):
        page = browser.get("/").text
        assert "Your stage is empty" in page
        assert "/imports/" in page

    def test_says_so_where_everything_is_archived(self, session, browser, owner):
        make_character(session, owner=owner.actor, status=CharacterStatus.ARCHIVED)
        assert "All your characters are archived." in browser.get("/").text

    def test_says_what_is_missing_and_leads_to_the_field(self, session, browser, owner):
        character = make_character(session, owner=owner.actor, name="Keeper")
        page = browser.get("/").text
        assert f"/characters/{character.id}#portrait" in page
        assert f"/characters/{character.id}/edit#field-greeting_first" in page

    def test_takes_no_character_that_waits_for_review_for_the_next_step(self, session, browser, owner):
        make_listing(session, owner=owner.actor, now=utc_now())
        assert "Next step" not in browser.get("/").text
        make_character(session, owner=owner.actor, name="Keeper")
        page = browser.get("/").text
        assert "Keeper" in page[page.index("Next step") :]

    def test_shows_nothing_of_others(self, session, browser):
        other = make_user(session, RoleName.CREATOR)
        character = make_character(session, owner=other.actor, name="Not mine")
        versions.make(session, actor=other.actor, character_id=character.id, change_note="Secret", now=utc_now())
        page = browser.get("/").text
        assert "Not mine" not in page
        assert "Secret" not in page

    def test_says_what_waits_for_whom(self, session, browser, owner, settings):
        now = utc_now()
        moderator = make_user(session, RoleName.MODERATOR).actor
        first = make_listing(session, owner=owner.actor, now=now, title="Looked at next")
        case = make_claimed_case(session, owner=owner.actor, moderator=moderator, now=now, title="Came back")
        decisions.reject(
            session,
            actor=moderator,
            case_id=case.id,
            content_hash=session.get_one(CharacterPublication, case.publication_id).content_hash,
            reasons=[Reason("thin_description", "description", "More."), Reason("broken_greeting", "first_mes", "")],
            note="",
            now=now,
            hold=AT_ONCE,
        )
        make_preview(session, actor=owner.actor, storage=storages.from_settings(settings), data=card_file(name="X"))
        sleeper = make_character(session, owner=owner.actor, name="Sleeper", now=now - UNTOUCHED_FOR + TOLD_BEFORE)
        dormancy.tell(session, now=now)
        page = browser.get("/").text
        assert "Looked at next" in page
        assert "Waits for you: 2 reasons to answer" in page
        assert "1 imported card waits for your yes" in page
        assert "Screen a listing" in page
        assert f"/characters/{sleeper.id}/keep" in page
        # Of what is hidden nobody decided yet: there is nothing to mend.
        recalls.quarantine(session, actor=moderator, publication_id=first.id, reason="A closer look.", now=now)
        told = browser.get("/").text.split("Looked at next")[1].split("</li>")[0]
        assert "Hidden until a moderator has looked" in told
        assert "Mend it" not in told

    def test_says_what_is_typed_and_not_saved(self, session, browser, owner):
        character = make_character(session, owner=owner.actor, name="Half written")
        autosaves.keep(
            session,
            actor=owner.actor,
            resource="characters",
            document_id=character.id,
            client_id=uuid4(),
            sequence=1,
            fields=[("name", "Half")],
            now=utc_now(),
        )
        assert "Something you typed is kept, but not saved yet." in browser.get("/").text

    def test_shows_the_versions_made_last(self, session, browser, owner):
        character = make_character(session, owner=owner.actor, name="Keeper")
        versions.make(session, actor=owner.actor, character_id=character.id, change_note="Prouder", now=utc_now())
        page = browser.get("/").text
        assert "Prouder" in page
        assert f"/characters/{character.id}/versions/1" in page

    def test_asks_as_little_of_five_thousand_characters_as_of_one(self, session, browser, owner, statements):
        moment = utc_now()
        session.add_all(
            Character(
                origin=CharacterOrigin.CREATOR,
                owner_id=owner.id,
                name=f"Character {number}",
                updated_at=moment - timedelta(seconds=number),
            )
            for number in range(5_000)
        )
        session.flush()
        browser.get("/")
        statements.clear()
        page = browser.get("/").text
        # The person, their roles, the tiles, listings, notices, imports, jobs, the count, versions.
        assert len(statements) <= 12, statements
        assert len(page) < 60_000


class TestDormantDraft:
    @pytest.fixture
    def sleeper(self, session, owner):
        character = make_character(session, owner=owner.actor, now=utc_now() - UNTOUCHED_FOR + TOLD_BEFORE)
        dormancy.tell(session, now=utc_now())
        return character

    def test_is_kept_by_one_click(self, session, browser, sleeper, post):
        address = f"/characters/{sleeper.id}"
        assert "Nobody touched this draft since" in browser.get(address).text
        assert post(browser, f"{address}/keep").status_code == 303
        assert "Nobody touched this draft since" not in browser.get(address).text

    def test_is_brought_back_by_one_click(self, session, browser, sleeper, post):
        address = f"/characters/{sleeper.id}"
        dormancy.archive_due(session, now=utc_now() + TOLD_BEFORE + timedelta(days=1))
        session.flush()
        assert "because nobody touched it since" in browser.get(address).text
        post(browser, f"{address}/restore")
        session.expire_all()
        assert sleeper.status is CharacterStatus.DRAFT

    def test_of_others_cannot_be_kept(self, session, browser_of, sleeper, post):
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert post(stranger, f"/characters/{sleeper.id}/keep").status_code == 404
