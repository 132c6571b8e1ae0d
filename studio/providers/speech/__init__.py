"""Speech: texts spoken by ElevenLabs, Azure, Google, OpenAI, or espeak-ng on this machine; all of them side by side."""

from collections.abc import Callable, Mapping

from studio.providers.errors import ProviderNotConfiguredError
from studio.providers.speech import azure, elevenlabs, google, local, openai_sdk
from studio.providers.speech.none import NotConfigured
from studio.providers.speech.prices import SpeechPrices, prices_from
from studio.providers.speech.protocol import (
    Alive,
    SpeechClient,
    SpeechProvider,
    Spoken,
    Tuning,
    Usage,
    Voice,
    Wanted,
)
from studio.providers.speech.wrapper import ReliableSpeech
from studio.settings import Settings

__all__ = [
    "KINDS",
    "Alive",
    "SpeechPrices",
    "SpeechProvider",
    "Spoken",
    "Tuning",
    "Usage",
    "Voice",
    "Wanted",
    "from_settings",
    "prices_from",
]

KINDS: Mapping[str, Callable[[Settings], SpeechClient | None]] = {
    "local": local.from_settings,
    "elevenlabs": elevenlabs.from_settings,
    "azure": azure.from_settings,
    "google": google.from_settings,
    "openai": openai_sdk.from_settings,
}
"""Every kind of speech provider, by the name that rows keep; None stands for one without a key."""

_NEEDS = {
    "elevenlabs": ("ElevenLabs", "ElevenLabs needs STUDIO_SPEECH_ELEVENLABS_KEY."),
    "azure": ("Azure Speech", "Azure Speech needs STUDIO_SPEECH_AZURE_KEY and STUDIO_SPEECH_AZURE_REGION."),
    "google": ("Google Cloud Text-to-Speech", "Google needs STUDIO_SPEECH_GOOGLE_KEY."),
    "openai": (
        "OpenAI",
        "OpenAI needs STUDIO_SPEECH_OPENAI_KEY, or STUDIO_SPEECH_OPENAI_URL for a server without keys.",
    ),
}


def from_settings(settings: Settings) -> Mapping[str, SpeechProvider]:
    """Return every provider by its kind, ready to use; nothing is connected yet, and nothing raised.

    One that has no key, or whose settings cannot be right, refuses every request with that reason.
    """
    return {
        kind: ReliableSpeech(
            _client(kind, settings),
            attempts=settings.speech_attempts,
            timeout=settings.speech_timeout,
            time_limit=settings.speech_time_limit,
        )
        for kind in KINDS
    }


def _client(kind: str, settings: Settings) -> SpeechClient:
    try:
        client = KINDS[kind](settings)
    except ProviderNotConfiguredError as error:
        return NotConfigured(kind, _NEEDS[kind][0], error)
    if client is None:
        label, sentence = _NEEDS[kind]
        return NotConfigured(kind, label, ProviderNotConfiguredError(sentence))
    return client
