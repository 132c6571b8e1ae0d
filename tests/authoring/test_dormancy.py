from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.authoring import characters, dormancy
from studio.authoring.dormancy import TOLD_BEFORE, UNTOUCHED_FOR
from studio.authoring.models import Character, CharacterStatus, DormancyNotice
from studio.kit.errors import NotFoundError
from tests.factories.authoring import make_character

_A_SECOND = timedelta(seconds=1)


@pytest.fixture
def draft(session, creator, now):
    """A draft that was last touched just now."""
    return make_character(session, owner=creator, now=now)


def day(session, now):
    """What the job does in one day."""
    told = dormancy.tell(session, now=now)
    _, archived = dormancy.archive_due(session, now=now)
    session.expire_all()
    return told, archived


class TestTell:
    def test_tells_thirty_days_before_and_not_a_second_earlier(self, session, creator, draft, now):
        boundary = now + UNTOUCHED_FOR - TOLD_BEFORE
        assert dormancy.tell(session, now=boundary - _A_SECOND) == 0
        assert dormancy.tell(session, now=boundary) == 1
        (told,) = dormancy.list_own(session, actor=creator)
        assert (told.character_id, told.untouched_since, told.archive_at) == (draft.id, now, now + UNTOUCHED_FOR)

    def test_tells_once(self, session, draft, now):
        boundary = now + UNTOUCHED_FOR - TOLD_BEFORE
        assert [dormancy.tell(session, now=boundary + n * _A_SECOND) for n in range(3)] == [1, 0, 0]

    def test_tells_for_thirty_days_even_where_the_studio_was_off_for_years(self, session, creator, draft, now):
        late = now + 3 * UNTOUCHED_FOR
        assert day(session, late) == (1, 0)
        assert dormancy.list_own(session, actor=creator)[0].archive_at == late + TOLD_BEFORE

    def test_leaves_alone_what_is_published_or_archived(self, session, creator, now):
        for status in (CharacterStatus.PUBLISHED, CharacterStatus.ARCHIVED):
            make_character(session, owner=creator, status=status, now=now)
        assert day(session, now + 3 * UNTOUCHED_FOR) == (0, 0)

    def test_goes_in_batches(self, session, creator, now):
        for _ in range(5):
            make_character(session, owner=creator, now=now)
        late = now + UNTOUCHED_FOR
        assert [dormancy.tell(session, now=late, limit=2) for _ in range(4)] == [2, 2, 1, 0]


class TestArchiveDue:
    def test_archives_after_a_year_and_not_a_second_earlier(self, session, draft, now):
        day(session, now + UNTOUCHED_FOR - TOLD_BEFORE)
        assert day(session, now + UNTOUCHED_FOR - _A_SECOND)[1] == 0
        assert draft.status is CharacterStatus.DRAFT
        assert day(session, now + UNTOUCHED_FOR)[1] == 1
        assert draft.status is CharacterStatus.ARCHIVED
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "character.archive")).one()
        assert (entry.actor_id, entry.actor_name) == (None, "studio")

    def test_does_it_once(self, session, draft, now):
        day(session, now + UNTOUCHED_FOR - TOLD_BEFORE)
        assert [day(session, now + UNTOUCHED_FOR)[1] for _ in range(3)] == [1, 0, 0]

    def test_spares_what_was_touched_after_the_notice(self, session, creator, draft, now):
        day(session, now + UNTOUCHED_FOR - TOLD_BEFORE)
        characters.update(
            session,
            actor=creator,
            character_id=draft.id,
            row_version=draft.row_version,
            changes={"description": "Again."},
            now=now + UNTOUCHED_FOR - timedelta(days=1),
        )
        assert dormancy.list_own(session, actor=creator) == []
        assert day(session, now + UNTOUCHED_FOR) == (0, 0)
        assert session.scalar(sa.select(sa.func.count()).select_from(DormancyNotice)) == 0
        assert draft.status is CharacterStatus.DRAFT

    def test_says_since_when_and_is_undone_by_one_click(self, session, creator, draft, now):
        day(session, now + UNTOUCHED_FOR - TOLD_BEFORE)
        day(session, now + UNTOUCHED_FOR)
        found = dormancy.find(session, character=draft)
        assert (found.untouched_since, found.archived_at) == (now, now + UNTOUCHED_FOR)
        characters.restore(session, actor=creator, character_id=draft.id, now=now + UNTOUCHED_FOR + _A_SECOND)
        assert draft.status is CharacterStatus.DRAFT
        assert dormancy.find(session, character=draft) is None
        # The clock begins anew.
        assert day(session, now + UNTOUCHED_FOR + timedelta(days=1)) == (0, 0)

    def test_says_nothing_of_the_kind_where_the_owner_archived(self, session, creator, draft, now):
        day(session, now + UNTOUCHED_FOR - TOLD_BEFORE)
        characters.archive(session, actor=creator, character_id=draft.id, now=now + UNTOUCHED_FOR - _A_SECOND)
        assert dormancy.find(session, character=draft) is None
        assert day(session, now + UNTOUCHED_FOR) == (0, 0)
        assert session.scalar(sa.select(sa.func.count()).select_from(DormancyNotice)) == 0

    def test_leaves_what_was_thrown_away_to_the_trash(self, session, creator, draft, now):
        day(session, now + UNTOUCHED_FOR - TOLD_BEFORE)
        table = Character.__table__
        session.execute(sa.update(table).values(trashed_at=now, updated_at=table.c.updated_at))
        session.expire_all()
        assert dormancy.list_own(session, actor=creator) == []
        assert day(session, now + UNTOUCHED_FOR) == (0, 0)
        assert draft.status is CharacterStatus.DRAFT

    def test_goes_in_batches(self, session, creator, now):
        for _ in range(5):
            make_character(session, owner=creator, now=now)
        dormancy.tell(session, now=now + UNTOUCHED_FOR - TOLD_BEFORE)
        late = now + UNTOUCHED_FOR
        assert [dormancy.archive_due(session, now=late, limit=2)[1] for _ in range(4)] == [2, 2, 1, 0]


class TestKeep:
    def test_begins_the_year_anew_and_changes_nothing_else(self, session, creator, draft, now):
        told = now + UNTOUCHED_FOR - TOLD_BEFORE
        day(session, told)
        before = (draft.row_version, draft.updated_at, draft.content_hash)
        for _ in range(2):
            dormancy.keep(session, actor=creator, character_id=draft.id, now=told)
        session.expire_all()
        assert (draft.row_version, draft.updated_at, draft.content_hash) == before
        assert dormancy.list_own(session, actor=creator) == []
        assert day(session, now + UNTOUCHED_FOR) == (0, 0)
        assert day(session, told + UNTOUCHED_FOR - TOLD_BEFORE)[0] == 1

    def test_is_for_the_owner_alone(self, session, outsider, moderator, draft, now):
        for stranger in (outsider, moderator):
            with pytest.raises(NotFoundError):
                dormancy.keep(session, actor=stranger, character_id=draft.id, now=now)


class TestListOwn:
    def test_shows_nobody_elses(self, session, creator, outsider, draft, now):
        dormancy.tell(session, now=now + UNTOUCHED_FOR)
        assert session.scalar(sa.select(sa.func.count()).select_from(Character)) == 1
        assert dormancy.list_own(session, actor=outsider) == []
        assert len(dormancy.list_own(session, actor=creator)) == 1
