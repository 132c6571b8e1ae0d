"""The scheduler's looks, in this process."""

import threading
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobs import queue, registry, schedule
from studio import work
from studio.accounts.permissions import SYSTEM
from studio.kit import db
from studio.kit.clock import utc_now
from studio.work import steering
from studio.work.models import Hold, JobRun, JobState
from studio.work.schedules import PERIODIC, Periodic
from tests.factories.work import make_running_job


def periodic_jobs(house) -> list[JobRun]:
    with Session(house.engine) as session:
        return list(
            session.scalars(sa.select(JobRun).where(JobRun.dedupe_key.startswith("period:")).order_by(JobRun.id))
        )


def tick(house, **options):
    schedule.tick(house.resources, **({"known": {}, "asked": {}} | options))


class TestPeriod:
    def test_changes_when_its_time_has_come(self):
        hourly = Periodic("x", timedelta(hours=1), offset=timedelta(minutes=7))
        at = lambda hour, minute: hourly.period(datetime(2026, 11, 22, hour, minute, tzinfo=UTC))  # noqa: E731
        assert at(9, 7) == at(10, 6) == at(10, 7) - 1


class TestTick:
    def test_asks_for_each_periodic_job_once_in_its_period(self, house):
        known, now = registry.load(), utc_now()
        for _ in range(3):
            tick(house, known=known, asked={}, now=now)
        assert sorted(job.name for job in periodic_jobs(house)) == sorted(p.name for p in PERIODIC if p.name in known)
        house.change(
            lambda session: session.execute(sa.text("UPDATE job_runs SET state = 'cancelled', finished_at = now()"))
        )
        tick(house, known=known, asked={}, now=now + timedelta(days=2))
        assert len(periodic_jobs(house)) == 2 * len([p for p in PERIODIC if p.name in known])

    def test_does_not_pile_up_what_takes_longer_than_its_period(self, house):
        known, now = registry.load(), utc_now()
        for days in range(3):
            tick(house, known=known, asked={}, now=now + timedelta(days=2 * days))
        names = [job.name for job in periodic_jobs(house)]
        assert len(names) == len(set(names))

    def test_goes_on_where_somebody_paused_one(self, house):
        known, now = registry.load(), utc_now()
        tick(house, known=known, asked={}, now=now)
        paused = next(job for job in periodic_jobs(house) if job.name == "media.sweep")
        house.change(steering.pause, actor=SYSTEM, job_id=paused.id, now=now)
        tick(house, known=known, asked={}, now=now + timedelta(days=2))
        assert [job.held_for for job in periodic_jobs(house) if job.name == "media.sweep"] == [Hold.PAUSE, None]

    def test_asks_once_even_from_several_schedulers(self, house):
        known, now = registry.load(), utc_now()
        threads = [threading.Thread(target=tick, args=(house,), kwargs={"known": known, "now": now}) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        names = [job.name for job in periodic_jobs(house)]
        assert len(names) == len(set(names))

    def test_takes_back_what_is_lost_and_hints_at_it(self, house, redis_client):
        with db.session_scope(house.engine) as session:
            job, _ = make_running_job(session, now=utc_now() - timedelta(minutes=1), number=1)
        redis_client.flushdb()
        tick(house)
        assert house.job(job).state is JobState.QUEUED
        assert queue.length(redis_client, "default") >= 1

    def test_fills_a_queue_that_was_forgotten_at_once(self, house, redis_client):
        for number in range(5):
            house.ask("tests.effect", number=number)
        tick(house)
        redis_client.flushdb()
        tick(house)
        assert queue.length(redis_client, "default") == 5

    def test_trusts_hints_that_wait(self, house, redis_client):
        tick(house)
        for number in range(5):
            house.ask("tests.effect", number=number)
        for _ in range(3):
            tick(house, now=utc_now() + timedelta(seconds=20))
        assert queue.length(redis_client, "default") == 5

    def test_outlives_a_queue_and_a_database_that_do_not_answer(self, house, monkeypatch):
        from pydantic import SecretStr

        from jobs.resources import Resources
        from studio.embedded.postgres import free_port

        nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
        without_redis = Resources(house.settings.model_copy(update={"redis_url": nowhere}))
        schedule.tick(without_redis, known={}, asked={})
        without_redis.close()
        nowhere = SecretStr(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing")
        without_database = Resources(house.settings.model_copy(update={"database_url": nowhere}))
        schedule.tick(without_database, known={}, asked={})
        without_database.close()


class TestManyAsks:
    def test_in_one_transaction_fill_the_queue_and_no_more(self, house, redis_client):
        with db.session_scope(house.engine) as session:
            for number in range(queue.FULL + 200):
                work.ask(session, "tests.effect", number=number)
        assert queue.length(redis_client, "default") == queue.FULL
        with Session(house.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(JobRun)) == queue.FULL + 200
