"""A real HTTP server that speaks OpenAI's moderation protocol and misbehaves as told.

In a test: `with ModerationServer(flags={"bomb": {"illicit/violent": 0.9}}) as server: server.script(Status(429))`. Answers left
in the script go out first, one for each request; every further request is answered well: a text gets the scores of the
first word of `flags` that it holds, a picture those of "picture".
"""

import base64
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.fakes.openai_server import Drops, HalfBody, HangUp, Raw, Silence, Status

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

Answer = Status | Silence | HangUp | Raw | HalfBody | Drops


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    texts: tuple[str, ...]
    picture: bytes | None
    media_type: str
    model: str
    headers: Mapping[str, str]


class ModerationServer:
    """The server, running from `with` to its end on a loopback port of its own."""

    def __init__(self, *, flags: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.flags = dict(flags or {})
        self.requests: list[Asked] = []
        self.closing = threading.Event()
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The base address to set as STUDIO_MODERATION_URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, in order."""
        with self._lock:
            self._script.extend(answers)

    def begin(self, asked: Asked) -> Answer | None:
        """Keep a request and return what the script has for it."""
        with self._lock:
            self.requests.append(asked)
            return self._script.popleft() if self._script else None

    def scores(self, text: str) -> Mapping[str, float]:
        """What the server says of a text."""
        return next((scores for word, scores in self.flags.items() if word in text), {})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    fake: ModerationServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave early are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The base class names it so.
        pass

    def do_POST(self) -> None:
        fake = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = _asked(body, {name.lower(): value for name, value in self.headers.items()})
        answer = fake.begin(asked)
        if not self.path.endswith("/moderations"):
            answer = Status(404, message="Not Found")
        match answer:
            case Status():
                error = {"error": {"message": answer.message, "type": "fake", "code": answer.code, "param": None}}
                self._send(json.dumps(error).encode(), status=answer.status, headers=answer.headers)
            case Silence():
                fake.closing.wait()
                self.close_connection = True
            case HangUp():
                self.close_connection = True
            case Raw():
                self._send(answer.body)
            case HalfBody():
                self._send(self._results(asked), half=True)
            case Drops():
                self._drip(self._results(asked), answer.seconds)
            case _:
                self._send(self._results(asked))

    def _results(self, asked: Asked) -> bytes:
        fake = self.server.fake
        given = asked.texts if asked.picture is None else ("picture",)
        results = [_result(fake.scores(text)) for text in given]
        return json.dumps({"id": "modr-1", "model": asked.model, "results": results}).encode()

    def _send(
        self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None, half: bool = False
    ) -> None:
        self._head(len(body), status, headers or {})
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.wfile.flush()
        if half:
            self.close_connection = True

    def _drip(self, body: bytes, seconds: float) -> None:
        self._head(len(body), 200, {})
        for start in range(0, len(body), 16):
            self.wfile.write(body[start : start + 16])
            self.wfile.flush()
            if self.server.fake.closing.wait(seconds):
                break
        self.close_connection = True

    def _head(self, length: int, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(length))
        self.send_header("x-request-id", "req_fake")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _asked(body: Mapping[str, Any], headers: Mapping[str, str]) -> Asked:
    given = body.get("input")
    texts: list[str] = []
    picture, media_type = None, ""
    for one in [given] if isinstance(given, str) else given or []:
        if isinstance(one, str):
            texts.append(one)
        elif one["type"] == "image_url":
            head, _, data = one["image_url"]["url"].partition(",")
            media_type = head.removeprefix("data:").removesuffix(";base64")
            picture = base64.b64decode(data)
        else:
            texts.append(one["text"])
    return Asked(tuple(texts), picture, media_type, body.get("model", ""), headers)


def _result(scores: Mapping[str, float]) -> dict[str, Any]:
    own = {name: scores.get(name, 0.001) for name in CATEGORIES}
    return {
        "flagged": any(score >= 0.5 for score in own.values()),
        "categories": {name: score >= 0.5 for name, score in own.items()},
        "category_scores": own,
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }
