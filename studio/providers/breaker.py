"""A circuit breaker per provider: after some failures in a row nobody asks it for a while, and then one request tries.

Every wrapper of a provider has a `Breaker`. What it knows is shared by all processes once whoever composes the process
has called `share`; without that, and while the shared store is away, each process learns by itself.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from studio.providers.errors import ProviderError, ProviderRestsError

MOST_FAILURES = 4
"""Failures in a row after which a provider is taken for down."""

REST = 30.0
"""Seconds for which a provider that is down is not asked; then one request tries."""

_TRUSTED = 1.0
"""Seconds for which a process believes what it last saw of the shared store."""


@dataclass(frozen=True, slots=True)
class View:
    """How a provider stands: its failures in a row, and the seconds that it still rests (0 or less: it may be tried)."""

    failures: int
    rests_for: float


class Store(Protocol):
    """What processes share. Each method may answer None where the store cannot be asked; nothing is raised."""

    def look(self, provider: str) -> View | None:
        """How the provider stands."""

    def may_try(self, provider: str, *, rest: float) -> bool | None:
        """Whether the caller is the one that tries a provider whose rest is over."""

    def fail(self, provider: str, *, most: int, rest: float, error: str) -> View | None:
        """Count one more failure in a row."""

    def succeed(self, provider: str) -> None:
        """The provider works."""


_shared: Store | None = None


def share(store: Store | None) -> None:
    """Have all breakers of this process use `store` from now on."""
    global _shared  # noqa: PLW0603 - One process has one; breakers are made in many places.
    _shared = store


class Breaker:
    """Whether `provider` (such as "speech:openai") is worth asking.

    `most` and `rest` are as the constants of this module; `clock` is given by tests only.
    """

    def __init__(
        self,
        provider: str,
        *,
        label: str = "",
        most: int = MOST_FAILURES,
        rest: float = REST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self._label = label or provider
        self._most = most
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0
        self._looked_at: float | None = None

    def enter(self) -> None:
        """Return where a request may go out; raises ProviderRestsError while the provider rests.

        Whoever returns from here says `succeed` or `fail` afterwards.
        """
        self._refresh()
        with self._lock:
            if self._failures < self._most:
                return
            left = self._until - self._clock()
            if left <= 0:
                # This request tries here; the others of this process go on resting until it is known how it went.
                self._until = self._clock() + self._rest
        if left <= 0:
            # And of all processes one: where another was quicker, this one rests as well.
            if _shared is None or _shared.may_try(self.provider, rest=self._rest) is not False:
                return
            left = self._rest
        refusal = ProviderRestsError(
            "%(provider)s failed several times in a row; it is asked again in %(seconds)d seconds.",
            provider=self._label,
            seconds=max(1, round(left)),
            retry_after=left,
        )
        refusal.breaker = self.provider
        raise refusal

    def succeed(self) -> None:
        """The provider works."""
        with self._lock:
            had_failed, self._failures = self._failures > 0, 0
        if had_failed and _shared is not None:
            _shared.succeed(self.provider)

    def fail(self, error: BaseException | None = None) -> None:
        """The provider failed once more; the error knows which, so that what waits for it can be found."""
        if isinstance(error, ProviderError):
            error.breaker = self.provider
        with self._lock:
            self._failures += 1
            self._until = self._clock() + self._rest
        if _shared is not None:
            seen = _shared.fail(
                self.provider, most=self._most, rest=self._rest, error="" if error is None else str(error)
            )
            self._take(seen)

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """One request: `enter`, then `succeed` or `fail` by what the body raises.

        What a provider refuses (an error that is not transient) says nothing against it. Raises as `enter`.
        """
        self.enter()
        try:
            yield
        except ProviderError as error:
            if error.is_transient:
                self.fail(error)
            else:
                self.succeed()
            raise
        self.succeed()

    def _refresh(self) -> None:
        """Look at what the others know, unless that was done a moment ago."""
        if _shared is None:
            return
        with self._lock:
            if self._looked_at is not None and self._clock() - self._looked_at < _TRUSTED:
                return
            self._looked_at = self._clock()
        self._take(_shared.look(self.provider))

    def _take(self, seen: View | None) -> None:
        if seen is None:
            return
        with self._lock:
            self._looked_at = self._clock()
            self._failures = seen.failures
            self._until = self._clock() + seen.rests_for
