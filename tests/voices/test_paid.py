"""Speech that was paid for is kept, and "do it again" speaks: once, within the budget, whatever failed before."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import SYSTEM, RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.media.models import GenerationState
from studio.voices import speaking
from studio.voices.models import SpeechSynthesis
from studio.work import budgets, steering
from studio.work.models import Hold, JobRun, JobState, PaidAnswer
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.voices import TERMS, make_draft
from tests.fakes import speech_server as fake
from tests.fakes.storage_in_trouble import StorageInTrouble

ELEVEN = make_draft("elevenlabs", voice_id="el0")
COST = 700_000
"""What the server takes for a text: seven characters at 0.1."""


@pytest.fixture
def people(engine):
    """Somebody and their character."""
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)
        return owner, make_character(session, owner=owner).id


@pytest.fixture
def asked(engine, people):
    """Asks for speech; returns the row as it was asked for."""
    owner, character_id = people

    def ask(text="Well met, traveller."):
        with session_scope(engine) as session:
            return speaking.ask(
                session, actor=owner, character_id=character_id, draft=ELEVEN, text=text, terms=TERMS, now=utc_now()
            )

    return ask


def attempt(engine, runtime, job_id):
    with session_scope(engine) as session:
        session.execute(sa.update(JobRun).where(JobRun.id == job_id).values(run_after=utc_now() - timedelta(seconds=1)))
    runtime.perform(job_id)
    with session_scope(engine) as session:
        return session.get_one(JobRun, job_id)


def row(engine, speech):
    with session_scope(engine) as session:
        return session.get_one(SpeechSynthesis, speech.id)


def again(engine, job_id):
    with session_scope(engine) as session:
        steering.retry(session, actor=SYSTEM, job_id=job_id, now=utc_now())


def held(engine):
    with session_scope(engine) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(PaidAnswer))


def in_trouble(runtime, writes):
    runtime.resources.__dict__["storage"] = StorageInTrouble(runtime.resources.storage, writes=writes)


class TestOnePayment:
    def test_outlasts_a_full_disk(self, engine, runtime, asked, server):
        in_trouble(runtime, writes=2)
        speech = asked()
        states = [attempt(engine, runtime, speech.job_id).state for _ in range(3)]
        assert states == [JobState.QUEUED, JobState.QUEUED, JobState.SUCCEEDED]
        assert len(server.requests) == 1
        made = row(engine, speech)
        assert (made.state, made.cost_micro, held(engine)) == (GenerationState.COMPLETED, COST, 0)
        with session_scope(engine) as session:
            stands = budgets.standing(session, user_id=speech.user_id, default_micro=0, now=utc_now())
            assert stands.spent_micro == COST


class TestDoneAgain:
    @pytest.mark.parametrize("ends", ["failed", "cancelled"])
    def test_speaks(self, engine, runtime, asked, server, ends):
        speech = asked()
        if ends == "failed":
            server.script(fake.Status(402))
            assert attempt(engine, runtime, speech.job_id).state is JobState.FAILED
        else:
            with session_scope(engine) as session:
                steering.cancel(session, actor=SYSTEM, job_id=speech.job_id, now=utc_now())
                speaking.settle(session, session.get_one(SpeechSynthesis, speech.id))
        again(engine, speech.job_id)
        job = attempt(engine, runtime, speech.job_id)
        assert (job.state, job.result) == (JobState.SUCCEEDED, {"made": 1})
        made = row(engine, speech)
        assert (made.state, made.failure) == (GenerationState.COMPLETED, None)

    def test_says_where_the_same_words_stand_that_were_spoken_meanwhile(self, engine, runtime, asked, server):
        server.script(fake.Status(402))
        speech = asked()
        attempt(engine, runtime, speech.job_id)
        assert attempt(engine, runtime, asked().job_id).state is JobState.SUCCEEDED
        again(engine, speech.job_id)
        job = attempt(engine, runtime, speech.job_id)
        assert job.state is JobState.FAILED
        assert "asked for again in the meantime" in job.error_message
        assert len(server.requests) == 2

    def test_waits_for_budget_where_the_month_is_full(self, engine, runtime, asked, server):
        server.script(fake.CutAudio())
        speech = asked()
        paid = attempt(engine, runtime, speech.job_id).cost_micro
        assert paid > 0
        with session_scope(engine) as session:
            budgets.set_limit(session, user_id=speech.user_id, limit_micro=paid, now=utc_now())
        again(engine, speech.job_id)
        job = attempt(engine, runtime, speech.job_id)
        assert (job.state, job.held_for, job.cost_micro) == (JobState.QUEUED, Hold.BUDGET, paid)
        assert len(server.requests) == 1
