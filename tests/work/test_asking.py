"""Asking for a job."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.kit import db
from studio.work import claiming
from studio.work.models import JobRun, JobState
from tests.factories.work import make_job, make_running_job


@pytest.fixture
def nudged():
    told: list[dict] = []
    work.set_nudge(lambda ids: told.append({queue: list(each) for queue, each in ids.items()}))
    yield told
    work.set_nudge(None)


class TestAsk:
    def test_writes_a_row_that_waits(self, session, now):
        character_id = uuid4()
        job = make_job(
            session, "memory.embed_character", now=now, character_id=character_id, about=("character", character_id)
        )
        session.expire_all()
        kept = session.get_one(JobRun, job.id)
        assert kept.state is JobState.QUEUED
        assert kept.arguments == {"character_id": str(character_id)}
        assert (kept.about_type, kept.about_id) == ("character", character_id)
        assert kept.run_after == kept.created_at == now

    def test_nudges_once_after_the_commit_with_every_id(self, committed_database, now, nudged):
        with db.session_scope(committed_database.engine) as session:
            jobs = [work.ask(session, "tests.effect", now=now, number=n) for n in range(3)]
            bulk = work.ask(session, "tests.effect", queue="bulk", now=now)
            assert nudged == []
        assert nudged == [{"default": [job.id for job in jobs], "bulk": [bulk.id]}]

    def test_leaves_nothing_when_rolled_back(self, committed_database, now, nudged):
        with Session(committed_database.engine, expire_on_commit=False) as session:
            with pytest.raises(RuntimeError), db.transaction(session):
                work.ask(session, "tests.effect", now=now, dedupe_key="one")
                raise RuntimeError
            with db.transaction(session):
                kept = work.ask(session, "tests.effect", now=now)
            assert session.scalar(sa.select(sa.func.count()).select_from(JobRun)) == 1
        assert nudged == [{"default": [kept.id]}]

    def test_does_not_nudge_what_is_due_later(self, committed_database, now, nudged):
        with db.session_scope(committed_database.engine) as session:
            job = work.ask(session, "tests.effect", now=now, run_after=now + timedelta(hours=1))
        assert nudged == []
        assert job.nudged_at is None

    def test_outlives_a_queue_that_does_not_answer(self, committed_database, now):
        def broken(_ids):
            raise ConnectionError

        work.set_nudge(broken)
        try:
            with db.session_scope(committed_database.engine) as session:
                job = work.ask(session, "tests.effect", now=now)
        finally:
            work.set_nudge(None)
        with Session(committed_database.engine) as session:
            assert session.get_one(JobRun, job.id).state is JobState.QUEUED

    @pytest.mark.parametrize(
        ("value", "error"), [("x" * 201, ValueError), (b"bytes", TypeError), ([1], TypeError), (1.5, TypeError)]
    )
    def test_refuses_content(self, session, now, value, error):
        with pytest.raises(error, match="ids, not content"):
            work.ask(session, "tests.effect", now=now, text=value)

    def test_refuses_a_queue_that_nobody_listens_to(self, session, now):
        with pytest.raises(ValueError, match="No worker listens"):
            work.ask(session, "tests.effect", queue="bluk", now=now)


class TestAskWithDedupeKey:
    def test_returns_the_job_that_waits(self, session, now):
        first = make_job(session, now=now, dedupe_key="same")
        assert make_job(session, now=now, dedupe_key="same").id == first.id
        assert make_job(session, now=now, dedupe_key="other").id != first.id

    def test_makes_a_new_one_after_the_end(self, session, now):
        job, token = make_running_job(session, now=now, dedupe_key="same")
        claiming.succeed(session, job_id=job.id, token=token, result=None, now=now)
        assert make_job(session, now=now, dedupe_key="same").id != job.id

    def test_has_a_running_job_done_once_more(self, session, now):
        job, token = make_running_job(session, now=now, dedupe_key="same", character_id=uuid4())
        assert make_job(session, now=now, dedupe_key="same").id == job.id
        claiming.succeed(session, job_id=job.id, token=token, result=None, now=now)
        follower = session.scalars(sa.select(JobRun).where(JobRun.dedupe_key == "same", JobRun.id != job.id)).one()
        assert follower.state is JobState.QUEUED
        assert follower.arguments == job.arguments
        assert job.state is JobState.SUCCEEDED

    def test_does_what_was_there_when_it_was_asked_for_again(self, session, now):
        job, token = make_running_job(session, now=now, dedupe_key="same")
        pressed, ended = now + timedelta(minutes=1), now + timedelta(minutes=9)
        make_job(session, now=pressed, dedupe_key="same")
        claiming.succeed(session, job_id=job.id, token=token, result=None, now=ended)
        follower = session.scalars(sa.select(JobRun).where(JobRun.dedupe_key == "same", JobRun.id != job.id)).one()
        # "Do all again" takes what had failed before this, and leaves what failed since.
        assert (follower.created_at, follower.run_after) == (pressed, ended)

    def test_is_content_with_the_next_attempt_of_a_failed_one(self, session, now):
        job, token = make_running_job(session, now=now, dedupe_key="same")
        make_job(session, now=now, dedupe_key="same")
        failure = claiming.Failure("ValueError", "No.")
        claiming.fail(session, job_id=job.id, token=token, failure=failure, is_final=False, chance=0, now=now)
        later = now + timedelta(minutes=1)
        again = claiming.claim(session, job_id=job.id, worker="two", now=later)
        claiming.succeed(session, job_id=job.id, token=again.claim_token, result=None, now=later)
        assert session.scalar(sa.select(sa.func.count()).where(JobRun.dedupe_key == "same")) == 1

    def test_gives_one_job_to_many_who_ask_at_once(self, committed_database, now):
        ids, barrier = [], threading.Barrier(6)

        def one():
            barrier.wait()
            with db.session_scope(committed_database.engine) as session:
                ids.append(work.ask(session, "tests.effect", now=now, dedupe_key="same").id)

        threads = [threading.Thread(target=one) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 6
        assert len(set(ids)) == 1
