"""OpenAI, or any server that speaks its `/audio/speech` or its Realtime API, through the official SDK."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from studio.kit.clock import utc_now
from studio.providers import credentials, openai_client
from studio.providers.errors import ProviderError
from studio.providers.speech import abilities, exchange, mapping, refusals
from studio.providers.speech.protocol import MOST_AUDIO_BYTES, Alive, Spoken, Voice, Wanted
from studio.providers.speech.refusals import About
from studio.settings import Settings

if TYPE_CHECKING:
    from openai import OpenAI

URL = "https://api.openai.com/v1"


class OpenAISpeech:
    """The server whose key or address is set."""

    name = "openai"
    is_local = False
    is_configured = True
    missing = ""

    def __init__(self, *, key: str, url: str = URL, voices: Sequence[str] = ()) -> None:
        self._key = key
        self._url = url
        self._voices = tuple(voices) or abilities.voices_of("openai")
        self._about = About(self.label, "STUDIO_SPEECH_OPENAI_KEY")

    @property
    def label(self) -> str:
        """OpenAI, or the host of the server that speaks like it."""
        return "OpenAI" if self._url == URL else f"OpenAI ({urlsplit(self._url).hostname})"

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Return the text as MP3; see the Protocol."""
        if abilities.of(self.name, model=wanted.model, voice=wanted.voice_id).converses:
            return self._read_out(wanted, timeout=timeout, time_limit=time_limit, alive=alive)
        found = self._speak(wanted, timeout=timeout, time_limit=time_limit, alive=alive)
        if isinstance(found, ProviderError):
            raise found
        return found

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Return the known voices: OpenAI has no list to ask for."""
        del timeout, time_limit, alive
        return [Voice(id=name, name=name.capitalize()) for name in self._voices]

    def _read_out(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """The text by a model that has no other way than a conversation. `time_limit` is that of each of its parts."""
        from studio.providers.speech.realtime import Reading

        chosen = mapping.used_by(self.name, wanted)
        reading = Reading(self._about, wanted, chosen, timeout=timeout, time_limit=time_limit, alive=alive)
        with self._open_sdk() as sdk:
            return reading.made(sdk)

    def _speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken | ProviderError:
        """The audio, or what went wrong: raised inside an `except`, it would keep the SDK's error and the request."""
        import httpx2
        import openai

        chosen = mapping.used_by(self.name, wanted)
        ends = time.monotonic() + time_limit
        has_begun = False
        try:
            with (
                self._open_sdk() as sdk,
                sdk.audio.speech.with_streaming_response.create(
                    input=wanted.text,
                    model=wanted.model,
                    voice=wanted.voice_id,
                    response_format="mp3",
                    speed=float(chosen.get("speed", 1.0)),
                    instructions=str(chosen["instructions"]) if "instructions" in chosen else openai.omit,
                    timeout=min(timeout, time_limit),
                ) as response,
            ):
                has_begun = True
                return self._read(response, characters=len(wanted.text), ends=ends, alive=alive)
        except openai.APIStatusError as error:
            return refusals.error_from_response(
                self._about,
                status=error.status_code,
                headers=error.response.headers,
                body=_body(error),
                now=utc_now(),
            )
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                return refusals.unreachable(self._about)
            return refusals.silent(self._about)
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, ValueError):
            return refusals.broke_off(self._about) if has_begun else refusals.unreachable(self._about)

    def _read(self, response: Any, *, characters: int, ends: float, alive: Alive) -> Spoken | ProviderError:
        audio = bytearray()
        for piece in response.iter_bytes():
            alive()
            audio += piece
            if len(audio) > MOST_AUDIO_BYTES:
                return refusals.too_much(self._about)
            if time.monotonic() > ends:
                return refusals.silent(self._about)
        if "json" in response.headers.get("content-type", ""):
            return refusals.not_its_protocol(self._about)
        return Spoken(bytes(audio), characters, refusals.request_id_of(response.headers))

    def _open_sdk(self) -> "OpenAI":
        from openai import DefaultHttpxClient

        http = DefaultHttpxClient(verify=exchange.certificates(), follow_redirects=False)
        return openai_client.opened(base_url=self._url, key=self._key, http_client=http)


def _body(error: Any) -> str:
    try:
        return str(error.response.text)
    except Exception:  # noqa: BLE001 - A body that cannot be read tells nothing.
        return ""


def from_settings(settings: Settings) -> OpenAISpeech | None:
    """The client, or None where neither key nor address is set. Raises ProviderNotConfiguredError."""
    key = settings.speech_openai_key.get_secret_value() if settings.speech_openai_key else ""
    if not key and not settings.speech_openai_url:
        return None
    voices = [name.strip() for name in settings.speech_openai_voices.split(",") if name.strip()]
    return OpenAISpeech(
        # Never empty: the SDK would then send whatever key its own environment variable holds.
        key=credentials.checked_key(key, "STUDIO_SPEECH_OPENAI_KEY") or "none",
        url=credentials.checked_url(settings.speech_openai_url or URL, "STUDIO_SPEECH_OPENAI_URL"),
        voices=voices,
    )
