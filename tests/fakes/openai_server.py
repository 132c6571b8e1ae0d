"""A real HTTP server that speaks OpenAI's embeddings protocol and misbehaves as told.

In a test: `with OpenAIServer(dimensions=8) as server: server.script(Status(429, {"retry-after": "2"}))`; by hand:
`python -m tests.fakes.openai_server --port 8100 --latency 0.04`. Answers left in the script go out first, one for each
request; every further request is answered well. Equal texts get equal vectors.
"""

import argparse
import base64
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Status:
    """Answer with this HTTP status, these headers and this message."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "The fake server was told to say this."
    code: str | None = None


@dataclass(frozen=True)
class Silence:
    """Take the request and never answer."""


@dataclass(frozen=True)
class Drops:
    """Answer well, a few bytes at a time, with this many seconds between."""

    seconds: float


@dataclass(frozen=True)
class HalfBody:
    """Promise the whole answer, send half of it and hang up."""


@dataclass(frozen=True)
class HangUp:
    """Take the request and close the connection without a word."""


@dataclass(frozen=True)
class Raw:
    """Answer 200 with exactly this body."""

    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True)
class Dimensions:
    """Answer with vectors of this length, whatever was asked."""

    dimensions: int


@dataclass(frozen=True)
class Count:
    """Answer with this many vectors, whatever was asked."""

    count: int


@dataclass(frozen=True)
class Shuffled:
    """Answer well, with the items in reverse order and their indices right."""


@dataclass(frozen=True)
class Unnumbered:
    """Answer well, without indices."""


@dataclass(frozen=True)
class Doubled:
    """Answer with the index of the first item on every item."""


@dataclass(frozen=True)
class Constant:
    """Answer with this number everywhere, as JSON."""

    value: float


Answer = (
    Status | Silence | Drops | HalfBody | HangUp | Raw | Dimensions | Count | Shuffled | Unnumbered | Doubled | Constant
)


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    inputs: tuple[str, ...]
    dimensions: int | None
    model: str
    encoding_format: str | None
    headers: Mapping[str, str]


def vector_for(text: str, dimensions: int) -> npt.NDArray[np.float32]:
    """Return the vector that the server gives this text; not normalised, on purpose."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(dimensions, dtype=np.float32)


class OpenAIServer:
    """The server, running from `with` to its end on a loopback port of its own.

    `max_inputs`, `max_characters` (of one text) and `accepts_dimensions` are
    the limits that it enforces as real servers do; `knows_base64=False` makes
    it one that answers with numbers only. `keep=False` forgets the requests
    and only counts them, for benchmarks.
    """

    def __init__(
        self,
        *,
        dimensions: int = 1536,
        latency: float = 0.0,
        port: int = 0,
        max_inputs: int = 2048,
        max_characters: int | None = None,
        accepts_dimensions: bool = True,
        knows_base64: bool = True,
        keep: bool = True,
    ) -> None:
        self.dimensions = dimensions
        self.latency = latency
        self.max_inputs = max_inputs
        self.max_characters = max_characters
        self.accepts_dimensions = accepts_dimensions
        self.knows_base64 = knows_base64
        self.keep = keep
        self.requests: list[Received] = []
        self.calls = 0
        self.inputs_seen = 0
        self.most_at_once = 0
        self.closing = threading.Event()
        self._at_once = 0
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The base address to set as STUDIO_EMBEDDINGS_URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, in order."""
        with self._lock:
            self._script.extend(answers)

    def reset(self) -> None:
        """Forget the script, the requests and the counts."""
        with self._lock:
            self._script.clear()
            self.requests.clear()
            self.calls = self.inputs_seen = self.most_at_once = 0

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

    def begin(self, received: Received) -> Answer | None:
        """Count a request and return what the script has for it."""
        with self._lock:
            self.calls += 1
            self.inputs_seen += len(received.inputs)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            if self.keep:
                self.requests.append(received)
            return self._script.popleft() if self._script else None

    def end(self) -> None:
        """Count a request as over."""
        with self._lock:
            self._at_once -= 1

    def refusal(self, received: Received) -> Status | None:
        """Return the refusal that this server's limits demand, if any."""
        if not received.inputs or "" in received.inputs:
            return Status(400, message="'$.input' is invalid. Please check the API reference.")
        if len(received.inputs) > self.max_inputs:
            return Status(
                422, message=f"batch size {len(received.inputs)} > maximum allowed batch size {self.max_inputs}"
            )
        if self.max_characters is not None and max(map(len, received.inputs)) > self.max_characters:
            return Status(400, message=f"This model's maximum context length is {self.max_characters} tokens.")
        if received.dimensions is not None and not self.accepts_dimensions:
            return Status(400, message="This model does not support specifying dimensions.")
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    fake: OpenAIServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave early are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The base class names it so.
        pass

    def do_POST(self) -> None:
        fake = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        given = body.get("input")
        received = Received(
            inputs=(given,) if isinstance(given, str) else tuple(given or ()),
            dimensions=body.get("dimensions"),
            model=body.get("model", ""),
            encoding_format=body.get("encoding_format"),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        answer = fake.begin(received)
        try:
            if fake.latency:
                time.sleep(fake.latency)
            self._answer(fake, received, answer)
        finally:
            fake.end()

    def _answer(self, fake: OpenAIServer, received: Received, answer: Answer | None) -> None:
        if not self.path.endswith("/embeddings"):
            answer = Status(404, message="Not Found")
        answer = answer or fake.refusal(received)
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
                self._send(answer.body, content_type=answer.content_type)
            case HalfBody():
                self._send(self._vectors(fake, received, None), half=True)
            case Drops():
                self._drip(self._vectors(fake, received, None), answer.seconds, fake)
            case _:
                self._send(self._vectors(fake, received, answer))

    def _vectors(self, fake: OpenAIServer, received: Received, answer: Answer | None) -> bytes:
        dimensions = received.dimensions or fake.dimensions
        if isinstance(answer, Dimensions):
            dimensions = answer.dimensions
        items: list[dict[str, Any]] = []
        for index, text in enumerate(received.inputs):
            vector = vector_for(text, dimensions)
            if isinstance(answer, Constant):
                encoded: Any = [answer.value] * dimensions
            elif received.encoding_format == "base64" and fake.knows_base64:
                encoded = base64.b64encode(vector.astype("<f4").tobytes()).decode()
            else:
                encoded = vector.tolist()
            items.append({"object": "embedding", "index": index, "embedding": encoded})
        items = _misordered(items, answer)
        tokens = sum(len(text) for text in received.inputs) // 4
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json.dumps({"object": "list", "data": items, "model": received.model, "usage": usage}).encode()

    def _head(self, length: int, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(length))
        self.send_header("x-request-id", "req_fake")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        half: bool = False,
    ) -> None:
        self._head(len(body), status, content_type, headers or {})
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.wfile.flush()
        if half:
            self.close_connection = True

    def _drip(self, body: bytes, seconds: float, fake: OpenAIServer) -> None:
        self._head(len(body), 200, "application/json", {})
        for start in range(0, len(body), 16):
            self.wfile.write(body[start : start + 16])
            self.wfile.flush()
            if fake.closing.wait(seconds):
                break
        self.close_connection = True


def _misordered(items: list[dict[str, Any]], answer: Answer | None) -> list[dict[str, Any]]:
    match answer:
        case Count():
            return (items * (answer.count + 1))[: answer.count]
        case Shuffled():
            return items[::-1]
        case Unnumbered():
            return [{key: value for key, value in item.items() if key != "index"} for item in items]
        case Doubled():
            return [{**item, "index": 0} for item in items]
        case _:
            return items


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A fake OpenAI embeddings server, for trying and measuring.")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--dimensions", type=int, default=1536)
    options = parser.parse_args()
    with OpenAIServer(port=options.port, latency=options.latency, dimensions=options.dimensions, keep=False) as server:
        print(f"STUDIO_EMBEDDINGS_PROVIDER=openai STUDIO_EMBEDDINGS_URL={server.url}", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{server.calls} requests, {server.inputs_seen} texts")  # noqa: T201


if __name__ == "__main__":
    main()
