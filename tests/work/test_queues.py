"""A queue that is paused, and what goes on."""

from datetime import timedelta

import pytest

from studio.accounts.permissions import RoleName
from studio.kit.errors import NotFoundError
from studio.work import claiming, queries, queues, sweeping
from tests.factories.accounts import make_actor
from tests.factories.work import make_job


def pause(session, now, queue="default"):
    queues.pause(session, queue=queue, by=None, reason="The provider is down.", now=now)


class TestPause:
    def test_has_no_worker_take_anything_from_the_queue(self, session, now):
        here, there = make_job(session, now=now), make_job(session, now=now, queue="bulk")
        pause(session, now)
        assert claiming.claim(session, job_id=here.id, worker="one", now=now) is None
        assert claiming.claim(session, job_id=there.id, worker="one", now=now) is not None
        assert here.attempts == 0

    def test_hints_at_nothing_and_counts_as_no_delay(self, session, now):
        make_job(session, now=now)
        pause(session, now)
        assert sweeping.nudge_due(session, quiet={"default": timedelta(0)}, now=now) == {}
        assert queries.oldest_due(session, now=now) is None

    def test_may_be_repeated_and_the_first_stands(self, session, now):
        pause(session, now)
        pause(session, now + timedelta(minutes=1))
        assert [one.paused_at for one in queues.list_pauses(session)] == [now]

    def test_knows_only_the_queues_that_there_are(self, session, now):
        with pytest.raises(NotFoundError):
            pause(session, now, queue="nowhere")


class TestResume:
    def test_has_everything_taken_again(self, session, now):
        job = make_job(session, now=now)
        pause(session, now)
        assert queues.resume(session, queue="default")
        assert sweeping.nudge_due(session, quiet={"default": timedelta(minutes=1)}, now=now) == {"default": [job.id]}
        assert claiming.claim(session, job_id=job.id, worker="one", now=now) is not None
        assert not queues.resume(session, queue="default")


class TestIsOthersTurn:
    def test_is_so_while_a_job_of_an_earlier_queue_waits(self, session, now):
        later = now + timedelta(seconds=2)
        make_job(session, now=now, queue="background")
        assert not queries.is_others_turn(session, queue="background", now=later)
        make_job(session, now=now, queue="bulk")
        assert queries.is_others_turn(session, queue="background", now=later)
        assert not queries.is_others_turn(session, queue="bulk", now=later)

    def test_is_not_for_what_is_taken_at_once_or_cannot_be_taken(self, session, now):
        make_job(session, now=now, queue="bulk")
        assert not queries.is_others_turn(session, queue="background", now=now)
        pause(session, now, queue="bulk")
        assert not queries.is_others_turn(session, queue="background", now=now + timedelta(seconds=2))

    def test_is_not_for_what_the_worker_does_not_take(self, session, now):
        later = now + timedelta(seconds=2)
        make_job(session, now=now, queue="pictures")
        assert queries.is_others_turn(session, queue="bulk", now=later)
        assert not queries.is_others_turn(
            session, queue="bulk", now=later, listens_to=("default", "bulk", "background")
        )

    def test_comes_for_another_persons_job_of_the_same_queue_after_a_turn(self, session, now):
        one, other = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.CREATOR)
        later = now + timedelta(seconds=2)
        given = {"queue": "bulk", "now": later, "owner_id": one.user_id}
        make_job(session, now=now, queue="bulk", actor=one)
        assert not queries.is_others_turn(session, had_turn=True, **given)
        make_job(session, now=now, queue="bulk", actor=other)
        assert not queries.is_others_turn(session, **given)
        assert queries.is_others_turn(session, had_turn=True, **given)
        assert not queries.is_others_turn(session, had_turn=True, **{**given, "now": now})
