"""All greetings spoken by one job: what it would be, each once, heard by whoever may read the draft, within a budget."""

import pytest
import sqlalchemy as sa

import jobs.voices
from studio.accounts.permissions import RoleName
from studio.authoring.models import Character
from studio.authoring.rules import Greetings
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.media.models import GenerationState
from studio.operations import bulk_jobs
from studio.operations.bulk_jobs import Means, NothingToDoError
from studio.voices import greetings, links, queries, speaking
from studio.voices.models import SpeechSynthesis
from studio.work import budgets, steering
from studio.work.models import Hold, JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.authoring import NOW, make_character
from tests.factories.voices import TERMS, make_draft, make_speech, make_voice
from tests.fakes import speech_server as fake
from tests.fakes.storage_in_trouble import StorageInTrouble

ELEVEN = make_draft("elevenlabs", voice_id="el0")
THREE = Greetings("*smiles* Well met, {{user}}. I am {{char}}.", ("What, again?", "你来了。"), ())


@pytest.fixture
def creator(engine):
    with session_scope(engine) as session:
        actor = make_actor(session, RoleName.CREATOR)
        character = make_character(session, owner=actor, name="Dugu", greetings=THREE)
        make_voice(session, owner=actor, character=character, draft=ELEVEN)
        # Nobody does these here, and the long job would make way for them.
        session.execute(sa.delete(JobRun))
    return actor


@pytest.fixture
def staff(engine):
    with session_scope(engine) as session:
        return make_actor(session, RoleName.STAFF)


def means(runtime):
    return Means(runtime.resources.settings, runtime.resources.embeddings, runtime.resources.speech)


def forecast(engine, runtime, actor):
    with session_scope(engine) as session:
        given = {"name": "greetings", "is_anew": False, "means": means(runtime), "now": utc_now()}
        return bulk_jobs.forecast(session, actor=actor, **given).found


def start(engine, runtime, actor):
    with session_scope(engine) as session:
        given = {"name": "greetings", "is_anew": False, "means": means(runtime), "now": utc_now()}
        return bulk_jobs.start(session, actor=actor, **given).id


def job(engine, job_id):
    with session_scope(engine) as session:
        return session.get_one(JobRun, job_id)


def spoken(engine):
    with session_scope(engine) as session:
        return session.scalars(sa.select(SpeechSynthesis).order_by(SpeechSynthesis.text)).all()


class TestForecast:
    def test_tells_how_many_and_how_dear_and_counts_no_stranger(self, engine, runtime, creator):
        with session_scope(engine) as session:
            other = make_actor(session, RoleName.CREATOR)
            make_voice(session, owner=other, character=make_character(session, owner=other, greetings=THREE))
            make_character(session, owner=creator, greetings=THREE)  # Without a voice.
        found = forecast(engine, runtime, creator)
        texts = ["smiles Well met, friend. I am Dugu.", "What, again?", "你来了。"]
        assert (found.total, found.count, found.left_out, found.is_guess) == (3, 3, 0, False)
        assert found.cost_micro == 100_000 * sum(map(len, texts))

    def test_of_more_than_it_looks_at_is_a_guess(self, session):
        creator = make_actor(session, RoleName.CREATOR)
        for _ in range(3):
            make_voice(session, owner=creator, character=make_character(session, owner=creator, greetings=THREE))
        found = greetings.forecast(session, actor=creator, terms=TERMS, is_usable=lambda _name: True, looked_at=6)
        assert (found.total, found.count, found.cost_micro, found.is_guess) == (9, 9, 0, True)

    def test_leaves_out_what_cannot_be_spoken_here(self, session):
        creator = make_actor(session, RoleName.CREATOR)
        long = Greetings("So much to say. " * 400, ("…", "Well."), ())
        make_voice(session, owner=creator, character=make_character(session, owner=creator, greetings=long))
        given = {"actor": creator, "terms": TERMS}
        found = greetings.forecast(session, is_usable=lambda _name: True, **given)
        assert (found.total, found.count, found.left_out) == (3, 1, 2)
        found = greetings.forecast(session, is_usable=lambda name: name != "local", **given)
        assert (found.count, found.left_out) == (0, 3)

    def test_is_refused_to_whoever_may_have_nothing_spoken(self, engine, runtime):
        with session_scope(engine) as session:
            moderator = make_actor(session, RoleName.MODERATOR)
        with pytest.raises(ForbiddenError):
            forecast(engine, runtime, moderator)


class TestSpeakGreetings:
    def test_speaks_each_once_and_then_finds_nothing_to_do(self, engine, runtime, creator, server):
        first = start(engine, runtime, creator)
        assert runtime.perform(first)
        done = job(engine, first)
        assert (done.state, done.error_message) == (JobState.SUCCEEDED, None)
        assert done.result == {"spoken": 3, "there": 0, "failed": 0, "left_out": 0}
        rows = spoken(engine)
        assert [row.text for row in rows] == ["What, again?", "smiles Well met, friend. I am Dugu.", "你来了。"]
        assert {(row.state, row.is_greeting) for row in rows} == {(GenerationState.COMPLETED, True)}
        assert done.cost_micro == sum(row.cost_micro for row in rows) > 0
        assert len(server.requests) == 3
        with pytest.raises(NothingToDoError):
            start(engine, runtime, creator)

    def test_of_a_creators_is_heard_by_them_and_by_staff_and_by_nobody_else(self, engine, runtime, creator, staff):
        assert runtime.perform(start(engine, runtime, staff))
        speech = spoken(engine)[0]
        assert speech.user_id == staff.user_id
        with session_scope(engine) as session:
            heard = queries.list_speech(session, actor=creator, character_id=speech.character_id)
            assert len(heard) == 3
            token = links.make(speech, actor=creator, secret="s")
            assert links.follow(session, actor=creator, token=token, secret="s")[1].id == speech.audio_file_id
            outsider = make_actor(session, RoleName.CREATOR)
            with pytest.raises(NotFoundError):
                queries.get_speech(session, actor=outsider, speech_id=speech.id)
            with pytest.raises(NotFoundError):
                speaking.forget(session, actor=creator, speech_id=speech.id)
        # What staff had spoken is there for its creator as well, at no cost.
        assert forecast(engine, runtime, creator).count == 0

    def test_takes_what_was_listened_to_before_and_asks_nobody_for_it(self, engine, runtime, creator, server, settings):
        with session_scope(engine) as session:
            ids = greetings.character_ids(session, actor=creator, after=None, size=5)
            plan = greetings.plan(session, character_ids=ids, is_usable=lambda _name: True)
            line = next(one for one in plan.lines if one.wanted.text == "What, again?")
            own = session.get_one(Character, line.character_id)
            make_speech(session, owner=creator, character=own, text=line.wanted.text, draft=ELEVEN, data=settings.data)
            session.execute(sa.delete(JobRun))
        found = forecast(engine, runtime, creator)
        assert (found.count, found.cost_micro) == (3, 100_000 * (len("smiles Well met, friend. I am Dugu.") + 4))
        asked = start(engine, runtime, creator)
        assert runtime.perform(asked)
        assert job(engine, asked).result == {"spoken": 2, "there": 1, "failed": 0, "left_out": 0}
        assert len(server.requests) == 2
        assert all(row.is_greeting for row in spoken(engine))

    def test_a_text_that_is_declined_stands_with_its_reason_and_the_next_follows(
        self, engine, runtime, creator, server
    ):
        server.script(fake.Status(400, message="flagged by moderation"))
        asked = start(engine, runtime, creator)
        assert runtime.perform(asked)
        assert job(engine, asked).result == {"spoken": 2, "there": 0, "failed": 1, "left_out": 0}
        (failed,) = [row for row in spoken(engine) if row.state is GenerationState.FAILED]
        assert "declines to speak this text" in failed.failure["msgid"]
        assert forecast(engine, runtime, creator).count == 1

    def test_ends_where_the_next_would_fail_as_well_and_leaves_nothing_half_made(
        self, engine, runtime, creator, server
    ):
        server.script(fake.Status(402))
        asked = start(engine, runtime, creator)
        runtime.perform(asked)
        ended = job(engine, asked)
        assert ended.state is JobState.FAILED
        assert "no credit left" in ended.error_message
        assert spoken(engine) == []
        assert len(server.requests) == 1

    def test_comes_back_later_where_the_provider_is_busy(self, engine, runtime, creator, server):
        server.script(fake.Status(503))
        asked = start(engine, runtime, creator)
        runtime.perform(asked)
        assert job(engine, asked).state is JobState.QUEUED
        with session_scope(engine) as session:
            session.get_one(JobRun, asked).run_after = NOW
        assert runtime.perform(asked)
        assert job(engine, asked).result["spoken"] == 3

    def test_begins_with_what_there_is_room_for_and_waits_where_there_is_no_more(
        self, engine, runtime, creator, server, monkeypatch
    ):
        limit = 100_000 * len("smiles Well met, friend. I am Dugu.")
        with session_scope(engine) as session:
            budgets.set_limit(session, user_id=creator.user_id, limit_micro=limit, now=utc_now())
        asked = start(engine, runtime, creator)
        assert job(engine, asked).estimate_micro > limit
        keep = jobs.voices._keep

        def keep_and_spend_the_rest(*given):
            with session_scope(engine) as session:
                budgets.record(session, user_id=creator.user_id, kind="images", cost_micro=limit, now=utc_now())
            return keep(*given)

        monkeypatch.setattr(jobs.voices, "_keep", keep_and_spend_the_rest)
        runtime.perform(asked)
        waiting = job(engine, asked)
        assert (waiting.state, waiting.held_for) == (JobState.QUEUED, Hold.BUDGET)
        assert (waiting.result["spoken"], len(server.requests)) == (1, 1)
        # What it asks for is its next step, not all that is left.
        assert 0 < waiting.needs_micro <= 100_000 * len("What, again?")
        with session_scope(engine) as session:
            budgets.set_limit(session, user_id=creator.user_id, limit_micro=100_000_000, now=utc_now())
            budgets.let_go(session, default_micro=0, now=utc_now())
        assert runtime.perform(asked)
        assert job(engine, asked).state is JobState.SUCCEEDED
        assert len(server.requests) == 3

    def test_pays_once_for_each_through_a_full_disk(self, engine, runtime, creator, server):
        runtime.resources.__dict__["storage"] = StorageInTrouble(runtime.resources.storage, writes=2)
        asked = start(engine, runtime, creator)
        for _ in range(3):
            with session_scope(engine) as session:
                session.execute(sa.update(JobRun).where(JobRun.id == asked).values(run_after=utc_now()))
            runtime.perform(asked)
        done = job(engine, asked)
        assert (done.state, done.result["spoken"]) == (JobState.SUCCEEDED, 3)
        assert len(server.requests) == 3

    def test_counts_on_after_it_was_paused(self, engine, runtime, creator, server, monkeypatch):
        asked = start(engine, runtime, creator)
        keep = jobs.voices._keep

        def keep_and_pause(*given):
            if len(server.requests) == 1:
                with session_scope(engine) as session:
                    steering.pause(session, actor=creator, job_id=asked, now=utc_now())
            return keep(*given)

        monkeypatch.setattr(jobs.voices, "_keep", keep_and_pause)
        runtime.perform(asked)
        paused = job(engine, asked)
        # How far it was stays to be seen while it waits.
        assert (paused.held_for, paused.result["spoken"], paused.percent) == (Hold.PAUSE, 1, 33)
        with session_scope(engine) as session:
            steering.resume(session, actor=creator, job_id=asked, now=utc_now())
        assert runtime.perform(asked)
        assert job(engine, asked).result == {"spoken": 3, "there": 0, "failed": 0, "left_out": 0, "_earlier": 1}
        assert len(server.requests) == 3

    def test_does_nothing_when_it_is_paused(self, engine, runtime, creator, server):
        asked = start(engine, runtime, creator)
        with session_scope(engine) as session:
            steering.pause(session, actor=creator, job_id=asked, now=utc_now())
        runtime.perform(asked)
        assert (job(engine, asked).held_for, server.requests) == (Hold.PAUSE, [])
        with session_scope(engine) as session:
            steering.resume(session, actor=creator, job_id=asked, now=utc_now())
        assert runtime.perform(asked)
        assert job(engine, asked).result["spoken"] == 3
