"""The trash of lorebooks: a whole book out of the way, given back as it was, gone after thirty days."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters, documents, lorebook_trash, lorebooks, queries, rules, versions
from studio.authoring.errors import ArchivedCharacterError, OtherLorebookError
from studio.authoring.models import Character, TrashedLorebook
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.kit.errors import NotFoundError, StaleError
from tests.factories.accounts import make_actor
from tests.factories.lorebooks import entry_document, make_lorebook


@pytest.fixture
def lorebook(session, creator):
    return make_lorebook(session, owner=creator, entries=3, name="The valley", scan_depth=7, odd={"kept": True})


def put(session, creator, lorebook, now):
    return lorebook_trash.put(
        session, actor=creator, character_id=lorebook.character_id, row_version=lorebook.row_version, now=now
    )


def hash_of(session, character):
    return rules.content_hash(documents.card_of(session, character))


class TestPut:
    def test_leaves_the_character_without_a_book_and_its_versions_with_theirs(self, session, creator, lorebook, now):
        character = session.get_one(Character, lorebook.character_id)
        version = versions.make(session, actor=creator, character_id=character.id, now=now)
        trashed = put(session, creator, lorebook, now)
        session.expire_all()
        assert (trashed.name, trashed.entries, trashed.trashed_by_id) == ("The valley", 3, creator.user_id)
        assert queries.find_lorebook(session, character_id=character.id) is None
        assert character.content_hash == hash_of(session, character)
        assert len(version.card["data"]["character_book"]["entries"]) == 3

    def test_refuses_a_stale_page_and_an_archived_character(self, session, creator, lorebook, now):
        with pytest.raises(StaleError):
            lorebook_trash.put(session, actor=creator, character_id=lorebook.character_id, row_version=99, now=now)
        characters.archive(session, actor=creator, character_id=lorebook.character_id, now=now)
        with pytest.raises(ArchivedCharacterError):
            put(session, creator, lorebook, now)


class TestRestore:
    def test_gives_back_the_very_same_book(self, session, creator, lorebook, now):
        character_id, whole = lorebook.character_id, lorebooks.whole_book(session, lorebook)
        character = session.get_one(Character, character_id)
        trashed = put(session, creator, lorebook, now)
        lorebook_trash.restore(session, actor=creator, trashed_id=trashed.id, now=now)
        session.expire_all()
        assert lorebooks.book_of(session, character_id=character_id) == whole
        assert character.content_hash == hash_of(session, character)
        assert session.scalar(sa.select(sa.func.count()).select_from(TrashedLorebook)) == 0

    def test_takes_no_other_books_place(self, session, creator, lorebook, now):
        character = session.get_one(Character, lorebook.character_id)
        trashed = put(session, creator, lorebook, now)
        make_lorebook(session, owner=creator, character=character, entries=[entry_document(9)])
        with pytest.raises(OtherLorebookError):
            lorebook_trash.restore(session, actor=creator, trashed_id=trashed.id, now=now)
        book = lorebooks.book_of(session, character_id=character.id)
        assert [entry["name"] for entry in book["entries"]] == ["Entry 9"]


class TestDelete:
    def test_is_by_hand_or_after_thirty_days(self, session, creator, lorebook, now):
        character = session.get_one(Character, lorebook.character_id)
        lorebook_trash.delete(session, actor=creator, trashed_id=put(session, creator, lorebook, now).id)
        later = make_lorebook(session, owner=creator, character=character, entries=1)
        put(session, creator, later, now)
        assert lorebook_trash.empty(session, now=now + STAYS_IN_TRASH) == 0
        assert lorebook_trash.empty(session, now=now + STAYS_IN_TRASH + timedelta(seconds=1)) == 1
        deleted = sa.select(sa.func.count()).select_from(AuditEntry).where(AuditEntry.action == "lorebook.delete")
        assert session.scalar(deleted) == 2

    @pytest.mark.parametrize("role", list(RoleName))
    def test_and_all_else_is_for_whoever_may_change_the_character(self, session, creator, lorebook, now, role):
        trashed = put(session, creator, lorebook, now)
        other = make_actor(session, role)
        assert (
            session.scalars(sa.select(TrashedLorebook.id).where(lorebook_trash.trashed_visible_to(other))).all() == []
        )
        with pytest.raises(NotFoundError):
            lorebook_trash.restore(session, actor=other, trashed_id=trashed.id, now=now)
        with pytest.raises(NotFoundError):
            lorebook_trash.delete(session, actor=other, trashed_id=trashed.id)
