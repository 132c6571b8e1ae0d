"""Drafts of listings: kept as they were typed, checked when they are submitted, nobody else's."""

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.authoring import characters
from studio.authoring.models import Character
from studio.kit.errors import ForbiddenError, NotFoundError, StaleError
from studio.market.catalogue import listing_drafts
from studio.market.catalogue.errors import ListingInvalidError, TooManyDraftsError
from studio.market.catalogue.listing_drafts import Words
from studio.market.models import ListingDraft
from tests.factories.market import any_category, make_card, make_category

NONSENSE = Words(title="  ", price="a lot", currency="XXX", license_type="mine", publish_at="soon", tags="," * 50)


@pytest.fixture
def character(session, creator, now):
    return make_card(session, owner=creator, now=now, name="灯塔守护人")


@pytest.fixture
def draft(session, creator, now, character):
    return listing_drafts.begin(session, actor=creator, words=Words(character_id=character.id, title="灯塔"), now=now)


def fields_of(session, draft):
    return [name for name, _sentence in listing_drafts.unfinished(session, [draft])[0].missing]


class TestBegin:
    def test_keeps_what_was_typed_whatever_it_is(self, session, creator, now):
        draft = listing_drafts.begin(session, actor=creator, words=NONSENSE, now=now)
        session.expire(draft)
        assert (draft.title, draft.price, draft.currency, draft.publish_at) == ("  ", "a lot", "XXX", "soon")
        assert draft.character_id is None

    def test_is_audited_without_its_text(self, session, creator, now):
        listing_drafts.begin(session, actor=creator, words=Words(description="Only mine. " * 40), now=now)
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "listing_draft.create")).one()
        assert "Only mine" not in str(entry.after)

    def test_refuses_what_it_cannot_hold_and_what_is_foreign(self, session, creator, other_creator, now, character):
        with pytest.raises(ListingInvalidError):
            listing_drafts.begin(session, actor=creator, words=Words(title="x" * 1_001), now=now)
        with pytest.raises(NotFoundError):
            listing_drafts.begin(session, actor=other_creator, words=Words(character_id=character.id), now=now)

    def test_is_for_creators(self, session, moderator, now):
        with pytest.raises(ForbiddenError):
            listing_drafts.begin(session, actor=moderator, words=Words(), now=now)

    def test_has_a_limit(self, session, creator, now, monkeypatch):
        monkeypatch.setattr(listing_drafts, "MOST_DRAFTS", 1)
        listing_drafts.begin(session, actor=creator, words=Words(), now=now)
        with pytest.raises(TooManyDraftsError):
            listing_drafts.begin(session, actor=creator, words=Words(), now=now)


class TestChange:
    def test_says_what_was_typed(self, session, creator, now, draft):
        words = Words(character_id=draft.character_id, title="The light", description="By the sea.\r\nCalm.")
        changed = listing_drafts.change(
            session, actor=creator, draft_id=draft.id, row_version=draft.row_version, words=words, now=now
        )
        assert (changed.title, changed.description, changed.row_version) == ("The light", "By the sea.\nCalm.", 2)

    def test_refuses_an_old_reading_but_no_second_click(self, session, creator, now, draft):
        words = Words(character_id=draft.character_id, title="Once")
        for _ in range(2):
            listing_drafts.change(session, actor=creator, draft_id=draft.id, row_version=1, words=words, now=now)
        with pytest.raises(StaleError):
            listing_drafts.change(session, actor=creator, draft_id=draft.id, row_version=1, words=NONSENSE, now=now)

    def test_is_its_writers_alone(self, session, other_creator, moderator, now, draft):
        with pytest.raises(NotFoundError):
            listing_drafts.change(
                session, actor=other_creator, draft_id=draft.id, row_version=1, words=NONSENSE, now=now
            )
        assert listing_drafts.newest(session, actor=other_creator, limit=9) == []
        assert listing_drafts.newest(session, actor=moderator, limit=9) == []


class TestEnd:
    def test_is_gone_when_it_is_thrown_away(self, session, creator, draft):
        with pytest.raises(StaleError):
            listing_drafts.discard(session, actor=creator, draft_id=draft.id, row_version=7)
        listing_drafts.discard(session, actor=creator, draft_id=draft.id, row_version=1)
        assert session.scalar(sa.select(sa.func.count()).select_from(ListingDraft)) == 0

    def test_goes_with_its_character_and_outlives_its_shelf(self, session, creator, staff, now, draft, character):
        shelf = make_category(session, staff=staff)
        kept = listing_drafts.begin(session, actor=creator, words=Words(category_id=shelf.id), now=now)
        session.execute(sa.text("DELETE FROM character_categories WHERE id = :id"), {"id": shelf.id})
        session.execute(sa.delete(Character).where(Character.id == character.id))
        session.expire_all()
        assert session.scalars(sa.select(ListingDraft)).all() == [kept]
        assert kept.category_id is None


class TestUnfinished:
    def test_names_everything_that_is_missing(self, session, creator, now):
        draft = listing_drafts.begin(session, actor=creator, words=NONSENSE, now=now)
        assert set(fields_of(session, draft)) == {
            "character_id", "category_id", "title", "currency", "license_type",
        }  # fmt: skip

    def test_names_nothing_of_what_can_be_submitted(self, session, creator, now, character):
        words = Words(
            character_id=character.id, category_id=any_category(session), title="灯塔", license_type="premium",
            price="4.99", currency="USD",
        )  # fmt: skip
        draft = listing_drafts.begin(session, actor=creator, words=words, now=now)
        assert fields_of(session, draft) == []

    def test_asks_for_another_character_where_it_was_archived(self, session, creator, now, draft, character):
        characters.archive(session, actor=creator, character_id=character.id, now=now)
        [told] = listing_drafts.unfinished(session, [draft])
        assert told.character_name == "灯塔守护人"
        assert dict(told.missing)["character_id"].startswith("This character is archived")
