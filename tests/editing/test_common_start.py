"""The common start of two saves: what the document said when the second person opened it."""

from datetime import timedelta
from uuid import uuid4

import pytest

from studio.accounts.permissions import RoleName
from studio.editing import common_start
from tests.factories.accounts import make_actor


@pytest.fixture
def person(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def document_id():
    return uuid4()


@pytest.fixture
def saved(session, person, document_id, now):
    """Saves a document: the fields that change, with what they said before."""

    def save(row_version, at=now, **before):
        common_start.keep(
            session,
            actor=person,
            resource="thing",
            document_id=document_id,
            row_version=row_version,
            before=before,
            now=at,
        )

    return save


def start(session, document_id, row_version, **current):
    return common_start.find(
        session, resource="thing", document_id=document_id, row_version=row_version, current=current
    )


class TestFind:
    def test_goes_back_over_every_save_since(self, session, document_id, saved):
        saved(2, a="a1")
        saved(4, b="b1", a="a2")
        assert start(session, document_id, 1, a="a3", b="b2", c="c") == {"a": "a1", "b": "b1", "c": "c"}
        assert start(session, document_id, 2, a="a3", b="b2") == {"a": "a2", "b": "b1"}
        assert start(session, document_id, 4, a="a3", b="b2") == {"a": "a3", "b": "b2"}

    def test_says_nothing_of_fields_that_are_not_asked_for(self, session, document_id, saved):
        saved(2, a="a1", secret="x")
        assert start(session, document_id, 1, a="a2") == {"a": "a1"}

    def test_other_documents_are_others(self, session, document_id, saved):
        saved(2, a="a1")
        assert start(session, uuid4(), 1, a="a2") == {"a": "a2"}

    def test_keeps_lists_as_lists(self, session, document_id, saved):
        saved(2, tags=["x", "y"], replies=())
        assert start(session, document_id, 1, tags=["x"], replies=("z",)) == {"tags": ["x", "y"], "replies": ()}

    def test_tells_who_saved_last(self, session, document_id, saved, person, now):
        assert common_start.find_last(session, resource="thing", document_id=document_id) is None
        saved(2, a="a1")
        found = common_start.find_last(session, resource="thing", document_id=document_id)
        assert found == common_start.LastSave(person.user_id, now)


class TestSweep:
    def test_who_started_before_what_is_forgotten_has_no_known_start(self, session, document_id, saved, now):
        saved(2, at=now - timedelta(days=40), a="a1")
        saved(3, at=now - timedelta(days=35), a="a2")
        saved(4, at=now - timedelta(days=1), a="a3")
        assert common_start.sweep(session, now=now) == 2
        session.expire_all()
        assert start(session, document_id, 1, a="a4") is None
        assert start(session, document_id, 2, a="a4") is None
        assert start(session, document_id, 3, a="a4") == {"a": "a3"}
        assert common_start.sweep(session, now=now) == 0
