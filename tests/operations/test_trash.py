"""The trash: out of every list, back as it was, gone for good after thirty days; what is proof stays."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters, queries
from studio.authoring.errors import LiveCharacterError
from studio.authoring.models import Character, CharacterVersion, Greeting, UserFavorite
from studio.authoring.rules import Greetings
from studio.editing.models import EarlierValues
from studio.kit.errors import NotFoundError, StaleError
from studio.kit.orm import Base
from studio.market.catalogue import listings
from studio.media.models import MediaFile
from studio.operations import trash, usage
from studio.operations.errors import UsedCharacterError
from studio.work.models import JobRun
from tests.factories.accounts import make_actor
from tests.factories.authoring import import_character, make_character
from tests.factories.market import make_listing, make_live_listing
from tests.factories.media import make_storage


@pytest.fixture
def creator(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def character(session, creator):
    return make_character(session, owner=creator, name="Slow Ink", greetings=Greetings("Hello."))


def thrown(session, creator, character, now):
    return trash.put(session, actor=creator, character_id=character.id, now=now)


class TestPut:
    def test_takes_it_out_of_every_list_and_page(self, session, creator, character, now):
        thrown(session, creator, character, now)
        assert queries.list_characters(session, actor=creator) == []
        for get in (queries.get_character, queries.get_draft, queries.get_writable):
            with pytest.raises(NotFoundError):
                get(session, actor=creator, character_id=character.id)

    @pytest.mark.parametrize("role", list(RoleName))
    def test_others_see_it_neither_there_nor_in_the_trash(self, session, creator, character, now, role):
        thrown(session, creator, character, now)
        other = make_actor(session, role)
        for visible in (
            queries.character_visible_to,
            queries.draft_visible_to,
            queries.character_writable_by,
            queries.trashed_visible_to,
        ):
            found = session.scalar(sa.select(Character.id).where(visible(other), Character.id == character.id))
            assert found is None

    def test_may_be_repeated(self, session, creator, character, now):
        first = thrown(session, creator, character, now)
        version = first.row_version
        assert thrown(session, creator, character, now + timedelta(days=1)).trashed_at == now
        assert first.row_version == version

    def test_keeps_who_and_when(self, session, creator, character, now):
        thrown(session, creator, character, now)
        assert (character.trashed_at, character.trashed_by_id) == (now, creator.user_id)
        assert session.scalar(sa.select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(1)) == "character.trash"

    def test_refuses_a_live_one(self, session, creator, now):
        moderator = make_actor(session, RoleName.MODERATOR)
        live = make_live_listing(session, owner=creator, moderator=moderator, now=now)
        with pytest.raises(LiveCharacterError):
            trash.put(session, actor=creator, character_id=live.character_id, now=now)

    def test_refuses_what_is_under_review_and_says_so(self, session, creator, character, now):
        make_listing(session, owner=creator, character=character, now=now)
        with pytest.raises(UsedCharacterError) as caught:
            thrown(session, creator, character, now)
        assert "Slow Ink" in str(caught.value)
        assert "archive it" in str(caught.value)
        assert [use.table for use in caught.value.uses] == ["character_publications"]

    def test_refuses_what_was_once_submitted(self, session, creator, character, now):
        listing = make_listing(session, owner=creator, character=character, now=now)
        listings.withdraw(session, actor=creator, publication_id=listing.id, now=now)
        with pytest.raises(UsedCharacterError):
            thrown(session, creator, character, now)
        assert characters.archive(session, actor=creator, character_id=character.id, now=now).status == "archived"

    @pytest.mark.parametrize("role", list(RoleName))
    def test_is_for_whom_it_belongs_to(self, session, character, now, role):
        with pytest.raises(NotFoundError):
            thrown(session, make_actor(session, role), character, now)


class TestRestore:
    @pytest.mark.parametrize("is_archived", [False, True])
    def test_brings_it_back_as_it_was(self, session, creator, character, now, is_archived):
        if is_archived:
            characters.archive(session, actor=creator, character_id=character.id, now=now)
        status = character.status
        thrown(session, creator, character, now)
        found = trash.restore(session, actor=creator, character_id=character.id)
        assert (found.status, found.trashed_at, found.trashed_by_id) == (status, None, None)
        assert queries.greetings_of(session, character_id=character.id) == Greetings("Hello.")

    def test_may_be_repeated(self, session, creator, character, now):
        thrown(session, creator, character, now)
        for _time in range(2):
            assert trash.restore(session, actor=creator, character_id=character.id) is character

    def test_is_for_whom_it_belongs_to(self, session, creator, character, now):
        thrown(session, creator, character, now)
        with pytest.raises(NotFoundError):
            trash.restore(session, actor=make_actor(session, RoleName.CREATOR), character_id=character.id)


class TestDelete:
    def delete(self, session, actor, character):
        trash.delete(session, actor=actor, character_id=character.id, row_version=character.row_version)

    def test_leaves_nothing_but_the_record(self, session, creator, now, tmp_path):
        character = import_character(session, actor=creator, storage=make_storage(tmp_path))
        characters.update(
            session,
            actor=creator,
            character_id=character.id,
            row_version=character.row_version,
            changes={"name": "Renamed"},
            now=now,
        )
        character_id = character.id
        thrown(session, creator, character, now)
        self.delete(session, creator, character)
        for model in (Greeting, CharacterVersion):
            assert session.scalar(sa.select(model.id).where(model.character_id == character_id)) is None
        assert session.scalar(sa.select(EarlierValues.id).where(EarlierValues.document_id == character_id)) is None
        assert session.scalars(sa.select(MediaFile.id)).all() == []
        assert set(session.scalars(sa.select(JobRun.name))) >= {"media.drop_bytes"}
        entry = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
        assert (entry.action, entry.resource_id) == ("character.delete", character_id)

    def test_keeps_a_picture_that_another_character_shows(self, session, creator, now, tmp_path):
        storage = make_storage(tmp_path)
        first = import_character(session, actor=creator, storage=storage)
        second = import_character(session, actor=creator, storage=storage)
        thrown(session, creator, first, now)
        self.delete(session, creator, first)
        assert session.get(MediaFile, second.portrait_id) is not None

    def test_needs_the_trash_first(self, session, creator, character):
        with pytest.raises(NotFoundError):
            self.delete(session, creator, character)

    def test_refuses_when_it_changed_since(self, session, creator, character, now):
        thrown(session, creator, character, now)
        with pytest.raises(StaleError):
            trash.delete(session, actor=creator, character_id=character.id, row_version=character.row_version - 1)

    def test_is_for_whom_it_belongs_to(self, session, creator, character, now):
        thrown(session, creator, character, now)
        with pytest.raises(NotFoundError):
            self.delete(session, make_actor(session, RoleName.CREATOR), character)


class TestEmpty:
    def test_takes_what_is_thirty_days_old(self, session, creator, now):
        old, young = (make_character(session, owner=creator) for _number in range(2))
        trash.put(session, actor=creator, character_id=old.id, now=now - timedelta(days=31))
        trash.put(session, actor=creator, character_id=young.id, now=now - timedelta(days=29))
        old_id = old.id
        assert trash.empty(session, now=now) == (1, None)
        assert session.get(Character, old_id) is None
        assert session.get(Character, young.id) is not None

    def test_goes_on_where_it_stopped(self, session, creator, now):
        for _number in range(3):
            one = make_character(session, owner=creator)
            trash.put(session, actor=creator, character_id=one.id, now=now - timedelta(days=31))
        gone, after = trash.empty(session, now=now, limit=2)
        assert (gone, after is None) == (2, False)
        assert trash.empty(session, now=now, after=after, limit=2) == (1, None)


class TestUsage:
    def test_says_who_uses_it_in_one_statement(self, session, creator, character):
        other = make_actor(session, RoleName.CREATOR)
        session.add(UserFavorite(user_id=other.user_id, character_id=character.id))
        session.flush()
        (use,) = usage.users_of(session, character_id=character.id)
        assert (use.table, use.hold, use.count) == ("user_favorites", usage.Hold.SHARED, 1)

    def test_every_table_that_refuses_is_proof(self):
        """A table that is made later is proof by its RESTRICT, even before it has a sentence."""
        refusing = {
            table.name
            for table in Base.metadata.sorted_tables
            for element in table.foreign_keys
            if element.column.table.name == "characters" and element.ondelete == "RESTRICT"
        }
        assert {name for name, _column, is_proof in usage._references() if is_proof} == refusing
        assert "character_publications" in refusing
