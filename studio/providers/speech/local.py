"""The local voice: espeak-ng on this machine, robotic and free; without it, an honest word on how to get it."""

import re
from collections.abc import Sequence

from studio.providers.errors import ProviderBrokenError, ProviderNotConfiguredError, ProviderRefusedError
from studio.providers.speech import espeak, mapping
from studio.providers.speech.protocol import MOST_AUDIO_BYTES, MOST_VOICES, Alive, Spoken, Voice, Wanted
from studio.settings import Settings

HOW_TO_GET_IT = (
    "The local voice needs espeak-ng, which is an extra and not installed: run `make voices` in the studio's folder, or "
    "install Debian's package libespeak-ng1; then restart the studio."
)
# espeak-ng's own names of languages that others call differently.
_TAGS = {"cmn": "zh-CN", "yue": "zh-HK", "hak": "hak-TW"}
_VOICE = re.compile(r"[A-Za-z0-9_-]{2,40}(/[A-Za-z0-9_-]{1,40}){0,2}(\+[A-Za-z0-9]{1,20})?")
_SHORT_REGION = 2
_FEMALE = "+f3"


class LocalSpeech:
    """espeak-ng in this process."""

    name = "local"
    label = "Local voice (espeak-ng)"
    is_local = True

    @property
    def is_configured(self) -> bool:
        """Whether espeak-ng is installed."""
        return espeak.where() is not None

    @property
    def missing(self) -> str:
        """How to get espeak-ng where it is not there."""
        return "" if self.is_configured else HOW_TO_GET_IT

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Return the text as WAV; see the Protocol. It is many times faster than speech, so it needs no limits of time."""
        del timeout, time_limit
        self._must_be_there()
        if not _VOICE.fullmatch(wanted.voice_id):
            raise ProviderRefusedError("espeak-ng knows no such voice. Choose another one from its list.")
        rate, pitch = mapping.espeak_parameters(mapping.used_by(self.name, wanted))
        try:
            audio = espeak.speak(
                wanted.text,
                voice=wanted.voice_id,
                words_per_minute=rate,
                pitch=pitch,
                alive=alive,
                most_bytes=MOST_AUDIO_BYTES,
            )
        except espeak.EspeakError:
            audio = b""
        if not audio:
            raise ProviderBrokenError("espeak-ng could not speak this. Choose another voice, or change the text.")
        return Spoken(audio, len(wanted.text))

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Return espeak-ng's voices, each as it is and with a higher timbre; see the Protocol."""
        del timeout, time_limit, alive
        self._must_be_there()
        try:
            listed = espeak.voices()
        except espeak.EspeakError:
            listed = ()
        if not listed:
            raise ProviderBrokenError("espeak-ng is installed, but does not work. Install it anew.")
        found = []
        for file, language, name in listed:
            tag = (_tag(language),)
            found += [
                Voice(id=file, name=name, languages=tag, gender="male"),
                Voice(id=f"{file}{_FEMALE}", name=f"{name}, higher", languages=tag, gender="female"),
            ]
        return found[:MOST_VOICES]

    def _must_be_there(self) -> None:
        if not self.is_configured:
            raise ProviderNotConfiguredError(HOW_TO_GET_IT)


def _tag(language: str) -> str:
    """espeak-ng's language ("en-us") as a tag ("en-US")."""
    if language in _TAGS:
        return _TAGS[language]
    first, *rest = language.split("-")
    return "-".join([first, *(part.upper() if len(part) == _SHORT_REGION else part for part in rest)])


def from_settings(_settings: Settings) -> LocalSpeech:
    """The local voice, which has nothing to set."""
    return LocalSpeech()
