"""What a speech provider is to those who call it, and what a kind of provider must bring."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeAlias

Alive: TypeAlias = Callable[[], None]
"""Called while audio comes in; raising ends the request."""

MOST_AUDIO_BYTES = 20_000_000
"""No answer is read beyond this: some twenty minutes of MP3."""

MOST_VOICES = 5_000
"""Voices of a provider's list that are kept."""

_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a voice is to sound: speed and pitch as factors, the other numbers as shares from 0 to 1, and words."""

    speed: float = 1.0
    pitch: float = 1.0
    stability: float = 0.5
    similarity: float = 0.5
    style: float = 0.0
    manner: str = ""
    """A way of speaking by the provider's name for it ("cheerful")."""
    instructions: str = ""
    """How to speak, in one's own words."""

    def as_json(self) -> dict[str, Any]:
        """As a row keeps it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One text to be spoken, by whom and how."""

    text: str
    language: str
    voice_id: str
    model: str = ""
    tuning: Tuning = field(default_factory=Tuning)


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that a model which is billed by them read (`cached` apart from the others), wrote and spoke."""

    text_in: int = 0
    cached_in: int = 0
    text_out: int = 0
    audio_out: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.text_in + other.text_in,
            self.cached_in + other.cached_in,
            self.text_out + other.text_out,
            self.audio_out + other.audio_out,
        )

    def __bool__(self) -> bool:
        return self != Usage()

    @classmethod
    def told_by(cls, told: Mapping[str, Any]) -> "Usage":
        """What an answer's `usage` says. Without its details all that was written counts as spoken, which costs more."""
        read, made = told.get("input_token_details"), told.get("output_token_details")
        text_in = _count(read, "text_tokens") if isinstance(read, Mapping) else _count(told, "input_tokens")
        cached = min(_count(read, "cached_tokens"), text_in)
        if not isinstance(made, Mapping):
            return cls(text_in - cached, cached, 0, _count(told, "output_tokens"))
        audio = _count(made, "audio_tokens")
        # What it thought is part of the whole alone.
        text = max(_count(made, "text_tokens"), _count(told, "output_tokens") - audio)
        return cls(text_in - cached, cached, text, audio)


_MOST_COUNTED = 100_000_000


def _count(told: object, name: str) -> int:
    value = told.get(name) if isinstance(told, Mapping) else None
    # A count beyond anything that is ever billed is none; a database could not hold its price either.
    return value if isinstance(value, int) and 0 < value <= _MOST_COUNTED else 0


@dataclass(frozen=True, slots=True)
class Spoken:
    """What came of it: the audio, how many characters the provider bills, and its name for the exchange.

    The characters are those of all attempts of which the provider may bill any.

    `usage` is what it took of a model that is billed by tokens; None where it is billed by characters, or does not say.
    """

    audio: bytes
    characters: int
    request_id: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of a provider's list; `languages` are BCP 47 tags, none where it speaks any."""

    id: str
    name: str
    languages: tuple[str, ...] = ()
    gender: str = ""
    manners: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As the kept list holds it."""
        return {
            "id": self.id[:_NAME_LENGTH],
            "name": self.name[:_NAME_LENGTH],
            "languages": [language[:40] for language in self.languages[:80]],
            "gender": self.gender[:20],
            "manners": [manner[:60] for manner in self.manners[:60]],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Voice":
        """From the kept list."""
        return cls(
            id=kept["id"],
            name=kept["name"],
            languages=tuple(kept.get("languages", ())),
            gender=kept.get("gender", ""),
            manners=tuple(kept.get("manners", ())),
        )


class Described(Protocol):
    """What screens and stored rows say about a provider."""

    @property
    def name(self) -> str:
        """The kind, as rows keep it."""

    @property
    def label(self) -> str:
        """What a screen calls the provider."""

    @property
    def is_local(self) -> bool:
        """Whether it speaks on this machine, which costs nothing."""

    @property
    def is_configured(self) -> bool:
        """Whether it can be asked at all."""

    @property
    def missing(self) -> str:
        """What is to be done where it cannot be asked, as a sentence; empty where it can."""


class SpeechClient(Described, Protocol):
    """A kind of provider: makes one request as told; the wrapper does all the rest.

    A new kind implements this, gets a line in `speech.KINDS` and a table in
    `abilities.toml`, and is then held by the contract test.
    """

    def speak(self, wanted: Wanted, *, timeout: float, time_limit: float, alive: Alive) -> Spoken:
        """Return the text as audio; raise ProviderError otherwise, with what was paid in vain in its `usage`.

        `timeout` is the longest silence and `time_limit` the longest request, in seconds.
        """

    def voices(self, *, timeout: float, time_limit: float, alive: Alive) -> Sequence[Voice]:
        """Return the provider's own list, at most MOST_VOICES; raise ProviderError otherwise."""


class SpeechProvider(Described, Protocol):
    """Speaks texts and lists voices, with retries, limits and a circuit breaker taken care of."""

    def speak(self, wanted: Wanted, *, alive: Alive = lambda: None) -> Spoken:
        """Return the text as audio, with all that its attempts used. Raises ProviderError, with that in its `usage` and `characters`."""

    def voices(self, *, alive: Alive = lambda: None) -> Sequence[Voice]:
        """Return the provider's own list. Raises ProviderError."""
