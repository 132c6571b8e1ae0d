"""What every speech provider gets: a few retries with jitter, limits of time, and a circuit breaker."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from studio.providers.breaker import Breaker
from studio.providers.errors import ProviderBusyError, ProviderError, ProviderRestsError
from studio.providers.speech import mapping
from studio.providers.speech.protocol import Alive, SpeechClient, Spoken, Usage, Voice, Wanted

T = TypeVar("T")

FIRST_BACKOFF = 0.5
"""Seconds: the ceiling of the first wait; each further one doubles it."""

LONGEST_WAIT = 10.0
"""Seconds that somebody who waits for audio is kept waiting between attempts. A server that asks for longer is left."""

_random = random.SystemRandom()
_SLICE = 0.5


def _full_jitter(ceiling: float) -> float:
    """Return a wait anywhere up to the ceiling, so that those who failed together do not come back together."""
    return _random.uniform(0.0, ceiling)


class ReliableSpeech:
    """A SpeechProvider around a client.

    `attempts` counts the first one. `timeout` is the longest silence, `time_limit`
    the longest request, in seconds. `pause` and `jitter` are given by tests only.
    """

    def __init__(
        self,
        client: SpeechClient,
        *,
        attempts: int = 3,
        timeout: float = 30.0,
        time_limit: float = 120.0,
        pause: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = _full_jitter,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._timeout = timeout
        self._time_limit = time_limit
        self._pause = pause
        self._jitter = jitter
        self._breaker = Breaker(f"speech:{client.name}", label=client.label)

    @property
    def name(self) -> str:
        """The kind, as rows keep it."""
        return self._client.name

    @property
    def label(self) -> str:
        """What a screen calls the provider."""
        return self._client.label

    @property
    def is_local(self) -> bool:
        """Whether it speaks on this machine, which costs nothing."""
        return self._client.is_local

    @property
    def is_configured(self) -> bool:
        """Whether it can be asked at all."""
        return self._client.is_configured

    @property
    def missing(self) -> str:
        """What is to be done where it cannot be asked."""
        return self._client.missing

    def speak(self, wanted: Wanted, *, alive: Alive = lambda: None) -> Spoken:
        """Return the text as audio; see the Protocol."""
        spent, in_vain = Usage(), 0

        def once() -> Spoken:
            nonlocal spent, in_vain
            try:
                return self._client.speak(wanted, timeout=self._timeout, time_limit=self._time_limit, alive=alive)
            except ProviderError as error:
                if isinstance(error.usage, Usage):
                    spent += error.usage
                elif error.may_be_billed:
                    in_vain += mapping.billed_characters(self.name, wanted.text)
                raise

        try:
            spoken = self._try(once, alive)
        except ProviderError as error:
            # The last attempt's error speaks for all of them.
            error.usage, error.characters = spent or None, in_vain
            raise
        if spoken.usage is not None:
            return replace(spoken, usage=spoken.usage + spent)
        return replace(spoken, characters=spoken.characters + in_vain)

    def voices(self, *, alive: Alive = lambda: None) -> Sequence[Voice]:
        """Return the provider's own list; see the Protocol."""
        return self._try(
            lambda: self._client.voices(timeout=self._timeout, time_limit=self._time_limit, alive=alive), alive
        )

    def _try(self, once: Callable[[], T], alive: Alive) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                with self._breaker.guarding():
                    return once()
            except ProviderError as error:
                seconds = self._wait_before(attempt, error)
                if seconds is None:
                    raise
            self._wait(seconds, alive)

    def _wait(self, seconds: float, alive: Alive) -> None:
        """Wait in slices, so that a job that is to stop stops."""
        left = seconds
        while left > 0:
            alive()
            self._pause(min(left, _SLICE))
            left -= _SLICE
        alive()

    def _wait_before(self, attempt: int, error: ProviderError) -> float | None:
        """Return the seconds to wait after this many failed attempts, or None where the error stands."""
        # A provider that rests does so for longer than anybody waits.
        if not error.is_transient or attempt >= self._attempts or isinstance(error, ProviderRestsError):
            return None
        asked = error.retry_after if isinstance(error, ProviderBusyError) else None
        if asked is not None and asked > LONGEST_WAIT:
            return None
        # What the server asks for is a floor; the jitter goes on top.
        return (asked or 0.0) + self._jitter(min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_WAIT))
