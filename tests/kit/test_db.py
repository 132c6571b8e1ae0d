"""A transaction is all or nothing, and its effects wait for the commit."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.kit.db import on_commit, transaction


@pytest.fixture
def own_session(committed_database):
    with Session(committed_database.engine) as session:
        yield session


def add_story(session, code):
    session.execute(
        sa.text("INSERT INTO stories (id, code, title) VALUES (gen_random_uuid(), :code, 't')"), {"code": code}
    )


class TestTransaction:
    def test_keeps_everything_or_nothing(self, own_session):
        with pytest.raises(RuntimeError), transaction(own_session):
            add_story(own_session, "B1")
            raise RuntimeError
        with transaction(own_session):
            add_story(own_session, "B2")
        assert own_session.scalars(sa.text("SELECT code FROM stories")).all() == ["B2"]

    def test_runs_effects_once_after_the_commit_only(self, own_session):
        ran = []
        with transaction(own_session):
            on_commit(own_session, lambda: ran.append(1), key="same")
            on_commit(own_session, lambda: ran.append(2), key="same")
            assert ran == []
        assert ran == [2]
        with pytest.raises(RuntimeError), transaction(own_session):
            on_commit(own_session, lambda: ran.append(3))
            raise RuntimeError
        assert ran == [2]

    def test_survives_an_effect_that_fails(self, own_session):
        def fail() -> None:
            raise RuntimeError

        with transaction(own_session):
            add_story(own_session, "B3")
            on_commit(own_session, fail)
        assert own_session.scalars(sa.text("SELECT code FROM stories")).all() == ["B3"]
