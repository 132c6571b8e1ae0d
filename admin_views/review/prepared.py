"""The parts of a case's page that take time, made ahead and kept for a while in this process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T
    until: float


class Prepared(Generic[T]):
    """At most `most` values, each for at most `lasts` seconds; the one that was used longest ago goes first.

    The key has to name everything that the value says, and who may see it decides whoever asks.
    """

    def __init__(self, *, most: int, lasts: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._lasts = lasts
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept[T]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of this key, made now if it is not there; two who ask at once may both make it."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None and self._clock() <= found.until:
                self._kept.move_to_end(key)
                return found.value
        value = make()
        with self._lock:
            self._kept[key] = _Kept(value, self._clock() + self._lasts)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return value
