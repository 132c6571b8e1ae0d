"""A real HTTP server that streams OpenAI's chat protocol and misbehaves as told.

In a test: `with LanguageServer() as server: server.script(Dies(after=3))`; by hand:
`python -m tests.fakes.language_server --port 8101 --latency 0.04`. Answers left in the script go out first, one for each
request; every further request is answered by `says`, or by an echo of what was said last.
"""

import argparse
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.fakes.openai_server import HangUp, Raw, Silence, Status


@dataclass(frozen=True)
class Says:
    """Stream this text, word by word, with this many seconds between, and end it for this reason."""

    text: str
    seconds: float = 0.0
    reason: str | None = "stop"
    usage: bool = True
    model: str | None = None


@dataclass(frozen=True)
class Dies:
    """Begin well, and hang up after so many words."""

    after: int = 2
    text: str = "The tavern is loud tonight and nobody listens."
    seconds: float = 0.0


@dataclass(frozen=True)
class Stalls:
    """Begin well, and say nothing more after so many words."""

    after: int = 2
    text: str = "The tavern is loud tonight and nobody listens."
    pings: bool = False


@dataclass(frozen=True)
class HalfLine:
    """Begin well, and hang up in the middle of a line."""


@dataclass(frozen=True)
class Chunks:
    """Stream exactly these lines, each as one event's data."""

    lines: tuple[str, ...]
    done: bool = True


Answer = Says | Dies | Stalls | HalfLine | Chunks | Status | Silence | HangUp | Raw


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    messages: tuple[tuple[str, str], ...]
    model: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """All that was sent, in one text."""
        return "\n".join(content for _role, content in self.messages)


class LanguageServer:
    """The server, running from `with` to its end on a loopback port of its own.

    `refuses` names parameters that it answers with 400, as real servers do. `left` is set when a client hung up in the
    middle of an answer.
    """

    def __init__(self, *, port: int = 0, latency: float = 0.0, refuses: tuple[str, ...] = ()) -> None:
        self.latency = latency
        self.refuses = refuses
        self.says: Answer | None = None
        self.requests: list[Asked] = []
        self.closing = threading.Event()
        self.left = threading.Event()
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The base address to set as STUDIO_LANGUAGE_URL."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests, in order."""
        with self._lock:
            self._script.extend(answers)

    def reset(self) -> None:
        """Forget the script and the requests."""
        with self._lock:
            self._script.clear()
            self.requests.clear()
            self.says = None
            self.left.clear()

    def begin(self, asked: Asked) -> Answer:
        """Keep a request and return what is to be answered."""
        with self._lock:
            self.requests.append(asked)
            if self._script:
                return self._script.popleft()
        if self.says is not None:
            return self.says
        last = asked.messages[-1][1] if asked.messages else ""
        return Says(f"You said: {last}", seconds=self.latency)

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
    request_queue_size = 64
    fake: LanguageServer

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
        refused = next((name for name in fake.refuses if name in body), None)
        if refused:
            message = f"Unsupported parameter: '{refused}' is not supported with this model."
            self._json({"error": {"message": message, "type": "invalid_request_error", "param": refused}}, status=400)
            return
        asked = Asked(
            messages=tuple((one["role"], one["content"]) for one in body.get("messages", ())),
            model=body.get("model", ""),
            body=body,
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        answer = fake.begin(asked)
        if not self.path.endswith("/chat/completions"):
            answer = Status(404, message="Not Found")
        try:
            self._answer(fake, asked, answer)
        except OSError:
            fake.left.set()
            self.close_connection = True

    def _answer(self, fake: LanguageServer, asked: Asked, answer: Answer) -> None:
        match answer:
            case Status():
                error = {"error": {"message": answer.message, "type": "fake", "code": answer.code, "param": None}}
                self._json(error, status=answer.status, headers=answer.headers)
            case Silence():
                self._wait_for_leaving(fake)
            case HangUp():
                self.close_connection = True
            case Raw():
                self._head(200, answer.content_type)
                self._chunk(answer.body)
                self._end()
            case _:
                self._begin(fake, asked, answer)

    def _begin(self, fake: LanguageServer, asked: Asked, answer: Answer) -> None:
        """Answer by a stream, good or bad."""
        match answer:
            case HalfLine():
                self._head(200, "text/event-stream")
                self._event(_chunk(asked.model, text="Begun "))
                self._chunk(b'data: {"id":"x","choices":[{"ind')
                self.close_connection = True
            case Chunks():
                self._head(200, "text/event-stream")
                for line in answer.lines:
                    self._chunk(f"data: {line}\n\n".encode())
                if answer.done:
                    self._chunk(b"data: [DONE]\n\n")
                self._end()
            case Dies() | Stalls():
                self._head(200, "text/event-stream")
                for word in _words(answer.text)[: answer.after]:
                    self._event(_chunk(asked.model, text=word))
                    if isinstance(answer, Dies) and fake.closing.wait(answer.seconds):
                        break
                if isinstance(answer, Stalls):
                    self._wait_for_leaving(fake, pings=answer.pings)
                self.close_connection = True
            case Says():
                self._stream(fake, asked, answer)

    def _stream(self, fake: LanguageServer, asked: Asked, answer: Says) -> None:
        model = answer.model or asked.model
        self._head(200, "text/event-stream")
        for word in _words(answer.text):
            self._event(_chunk(model, text=word))
            if answer.seconds and fake.closing.wait(answer.seconds):
                break
        self._event(_chunk(model, reason=answer.reason))
        if answer.usage and (asked.body.get("stream_options") or {}).get("include_usage"):
            read = sum(len(content) for _role, content in asked.messages) // 4
            usage = {"prompt_tokens": read, "completion_tokens": len(_words(answer.text)), "total_tokens": 0}
            self._event({**_chunk(model), "choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self._end()

    def _wait_for_leaving(self, fake: LanguageServer, *, pings: bool = False) -> None:
        """Say nothing until the client hangs up or the server ends."""
        self.close_connection = True
        self.connection.settimeout(0.05)
        while not fake.closing.is_set():
            if pings:
                self._chunk(b": still here\n\n")
            try:
                if self.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
        fake.left.set()

    def _head(self, status: int, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("x-request-id", "req_fake")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _event(self, data: Mapping[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _json(self, value: Any, *, status: int, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, one in (headers or {}).items():
            self.send_header(name, one)
        self.end_headers()
        self.wfile.write(body)


def _words(text: str) -> list[str]:
    return [word for word in text.replace(" ", " \0").split("\0") if word]


def _chunk(model: str, *, text: str | None = None, reason: str | None = None) -> dict[str, Any]:
    delta = {} if text is None else {"role": "assistant", "content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def serving(**options: Any) -> Iterator[LanguageServer]:
    """The server as a fixture's body."""
    with LanguageServer(**options) as server:
        yield server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A fake OpenAI chat server, for trying.")
    parser.add_argument("--port", type=int, default=8101)
    parser.add_argument("--latency", type=float, default=0.04, help="seconds between words")
    options = parser.parse_args()
    with LanguageServer(port=options.port, latency=options.latency) as server:
        print(f"STUDIO_LANGUAGE_PROVIDER=openai STUDIO_LANGUAGE_URL={server.url}", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{len(server.requests)} requests")  # noqa: T201


if __name__ == "__main__":
    main()
