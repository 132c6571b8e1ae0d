"""ElevenLabs, by its documented HTTP interface."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from studio.providers import credentials
from studio.providers.speech import exchange, mapping, refusals
from studio.providers.speech.protocol import MOST_VOICES, Alive, Spoken, Voice, Wanted
from studio.providers.speech.refusals import About
from studio.settings import Settings

URL = "https://api.elevenlabs.io"
_FORMAT = "mp3_44100_128"
_PAGE = 100
_MOST_PAGES = MOST_VOICES // _PAGE


class ElevenLabs:
    """The account whose key is set."""

    name = "elevenlabs"
    label = "ElevenLabs"
    is_local = False
    is_configured = True
    missing = ""

    def __init__(self, *, key: str, url: str = URL) -> None:
        self._key = key
        self._url = url
        self._about = About(self.label, "STUDIO_SPEECH_ELEVENLABS_KEY")

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Return the text as MP3; see the Protocol."""
        body: dict[str, Any] = {
            "text": wanted.text,
            "model_id": wanted.model,
            "voice_settings": mapping.elevenlabs_settings(mapping.used_by(self.name, wanted)),
        }
        if "multilingual" not in wanted.model:
            # The multilingual model hears the language from the text and refuses to be told.
            body["language_code"] = wanted.language.partition("-")[0]
        answer = exchange.send(
            self._about,
            "POST",
            f"{self._url}/v1/text-to-speech/{quote(wanted.voice_id, safe='')}",
            params={"output_format": _FORMAT},
            json=body,
            headers=self._headers("audio/mpeg"),
            timeout=timeout,
            time_limit=time_limit,
            alive=alive,
        )
        if answer.is_json:
            raise refusals.not_its_protocol(self._about)
        billed = answer.headers.get("character-cost", "")
        characters = int(billed) if billed.isdecimal() and len(billed) < 10 else len(wanted.text)  # noqa: PLR2004
        return Spoken(answer.body, characters, refusals.request_id_of(answer.headers))

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Return the account's voices, page by page; see the Protocol."""
        found: list[Voice] = []
        token = ""
        for _page in range(_MOST_PAGES):
            answer = exchange.send(
                self._about,
                "GET",
                f"{self._url}/v2/voices",
                params={"page_size": _PAGE, **({"next_page_token": token} if token else {})},
                headers=self._headers("application/json"),
                timeout=timeout,
                time_limit=time_limit,
                alive=alive,
            )
            page = _object(self._about, answer.body)
            found += [_voice(one) for one in page.get("voices", ()) if isinstance(one, dict) and one.get("voice_id")]
            token = str(page.get("next_page_token") or "")
            if not page.get("has_more") or not token:
                break
        return found[:MOST_VOICES]

    def _headers(self, accept: str) -> Mapping[str, str]:
        return {"xi-api-key": self._key, "accept": accept}


def _object(about: About, body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise refusals.not_its_protocol(about)
    return found


def _voice(one: Mapping[str, Any]) -> Voice:
    labels = one.get("labels") or {}
    verified = [
        str(entry.get("locale") or entry.get("language") or "") for entry in one.get("verified_languages") or ()
    ]
    own = str(labels.get("language") or "")
    return Voice(
        id=str(one["voice_id"]),
        name=str(one.get("name") or one["voice_id"]),
        languages=tuple(dict.fromkeys(language for language in (*verified, own) if language)),
        gender=str(labels.get("gender") or ""),
    )


def from_settings(settings: Settings) -> ElevenLabs | None:
    """The client, or None where no key is set. Raises ProviderNotConfiguredError."""
    if settings.speech_elevenlabs_key is None:
        return None
    return ElevenLabs(
        key=credentials.checked_key(settings.speech_elevenlabs_key.get_secret_value(), "STUDIO_SPEECH_ELEVENLABS_KEY"),
        url=credentials.checked_url(settings.speech_elevenlabs_url or URL, "STUDIO_SPEECH_ELEVENLABS_URL"),
    )
