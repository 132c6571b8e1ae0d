"""Whether this studio can do its work."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.orm import Session

from studio.embedded.postgres import free_port
from studio.kit import db
from studio.operations import health
from studio.work import pulses


class Unreachable:
    def ping(self):
        raise RedisConnectionError("redis://:hunter22@127.0.0.1:1/0")


@pytest.fixture
def alive(session, now):
    for kind in ("worker", "scheduler"):
        pulses.record(session, name=kind, kind=kind, started_at=now, job_id=None, now=now)


class TestReady:
    def test_is_ready_when_everything_answers(self, session, redis_client, settings, now, alive):
        readiness = health.ready(session, redis_client, settings, now)
        assert readiness.ok, readiness
        assert readiness.as_json()["worker"] == {"ok": True, "detail": "seen 0 s ago"}

    def test_misses_a_worker_that_was_not_seen_within_the_lease(self, session, redis_client, settings, now, alive):
        readiness = health.ready(session, redis_client, settings, now + timedelta(seconds=settings.job_lease + 1))
        assert [name for name, fact in readiness.facts.items() if not fact.ok] == ["worker", "scheduler"]

    def test_misses_redis_without_telling_its_password(self, session, settings, now, alive):
        readiness = health.ready(session, Unreachable(), settings, now)
        assert not readiness.facts["redis"].ok
        assert "hunter22" not in str(readiness.as_json())

    def test_misses_tables_that_are_not_there_yet(self, empty_database_url, redis_client, settings, now):
        engine = db.make_engine(empty_database_url, pool=1)
        with Session(engine) as session:
            readiness = health.ready(session, redis_client, settings, now)
        engine.dispose()
        assert readiness.facts["migrations"] == health.Fact(ok=False, said="the database has no tables yet")
        assert readiness.facts["database"].ok

    def test_misses_a_step_that_was_not_taken(self, session, redis_client, settings, now):
        session.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        assert not health.ready(session, redis_client, settings, now).facts["migrations"].ok

    def test_survives_a_database_that_does_not_answer(self, redis_client, settings, now):
        engine = db.make_engine(f"postgresql+psycopg://studio:hunter22@127.0.0.1:{free_port()}/studio", pool=1)
        with Session(engine) as session:
            readiness = health.ready(session, redis_client, settings, now)
        engine.dispose()
        assert not readiness.facts["database"].ok
        assert "hunter22" not in str(readiness.as_json())


class TestLive:
    def test_asks_nobody(self):
        assert health.live() == {"ok": True}
