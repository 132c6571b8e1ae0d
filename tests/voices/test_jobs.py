"""The jobs of voices, run by the runtime that workers run, against servers that do what real ones do wrong."""

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import SYSTEM, RoleName
from studio.authoring.models import Character
from studio.chat import attachments
from studio.chat.models import ChatMessage, MultimediaMessage
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.media.models import GenerationState, MediaFile
from studio.providers.breaker import MOST_FAILURES
from studio.providers.speech import espeak
from studio.providers.storage import key_of
from studio.voices import lists, queries, speaking
from studio.voices.models import SpeechSynthesis
from studio.work import budgets, steering
from studio.work.models import Hold, JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.chat import make_chat
from tests.factories.voices import TERMS, make_draft, make_voice
from tests.fakes import speech_server as fake

ELEVEN = make_draft("elevenlabs", voice_id="el0")


@pytest.fixture
def speech_timeout():
    return 0.4


@pytest.fixture
def asked(engine):
    """Asks for speech of a draft; returns the row as it was asked for."""
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)
        character_id = make_character(session, owner=owner).id

    def ask(draft=ELEVEN, text="Well met, traveller."):
        with session_scope(engine) as session:
            return speaking.ask(
                session,
                actor=owner,
                character_id=character_id,
                draft=draft,
                text=text,
                terms=TERMS,
                now=utc_now(),
            )

    return ask


def row(engine, speech):
    with session_scope(engine) as session:
        return session.get_one(SpeechSynthesis, speech.id)


def job(engine, speech):
    with session_scope(engine) as session:
        return session.get_one(JobRun, speech.job_id)


class TestSpeak:
    def test_keeps_the_audio_with_its_length_its_waveform_and_what_it_cost(self, engine, runtime, asked):
        speech = asked()
        assert runtime.perform(speech.job_id)
        done = row(engine, speech)
        assert (done.state, done.characters, done.cost_micro) == (GenerationState.COMPLETED, 7, 700_000)
        assert abs(done.duration_ms - 1_000) < 120
        assert max(done.peaks) == 100
        finished = job(engine, speech)
        assert (finished.state, finished.result, finished.cost_micro) == (
            JobState.SUCCEEDED,
            {"made": 1},
            700_000,
        )
        with session_scope(engine) as session:
            file = session.get_one(MediaFile, done.audio_file_id)
        assert runtime.resources.storage.get(key_of(file.sha256)) == fake.tone(1.0)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (fake.Status(402), "no credit left"),
            (fake.Status(400, message="flagged by moderation"), "declines to speak this text"),
            (fake.Stalls(), "did not finish"),
            (fake.HalfBody(), "broke off"),
            (fake.CutAudio(), "damaged or was cut off"),
            (fake.Raw(b"<html>", "audio/mpeg"), "damaged or was cut off"),
        ],
        ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
    )
    def test_says_why_there_is_none_and_keeps_nothing(self, engine, runtime, asked, server, answer, words):
        server.script(answer)
        speech = asked()
        runtime.perform(speech.job_id)
        failed = row(engine, speech)
        assert failed.state is GenerationState.FAILED
        assert words in failed.failure["msgid"]
        assert job(engine, speech).state is JobState.FAILED
        with session_scope(engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(MediaFile)) == 0

    def test_counts_what_broke_off_against_the_budget(self, engine, runtime, asked, server):
        server.script(fake.HalfBody())
        speech = asked()
        runtime.perform(speech.job_id)
        failed = row(engine, speech)
        assert failed.state is GenerationState.FAILED
        assert failed.characters == len("Well met, traveller.")
        assert failed.cost_micro == job(engine, speech).cost_micro == 100_000 * failed.characters

    def test_waits_for_budget_that_went_meanwhile_and_asks_nobody(self, engine, runtime, asked, server):
        speech = asked()
        with session_scope(engine) as session:
            budgets.set_limit(session, user_id=speech.user_id, limit_micro=1, now=utc_now())
        runtime.perform(speech.job_id)
        assert not server.requests
        with session_scope(engine) as session:
            waits = session.get_one(SpeechSynthesis, speech.id)
            assert waits.state is GenerationState.PENDING
            assert queries.find_hold(session, waits) is Hold.BUDGET

    def test_leaves_a_provider_alone_that_keeps_failing_and_says_when_it_is_asked_again(
        self, engine, runtime, asked, server
    ):
        server.script(*[fake.Status(503) for _ in range(MOST_FAILURES)])
        for number in range(MOST_FAILURES + 1):
            last = asked(text=f"Well met, number {number}.")
            runtime.perform(last.job_id)
        assert len(server.requests) == MOST_FAILURES
        failed = row(engine, last)
        assert failed.state is GenerationState.FAILED
        assert "failed several times in a row; it is asked again in" in failed.failure["msgid"]
        assert failed.failure["params"]["provider"] == "ElevenLabs"

    def test_asks_the_provider_once_however_often_it_is_run(self, engine, runtime, asked, server):
        speech = asked()
        runtime.perform(speech.job_id)
        with session_scope(engine) as session:
            again = session.get_one(JobRun, speech.job_id)
            again.state, again.finished_at, again.attempts = JobState.QUEUED, None, 0
        assert runtime.perform(speech.job_id)
        assert len(server.requests) == 1

    def test_does_nothing_when_it_was_cancelled_before(self, engine, runtime, asked, server):
        speech = asked()
        with session_scope(engine) as session:
            steering.cancel(session, actor=SYSTEM, job_id=speech.job_id, now=utc_now())
        runtime.perform(speech.job_id)
        assert not server.requests
        with session_scope(engine) as session:
            settled = speaking.settle(session, session.get_one(SpeechSynthesis, speech.id))
            assert settled.state is GenerationState.CANCELLED

    @pytest.mark.parametrize(
        ("voice", "language", "text"),
        [("cmn", "zh-CN", "你好，今晚的月色真美。"), ("en-us", "en-US", "Hello there, my friend.")],
    )
    def test_by_the_local_voice_is_real_speech_and_free(self, engine, runtime, asked, voice, language, text):
        if espeak.where() is None:
            pytest.skip("espeak-ng is not here")
        speech = asked(make_draft(voice_id=voice, language=language), text)
        runtime.perform(speech.job_id)
        done = row(engine, speech)
        assert (done.state, done.cost_micro) == (GenerationState.COMPLETED, 0)
        assert 1_000 < done.duration_ms < 6_000

    def test_gives_the_audio_to_the_message_that_waits_for_it(self, engine, runtime):
        with session_scope(engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            chat = make_chat(session, owner=owner)
            message = session.scalars(
                sa.select(ChatMessage).where(ChatMessage.session_id == chat.id, ChatMessage.is_chosen)
            ).one()
            make_voice(session, owner=owner, character=session.get_one(Character, chat.character_id), draft=ELEVEN)
            carried = attachments.speak(session, actor=owner, message_id=message.id, terms=TERMS, now=utc_now())
            speech_id = carried.speech_id
            assert carried.media_file_id is None
        with session_scope(engine) as session:
            job_id = session.get_one(SpeechSynthesis, speech_id).job_id
        runtime.perform(job_id)
        with session_scope(engine) as session:
            kept = session.get_one(MultimediaMessage, carried.id)
            assert kept.media_file_id == session.get_one(SpeechSynthesis, speech_id).audio_file_id is not None


class TestRefreshList:
    def order(self, engine, provider="elevenlabs"):
        with session_scope(engine) as session:
            return lists.refresh(session, actor=make_actor(session, RoleName.CREATOR), provider=provider, now=utc_now())

    def test_keeps_the_providers_list(self, engine, runtime):
        runtime.perform(self.order(engine).id)
        with session_scope(engine) as session:
            kept = queries.find_list(session, provider="elevenlabs")
            assert [voice.id for voice in lists.voices_of(kept)] == ["el0", "el1", "el2"]
            assert lists.find_voice(session, provider="elevenlabs", voice_id="el1").name == "Voice 1"
            assert lists.find_voice(session, provider="elevenlabs", voice_id='" || true') is None

    def test_keeps_the_one_before_where_it_fails_and_says_why(self, engine, runtime, server):
        runtime.perform(self.order(engine).id)
        server.script(fake.Status(401))
        runtime.perform(self.order(engine).id)
        with session_scope(engine) as session:
            kept = queries.find_list(session, provider="elevenlabs")
            assert len(kept.voices) == 3
            assert "does not accept the key" in kept.failure["msgid"]

    def test_is_asked_for_by_itself_once_a_day(self, engine, runtime):
        with session_scope(engine) as session:
            creator = make_actor(session, RoleName.CREATOR)
            assert lists.ensure(session, actor=creator, provider="elevenlabs", now=utc_now()) is None
            waiting = session.scalars(sa.select(JobRun.id).where(JobRun.name == "voices.refresh_list")).one()
        runtime.perform(waiting)
        with session_scope(engine) as session:
            assert lists.ensure(session, actor=creator, provider="elevenlabs", now=utc_now()).fetched_at
            lists.ensure(session, actor=creator, provider="elevenlabs", now=utc_now() + lists.LASTS)
            states = session.scalars(sa.select(JobRun.state).where(JobRun.name == "voices.refresh_list")).all()
            assert sorted(states) == [JobState.QUEUED, JobState.SUCCEEDED]
