"""Claiming a job, keeping it, and ending it."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import SYSTEM
from studio.kit import db
from studio.work import claiming, progress, steering
from studio.work.errors import CancelRequestedError, ClaimLostError
from studio.work.models import JobRun, JobState
from studio.work.rules import OUTAGE_PATIENCE
from tests.factories.work import make_job, make_running_job

FAILURE = claiming.Failure("ValueError", "It did not work.", "ABCD-2345")


def fail(session, job, token, now, **options):
    settings = {"failure": FAILURE, "is_final": False, "chance": 1.0} | options
    return claiming.fail(session, job_id=job.id, token=token, now=now, **settings)


class TestClaim:
    def test_makes_the_job_this_workers_and_counts_the_attempt(self, session, now):
        job, token = make_running_job(session, now=now, worker="one")
        assert (job.state, job.attempts, job.claimed_by, job.claim_token) == (JobState.RUNNING, 1, "one", token)
        assert job.heartbeat_at == job.started_at == now

    def test_gives_nothing_twice(self, session, now):
        job, _ = make_running_job(session, now=now)
        assert claiming.claim(session, job_id=job.id, worker="two", now=now) is None

    def test_gives_nothing_before_its_time(self, session, now):
        job = make_job(session, now=now, run_after=now + timedelta(seconds=1))
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is None
        assert claiming.claim(session, job_id=job.id, worker="one", now=now + timedelta(seconds=1)) is not None

    def test_gives_nothing_for_an_id_that_is_gone(self, session, now):
        assert claiming.claim(session, job_id=uuid4(), worker="one", now=now) is None

    def test_gives_one_claim_to_workers_that_race(self, committed_database, now):
        with db.session_scope(committed_database.engine) as session:
            job = make_job(session, now=now)
        won, barrier = [], threading.Barrier(8)

        def one(number):
            with Session(committed_database.engine) as session:
                session.execute(sa.select(1))
                barrier.wait()
                with db.transaction(session):
                    if claiming.claim(session, job_id=job.id, worker=str(number), now=now) is not None:
                        won.append(number)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        with Session(committed_database.engine) as session:
            assert session.get_one(JobRun, job.id).attempts == 1


class TestBeat:
    def test_moves_the_heartbeat(self, session, now):
        job, token = make_running_job(session, now=now)
        sign = claiming.beat(session, job_id=job.id, token=token, now=now + timedelta(seconds=3))
        assert (sign.holds, sign.is_cancelled) == (True, False)
        session.refresh(job)
        assert job.heartbeat_at == now + timedelta(seconds=3)

    def test_learns_of_a_lost_claim(self, session, now):
        job, _ = make_running_job(session, now=now)
        assert not claiming.beat(session, job_id=job.id, token=uuid4(), now=now).holds


class TestTell:
    def test_shows_step_and_percent(self, session, now):
        job, token = make_running_job(session, now=now)
        for _ in range(2):
            progress.tell(session, job_id=job.id, token=token, step="Reading\nthe card", percent=140, now=now)
        session.refresh(job)
        assert (job.step, job.percent) == ("Reading the card", 100)

    def test_changes_nothing_without_the_claim(self, session, now):
        job, _ = make_running_job(session, now=now)
        assert not progress.tell(session, job_id=job.id, token=uuid4(), step="x", percent=5, now=now).holds
        session.refresh(job)
        assert job.step == ""


class TestSucceed:
    def test_keeps_the_result(self, session, now):
        job, token = make_running_job(session, now=now)
        claiming.succeed(session, job_id=job.id, token=token, result={"made": 3}, now=now)
        assert (job.state, job.result, job.percent, job.finished_at) == (JobState.SUCCEEDED, {"made": 3}, 100, now)
        assert job.claim_token is None

    def test_refuses_whoever_lost_the_claim(self, session, now):
        job, token = make_running_job(session, now=now)
        claiming.give_back(session, job_id=job.id, token=token, now=now)
        with pytest.raises(ClaimLostError):
            claiming.succeed(session, job_id=job.id, token=token, result=None, now=now)
        assert job.state is JobState.QUEUED

    def test_refuses_what_was_cancelled_before(self, session, now):
        job, token = make_running_job(session, now=now)
        job.cancel_requested_at = now
        session.flush()
        with pytest.raises(CancelRequestedError):
            claiming.succeed(session, job_id=job.id, token=token, result=None, now=now)


class TestFail:
    def test_allows_one_attempt_more_for_an_outage(self, session, now):
        job, token = make_running_job(session, now=now, max_attempts=1)
        assert fail(session, job, token, now, is_outage=True).state is JobState.QUEUED
        assert (job.attempts, job.max_attempts) == (1, 2)

    def test_does_not_wait_for_ever_for_what_is_away(self, session, now):
        job, token = make_running_job(session, now=now, max_attempts=1)
        fail(session, job, token, now, is_outage=True)
        last = now + OUTAGE_PATIENCE
        claimed = claiming.claim(session, job_id=job.id, worker="one", now=last)
        assert fail(session, job, claimed.claim_token, last, is_outage=True).state is JobState.FAILED

    def test_has_as_much_patience_however_long_ago_it_was_asked_for(self, session, now):
        # It was held for budget for weeks, and failed once for another reason when its turn came.
        later = now + 5 * OUTAGE_PATIENCE
        job, token = make_running_job(session, now=now, max_attempts=1)
        fail(session, job, token, later, is_outage=True)
        claimed = claiming.claim(session, job_id=job.id, worker="one", now=later + OUTAGE_PATIENCE / 2)
        assert fail(session, job, claimed.claim_token, later + OUTAGE_PATIENCE / 2, is_outage=True).max_attempts == 3
        ended = claiming.claim(session, job_id=job.id, worker="one", now=later + OUTAGE_PATIENCE)
        assert fail(session, job, ended.claim_token, later + OUTAGE_PATIENCE, is_outage=True).state is JobState.FAILED
        # Done again by somebody, it has all of it once more.
        steering.retry(session, actor=SYSTEM, job_id=job.id, now=later + OUTAGE_PATIENCE, max_attempts=1)
        again = claiming.claim(session, job_id=job.id, worker="one", now=later + OUTAGE_PATIENCE)
        assert fail(session, job, again.claim_token, later + OUTAGE_PATIENCE, is_outage=True).max_attempts == 2

    def test_has_the_job_wait_for_its_next_attempt(self, session, now):
        job, token = make_running_job(session, now=now)
        fail(session, job, token, now)
        assert job.state is JobState.QUEUED
        assert (job.error_type, job.error_message, job.error_reference) == (
            "ValueError",
            "It did not work.",
            "ABCD-2345",
        )
        assert job.run_after == now + timedelta(seconds=2)

    def test_waits_twice_as_long_each_time(self, session, now):
        job, token = make_running_job(session, now=now, max_attempts=9)
        waits = []
        for _ in range(4):
            fail(session, job, token, now)
            waits.append((job.run_after - now).total_seconds())
            now = job.run_after
            token = claiming.claim(session, job_id=job.id, worker="one", now=now).claim_token
        assert waits == [2, 4, 8, 16]

    def test_keeps_the_error_of_the_last_attempt_for_good(self, session, now):
        job, token = make_running_job(session, now=now, max_attempts=1)
        fail(session, job, token, now)
        assert (job.state, job.finished_at, job.attempts) == (JobState.FAILED, now, 1)
        assert job.error_message == "It did not work."

    def test_ends_at_once_where_trying_again_is_in_vain(self, session, now):
        job, token = make_running_job(session, now=now)
        assert fail(session, job, token, now, is_final=True).state is JobState.FAILED

    def test_waits_as_long_as_the_provider_asked(self, session, now):
        job, token = make_running_job(session, now=now)
        fail(session, job, token, now, at_least=45.0)
        assert job.run_after == now + timedelta(seconds=45)

    def test_cancels_what_a_person_asked_to_stop(self, session, now):
        job, token = make_running_job(session, now=now)
        job.cancel_requested_at = now
        assert fail(session, job, token, now).state is JobState.CANCELLED


class TestGiveBack:
    def test_returns_the_attempt(self, session, now):
        job, token = make_running_job(session, now=now)
        assert claiming.give_back(session, job_id=job.id, token=token, now=now)
        assert (job.state, job.attempts, job.run_after) == (JobState.QUEUED, 0, now)

    def test_does_nothing_without_the_claim(self, session, now):
        job, _ = make_running_job(session, now=now)
        assert not claiming.give_back(session, job_id=job.id, token=uuid4(), now=now)
        assert job.state is JobState.RUNNING
