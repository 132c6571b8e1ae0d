"""Makes voices and speech for tests, through the services that people use."""

from decimal import Decimal
from pathlib import Path

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring.models import Character
from studio.providers.speech import SpeechPrices, Spoken, Tuning
from studio.voices import audio, configurations, speaking
from studio.voices.models import SpeechSynthesis, VoiceConfiguration
from studio.voices.rules import VoiceDraft
from studio.voices.speaking import Terms
from tests.factories.authoring import NOW, make_character
from tests.factories.media import make_storage
from tests.fakes.speech_server import tone

TERMS = Terms(prices=SpeechPrices({"elevenlabs": Decimal(100)}, "USD"), daily_characters=1_000)


def make_draft(
    provider: str = "local", *, language: str = "en-US", voice_id: str = "en-us", **tuning: object
) -> VoiceDraft:
    """A voice as somebody wants it."""
    return VoiceDraft(provider=provider, voice_id=voice_id, language=language, tuning=Tuning(**tuning))


def make_voice(
    session: Session,
    *,
    owner: Actor,
    character: Character | None = None,
    draft: VoiceDraft | None = None,
    **given: object,
) -> VoiceConfiguration:
    """A voice of a character of the owner's."""
    character = character or make_character(session, owner=owner)
    return configurations.create(
        session, actor=owner, character_id=character.id, draft=draft or make_draft(), now=NOW, **given
    )


def make_speech(
    session: Session,
    *,
    owner: Actor,
    character: Character | None = None,
    text: str = "Well met.",
    data: Path | None = None,
    draft: VoiceDraft | None = None,
) -> SpeechSynthesis:
    """Speech of the owner's: asked for, and with `data` made and kept in the storage there."""
    character = character or make_character(session, owner=owner)
    speech = speaking.ask(
        session,
        actor=owner,
        character_id=character.id,
        draft=draft or make_draft(),
        text=text,
        terms=TERMS,
        now=NOW,
    )
    if data is not None:
        speaking.begin(session, speech_id=speech.id)
        sound = tone(1.0)
        speaking.keep(
            session,
            speech_id=speech.id,
            spoken=Spoken(sound, len(text)),
            measured=audio.measured(sound),
            cost_micro=0,
            took_ms=120,
            storage=make_storage(data),
        )
    return speech
