"""What every language provider gets: retries before the first word, a budget, limits, and a circuit breaker."""

import random
import time
from collections.abc import Callable, Iterator, Sequence

from studio.providers.breaker import Breaker
from studio.providers.errors import ProviderBusyError, ProviderError, ProviderRestsError
from studio.providers.language.protocol import Cancel, Event, Finish, LanguageClient, Message, Spend

FIRST_BACKOFF = 0.4
"""Seconds: the ceiling of the first wait; each further one doubles it."""

LONGEST_WAIT = 8.0
"""Seconds that somebody who watches is kept waiting between attempts. A server that asks for longer is left."""

_random = random.SystemRandom()


def _full_jitter(ceiling: float) -> float:
    """Return a wait anywhere up to the ceiling, so that those who failed together do not come back together."""
    return _random.uniform(0.0, ceiling)


def _pause(cancel: Cancel, seconds: float) -> None:
    cancel.wait(seconds)


class ReliableLanguage:
    """A LanguageProvider around a client; keeps no state but whether the server works, which all processes share.

    `attempts` counts the first one. `timeout` is the longest silence, `time_limit`
    the longest answer, in seconds. `pause`, `jitter` and `clock` are given by tests only.
    """

    def __init__(
        self,
        client: LanguageClient,
        *,
        models: Sequence[str] = (),
        attempts: int = 3,
        timeout: float = 30.0,
        time_limit: float = 180.0,
        max_output: int = 800,
        pause: Callable[[Cancel, float], None] = _pause,
        jitter: Callable[[float], float] = _full_jitter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._models = tuple(dict.fromkeys(name for name in (client.model, *models) if name))
        self._attempts = attempts
        self._timeout = timeout
        self._time_limit = time_limit
        self._max_output = max_output
        self._pause = pause
        self._jitter = jitter
        self._breaker = Breaker(f"language:{client.name}", label=client.label, clock=clock)

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_LANGUAGE_PROVIDER`."""
        return self._client.name

    @property
    def model(self) -> str:
        """The model that is asked where nobody chose another."""
        return self._client.model

    @property
    def models(self) -> Sequence[str]:
        """The models that a person may choose from, the usual one first."""
        return self._models

    @property
    def is_configured(self) -> bool:
        """Whether there is a model to ask at all."""
        return self._client.is_configured

    @property
    def label(self) -> str:
        """What a screen calls this provider."""
        return self._client.label

    def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str = "",
        max_output: int | None = None,
        cancel: Cancel | None = None,
        spend: Spend | None = None,
    ) -> Iterator[Event]:
        """Yield the answer piece by piece and then one Finish; see the Protocol."""
        cancel = cancel or Cancel()
        chosen = model if model in self._models else self.model
        longest = max_output or self._max_output
        if spend is not None:
            spend(longest)
        attempt = 0
        while True:
            attempt += 1
            has_begun = False
            try:
                for event in self._once(messages, model=chosen, max_output=longest, cancel=cancel):
                    has_begun = True
                    yield event
            except ProviderError as error:
                seconds = None if has_begun else self._wait_before(attempt, error)
                if seconds is None:
                    raise
                self._pause(cancel, seconds)
            else:
                return
            if cancel.is_asked:
                yield Finish("stopped", None, chosen)
                return

    def _once(self, messages: Sequence[Message], *, model: str, max_output: int, cancel: Cancel) -> Iterator[Event]:
        """One request; the breaker learns how it went."""
        is_trial = self.is_configured and self._breaker.enter()
        try:
            with self._breaker.trying(is_trial=is_trial):
                for event in self._client.stream(
                    messages,
                    model=model,
                    max_output=max_output,
                    timeout=self._timeout,
                    time_limit=self._time_limit,
                    cancel=cancel,
                ):
                    if isinstance(event, Finish) and event.reason != "stopped":
                        self._breaker.succeed()
                    yield event
        except ProviderError as error:
            # What the server refuses says nothing about whether it works.
            if error.is_transient:
                self._breaker.fail(error)
            else:
                self._breaker.succeed()
            raise

    def close(self) -> None:
        """Let connections go; the provider may be used again and then opens new ones."""
        self._client.close()

    def _wait_before(self, attempt: int, error: ProviderError) -> float | None:
        """Return the seconds to wait after this many failed attempts, or None where the error stands."""
        if not error.is_transient or attempt >= self._attempts or isinstance(error, ProviderRestsError):
            return None
        asked = error.retry_after if isinstance(error, ProviderBusyError) else None
        if asked is not None and asked > LONGEST_WAIT:
            return None
        # What the server asks for is a floor; the jitter goes on top, or all who were told the same come back at once.
        return (asked or 0.0) + self._jitter(min(FIRST_BACKOFF * 2 ** (attempt - 1), LONGEST_WAIT))
