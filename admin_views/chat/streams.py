"""Answers that this process is streaming: how many at once, and how they are stopped from any process."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

import redis as redis_client
from flask import Response, current_app
from flask_babel import force_locale, get_locale

from studio.chat.errors import BusyError
from studio.providers.language import Cancel

_BETWEEN_LOOKS = 0.4
"""Seconds between two looks for stops that came to another process."""

_STOPS_ARE_KEPT = 900
"""Seconds; longer than any answer."""


def _key(message_id: UUID) -> str:
    return f"chat:stop:{message_id}"


@dataclass
class _Open:
    cancel: Cancel
    since: float


class Streams:
    """The open streams of one process.

    A thread of the web server is busy for as long as it streams, so there are at most `most` at once. An entry that
    is older than `lasts` seconds belongs to a stream that never began (its request was undone) and is forgotten.
    """

    def __init__(self, redis: redis_client.Redis, *, most: int, lasts: float) -> None:
        self._redis = redis
        self._most = most
        self._lasts = lasts
        self._lock = threading.Lock()
        self._open: dict[UUID, _Open] = {}
        self._watcher: threading.Thread | None = None

    def refuse_full(self) -> None:
        """Return where there is room for one more; raises BusyError."""
        with self._lock:
            self._forget_old()
            if len(self._open) >= self._most:
                raise BusyError

    def open(self, message_id: UUID) -> Cancel:
        """A stream is about to begin; returns what stops it. Raises BusyError where there is no room."""
        with self._lock:
            self._forget_old()
            if len(self._open) >= self._most:
                raise BusyError
            entry = self._open[message_id] = _Open(Cancel(), monotonic())
        return entry.cancel

    def begin(self, message_id: UUID) -> None:
        """The stream has begun: from now on, stops that other processes hear of are looked for."""
        with self._lock:
            if message_id in self._open and (self._watcher is None or not self._watcher.is_alive()):
                self._watcher = threading.Thread(target=self._watch, name="chat-stops", daemon=True)
                self._watcher.start()

    def close(self, message_id: UUID) -> None:
        """The stream is over."""
        with self._lock:
            self._open.pop(message_id, None)

    def stop(self, message_id: UUID) -> None:
        """Stop the stream, in whichever process it is. May be repeated."""
        with self._lock:
            entry = self._open.get(message_id)
        if entry is not None:
            entry.cancel.ask()
            return
        # While Redis is away the answer ends by itself.
        with contextlib.suppress(redis_client.RedisError, OSError):
            self._redis.set(_key(message_id), "1", ex=_STOPS_ARE_KEPT)

    def _forget_old(self) -> None:
        before = monotonic() - self._lasts
        for message_id in [one for one, entry in self._open.items() if entry.since < before]:
            self._open.pop(message_id).cancel.ask()

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                waiting = {message_id: entry.cancel for message_id, entry in self._open.items()}
                if not waiting:
                    self._watcher = None
                    return
            with contextlib.suppress(redis_client.RedisError, OSError):
                found = self._redis.mget([_key(message_id) for message_id in waiting])
                for cancel, asked in zip(waiting.values(), found, strict=True):
                    if asked:
                        cancel.ask()
            pause.wait(_BETWEEN_LOOKS)


def line(kind: str, **values: Any) -> bytes:
    """One line of a stream."""
    return json.dumps({"kind": kind, **values}, ensure_ascii=False).encode() + b"\n"


def streamed(lines: Iterable[bytes]) -> Response:
    """An answer that is sent while it is made, a JSON object on each line; no proxy may hold it back."""
    return Response(
        lines,
        mimetype="application/x-ndjson",
        headers={"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"},
    )


def reader() -> Callable[[], AbstractContextManager[None]]:
    """Returns what speaks the present reader's language later, when the request is over and its stream goes on."""
    app, locale = current_app._get_current_object(), str(get_locale())  # type: ignore[attr-defined]  # noqa: SLF001 - The documented way out of a LocalProxy.

    @contextmanager
    def reading() -> Iterator[None]:
        with app.app_context(), force_locale(locale):
            yield

    return reading
