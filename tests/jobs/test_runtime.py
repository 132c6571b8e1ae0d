"""One attempt at one job, in this process."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobs.pulse import Pulse
from jobs.runtime import Runtime
from studio.accounts.permissions import SYSTEM, RoleName
from studio.kit.clock import utc_now
from studio.operations.models import ErrorLog
from studio.work import budgets, steering, sweeping
from studio.work.models import Hold, JobState
from tests.factories.accounts import make_actor
from tests.jobs import stage


def take_back(house):
    return house.change(sweeping.take_back_lost, lease=timedelta(0), now=utc_now() + timedelta(seconds=1))


class TestPerform:
    def test_does_the_job_once_however_often_it_is_told(self, house, runtime):
        job = house.ask("tests.effect", number=7)
        assert [runtime.perform(job.id) for _ in range(3)] == [True, False, False]
        assert house.effects() == [(7, 1)]
        assert house.job(job).state is JobState.SUCCEEDED

    def test_keeps_what_the_handler_returns(self, house, runtime):
        job = house.ask("tests.two_effects", number=1)
        runtime.perform(job.id)
        assert house.job(job).result == {"parts": 2}

    def test_rolls_back_what_fails_and_tries_again_later(self, house, runtime):
        job = house.ask("tests.fail")
        runtime.perform(job.id)
        kept = house.job(job)
        assert (kept.state, kept.attempts, kept.error_type) == (JobState.QUEUED, 1, "ValueError")
        assert kept.run_after > utc_now()
        assert house.effects() == []

    def test_keeps_an_unexpected_error_in_the_log_without_its_secrets(self, house, runtime):
        job = house.ask("tests.fail")
        runtime.perform(job.id)
        with Session(house.engine) as session:
            error = session.scalars(sa.select(ErrorLog)).one()
        assert (error.job_id, error.place, error.source) == (job.id, "tests.fail", "job")
        assert error.reference == house.job(job).error_reference
        assert "sk-" not in error.message + error.stack_trace
        assert "someone@" not in error.message + error.stack_trace
        assert "sk-" not in house.job(job).error_message

    def test_keeps_the_error_after_the_last_attempt(self, house, runtime):
        job = house.ask("tests.fail", max_attempts=1)
        runtime.perform(job.id)
        kept = house.job(job)
        assert (kept.state, kept.error_type) == (JobState.FAILED, "ValueError")
        assert kept.error_reference

    def test_heeds_the_limit_of_the_job_itself(self, house, runtime):
        job = house.ask("tests.fail_twice_at_most", max_attempts=5)
        runtime.perform(job.id)
        house.change(lambda session: session.execute(sa.text("UPDATE job_runs SET run_after = now()")))
        runtime.perform(job.id)
        assert house.job(job).state is JobState.FAILED

    def test_does_not_take_an_outage_for_the_jobs_fault(self, house, runtime):
        job = house.ask("tests.busy", max_attempts=1)
        runtime.perform(job.id)
        kept = house.job(job)
        assert (kept.state, kept.attempts, kept.max_attempts) == (JobState.QUEUED, 1, 2)

    def test_takes_a_lost_connection_for_an_outage_and_no_error(self, house, runtime):
        job = house.ask("tests.cut_off", max_attempts=1)
        runtime.perform(job.id)
        kept = house.job(job)
        assert (kept.state, kept.error_reference) == (JobState.QUEUED, None)
        assert "database did not answer" in kept.error_message
        assert house.effects() == []
        with Session(house.engine) as session:
            assert session.scalars(sa.select(ErrorLog)).all() == []

    def test_takes_a_refusal_for_an_answer(self, house, runtime):
        job = house.ask("tests.refuse")
        runtime.perform(job.id)
        kept = house.job(job)
        assert (kept.state, kept.error_message, kept.error_reference) == (JobState.FAILED, "The card is empty.", None)

    def test_waits_as_long_as_a_busy_provider_asks(self, house, runtime):
        job = house.ask("tests.busy")
        runtime.perform(job.id)
        kept = house.job(job)
        assert kept.state is JobState.QUEUED
        assert kept.run_after >= utc_now() + timedelta(seconds=25)

    def test_interrupts_what_takes_too_long(self, house, runtime):
        job = house.ask("tests.too_slow", max_attempts=1)
        runtime.perform(job.id)
        assert house.job(job).error_message == "The job took longer than 0.2 seconds."

    @pytest.mark.parametrize(("name", "ids"), [("tests.unheard_of", {}), ("tests.effect", {"wrong": 1})])
    def test_fails_what_this_program_does_not_know(self, house, runtime, name, ids):
        job = house.ask(name, max_attempts=1, **ids)
        runtime.perform(job.id)
        assert house.job(job).state is JobState.FAILED

    def test_takes_nothing_on_once_it_is_to_end(self, house, runtime):
        job = house.ask("tests.effect", number=1)
        runtime.pulse.request_stop()
        assert not runtime.perform(job.id)
        assert house.job(job).attempts == 0


class TestFencing:
    def test_refuses_the_commit_of_a_process_that_was_taken_for_dead(self, house, runtime):
        job = house.ask("tests.deaf_effect", number=1, seconds=2)
        stale = threading.Thread(target=runtime.perform, args=(job.id,))
        stale.start()
        house.wait_for(lambda: house.job(job).state is JobState.RUNNING)
        take_back(house)
        other = Runtime(house.resources, Pulse(house.resources, name="other", kind="worker"), stage.known())
        house.wait_for(lambda: other.perform(job.id))
        stale.join()
        assert house.effects() == [(1, 2)]
        kept = house.job(job)
        assert (kept.state, kept.attempts) == (JobState.SUCCEEDED, 2)

    def test_stops_a_job_that_looks_up(self, house, runtime):
        job = house.ask("tests.slow_effect", number=1, seconds=30)
        stale = threading.Thread(target=runtime.perform, args=(job.id,))
        stale.start()
        house.wait_for(lambda: house.job(job).state is JobState.RUNNING)
        take_back(house)
        stale.join(timeout=10)
        assert not stale.is_alive()
        assert house.effects() == []

    def test_gives_one_claim_to_threads_that_race(self, house):
        job = house.ask("tests.effect", number=1)
        runtimes = [
            Runtime(house.resources, Pulse(house.resources, name=str(n), kind="worker"), stage.known())
            for n in range(4)
        ]
        threads = [threading.Thread(target=each.perform, args=(job.id,)) for each in runtimes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert house.effects() == [(1, 1)]


class TestCancelling:
    @pytest.mark.parametrize("name", ["tests.slow_effect", "tests.deaf_effect"])
    def test_keeps_a_running_job_from_taking_effect(self, house, runtime, name):
        job = house.ask(name, number=1, seconds=2)
        thread = threading.Thread(target=runtime.perform, args=(job.id,))
        thread.start()
        house.wait_for(lambda: house.job(job).state is JobState.RUNNING)
        house.change(steering.cancel, actor=SYSTEM, job_id=job.id, now=utc_now())
        thread.join()
        assert house.job(job).state is JobState.CANCELLED
        assert house.effects() == []


class TestMoney:
    @pytest.fixture
    def owner(self, house):
        return house.change(lambda session: make_actor(session, RoleName.CREATOR))

    def test_that_is_spent_counts_for_the_job_and_its_person_even_if_the_job_fails(self, house, runtime, owner):
        job = house.ask("tests.pay_and_fail", actor=owner)
        runtime.perform(job.id)
        assert house.job(job).cost_micro == 5
        stands = house.change(budgets.standing, user_id=owner.user_id, default_micro=0, now=utc_now())
        assert stands.spent_micro == 5

    def test_that_is_not_there_has_the_job_wait_in_the_middle_and_go_on_later(self, house, runtime, owner):
        limit = {"user_id": owner.user_id, "now": utc_now()}
        house.change(budgets.set_limit, limit_micro=25, **limit)
        job = house.ask("tests.costly", number=1, cost=10, actor=owner)
        runtime.perform(job.id)
        kept = house.job(job)
        assert (kept.state, kept.held_for, kept.attempts, kept.cost_micro) == (JobState.QUEUED, Hold.BUDGET, 0, 20)
        assert house.effects() == [(1, 1), (2, 1)]
        # It is not let go, and does not run in vain, before there is room for its next step.
        assert house.change(budgets.let_go, default_micro=0, now=utc_now()) == []
        assert not runtime.perform(job.id)
        house.change(budgets.set_limit, limit_micro=30, **limit)
        assert house.change(budgets.let_go, default_micro=0, now=utc_now()) == [job.id]
        runtime.perform(job.id)
        assert house.job(job).state is JobState.SUCCEEDED
        assert house.effects() == [(1, 1), (2, 1), (3, 1)]
        assert house.job(job).cost_micro == 30


class TestPause:
    def test_takes_effect_at_the_next_step(self, house, runtime):
        job = house.ask("tests.slow_effect", number=1, seconds=60)
        thread = threading.Thread(target=runtime.perform, args=(job.id,))
        thread.start()
        house.wait_for(lambda: house.job(job).state is JobState.RUNNING)
        house.change(steering.pause, actor=SYSTEM, job_id=job.id, now=utc_now())
        thread.join(timeout=20)
        assert (house.job(job).state, house.job(job).held_for, house.effects()) == (JobState.QUEUED, Hold.PAUSE, [])


class TestMakeWay:
    def test_has_a_long_job_step_aside_for_what_people_wait_for(self, house, runtime):
        long = house.ask("tests.long", number=1, parts=60, queue="background")
        thread = threading.Thread(target=runtime.perform, args=(long.id,))
        thread.start()
        house.wait_for(lambda: house.job(long).state is JobState.RUNNING)
        house.ask("tests.effect", number=9, queue="bulk")
        thread.join(timeout=30)
        kept = house.job(long)
        assert (kept.state, kept.attempts, kept.held_for) == (JobState.QUEUED, 0, None)
        assert 0 < len(house.effects()) < 60
