"""What a language model is to those who call it, and what a kind of provider must bring."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]

Spend: TypeAlias = Callable[[int], None]
"""Told the most tokens that a request may cost before it goes out; raising keeps it at home."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it is sent."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the server counted, in its own model's tokens."""

    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer: why it ended, what the server counted (None where it did not say), and which model wrote it."""

    reason: Literal["stop", "length", "stopped"]
    usage: Usage | None
    model: str


Event: TypeAlias = Delta | Finish


class Cancel:
    """Stops one answer from another thread: what waits for the server is woken, and the connection is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._effect: Callable[[], None] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the answer is to stop."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Stop the answer; may be repeated, and come before there is anything to stop."""
        with self._lock:
            self._asked.set()
            effect, self._effect = self._effect, None
        if effect is not None:
            effect()

    def wait(self, seconds: float) -> bool:
        """Wait this long, or until the answer is to stop; whether it is."""
        return self._asked.wait(seconds)

    def bind(self, effect: Callable[[], None] | None) -> None:
        """Have `effect` run when the answer is to stop (at once if it already is), or nothing any more."""
        with self._lock:
            is_late = self._asked.is_set() and effect is not None
            self._effect = None if is_late else effect
        if is_late and effect is not None:
            effect()


class Described(Protocol):
    """What screens and stored rows say about who wrote an answer."""

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_LANGUAGE_PROVIDER`."""

    @property
    def model(self) -> str:
        """The model that is asked where nobody chose another; empty where there is none."""

    @property
    def is_configured(self) -> bool:
        """Whether there is a model to ask at all."""

    @property
    def label(self) -> str:
        """What a screen calls this provider."""


class LanguageClient(Described, Protocol):
    """A kind of provider: makes one request as told; the wrapper does all the rest.

    A new kind implements this, gets a line in `language.KINDS`, and is then
    held by the contract test.
    """

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str,
        max_output: int,
        timeout: float,
        time_limit: float,
        cancel: Cancel,
    ) -> Iterator[Event]:
        """Yield the answer piece by piece and then one Finish; raise ProviderError otherwise.

        `timeout` is the longest silence and `time_limit` the longest answer,
        in seconds. Where `cancel` is asked, the request is ended and the
        Finish says "stopped". Closing the iterator ends the request too.
        """

    def close(self) -> None:
        """Let connections go; a later request opens new ones."""


class LanguageProvider(Described, Protocol):
    """Writes answers, with retries, limits, a budget and a circuit breaker taken care of."""

    @property
    def models(self) -> Sequence[str]:
        """The models that a person may choose from, the usual one first."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str = "",
        max_output: int | None = None,
        cancel: Cancel | None = None,
        spend: Spend | None = None,
    ) -> Iterator[Event]:
        """Yield the answer piece by piece and then one Finish.

        Before the first piece a failure that may pass is tried again; after
        it, nothing is. Raises ProviderError, also in the middle.
        """

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
