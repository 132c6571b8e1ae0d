"""What the scheduler looks after."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.kit import db
from studio.work import claiming, pulses, sweeping
from studio.work.models import JobRun, JobState, WorkerPulse
from tests.factories.work import make_failed_job, make_job, make_running_job

LEASE = timedelta(seconds=12)


class TestTakeBackLost:
    def test_makes_a_lost_job_due_at_once(self, session, now):
        job, token = make_running_job(session, now=now)
        later = now + timedelta(seconds=13)
        assert sweeping.take_back_lost(session, lease=LEASE, now=later) == [job.id]
        assert (job.state, job.attempts, job.run_after, job.error_type) == (JobState.QUEUED, 1, later, "WorkerLost")
        assert not claiming.beat(session, job_id=job.id, token=token, now=later).holds

    def test_leaves_alone_what_was_heard_of(self, session, now):
        job, token = make_running_job(session, now=now)
        claiming.beat(session, job_id=job.id, token=token, now=now + timedelta(seconds=10))
        assert sweeping.take_back_lost(session, lease=LEASE, now=now + timedelta(seconds=20)) == []

    def test_ends_what_has_no_attempt_left(self, session, now):
        job, _ = make_running_job(session, now=now, max_attempts=1)
        sweeping.take_back_lost(session, lease=LEASE, now=now + timedelta(seconds=13))
        assert (job.state, job.error_type) == (JobState.FAILED, "WorkerLost")

    def test_cancels_what_a_person_asked_to_stop(self, session, now):
        job, _ = make_running_job(session, now=now)
        job.cancel_requested_at = now
        session.flush()
        sweeping.take_back_lost(session, lease=LEASE, now=now + timedelta(seconds=13))
        assert job.state is JobState.CANCELLED

    def test_passes_over_what_a_transaction_holds(self, committed_database, now):
        with db.session_scope(committed_database.engine) as session:
            job, token = make_running_job(session, now=now)
        later = now + timedelta(seconds=60)
        with Session(committed_database.engine) as holder, Session(committed_database.engine) as sweeper:
            claiming.succeed(holder, job_id=job.id, token=token, result=None, now=later)
            assert sweeping.take_back_lost(sweeper, lease=LEASE, now=later) == []
            with db.transaction(holder):
                pass
        with Session(committed_database.engine) as session:
            assert session.get_one(JobRun, job.id).attempts == 1


class TestNudgeDue:
    def test_hints_at_what_was_not_hinted_at_lately(self, session, now):
        early = make_job(session, now=now)
        late = make_job(session, now=now, run_after=now + timedelta(seconds=5))
        make_job(session, now=now, run_after=now + timedelta(hours=1))
        quiet = {"default": timedelta(seconds=60), "bulk": timedelta(seconds=60)}
        assert sweeping.nudge_due(session, quiet=quiet, now=now + timedelta(seconds=10)) == {"default": [late.id]}
        assert sweeping.nudge_due(session, quiet=quiet, now=now + timedelta(seconds=65)) == {"default": [early.id]}

    def test_hints_at_everything_due_where_nothing_is_trusted(self, session, now):
        job = make_job(session, now=now, queue="bulk")
        assert sweeping.nudge_due(session, quiet={"bulk": timedelta(0)}, now=now) == {"bulk": [job.id]}

    def test_hints_at_no_more_than_there_is_room_for(self, session, now):
        jobs = [make_job(session, now=now) for _ in range(5)]
        told = sweeping.nudge_due(session, quiet={"default": timedelta(0)}, now=now, limit=3)
        assert told == {"default": [job.id for job in jobs[:3]]}


class TestForgetOld:
    def test_keeps_what_failed_and_what_is_young(self, session, now):
        old = now - timedelta(days=40)
        done, token = make_running_job(session, now=old)
        claiming.succeed(session, job_id=done.id, token=token, result=None, now=old)
        failed, waiting, young = (
            make_failed_job(session, now=old),
            make_job(session, now=old),
            make_job(session, now=now),
        )
        assert sweeping.forget_old(session, before=now - timedelta(days=30)) == 1
        session.expunge_all()
        assert set(session.scalars(sa.select(JobRun.id))) == {failed.id, waiting.id, young.id}


class TestForgetPulses:
    def test_forgets_the_processes_that_are_gone(self, session, now):
        for name, seen in (("gone", now - timedelta(hours=1)), ("here", now)):
            pulses.record(session, name=name, kind="worker", started_at=seen, job_id=None, now=seen)
        assert sweeping.forget_pulses(session, before=now - timedelta(minutes=15)) == 1
        assert session.scalars(sa.select(WorkerPulse.name)).all() == ["here"]


class TestNudgeBegun:
    def test_hints_again_soon_at_what_had_begun_and_at_nothing_else(self, session, now):
        make_job(session, now=now)
        job, token = make_running_job(session, now=now)
        claiming.give_back(session, job_id=job.id, token=token, now=now)
        later, quiet = now + timedelta(seconds=5), timedelta(seconds=4)
        assert sweeping.nudge_begun(session, quiet=quiet, now=now) == []
        assert sweeping.nudge_begun(session, quiet=quiet, now=later) == [job.id]
        assert sweeping.nudge_begun(session, quiet=quiet, now=later) == []
