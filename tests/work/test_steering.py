"""Stopping a job and starting it again, by people."""

from datetime import timedelta

import pytest

from studio.accounts.permissions import NOBODY, RoleName
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.work import claiming, steering
from studio.work.errors import JobIsFinalError, JobIsNotPausedError, JobIsOpenError, SameWorkIsOpenError
from studio.work.models import Hold, JobState
from tests.factories.accounts import make_actor
from tests.factories.work import make_failed_job, make_job, make_running_job


@pytest.fixture
def staff(session):
    return make_actor(session, RoleName.STAFF)


class TestCancel:
    def test_ends_a_waiting_job_at_once(self, session, now, staff):
        job = make_job(session, now=now)
        steering.cancel(session, actor=staff, job_id=job.id, now=now)
        assert (job.state, job.finished_at) == (JobState.CANCELLED, now)
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is None

    def test_asks_a_running_job_to_stop(self, session, now, staff):
        job, token = make_running_job(session, now=now)
        steering.cancel(session, actor=staff, job_id=job.id, now=now)
        steering.cancel(session, actor=staff, job_id=job.id, now=now + timedelta(seconds=1))
        assert (job.state, job.cancel_requested_at) == (JobState.RUNNING, now)
        assert claiming.beat(session, job_id=job.id, token=token, now=now).is_cancelled

    def test_refuses_what_has_ended(self, session, now, staff):
        job = make_failed_job(session, now=now)
        with pytest.raises(JobIsFinalError):
            steering.cancel(session, actor=staff, job_id=job.id, now=now)

    def test_lets_people_stop_what_they_asked_for(self, session, now):
        creator = make_actor(session, RoleName.CREATOR)
        job = make_job(session, now=now, actor=creator)
        steering.cancel(session, actor=creator, job_id=job.id, now=now)
        assert job.state is JobState.CANCELLED

    def test_hides_the_jobs_of_others(self, session, now):
        owner, outsider = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.CREATOR)
        job = make_job(session, now=now, actor=owner)
        with pytest.raises(NotFoundError):
            steering.cancel(session, actor=outsider, job_id=job.id, now=now)
        assert job.state is JobState.QUEUED

    def test_refuses_those_who_only_look(self, session, now):
        job = make_job(session, now=now)
        with pytest.raises(ForbiddenError):
            steering.cancel(session, actor=make_actor(session, RoleName.ADMIN), job_id=job.id, now=now)
        with pytest.raises(ForbiddenError):
            steering.cancel(session, actor=NOBODY, job_id=job.id, now=now)


class TestRetry:
    def test_gives_a_failed_job_all_its_attempts_again(self, session, now, staff):
        job = make_failed_job(session, now=now)
        steering.retry(session, actor=staff, job_id=job.id, now=now)
        assert (job.state, job.attempts, job.finished_at) == (JobState.QUEUED, 0, None)
        assert job.error_message == "It did not work."
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is not None

    def test_starts_a_cancelled_job_again(self, session, now, staff):
        job = make_job(session, now=now)
        steering.cancel(session, actor=staff, job_id=job.id, now=now)
        steering.retry(session, actor=staff, job_id=job.id, now=now)
        assert (job.state, job.cancel_requested_at) == (JobState.QUEUED, None)

    def test_refuses_what_waits_or_has_succeeded(self, session, now, staff):
        job, token = make_running_job(session, now=now)
        with pytest.raises(JobIsOpenError):
            steering.retry(session, actor=staff, job_id=job.id, now=now)
        claiming.succeed(session, job_id=job.id, token=token, result=None, now=now)
        with pytest.raises(JobIsOpenError):
            steering.retry(session, actor=staff, job_id=job.id, now=now)

    def test_refuses_while_the_same_work_is_open(self, session, now, staff):
        job = make_failed_job(session, now=now, dedupe_key="same")
        make_job(session, now=now, dedupe_key="same")
        with pytest.raises(SameWorkIsOpenError):
            steering.retry(session, actor=staff, job_id=job.id, now=now)

    def test_may_be_put_off_and_tried_less_often(self, session, now, staff):
        job = make_failed_job(session, now=now)
        later = now + timedelta(hours=3)
        steering.retry(session, actor=staff, job_id=job.id, now=now, run_after=later, max_attempts=2)
        assert (job.run_after, job.max_attempts, job.nudged_at) == (later, 2, None)


class TestPause:
    def test_holds_a_waiting_job_at_once(self, session, now, staff):
        job = make_job(session, now=now)
        steering.pause(session, actor=staff, job_id=job.id, now=now)
        assert (job.state, job.held_for) == (JobState.QUEUED, Hold.PAUSE)
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is None

    def test_asks_a_running_job_to_wait_and_gives_its_attempt_back(self, session, now, staff):
        job, token = make_running_job(session, now=now)
        steering.pause(session, actor=staff, job_id=job.id, now=now)
        assert claiming.beat(session, job_id=job.id, token=token, now=now).is_paused
        claiming.give_back(session, job_id=job.id, token=token, now=now)
        assert (job.state, job.held_for, job.attempts, job.pause_requested_at) == (
            JobState.QUEUED,
            Hold.PAUSE,
            0,
            None,
        )

    def test_stands_even_if_the_attempt_fails(self, session, now, staff):
        job, token = make_running_job(session, now=now)
        steering.pause(session, actor=staff, job_id=job.id, now=now)
        failure = claiming.Failure("ValueError", "It did not work.")
        claiming.fail(session, job_id=job.id, token=token, failure=failure, is_final=False, chance=0.5, now=now)
        assert job.held_for is Hold.PAUSE

    def test_refuses_what_has_ended(self, session, now, staff):
        with pytest.raises(JobIsFinalError):
            steering.pause(session, actor=staff, job_id=make_failed_job(session, now=now).id, now=now)

    def test_does_not_keep_a_job_from_being_cancelled(self, session, now, staff):
        job = make_job(session, now=now)
        steering.pause(session, actor=staff, job_id=job.id, now=now)
        steering.cancel(session, actor=staff, job_id=job.id, now=now)
        assert (job.state, job.held_for) == (JobState.CANCELLED, None)


class TestResume:
    def test_has_the_job_taken_again(self, session, now, staff):
        job = make_job(session, now=now)
        steering.pause(session, actor=staff, job_id=job.id, now=now)
        steering.resume(session, actor=staff, job_id=job.id, now=now)
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is not None

    def test_takes_the_request_back_where_the_job_still_runs(self, session, now, staff):
        job, token = make_running_job(session, now=now)
        steering.pause(session, actor=staff, job_id=job.id, now=now)
        steering.resume(session, actor=staff, job_id=job.id, now=now)
        assert not claiming.beat(session, job_id=job.id, token=token, now=now).is_paused

    def test_refuses_what_is_not_paused(self, session, now, staff):
        with pytest.raises(JobIsNotPausedError):
            steering.resume(session, actor=staff, job_id=make_job(session, now=now).id, now=now)
