"""Short signed links to audio: good for ten minutes, and for the person whom they were made for alone."""

from datetime import timedelta
from uuid import UUID

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.kit.errors import NotFoundError
from studio.media.models import MediaFile
from studio.voices import queries
from studio.voices.errors import AudioExpiredError
from studio.voices.models import SpeechSynthesis

LASTS = timedelta(minutes=10)
_SALT = "studio.voices.links"


def make(speech: SpeechSynthesis, *, actor: Actor, secret: str) -> str:
    """A token with which the actor, and nobody else, hears the speech; nothing of it is stored."""
    return _serializer(secret).dumps([str(speech.id), str(actor.user_id)])


def follow(session: Session, *, actor: Actor, token: str, secret: str) -> tuple[SpeechSynthesis, MediaFile]:
    """The speech and its file. Raises NotFoundError for a forged link, another person's, or what is gone; AudioExpiredError."""
    try:
        speech_id, user_id = _serializer(secret).loads(token, max_age=int(LASTS.total_seconds()))
        found = UUID(speech_id)
    except SignatureExpired:
        raise AudioExpiredError from None
    except (BadSignature, ValueError, TypeError):
        raise NotFoundError from None
    if user_id != str(actor.user_id):
        raise NotFoundError
    speech = queries.get_speech(session, actor=actor, speech_id=found)
    file = session.get(MediaFile, speech.audio_file_id) if speech.audio_file_id is not None else None
    if file is None:
        raise NotFoundError
    return speech, file


def _serializer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=_SALT)
