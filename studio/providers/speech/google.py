"""Google Cloud Text-to-Speech, by its documented HTTP interface: JSON in, audio as base64 out."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from studio.providers import credentials
from studio.providers.speech import exchange, mapping, refusals
from studio.providers.speech.protocol import MOST_AUDIO_BYTES, MOST_VOICES, Alive, Spoken, Voice, Wanted
from studio.providers.speech.refusals import About
from studio.settings import Settings

URL = "https://texttospeech.googleapis.com"
# Base64 makes four characters of three bytes.
_MOST_BODY = MOST_AUDIO_BYTES * 4 // 3 + 1_000


class GoogleSpeech:
    """The project whose key is set."""

    name = "google"
    label = "Google Cloud Text-to-Speech"
    is_local = False
    is_configured = True
    missing = ""

    def __init__(self, *, key: str, url: str = URL) -> None:
        self._key = key
        self._url = url
        self._about = About(self.label, "STUDIO_SPEECH_GOOGLE_KEY")

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Return the text as MP3; see the Protocol."""
        answer = exchange.send(
            self._about,
            "POST",
            f"{self._url}/v1/text:synthesize",
            json={
                "input": {"text": wanted.text},
                "voice": {"languageCode": _language_of(wanted), "name": wanted.voice_id},
                "audioConfig": mapping.google_audio(mapping.used_by(self.name, wanted)),
            },
            headers={"X-Goog-Api-Key": self._key},
            timeout=timeout,
            time_limit=time_limit,
            alive=alive,
            most=_MOST_BODY,
        )
        try:
            audio = base64.b64decode(json.loads(answer.body)["audioContent"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            audio = b""
        if not audio:
            raise refusals.not_its_protocol(self._about)
        return Spoken(audio, len(wanted.text), refusals.request_id_of(answer.headers))

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Return all voices; see the Protocol."""
        answer = exchange.send(
            self._about,
            "GET",
            f"{self._url}/v1/voices",
            headers={"X-Goog-Api-Key": self._key},
            timeout=timeout,
            time_limit=time_limit,
            alive=alive,
        )
        try:
            found = json.loads(answer.body)["voices"]
        except (ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, list):
            raise refusals.not_its_protocol(self._about)
        return [_voice(one) for one in found if isinstance(one, dict) and one.get("name")][:MOST_VOICES]


def _language_of(wanted: Wanted) -> str:
    """The voice's own language, which its name begins with ("cmn-CN-Wavenet-A"): Google refuses another one."""
    parts = wanted.voice_id.split("-")
    return "-".join(parts[:2]) if len(parts) > 2 else wanted.language  # noqa: PLR2004


def _voice(one: Mapping[str, Any]) -> Voice:
    # Google says "cmn-CN" and "yue-HK" where everybody else says "zh-CN" and "zh-HK".
    languages = [str(code).replace("cmn-", "zh-").replace("yue-HK", "zh-HK") for code in one.get("languageCodes") or ()]
    return Voice(
        id=str(one["name"]),
        name=str(one["name"]),
        languages=tuple(languages),
        gender=str(one.get("ssmlGender") or "").lower(),
    )


def from_settings(settings: Settings) -> GoogleSpeech | None:
    """The client, or None where no key is set. Raises ProviderNotConfiguredError."""
    if settings.speech_google_key is None:
        return None
    return GoogleSpeech(
        key=credentials.checked_key(settings.speech_google_key.get_secret_value(), "STUDIO_SPEECH_GOOGLE_KEY"),
        url=credentials.checked_url(settings.speech_google_url or URL, "STUDIO_SPEECH_GOOGLE_URL"),
    )
