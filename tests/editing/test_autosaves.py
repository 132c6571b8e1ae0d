"""Drafts that save themselves: in order, each person's and each page's alone, closed by a real save."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from studio.accounts.models import User
from studio.accounts.permissions import NOBODY, SYSTEM, RoleName
from studio.editing import autosaves, queries
from studio.editing.autosaves import Kept
from studio.editing.errors import DraftTooLargeError
from studio.editing.models import Autosave
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, InvalidError
from tests.factories.accounts import make_actor, make_user


@pytest.fixture
def person(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def document_id():
    return uuid4()


def keep(session, actor, document_id, now, *, client_id=None, sequence=1, text="typed", **more):
    return autosaves.keep(
        session,
        actor=actor,
        resource="characters",
        document_id=document_id,
        client_id=client_id or uuid4(),
        sequence=sequence,
        fields=[("row_version", "3"), ("description", text)],
        now=now,
        **more,
    )


def texts(session, actor, document_id):
    session.expire_all()
    rows = queries.list_open(session, actor=actor, resource="characters", document_id=document_id)
    return [dict(row.fields)["description"] for row in rows]


class TestKeep:
    def test_a_later_state_replaces_an_earlier_one(self, session, person, document_id, now):
        client = uuid4()
        keep(session, person, document_id, now, client_id=client, text="first")
        keep(session, person, document_id, now, client_id=client, sequence=2, text="second")
        assert texts(session, person, document_id) == ["second"]

    @pytest.mark.parametrize("sequence", [1, 4, 5])
    def test_an_older_or_equal_state_changes_nothing(self, session, person, document_id, now, sequence):
        client = uuid4()
        keep(session, person, document_id, now, client_id=client, sequence=5, text="newest")
        found = keep(session, person, document_id, now, client_id=client, sequence=sequence, text="late")
        assert found is Kept.OLDER
        assert texts(session, person, document_id) == ["newest"]

    def test_two_pages_of_one_person_do_not_write_over_each_other(self, session, person, document_id, now):
        keep(session, person, document_id, now, text="in one window")
        keep(session, person, document_id, now + timedelta(seconds=1), text="in the other")
        assert texts(session, person, document_id) == ["in the other", "in one window"]

    def test_a_draft_that_was_taken_over_goes(self, session, person, document_id, now):
        old = uuid4()
        keep(session, person, document_id, now, client_id=old, text="before the crash")
        keep(session, person, document_id, now, text="gone on with", continues=[old])
        assert texts(session, person, document_id) == ["gone on with"]

    def test_remembers_the_version_it_started_from(self, session, person, document_id, now):
        keep(session, person, document_id, now)
        assert session.scalars(sa.select(Autosave.row_version)).all() == [3]

    def test_keeps_what_postgresql_can_hold(self, session, person, document_id, now):
        keep(session, person, document_id, now, text="a\x00b\ud800c\r\nd 他")
        assert texts(session, person, document_id) == ["abc\nd 他"]

    def test_bounds_how_many_there_are(self, session, person, document_id, now):
        for number in range(autosaves.MOST_OPEN + 3):
            keep(session, person, document_id, now + timedelta(seconds=number), text=str(number))
        assert session.scalar(sa.select(sa.func.count()).select_from(Autosave)) == autosaves.MOST_OPEN

    def test_refuses_what_is_too_large(self, session, person, document_id, now):
        with pytest.raises(DraftTooLargeError):
            keep(session, person, document_id, now, text="他" * (autosaves.MOST_BYTES // 3 + 1))

    @pytest.mark.parametrize("sequence", [0, -1, 2**60])
    def test_refuses_a_number_that_is_none(self, session, person, document_id, now, sequence):
        with pytest.raises(InvalidError):
            keep(session, person, document_id, now, sequence=sequence)

    @pytest.mark.parametrize("actor", [NOBODY, SYSTEM])
    def test_is_for_persons(self, session, document_id, now, actor):
        with pytest.raises(ForbiddenError):
            keep(session, actor, document_id, now)

    def test_the_newest_wins_whatever_arrives_first(self, committed_database, now):
        """Twenty connections send the states of one page in any order, all at once."""
        with session_scope(committed_database.engine) as session:
            user_id = make_user(session, RoleName.CREATOR).id
        document_id, client_id = uuid4(), uuid4()

        def send(sequence):
            with session_scope(committed_database.engine) as session:
                actor = session.get_one(User, user_id).actor
                keep(session, actor, document_id, now, client_id=client_id, sequence=sequence, text=str(sequence))

        numbers = [(number * 7) % 20 + 1 for number in range(20)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(send, numbers))
        with session_scope(committed_database.engine) as session:
            actor = session.get_one(User, user_id).actor
            assert texts(session, actor, document_id) == ["20"]


class TestClose:
    def test_a_real_save_takes_the_draft_away(self, session, person, document_id, now):
        client = uuid4()
        keep(session, person, document_id, now, client_id=client)
        autosaves.close(
            session, actor=person, resource="characters", document_id=document_id, client_ids=[client], now=now
        )
        assert texts(session, person, document_id) == []

    def test_a_draft_that_was_still_on_its_way_is_refused(self, session, person, document_id, now):
        client = uuid4()
        autosaves.close(
            session, actor=person, resource="characters", document_id=document_id, client_ids=[client], now=now
        )
        assert keep(session, person, document_id, now, client_id=client, sequence=9) is Kept.CLOSED
        assert texts(session, person, document_id) == []

    def test_leaves_other_windows_alone(self, session, person, document_id, now):
        keep(session, person, document_id, now, text="elsewhere")
        autosaves.close(
            session, actor=person, resource="characters", document_id=document_id, client_ids=[uuid4()], now=now
        )
        assert texts(session, person, document_id) == ["elsewhere"]


class TestDiscard:
    def test_can_be_taken_back(self, session, person, document_id, now):
        client = uuid4()
        about = {"actor": person, "resource": "characters", "document_id": document_id, "client_id": client}
        keep(session, person, document_id, now, client_id=client)
        assert autosaves.discard(session, **about)
        assert texts(session, person, document_id) == []
        assert not autosaves.discard(session, **about)
        assert autosaves.take_back(session, **about)
        assert texts(session, person, document_id) == ["typed"]


class TestScope:
    @pytest.mark.parametrize("roles", [(role,) for role in RoleName] + [tuple(RoleName)])
    def test_nobody_else_sees_discards_or_closes_it(self, session, person, document_id, now, roles):
        client = uuid4()
        keep(session, person, document_id, now, client_id=client)
        other = make_actor(session, *roles)
        about = {"resource": "characters", "document_id": document_id}
        assert texts(session, other, document_id) == []
        assert queries.find_open(session, actor=other, client_id=client, **about) is None
        assert not autosaves.discard(session, actor=other, client_id=client, **about)
        autosaves.close(session, actor=other, client_ids=[client], now=now, **about)
        keep(session, other, document_id, now, client_id=client, sequence=99, text="theirs")
        assert texts(session, person, document_id) == ["typed"]


class TestSweep:
    def test_forgets_what_nobody_touched_for_thirty_days(self, session, person, document_id, now):
        keep(session, person, document_id, now - timedelta(days=31), text="old")
        keep(session, person, document_id, now - timedelta(days=29), text="young")
        assert autosaves.sweep(session, now=now) == 1
        assert texts(session, person, document_id) == ["young"]
        assert autosaves.sweep(session, now=now) == 0
