"""What the base of the tables gives to those who lock rows."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from studio.accounts.permissions import RoleName
from studio.authoring.models import Character
from studio.kit.db import session_scope
from studio.kit.orm import lock_one, lock_row
from studio.market.models import PaymentEvent
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character


@pytest.fixture
def character_id(committed_database):
    with session_scope(committed_database.engine) as session:
        return make_character(session, owner=make_actor(session, RoleName.CREATOR)).id


def rename(engine, character_id):
    with session_scope(engine) as session:
        session.execute(
            sa.text("UPDATE characters SET name = 'Theirs', row_version = row_version + 1 WHERE id = :id"),
            {"id": character_id},
        )


class TestLockRow:
    def test_says_what_stands_there_although_it_was_read_before_somebody_elses_change(
        self, committed_database, character_id
    ):
        engine = committed_database.engine
        with Session(engine) as session:
            seen = session.get_one(Character, character_id)
            rename(engine, character_id)
            with pytest.raises(StaleDataError):
                session.get(Character, character_id, with_for_update=True, populate_existing=True)
            locked = lock_row(session, Character, character_id)
            assert locked is seen
            assert locked.name == "Theirs"
            locked.name = "Mine"
            session.commit()
            assert lock_one(session, Character, character_id).name == "Mine"

    def test_is_none_for_none(self, session):
        assert lock_row(session, PaymentEvent, ("local", "nothing")) is None
        with pytest.raises(NoResultFound):
            lock_one(session, PaymentEvent, ("local", "nothing"))
