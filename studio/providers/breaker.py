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

_TOLD_IN_A_REST = 3
"""So often in one rest a trial tells that it goes on."""

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

    def keep_trying(self, provider: str, *, rest: float) -> None:
        """The caller's trial is still under way: nobody else tries for another `rest`; 0 where it ended without an answer."""

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

    def enter(self) -> bool:
        """Return where a request may go out; raises ProviderRestsError while the provider rests.

        Whoever returns from here says `succeed` or `fail` afterwards. True where the request tries whether the provider
        is back: nobody else does for one rest, which `trying` makes longer while the request goes on.
        """
        self._refresh()
        with self._lock:
            if self._failures < self._most:
                return False
            left = self._until - self._clock()
            if left <= 0:
                # This request tries here; the others of this process go on resting until it is known how it went.
                self._until = self._clock() + self._rest
        if left <= 0:
            # And of all processes one: where another was quicker, this one rests as well.
            if _shared is None or _shared.may_try(self.provider, rest=self._rest) is not False:
                return True
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

        What a provider refuses (an error that is not transient) says nothing against it. While a provider that rested is
        tried, however long that takes, nobody else tries it; one that is given up (a person stopped the job) leaves
        that to the next at once. Raises as `enter`.
        """
        is_trial = self.enter()
        try:
            with self.trying(is_trial=is_trial):
                yield
        except ProviderError as error:
            if error.is_transient:
                self.fail(error)
            else:
                self.succeed()
            raise
        self.succeed()

    @contextmanager
    def trying(self, *, is_trial: bool) -> Iterator[None]:
        """A request that `enter` let out: where it is a trial, that is known while the body goes on.

        A process that is killed in it holds it for one rest at most; whoever stops it without an answer leaves it to the next.
        """
        if not is_trial:
            yield
            return
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(self._rest / _TOLD_IN_A_REST):
                self._prolong(self._rest)

        thread = threading.Thread(target=go_on, name="trial", daemon=True)
        thread.start()
        try:
            yield
        except ProviderError:
            raise
        except BaseException:
            ended.set()
            thread.join()
            self._prolong(0.0)
            raise
        finally:
            ended.set()
            thread.join()

    def _prolong(self, rest: float) -> None:
        with self._lock:
            self._until = self._clock() + rest
        if _shared is not None:
            _shared.keep_trying(self.provider, rest=rest)

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
