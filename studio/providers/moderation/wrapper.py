"""What every moderation provider gets: requests of a bounded size, retries with jitter, and a time limit."""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from studio.providers.errors import ProviderBrokenError, ProviderBusyError, ProviderError
from studio.providers.moderation.protocol import ModerationClient, Weighed

FIRST_BACKOFF = 0.5
"""Seconds: the ceiling of the first wait; each further one doubles it."""

LONGEST_WAIT = 20.0
"""Seconds that a request waits at most. A server that asks for longer is left; the listing is looked at again later."""

_random = random.SystemRandom()
T = TypeVar("T")


def _full_jitter(ceiling: float) -> float:
    """Return a wait anywhere up to the ceiling, so that those who failed together do not come back together."""
    return _random.uniform(0.0, ceiling)


class ReliableModeration:
    """A ModerationProvider around a client, without state.

    `attempts` counts the first one; `timeout` is for one request in seconds. `pause`, `jitter` and `clock` are
    given by tests only.
    """

    def __init__(
        self,
        client: ModerationClient,
        *,
        attempts: int = 3,
        timeout: float = 20.0,
        pause: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = _full_jitter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._timeout = timeout
        self._pause = pause
        self._jitter = jitter
        self._clock = clock

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_MODERATION_PROVIDER`."""
        return self._client.name

    @property
    def is_configured(self) -> bool:
        """Whether there is a model to ask, or there should be one and its settings are wrong."""
        return self._client.is_configured

    @property
    def label(self) -> str:
        """What a screen calls this provider."""
        return self._client.label

    @property
    def max_characters(self) -> int:
        """The longest text that is sent."""
        return self._client.max_characters

    @property
    def max_picture_bytes(self) -> int:
        """The largest picture that is sent."""
        return self._client.max_picture_bytes

    def weigh(self, texts: Sequence[str], *, time_limit: float) -> list[Weighed]:
        """Return one answer for each text, in order; see the Protocol."""
        ends = self._clock() + time_limit
        found: list[Weighed] = []
        for start in range(0, len(texts), self._client.max_inputs):
            some = texts[start : start + self._client.max_inputs]
            answers = self._repeated(partial(self._client.request, some), ends)
            if len(answers) != len(some):
                raise ProviderBrokenError("The moderation model gave another number of answers than was asked for.")
            found += answers
        return found

    def weigh_picture(self, data: bytes, *, media_type: str, time_limit: float) -> Weighed:
        """Return the answer for a picture; see the Protocol."""
        ends = self._clock() + time_limit
        return self._repeated(partial(self._client.request_picture, data, media_type=media_type), ends)

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
        self._client.close()

    def _repeated(self, ask: Callable[..., T], ends: float) -> T:
        """What `ask` returns when it is given its timeout, tried again as often as it is worth it."""
        attempt = 0
        while True:
            attempt += 1
            left = ends - self._clock()
            if left <= 0:
                raise ProviderBusyError("The moderation server did not answer within the time that there was.")
            try:
                return ask(timeout=min(self._timeout, left))
            except ProviderError as error:
                seconds = self._wait_before(attempt, error, ends)
                if seconds is None:
                    raise
            self._pause(seconds)

    def _wait_before(self, attempt: int, error: ProviderError, ends: float) -> float | None:
        """Return the seconds to wait after this many failed attempts, or None where the error stands."""
        if not error.is_transient or attempt >= self._attempts:
            return None
        asked = error.retry_after if isinstance(error, ProviderBusyError) else None
        if asked is not None and asked > LONGEST_WAIT:
            return None
        # What the server asks for is a floor; the jitter goes on top, or all who were told the same come back at once.
        seconds = (asked or 0.0) + self._jitter(min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_WAIT))
        return None if self._clock() + seconds >= ends else seconds
