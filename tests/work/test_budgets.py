"""What people's jobs may cost in a month, and what becomes of a job for which there is no room."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from studio.accounts.permissions import RoleName
from studio.kit import db
from studio.work import budgets, claiming, steering
from studio.work.errors import OverBudgetError
from studio.work.models import Hold, JobRun, JobState
from studio.work.rules import MICRO, month_of, told
from tests.factories.accounts import make_actor
from tests.factories.work import make_job, make_running_job

TEN = 10 * MICRO


@pytest.fixture
def owner(session):
    return make_actor(session, RoleName.CREATOR)


def claim(session, job, now, default=TEN):
    return claiming.claim(session, job_id=job.id, worker="one", now=now, default_budget_micro=default)


def stands(session, owner, now, default=TEN):
    return budgets.standing(session, user_id=owner.user_id, default_micro=default, now=now)


class TestClaim:
    def test_takes_a_job_for_which_there_is_room(self, session, now, owner):
        job = make_job(session, now=now, actor=owner, estimate_micro=TEN)
        assert claim(session, job, now) is not None
        assert stands(session, owner, now).left_micro == 0

    def test_has_a_job_wait_for_which_there_is_none(self, session, now, owner):
        budgets.record(session, user_id=owner.user_id, kind="images", cost_micro=TEN - 5, now=now)
        job = make_job(session, now=now, actor=owner, estimate_micro=6)
        assert claim(session, job, now) is None
        assert (job.state, job.held_for, job.attempts) == (JobState.QUEUED, Hold.BUDGET, 0)

    def test_counts_what_running_jobs_are_expected_to_cost(self, session, now, owner):
        first, second = (make_job(session, now=now, actor=owner, estimate_micro=6 * MICRO) for _ in range(2))
        assert claim(session, first, now) is not None
        assert claim(session, second, now) is None
        assert stands(session, owner, now).reserved_micro == 6 * MICRO

    def test_asks_nobodys_budget_for_the_houses_own_jobs(self, session, now):
        job = make_job(session, now=now, estimate_micro=100 * TEN)
        assert claim(session, job, now) is not None

    def test_knows_no_limit_where_there_is_none(self, session, now, owner):
        job = make_job(session, now=now, actor=owner, estimate_micro=100 * TEN)
        assert claim(session, job, now, default=0) is not None

    def test_holds_to_a_limit_of_ones_own_even_if_it_is_nothing(self, session, now, owner):
        budgets.set_limit(session, user_id=owner.user_id, limit_micro=0, now=now)
        job = make_job(session, now=now, actor=owner, estimate_micro=1)
        assert claim(session, job, now) is None

    def test_gives_the_last_room_to_one_of_two_that_race(self, committed_database, now):
        with db.session_scope(committed_database.engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            jobs = [make_job(session, now=now, actor=owner, estimate_micro=6 * MICRO) for _ in range(6)]
        won, barrier = [], threading.Barrier(len(jobs))

        def one(job):
            with Session(committed_database.engine) as session:
                session.execute(sa.select(1))
                barrier.wait()
                with db.transaction(session):
                    if claim(session, job, now) is not None:
                        won.append(job.id)

        threads = [threading.Thread(target=one, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1


class TestLetGo:
    def held(self, session, now, owner, estimate=6):
        budgets.record(session, user_id=owner.user_id, kind="images", cost_micro=TEN, now=now)
        job = make_job(session, now=now, actor=owner, estimate_micro=estimate)
        assert claim(session, job, now) is None
        return job

    def test_leaves_what_has_no_room_yet(self, session, now, owner):
        job = self.held(session, now, owner)
        assert budgets.let_go(session, default_micro=TEN, now=now) == []
        assert job.held_for is Hold.BUDGET

    def test_lets_go_when_the_month_turns(self, session, now, owner):
        job = self.held(session, now, owner)
        later = datetime(2026, 12, 1, tzinfo=UTC)
        assert budgets.let_go(session, default_micro=TEN, now=later - timedelta(seconds=1)) == []
        assert budgets.let_go(session, default_micro=TEN, now=later) == [job.id]
        assert claim(session, job, later) is not None

    def test_lets_go_when_the_budget_is_raised(self, session, now, owner):
        job = self.held(session, now, owner)
        budgets.set_limit(session, user_id=owner.user_id, limit_micro=2 * TEN, now=now)
        assert budgets.let_go(session, default_micro=TEN, now=now) == [job.id]
        assert claim(session, job, now) is not None

    def test_lets_go_only_as_many_as_have_room(self, session, now, owner):
        jobs = [self.held(session, now, owner, estimate=4 * MICRO) for _ in range(3)]
        later = now + timedelta(days=31)
        assert budgets.let_go(session, default_micro=TEN, now=later) == [job.id for job in jobs[:2]]

    def test_passes_over_what_no_month_has_room_for(self, session, now, owner):
        dear = self.held(session, now, owner, estimate=TEN + 1)
        fitting = self.held(session, now, owner, estimate=TEN)
        later = now + timedelta(days=31)
        assert budgets.let_go(session, default_micro=TEN, now=later) == [fitting.id]
        assert stands(session, owner, later).never_has_room(dear.needs_micro)
        budgets.set_limit(session, user_id=owner.user_id, limit_micro=3 * TEN, now=later)
        assert budgets.let_go(session, default_micro=TEN, now=later) == [dear.id]

    def test_leaves_what_a_person_paused(self, session, now, owner):
        job = self.held(session, now, owner)
        steering.pause(session, actor=owner, job_id=job.id, now=now)
        assert budgets.let_go(session, default_micro=TEN, now=now + timedelta(days=31)) == []
        assert job.held_for is Hold.PAUSE


class TestRequire:
    def test_refuses_in_a_sentence_with_both_amounts(self, session, now, owner):
        budgets.record(session, user_id=owner.user_id, kind="speech", cost_micro=TEN - 40_000, now=now)
        with pytest.raises(OverBudgetError, match=r"0\.05 USD, and 0\.04 USD"):
            budgets.require(
                session,
                user_id=owner.user_id,
                estimate_micro=50_000,
                default_micro=TEN,
                currency="USD",
                now=now,
            )

    def test_passes_what_fits(self, session, now, owner):
        budgets.require(session, user_id=owner.user_id, estimate_micro=TEN, default_micro=TEN, currency="USD", now=now)


class TestRecord:
    def test_of_a_job_counts_for_the_job_and_its_person(self, session, now, owner):
        job, _ = make_running_job(session, now=now, actor=owner)
        for _ in range(2):
            budgets.record_of_job(session, job_id=job.id, kind="images", cost_micro=7, now=now)
        session.refresh(job)
        assert job.cost_micro == 14
        assert stands(session, owner, now).spent_micro == 14
        assert [
            (one.kind, one.spent_micro, one.requests) for one in budgets.history(session, user_id=owner.user_id)
        ] == [("images", 14, 2)]

    def test_begins_each_month_at_nothing_and_keeps_the_last(self, session, now, owner):
        budgets.record(session, user_id=owner.user_id, kind="speech", cost_micro=9, now=now)
        later = now + timedelta(days=31)
        assert stands(session, owner, later).spent_micro == 0
        budgets.record(session, user_id=owner.user_id, kind="speech", cost_micro=2, now=later)
        assert stands(session, owner, later).spent_micro == 2
        assert [one.spent_micro for one in budgets.history(session, user_id=owner.user_id)] == [2, 9]


class TestEstimate:
    def test_never_takes_a_month_back_that_has_begun(self, session, owner):
        border = datetime(2026, 12, 1, tzinfo=UTC)
        budgets.record(session, user_id=owner.user_id, kind="images", cost_micro=3, now=border)
        # The clock of another process is a second behind.
        behind = border - timedelta(seconds=1)
        budgets.record(session, user_id=owner.user_id, kind="images", cost_micro=4, now=behind)
        assert stands(session, owner, border).spent_micro == stands(session, owner, behind).spent_micro == 7
        budgets.set_limit(session, user_id=owner.user_id, limit_micro=TEN, now=behind)
        assert stands(session, owner, border).spent_micro == 7
        assert [row.spent_micro for row in budgets.history(session, user_id=owner.user_id)] == [7]

    def test_of_a_job_is_kept_with_it(self, session, now, owner):
        job = make_job(session, now=now, actor=owner, estimate_micro=12)
        assert session.get_one(JobRun, job.id).estimate_micro == 12


class TestTold:
    @given(st.integers(min_value=0, max_value=10**12))
    @settings(max_examples=50, deadline=None)
    def test_never_reads_as_nothing_what_is_something(self, micro):
        amount = float(told(micro, "USD").removesuffix(" USD"))
        assert (amount == 0) == (micro == 0)
        assert amount <= micro / MICRO + 1e-9

    def test_names_the_first_of_the_month(self, now):
        assert month_of(now).isoformat() == "2026-11-01"


class TestOfHouse:
    def test_counts_what_a_job_without_a_person_cost(self, session, now):
        job = make_job(session, now=now)
        budgets.record_of_job(session, job_id=job.id, kind="embeddings", cost_micro=7, now=now)
        budgets.record_of_job(session, job_id=job.id, kind="embeddings", cost_micro=5, now=now, requests=3)
        [spent] = budgets.of_house(session, kinds=["embeddings"], now=now).values()
        assert (spent.spent_micro, spent.requests) == (12, 4)
        assert not budgets.of_house(session, kinds=["embeddings"], now=now + timedelta(days=62))
