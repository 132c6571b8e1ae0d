"""The set-up that all other tests stand on."""

import pytest
import sqlalchemy as sa


class TestSession:
    @pytest.mark.parametrize("turn", [1, 2])
    def test_undoes_what_a_test_committed(self, session, turn):
        session.execute(sa.text("CREATE TABLE only_in_one_test (id int)"))
        session.commit()
        session.rollback()
        assert session.scalar(sa.text("SELECT count(*) FROM only_in_one_test")) == 0

    def test_sees_trigrams_of_chinese(self, session):
        assert session.scalar(sa.text("SELECT cardinality(show_trgm('你好世界'))")) > 0


class TestCommittedDatabase:
    @pytest.mark.parametrize("turn", [1, 2])
    def test_is_new_for_each_test(self, committed_database, turn):
        with committed_database.engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE only_in_one_test (id int)"))
        with committed_database.engine.begin() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM only_in_one_test")) == 0


class TestRedisClient:
    @pytest.mark.parametrize("turn", [1, 2])
    def test_is_empty_for_each_test(self, redis_client, turn):
        assert redis_client.dbsize() == 0
        redis_client.set("left", "behind")


class TestSettings:
    def test_ignores_the_environment(self, request, monkeypatch):
        monkeypatch.setenv("STUDIO_PORT", "1")
        assert request.getfixturevalue("settings").port == 8000
