"""Whatever happens to a job in whatever order, it takes effect at most once and nobody without the claim changes it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.orm import Session

from studio.accounts.permissions import SYSTEM
from studio.work import claiming, steering, sweeping
from studio.work.errors import ClaimLostError, JobInterruptedError
from studio.work.models import FINAL, JobRun, JobState
from tests.factories.work import make_job

LEASE = timedelta(seconds=12)


@dataclass
class Worker:
    """A process as it sees itself: the tokens that it ever had, the last of which it believes in."""

    tokens: list[UUID] = field(default_factory=list)


class LifeOfAJob(RuleBasedStateMachine):
    """Three workers, a sweeper and a person act on one job."""

    engine: sa.Engine

    def __init__(self):
        super().__init__()
        self.connection = self.engine.connect()
        self.outer = self.connection.begin()
        self.session = Session(self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        self.now = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
        self.workers = [Worker(), Worker(), Worker()]
        self.effects = 0

    def teardown(self):
        self.session.close()
        self.outer.rollback()
        self.connection.close()

    @property
    def row(self) -> JobRun:
        return self.session.get_one(JobRun, self.job_id, populate_existing=True)

    @initialize(attempts=st.integers(1, 3))
    def ask(self, attempts):
        self.job_id = make_job(self.session, now=self.now, max_attempts=attempts, dedupe_key="same").id

    @rule(seconds=st.sampled_from([0, 1, 5, 13, 900]))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(worker=st.integers(0, 2))
    def claim(self, worker):
        before = self.row.state, self.row.run_after
        job = claiming.claim(self.session, job_id=self.job_id, worker=str(worker), now=self.now)
        assert (job is not None) == (before[0] is JobState.QUEUED and before[1] <= self.now)
        if job is not None:
            self.workers[worker].tokens.append(job.claim_token)

    @rule(worker=st.integers(0, 2))
    def beat(self, worker):
        for token in self.workers[worker].tokens:
            holds = self.row.claim_token == token
            assert claiming.beat(self.session, job_id=self.job_id, token=token, now=self.now).holds == holds

    @rule(worker=st.integers(0, 2))
    def finish(self, worker):
        for token in self.workers[worker].tokens:
            may = self.row.claim_token == token and self.row.cancel_requested_at is None
            try:
                claiming.succeed(self.session, job_id=self.job_id, token=token, result=None, now=self.now)
            except JobInterruptedError:
                assert not may
            else:
                assert may
                self.effects += 1

    @rule(worker=st.integers(0, 2), is_final=st.booleans(), chance=st.floats(0, 1))
    def fail(self, worker, is_final, chance):
        failure = claiming.Failure("ValueError", "It did not work.")
        for token in self.workers[worker].tokens:
            may = self.row.claim_token == token
            try:
                claiming.fail(
                    self.session,
                    job_id=self.job_id,
                    token=token,
                    failure=failure,
                    is_final=is_final,
                    chance=chance,
                    now=self.now,
                )
            except ClaimLostError:
                assert not may
            else:
                assert may

    @rule(worker=st.integers(0, 2))
    def give_back(self, worker):
        for token in self.workers[worker].tokens:
            may = self.row.claim_token == token
            assert claiming.give_back(self.session, job_id=self.job_id, token=token, now=self.now) == may

    @rule()
    def sweep(self):
        is_lost = self.row.state is JobState.RUNNING and self.row.heartbeat_at < self.now - LEASE
        assert bool(sweeping.take_back_lost(self.session, lease=LEASE, now=self.now)) == is_lost

    @precondition(lambda self: self.row.state not in FINAL)
    @rule()
    def cancel(self):
        steering.cancel(self.session, actor=SYSTEM, job_id=self.job_id, now=self.now)

    @precondition(lambda self: self.row.state in {JobState.FAILED, JobState.CANCELLED})
    @rule()
    def retry(self):
        steering.retry(self.session, actor=SYSTEM, job_id=self.job_id, now=self.now)

    @invariant()
    def takes_effect_once_and_only_when_it_succeeded(self):
        if not hasattr(self, "job_id"):
            return
        row = self.row
        assert self.effects == (1 if row.state is JobState.SUCCEEDED else 0)
        assert row.attempts <= row.max_attempts
        held = [token for worker in self.workers for token in worker.tokens if token == row.claim_token]
        assert len(held) == (1 if row.state is JobState.RUNNING else 0)


def test_every_order_of_events(engine):
    machine = type("OfThisDatabase", (LifeOfAJob,), {"engine": engine})
    case = machine.TestCase
    case.settings = settings(
        max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    case().runTest()
