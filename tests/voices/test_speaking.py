"""Having a text spoken: asked for once, found again by its hash, within a person's day, and nobody else's to hear."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from itsdangerous import URLSafeTimedSerializer

from studio.accounts.permissions import RoleName
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.media.models import GenerationState, MediaFile, MediaPurpose
from studio.media.queries import file_visible_to
from studio.providers.errors import ProviderBusyError
from studio.providers.storage import key_of
from studio.voices import links, queries, rules, speaking
from studio.voices.errors import AudioExpiredError, NoRoomForSpeechError, SpeechSpentError, TooManyUnderWayError
from studio.work import budgets
from studio.work.errors import OverBudgetError
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.authoring import NOW, make_character
from tests.factories.voices import TERMS, make_draft, make_speech

ELEVEN = make_draft("elevenlabs", voice_id="v1")


def ask(session, actor, character, text="Well met.", draft=None, **changes):
    given = {"actor": actor, "character_id": character.id, "draft": draft or make_draft(), "terms": TERMS, "now": NOW}
    return speaking.ask(session, text=text, **{**given, **changes})


def jobs_called(session, name):
    return session.scalar(sa.select(sa.func.count()).select_from(JobRun).where(JobRun.name == name))


class TestAsk:
    def test_orders_a_job_and_keeps_what_was_asked(self, session, creator, character):
        speech = ask(session, creator, character, " Well met. ")
        job = session.get_one(JobRun, speech.job_id)
        assert (job.name, job.arguments, job.asked_by_id) == (
            "voices.speak",
            {"speech_id": str(speech.id)},
            creator.user_id,
        )
        assert (speech.state, speech.text, speech.language) == (GenerationState.PENDING, "Well met.", "en-US")

    def test_twice_is_once(self, session, creator, character, settings):
        first = ask(session, creator, character)
        assert ask(session, creator, character).id == first.id
        done = make_speech(session, owner=creator, character=character, data=settings.data)
        assert done.id == first.id
        assert ask(session, creator, character).state is GenerationState.COMPLETED
        assert jobs_called(session, "voices.speak") == 1

    def test_in_another_voice_is_another_one(self, session, creator, character):
        first = ask(session, creator, character)
        assert ask(session, creator, character, draft=make_draft(speed=1.5)).id != first.id

    def test_for_another_character_is_given_again_at_no_cost(self, session, creator, character, settings):
        first = make_speech(session, owner=creator, character=character, data=settings.data)
        other = ask(session, creator, make_character(session, owner=creator))
        assert other.id != first.id
        assert (other.audio_file_id, other.cost_micro, other.characters) == (first.audio_file_id, 0, 0)
        assert other.job_id is None

    def test_of_somebody_elses_words_is_made_anew(self, session, creator, outsider, character, settings):
        make_speech(session, owner=creator, character=character, data=settings.data)
        theirs = ask(session, outsider, make_character(session, owner=outsider))
        assert theirs.state is GenerationState.PENDING

    def test_by_two_at_once_is_one_row_and_one_job(self, committed_database):
        engine = committed_database.engine
        with session_scope(engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            character = make_character(session, owner=owner)

        def once(_number):
            with session_scope(engine) as session:
                return ask(session, owner, character).id

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(once, range(4)))) == 1
        with session_scope(engine) as session:
            assert jobs_called(session, "voices.speak") == 1

    def test_is_refused_to_outsiders_and_to_who_may_not_spend(self, session, creator, outsider, character):
        with pytest.raises(NotFoundError):
            ask(session, outsider, character)
        with pytest.raises(ForbiddenError):
            ask(session, make_actor(session, RoleName.MODERATOR), character)

    def test_stops_at_the_characters_of_the_day_but_not_for_the_local_voice(self, session, creator, character):
        terms = replace(TERMS, daily_characters=20)
        ask(session, creator, character, "Twelve signs", ELEVEN, terms=terms)
        with pytest.raises(SpeechSpentError):
            ask(session, creator, character, "Twelve more.", ELEVEN, terms=terms)
        assert ask(session, creator, character, "Twelve more, and more.", terms=terms)
        tomorrow = NOW + timedelta(days=1)
        assert ask(session, creator, character, "Twelve more.", ELEVEN, terms=terms, now=tomorrow)

    def test_is_refused_over_budget_before_anything_is_ordered(self, session, creator, character):
        terms = replace(TERMS, budget_micro=1_000_000)
        budgets.record(session, user_id=creator.user_id, kind="images", cost_micro=950_000, now=NOW)
        with pytest.raises(OverBudgetError, match=r"0\.05 USD of your budget for this month is left"):
            ask(session, creator, character, "Too long for this month. " * 40, ELEVEN, terms=terms)
        assert jobs_called(session, "voices.speak") == 0
        assert ask(session, creator, character, "A short one.", ELEVEN, terms=terms).state is GenerationState.PENDING
        assert ask(session, creator, character, "Long, but free. " * 64, terms=terms)

    def test_is_refused_where_the_audio_would_not_fit_before_anything_is_ordered(
        self, session, creator, outsider, character, settings
    ):
        kept = make_speech(session, owner=creator, character=character, text="Kept.", data=settings.data)
        size = session.get_one(MediaFile, kept.audio_file_id).size_bytes
        terms = replace(TERMS, quota_bytes=size + 10 * rules.ROOM_PER_BYTE)
        with pytest.raises(NoRoomForSpeechError, match="no room for this speech: you may keep"):
            ask(session, creator, character, "Eleven sign", terms=terms)
        assert jobs_called(session, "voices.speak") == 1
        assert ask(session, creator, character, "Ten signs.", terms=terms)
        # What is there already needs no room, and others' files take none of it.
        full = replace(TERMS, quota_bytes=1)
        assert ask(session, creator, character, "Kept.", terms=full).id == kept.id
        assert ask(session, outsider, make_character(session, owner=outsider), "Ten signs.", terms=terms)

    def test_makes_only_a_few_at_once(self, session, creator, character):
        for number in range(rules.MOST_UNDER_WAY):
            ask(session, creator, character, f"Text {number}")
        with pytest.raises(TooManyUnderWayError):
            ask(session, creator, character, "One more")

    def test_orders_anew_what_nobody_makes_any_more(self, session, creator, character):
        speech = ask(session, creator, character)
        job = session.get_one(JobRun, speech.job_id)
        job.state, job.finished_at = JobState.CANCELLED, NOW
        session.flush()
        again = ask(session, creator, character)
        assert again.id == speech.id
        assert again.job_id != job.id


class TestOutcomes:
    def test_keep_the_audio_once(self, session, creator, character, settings, storage):
        speech = make_speech(session, owner=creator, character=character, data=settings.data)
        file = session.get_one(MediaFile, speech.audio_file_id)
        assert (speech.state, file.owner_id, file.purpose) == (
            GenerationState.COMPLETED,
            creator.user_id,
            MediaPurpose.SPEECH,
        )
        assert len(storage.get(key_of(file.sha256))) == file.size_bytes
        assert abs(speech.duration_ms - 1_000) < 120
        assert len(speech.peaks) == rules.PEAKS
        assert speaking.begin(session, speech_id=speech.id) is None

    def test_say_why_there_is_none_and_may_be_tried_again(self, session, creator, character):
        speech = ask(session, creator, character)
        speaking.fail(session, speech_id=speech.id, error=ProviderBusyError("%(provider)s is away.", provider="X"))
        assert speech.failure == {"msgid": "%(provider)s is away.", "params": {"provider": "X"}}
        again = speaking.try_again(session, actor=creator, speech_id=speech.id, terms=TERMS, now=NOW)
        assert again.id != speech.id
        assert again.state is GenerationState.PENDING

    def test_settle_what_lost_its_job(self, session, creator, character):
        kept = ask(session, creator, character, "Still under way")
        lost = ask(session, creator, character)
        job = session.get_one(JobRun, lost.job_id)
        job.state, job.finished_at = JobState.FAILED, NOW
        session.flush()
        assert speaking.sweep(session, limit=10) == 1
        assert (lost.state, kept.state) == (GenerationState.CANCELLED, GenerationState.PENDING)


class TestForget:
    def test_takes_the_audio_with_it_and_its_bytes_by_a_job(self, session, creator, outsider, character, settings):
        speech = make_speech(session, owner=creator, character=character, data=settings.data)
        file_id = speech.audio_file_id
        with pytest.raises(NotFoundError):
            speaking.forget(session, actor=outsider, speech_id=speech.id)
        speaking.forget(session, actor=creator, speech_id=speech.id)
        assert session.get(MediaFile, file_id) is None
        assert jobs_called(session, "media.drop_bytes") == 1

    def test_leaves_audio_that_another_character_has_too(self, session, creator, character, settings):
        speech = make_speech(session, owner=creator, character=character, data=settings.data)
        other = ask(session, creator, make_character(session, owner=creator))
        speaking.forget(session, actor=creator, speech_id=speech.id)
        assert session.get(MediaFile, other.audio_file_id) is not None


class TestScope:
    def test_is_the_speakers_own_and_no_picture_for_others(self, session, creator, outsider, character, settings):
        speech = make_speech(session, owner=creator, character=character, data=settings.data)
        moderator = make_actor(session, RoleName.MODERATOR)
        for actor in (outsider, moderator, make_actor(session, RoleName.STAFF)):
            with pytest.raises(NotFoundError):
                queries.get_speech(session, actor=actor, speech_id=speech.id)
            seen = sa.select(MediaFile.id).where(file_visible_to(actor), MediaFile.id == speech.audio_file_id)
            assert session.scalar(seen) is None


class TestLinks:
    def test_are_for_one_person_and_not_for_long(self, session, creator, outsider, character, settings):
        speech = make_speech(session, owner=creator, character=character, data=settings.data)
        token = links.make(speech, actor=creator, secret="s")
        found, file = links.follow(session, actor=creator, token=token, secret="s")
        assert (found.id, file.id) == (speech.id, speech.audio_file_id)
        for actor, secret, sent in ((outsider, "s", token), (creator, "t", token), (creator, "s", token + "x")):
            with pytest.raises(NotFoundError):
                links.follow(session, actor=actor, token=sent, secret=secret)

    def test_are_past_their_time_after_ten_minutes(self, session, creator, character, settings, monkeypatch):
        speech = make_speech(session, owner=creator, character=character, data=settings.data)
        token = links.make(speech, actor=creator, secret="s")
        later = URLSafeTimedSerializer("s").make_signer().get_timestamp() + 601
        monkeypatch.setattr("itsdangerous.timed.TimestampSigner.get_timestamp", lambda _self: later)
        with pytest.raises(AudioExpiredError):
            links.follow(session, actor=creator, token=token, secret="s")
