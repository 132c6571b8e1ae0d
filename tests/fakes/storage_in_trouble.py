"""A real storage that is in trouble for a while: its disk is full, or the database goes while it writes."""

from collections.abc import Callable
from typing import Any

from studio.providers.storage import Storage, StorageError


class StorageInTrouble:
    """`inner`, of which the next writes have `trouble` first; without any, the disk is full."""

    def __init__(self, inner: Storage, *, writes: int, trouble: Callable[[], None] | None = None) -> None:
        self._inner = inner
        self._trouble = trouble
        self.left = writes

    def put(self, key: str, data: bytes) -> None:
        """Write, unless it is in trouble."""
        if self.left:
            self.left -= 1
            if self._trouble is None:
                raise StorageError("The file could not be stored. Try again; if it stays, tell the staff.")
            self._trouble()
        self._inner.put(key, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
