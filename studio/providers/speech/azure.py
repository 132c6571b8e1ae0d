"""Azure Speech, by its documented HTTP interface: SSML in, MP3 out."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from studio.providers import credentials
from studio.providers.errors import ProviderNotConfiguredError
from studio.providers.speech import exchange, mapping, refusals
from studio.providers.speech.protocol import MOST_VOICES, Alive, Spoken, Voice, Wanted
from studio.providers.speech.refusals import About
from studio.settings import Settings

_FORMAT = "audio-24khz-96kbitrate-mono-mp3"
_REGION = re.compile(r"[a-z0-9]{3,30}")


class AzureSpeech:
    """The resource whose key and region are set."""

    name = "azure"
    label = "Azure Speech"
    is_local = False
    is_configured = True
    missing = ""

    def __init__(self, *, key: str, url: str) -> None:
        self._key = key
        self._url = url
        self._about = About(self.label, "STUDIO_SPEECH_AZURE_KEY")

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Return the text as MP3; see the Protocol."""
        answer = exchange.send(
            self._about,
            "POST",
            f"{self._url}/cognitiveservices/v1",
            content=mapping.ssml(wanted, mapping.used_by(self.name, wanted)).encode(),
            headers={
                "Ocp-Apim-Subscription-Key": self._key,
                "Content-Type": "application/ssml+xml",
                "X-Microsoft-OutputFormat": _FORMAT,
                "User-Agent": "greenroom",
            },
            timeout=timeout,
            time_limit=time_limit,
            alive=alive,
        )
        if answer.is_json:
            raise refusals.not_its_protocol(self._about)
        return Spoken(answer.body, mapping.azure_characters(wanted.text), refusals.request_id_of(answer.headers))

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Return the region's voices; see the Protocol."""
        answer = exchange.send(
            self._about,
            "GET",
            f"{self._url}/cognitiveservices/voices/list",
            headers={"Ocp-Apim-Subscription-Key": self._key},
            timeout=timeout,
            time_limit=time_limit,
            alive=alive,
        )
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, list):
            raise refusals.not_its_protocol(self._about)
        return [_voice(one) for one in found if isinstance(one, dict) and one.get("ShortName")][:MOST_VOICES]


def _voice(one: Mapping[str, Any]) -> Voice:
    local = str(one.get("LocalName") or one.get("DisplayName") or one["ShortName"])
    shown = str(one.get("DisplayName") or local)
    languages = [str(one.get("Locale") or ""), *map(str, one.get("SecondaryLocaleList") or ())]
    return Voice(
        id=str(one["ShortName"]),
        name=local if local == shown else f"{local} ({shown})",
        languages=tuple(language for language in languages if language),
        gender=str(one.get("Gender") or "").lower(),
        manners=tuple(map(str, one.get("StyleList") or ())),
    )


def from_settings(settings: Settings) -> AzureSpeech | None:
    """The client, or None where no key is set. Raises ProviderNotConfiguredError."""
    if settings.speech_azure_key is None:
        return None
    region, url = settings.speech_azure_region.strip().lower(), settings.speech_azure_url
    if not url:
        if not _REGION.fullmatch(region):
            raise ProviderNotConfiguredError(
                "Azure Speech needs its region in STUDIO_SPEECH_AZURE_REGION, such as westeurope or chinaeast2."
            )
        domain = "azure.cn" if region.startswith("china") else "microsoft.com"
        url = f"https://{region}.tts.speech.{domain}"
    return AzureSpeech(
        key=credentials.checked_key(settings.speech_azure_key.get_secret_value(), "STUDIO_SPEECH_AZURE_KEY"),
        url=credentials.checked_url(url, "STUDIO_SPEECH_AZURE_URL"),
    )
