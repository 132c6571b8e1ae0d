"""Waiting for an answer in a thread of its own, so that whoever waits can tell of progress, see that there is none, and stop it."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from studio.providers.images import refusals

T = TypeVar("T")

_LOOK = 0.25
"""Seconds between two looks."""


class Patience:
    """How long a drawing may stand still: `seconds` after it last moved, `require` refuses to wait on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moved_at = time.monotonic()
        self._seen: dict[str, Hashable] = {}

    def moved(self) -> None:
        """It goes on, or there is a reason to wait."""
        self._moved_at = time.monotonic()

    def see(self, kind: str, sign: Hashable) -> None:
        """The server tells this of its work: where it told the same before, nothing has moved."""
        if kind not in self._seen or self._seen[kind] != sign:
            self._seen[kind] = sign
            self.moved()

    def require(self) -> None:
        """Return while there is hope. Raises ProviderBusyError, which counts at the breaker."""
        if time.monotonic() - self._moved_at > self._seconds:
            raise refusals.stalled(self._seconds)


class _Call(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.done = threading.Event()
        self.value: T | None = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:  # noqa: BLE001 - It is raised where it is waited for.
            self.error = error
        finally:
            self.done.set()


def watched(work: Callable[[], T], *, look: Callable[[], None], stop: Callable[[], None], time_limit: float) -> T:
    """What `work` returns, while `look` is called four times a second.

    Where `look` raises, or the time is over, `stop` is called and the error goes on; `work` is then no longer waited
    for, so `stop` must make it end. Raises what `work` raises, or ProviderBusyError where the time is over.
    """
    call = _Call(work)
    threading.Thread(target=call, name="pictures", daemon=True).start()
    ends = time.monotonic() + time_limit
    try:
        while not call.done.wait(_LOOK):
            look()
            _refuse_late(ends)
    except BaseException:
        stop()
        raise
    if call.error is not None:
        raise call.error
    return call.value  # type: ignore[return-value]  # It is done, and there was no error.


def _refuse_late(ends: float) -> None:
    if time.monotonic() > ends:
        raise refusals.silent()
