"""Connections that die while nobody uses them, and sessions that only read."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import RoleName
from studio.kit.db import make_engine, transaction, without_writing
from tests.factories.accounts import make_user


@pytest.fixture
def one(committed_database):
    engine = make_engine(committed_database.url, pool=1)
    yield engine
    engine.dispose()


def backend(engine):
    with engine.connect() as connection:
        return connection.scalar(sa.text("SELECT pg_backend_pid()"))


class TestWatched:
    def test_keeps_a_connection_that_lives(self, one):
        assert backend(one) == backend(one)

    def test_replaces_one_that_the_server_ended_a_moment_ago(self, one, committed_database):
        first = backend(one)
        with committed_database.engine.connect() as other:
            assert other.scalar(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})
        assert backend(one) != first

    def test_asks_one_that_lay_for_long(self, one, monkeypatch):
        asked = []
        ping = one.dialect.do_ping
        monkeypatch.setattr(one.dialect, "do_ping", lambda connection: asked.append(1) or ping(connection))
        backend(one)
        backend(one)
        assert not asked
        monkeypatch.setattr("studio.kit.db._A_MOMENT", -1.0)
        backend(one)
        assert asked


class TestWithoutWriting:
    def test_reads_without_a_transaction(self, one):
        with Session(one) as session:
            without_writing(session)
            with transaction(session):
                ids = sa.text("SELECT pg_current_xact_id_if_assigned() IS NULL AND now() = statement_timestamp()")
                assert session.scalar(ids)
                assert session.scalar(ids)

    def test_refuses_changed_objects(self, one):
        with Session(one) as session:
            without_writing(session)
            with pytest.raises(RuntimeError, match="read only"), transaction(session):
                make_user(session, RoleName.CREATOR)

    def test_is_over_with_its_transaction(self, one):
        with Session(one) as session:
            without_writing(session)
            with transaction(session):
                session.scalar(sa.text("SELECT 1"))
            with transaction(session):
                make_user(session, RoleName.CREATOR)
