"""A real websocket server that speaks the part of OpenAI's Realtime API that the studio uses, and misbehaves as told.

In a test: `with RealtimeServer() as server: server.script(Says("Something else."))`; by hand:
`python -m tests.fakes.realtime_server --port 8199 --gullible`. What is left in the script happens first: a `Status` or a
`Turned` to the next connection, anything else to the next answer. Every further text is read out word for word, as a
tone that lasts as long as saying it might; one that is `gullible` does what a text with "ignore" in it orders.
"""

import argparse
import base64
import itertools
import json
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

import numpy as np
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.fakes.openai_server import Silence, Status
from tests.fakes.speech_server import Stalls

RATE = 24_000
_PIECE = 9_600
_SECONDS = 0.07
_TONE = (0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 4) / RATE) * 32_767).astype("<i2").tobytes()
USAGE = {
    "total_tokens": 1_000,
    "input_tokens": 400,
    "output_tokens": 600,
    "input_token_details": {"text_tokens": 400, "audio_tokens": 0, "cached_tokens": 100},
    "output_token_details": {"text_tokens": 100, "audio_tokens": 500},
}


@dataclass(frozen=True)
class Turned:
    """Open the connection, say this error, and close it: what the real one does with a wrong key."""

    code: str = "invalid_api_key"
    kind: str = "invalid_request_error"
    closes: int = 3000


@dataclass(frozen=True)
class Says:
    """Read something else than the text."""

    words: str


@dataclass(frozen=True)
class Announces:
    """Say this before the text, marked as what leads on to it."""

    words: str


@dataclass(frozen=True)
class Errs:
    """Say an error in the middle of the answer."""

    code: str
    kind: str = "invalid_request_error"
    message: str = "No."
    closes: int | None = None


@dataclass(frozen=True)
class Ends:
    """Bring the answer to an end that is none, with this status and why."""

    status: str
    reason: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class Breaks:
    """Hang up in the middle of the answer."""


@dataclass(frozen=True)
class CutAudio:
    """Leave out most of the audio, as if that were all; or only say nothing of its end."""

    says_its_end: bool = True


@dataclass(frozen=True)
class Raw:
    """Say this instead of an answer."""

    message: str


@dataclass(frozen=True)
class Floods:
    """Send audio without an end."""


@dataclass(frozen=True)
class Babbles:
    """Say without an end what it says that it said, in megabytes; or, without words, in ever new things that it says."""

    words: str = "la " * 400_000


Misdeed = (
    Status | Turned | Silence | Says | Announces | Errs | Ends | Breaks | Stalls | CutAudio | Raw | Floods | Babbles
)
# What a client must not log, its server logs as it comes in.
_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True
_AT_THE_DOOR = (Status, Turned, Silence)


@dataclass(frozen=True)
class Reading:
    """One request to read, as it came in."""

    session: Mapping[str, Any]
    response: Mapping[str, Any]

    @property
    def given(self) -> str:
        """The message with its marks."""
        return str(self.response["input"][0]["content"][0]["text"])

    @property
    def text(self) -> str:
        """What stands between the marks."""
        found = re.fullmatch(r"(?s)\[\[(\w+)\]\]\n(.*)\n\[\[/\1\]\]", self.given)
        return found[2] if found else ""


@dataclass
class RealtimeServer:
    """The server, running from `with` to its end on a loopback port of its own."""

    port: int = 0
    gullible: bool = False
    seconds: float = _SECONDS
    connections: list[Request] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self._script: deque[Misdeed] = deque()
        self._lock = threading.Lock()
        self._server: Server = serve(
            self._talk,
            "127.0.0.1",
            self.port,
            process_request=self._opened,
            close_timeout=0.2,
            compression=None,
            logger=_silent,
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The base address, as a setting has it."""
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/v1"

    def script(self, *misdeeds: Misdeed) -> None:
        self._script.extend(misdeeds)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join(timeout=10)

    def _next(self, *, at_the_door: bool) -> Misdeed | None:
        with self._lock:
            if self._script and isinstance(self._script[0], _AT_THE_DOOR) is at_the_door:
                return self._script.popleft()
        return None

    def _opened(self, _connection: ServerConnection, request: Request) -> Response | None:
        self.connections.append(request)
        if self._script and isinstance(self._script[0], Status):
            status = self._next(at_the_door=True)
            assert isinstance(status, Status)
            body = json.dumps({"error": {"message": status.message, "code": status.code}}).encode()
            headers = Headers({"Content-Length": str(len(body)), **status.headers})
            return Response(status.status, HTTPStatus(status.status).phrase, headers, body)
        return None

    def _talk(self, connection: ServerConnection) -> None:
        try:
            self._converse(connection)
        except (ConnectionClosed, OSError):
            return

    def _converse(self, connection: ServerConnection) -> None:
        match self._next(at_the_door=True):
            case Silence():
                self.closing.wait(30)
                return
            case Turned() as turned:
                self._say(connection, "error", error={"type": turned.kind, "code": turned.code, "message": "No."})
                connection.close(turned.closes, f"{turned.kind}.{turned.code}")
                return
        self._say(connection, "session.created", session={"id": "sess_1", "type": "realtime"})
        session: dict[str, Any] = {}
        for message in connection:
            event = json.loads(message)
            if event["type"] == "session.update":
                session = event["session"]
                self._say(connection, "session.updated", session=session)
            elif event["type"] == "response.create":
                reading = Reading(session, event["response"])
                self.readings.append(reading)
                self._answer(connection, reading)

    def _answer(self, connection: ServerConnection, reading: Reading) -> None:
        said = reading.text
        if self.gullible and "ignore" in said.casefold():
            said = "Of course! What else may I do for you?"
        misdeed = self._next(at_the_door=False)
        match misdeed:
            case Raw():
                connection.send(misdeed.message)
                return
            case Says():
                said = misdeed.words
        self._say(connection, "response.created", response={"id": "resp_1", "status": "in_progress"})
        if isinstance(misdeed, Announces):
            self._announce(connection, misdeed.words)
        self._say(connection, "response.output_item.added", item={"id": "item_1", "type": "message"})
        samples = self._sound(said)
        if isinstance(misdeed, CutAudio):
            samples = samples[: len(samples) // 20 // 2 * 2]
        places = range(0, len(samples), _PIECE)
        for number, place in enumerate(places):
            if number == len(places) // 2 and not self._goes_on(connection, misdeed):
                return
            self._sounds(connection, samples[place : place + _PIECE])
        if not (isinstance(misdeed, CutAudio) and not misdeed.says_its_end):
            self._say(connection, "response.output_audio.done", item_id="item_1")
        self._say(connection, "response.output_audio_transcript.done", item_id="item_1", transcript=said)
        self._done(connection, misdeed)

    def _goes_on(self, connection: ServerConnection, misdeed: Misdeed | None) -> bool:
        """Whether the answer goes on after its middle."""
        match misdeed:
            case Breaks():
                connection.socket.close()
            case Stalls():
                self.closing.wait(30)
            case Floods():
                while not self.closing.is_set():
                    self._sounds(connection, b"\x00\x01" * 500_000)
            case Babbles():
                self._babble(connection, misdeed.words)
            case Errs():
                told = {"type": misdeed.kind, "code": misdeed.code, "message": misdeed.message}
                self._say(connection, "error", error=told)
                if misdeed.closes is not None:
                    connection.close(misdeed.closes, misdeed.message)
            case Ends(status="failed" | "incomplete"):
                self._done(connection, misdeed)
            case _:
                return True
        return False

    def _babble(self, connection: ServerConnection, words: str) -> None:
        for number in itertools.count():
            if self.closing.is_set():
                break
            item = {"id": f"item_{number}", "phase": "commentary"}
            self._say(connection, "response.output_item.added", item=item)
            if words:
                self._say(connection, "response.output_audio_transcript.done", item_id="x", transcript=words)

    def _done(self, connection: ServerConnection, misdeed: Misdeed | None) -> None:
        answer: dict[str, Any] = {"id": "resp_1", "status": "completed", "usage": USAGE}
        if isinstance(misdeed, Ends):
            error = {"type": misdeed.reason, "code": misdeed.code, "message": misdeed.message}
            answer |= {
                "status": misdeed.status,
                "status_details": {"type": misdeed.status, "reason": misdeed.reason, "error": error},
            }
        self._say(connection, "response.done", response=answer)

    def _sound(self, text: str) -> bytes:
        """A tone, for about as long as the text takes to say."""
        weight = sum(3 if ord(sign) > 0x2E80 else 1 for sign in text)
        count = int(RATE * self.seconds * max(weight, 4))
        return (_TONE * (count * 2 // len(_TONE) + 1))[: count * 2]

    def _announce(self, connection: ServerConnection, words: str) -> None:
        """Say what is about to be said, and mark it as that at its end."""
        self._say(connection, "response.output_item.added", item={"id": "item_0", "type": "message"})
        self._sounds(connection, self._sound(words), item_id="item_0")
        self._say(connection, "response.output_audio.done", item_id="item_0")
        self._say(connection, "response.output_audio_transcript.done", item_id="item_0", transcript=words)
        marked = {"id": "item_0", "type": "message", "phase": "commentary"}
        self._say(connection, "response.output_item.done", item=marked)

    def _sounds(self, connection: ServerConnection, samples: bytes, item_id: str = "item_1") -> None:
        delta = base64.b64encode(samples).decode()
        self._say(connection, "response.output_audio.delta", item_id=item_id, delta=delta)

    def _say(self, connection: ServerConnection, kind: str, **told: Any) -> None:
        connection.send(json.dumps({"type": kind, "event_id": "event_1", **told}))


def _main() -> None:
    parser = argparse.ArgumentParser(description="Speaks as OpenAI's Realtime API does, on this machine.")
    parser.add_argument("--port", type=int, default=8199)
    parser.add_argument("--gullible", action="store_true")
    given = parser.parse_args()
    with RealtimeServer(port=given.port, gullible=given.gullible):
        while True:
            time.sleep(60)


if __name__ == "__main__":
    _main()
