"""Workers and schedulers as real processes, killed, cut off and told to end."""

import signal

import psycopg
import pytest
import sqlalchemy as sa

from studio.embedded.urls import libpq_url
from studio.work.models import JobState
from tests.jobs import stage

pytestmark = pytest.mark.slow


def is_running(house, job):
    return lambda: house.job(job).state is JobState.RUNNING


class TestWorker:
    def test_does_what_is_asked_without_a_scheduler(self, house):
        with stage.process("worker", house.settings):
            jobs = [house.ask("tests.effect", number=n) for n in range(5)]
            house.wait_for(lambda: house.states() == {"succeeded": 5})
        assert sorted(house.effects()) == [(n, 1) for n in range(len(jobs))]

    def test_that_is_killed_loses_nothing_and_repeats_nothing(self, house):
        with stage.process("scheduler", house.settings), stage.process("worker", house.settings) as first:
            job = house.ask("tests.slow_effect", number=1, seconds=60)
            house.wait_for(is_running(house, job))
            with stage.process("worker", house.settings):
                first.send_signal(signal.SIGKILL)
                house.wait_for(lambda: house.job(job).state is JobState.SUCCEEDED)
        assert house.effects() == [(1, 2)]
        assert house.job(job).attempts == 2

    def test_that_is_told_to_end_gives_its_job_back(self, house):
        with stage.process("worker", house.settings) as worker:
            job = house.ask("tests.slow_effect", number=1, seconds=60)
            house.wait_for(is_running(house, job))
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=15) == 0
        kept = house.job(job)
        assert (kept.state, kept.attempts) == (JobState.QUEUED, 0)
        with house.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM worker_pulses")) == 0

    def test_that_is_told_to_end_does_not_wait_for_a_deaf_job(self, house):
        with stage.process("worker", house.settings) as worker:
            job = house.ask("tests.deaf_effect", number=1, seconds=60)
            house.wait_for(is_running(house, job))
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=20) == 0
        kept = house.job(job)
        assert (kept.state, kept.attempts) == (JobState.QUEUED, 0)
        assert house.effects() == []

    def test_that_is_told_to_end_finishes_a_short_job(self, house):
        with stage.process("worker", house.settings) as worker:
            job = house.ask("tests.slow_effect", number=1, seconds=1)
            house.wait_for(is_running(house, job))
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=15) == 0
        assert house.job(job).state is JobState.SUCCEEDED

    def test_that_is_told_to_end_leaves_while_it_waits(self, house):
        with stage.process("worker", house.settings) as worker:
            job = house.ask("tests.effect", number=1)
            house.wait_for(lambda: house.job(job).state is JobState.SUCCEEDED)
            worker.send_signal(signal.SIGINT)
            assert worker.wait(timeout=5) == 0

    def test_that_was_frozen_cannot_commit_when_it_wakes(self, house):
        with stage.process("scheduler", house.settings), stage.process("worker", house.settings) as first:
            job = house.ask("tests.deaf_effect", number=1, seconds=3)
            house.wait_for(is_running(house, job))
            first.send_signal(signal.SIGSTOP)
            with stage.process("worker", house.settings):
                house.wait_for(lambda: house.job(job).state is JobState.SUCCEEDED)
            first.send_signal(signal.SIGCONT)
            other = house.ask("tests.effect", number=2)
            house.wait_for(lambda: house.job(other).state is JobState.SUCCEEDED)
        assert house.effects() == [(1, 2), (2, 1)]


class TestQueues:
    def test_of_long_jobs_leave_a_worker_for_the_short_ones(self, house):
        with stage.process("worker", house.settings, "default"), stage.process("worker", house.settings):
            long = [house.ask("tests.slow_effect", number=n, seconds=60, queue="bulk") for n in range(2)]
            house.wait_for(lambda: house.states().get("running") == 1)
            short = house.ask("tests.effect", number=9)
            house.wait_for(lambda: house.job(short).state is JobState.SUCCEEDED)
        assert house.effects() == [(9, 1)]
        assert {house.job(each).attempts for each in long} == {0}


class TestRedis:
    def test_may_forget_everything(self, house, redis_client):
        with stage.process("scheduler", house.settings), stage.process("worker", house.settings):
            for number in range(60):
                house.ask("tests.effect", number=number)
                if number % 15 == 14:
                    redis_client.flushdb()
            redis_client.flushdb()
            house.wait_for(lambda: house.states() == {"succeeded": 60})
        assert sorted(house.effects()) == [(n, 1) for n in range(60)]

    def test_may_be_out_of_reach_when_a_job_is_asked_for(self, house):
        from studio import work

        work.set_nudge(None)
        job = house.ask("tests.effect", number=1)
        with stage.process("scheduler", house.settings), stage.process("worker", house.settings):
            house.wait_for(lambda: house.job(job).state is JobState.SUCCEEDED)


class TestPostgres:
    def test_may_cut_every_connection_in_the_middle(self, house, servers):
        with stage.process("scheduler", house.settings), stage.process("worker", house.settings):
            slow = house.ask("tests.slow_effect", number=1000, seconds=2)
            for number in range(20):
                house.ask("tests.effect", number=number)
            house.wait_for(is_running(house, slow))
            for _ in range(3):
                with psycopg.connect(libpq_url(servers.admin_url), autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                        [house.engine.url.database],
                    )
            house.wait_for(lambda: house.states() == {"succeeded": 21})
        numbers = sorted(number for number, _ in house.effects())
        assert numbers == [*range(20), 1000]
