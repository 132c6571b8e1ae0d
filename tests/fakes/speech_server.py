"""A real HTTP server that speaks the parts of ElevenLabs', Azure's, Google's and OpenAI's protocols that the studio uses.

In a test: `with SpeechServer() as server: server.script(Status(429, {"retry-after": "2"}))`. Answers left in the script go
out first, one for each request; every further request is answered well: with a tone, or with a list of voices.
"""

import base64
import io
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np
import soundfile

from tests.fakes.openai_server import HalfBody, HangUp, Raw, Silence, Status


@dataclass(frozen=True)
class Stalls:
    """Begin the audio well, and say nothing more."""


@dataclass(frozen=True)
class CutAudio:
    """Send audio that ends in the middle, as if that were all."""


@dataclass(frozen=True)
class Trickles:
    """Send the audio byte by byte, for ever."""


Answer = Status | Silence | HalfBody | HangUp | Raw | Stalls | CutAudio | Trickles


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@lru_cache(maxsize=8)
def tone(seconds: float = 1.0, kind: str = "MP3") -> bytes:
    """A tone that swells and fades, as a file."""
    rate = 24_000
    at = np.arange(int(rate * seconds)) / rate
    wave = 0.5 * np.sin(2 * np.pi * 220 * at) * np.sin(np.pi * at / seconds)
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=kind)
    return file.getvalue()


VOICES: Mapping[str, Any] = {
    "elevenlabs": [
        {"voice_id": f"el{number}", "name": f"Voice {number}", "labels": {"gender": "female", "language": "en"}}
        for number in range(3)
    ],
    "azure": [
        {
            "ShortName": "zh-CN-XiaoxiaoNeural",
            "LocalName": "晓晓",
            "DisplayName": "Xiaoxiao",
            "Locale": "zh-CN",
            "Gender": "Female",
            "StyleList": ["cheerful", "sad"],
        },
        {"ShortName": "en-US-JennyNeural", "LocalName": "Jenny", "DisplayName": "Jenny", "Locale": "en-US"},
    ],
    "google": [
        {"name": "cmn-CN-Wavenet-A", "languageCodes": ["cmn-CN"], "ssmlGender": "FEMALE"},
        {"name": "en-US-Chirp3-HD-Kore", "languageCodes": ["en-US"], "ssmlGender": "FEMALE"},
    ],
}


@dataclass
class SpeechServer:
    """The server, running from `with` to its end on a loopback port of its own."""

    seconds: float = 1.0
    requests: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.closing = threading.Event()
        self._script: deque[Answer] = deque()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def script(self, *answers: Answer) -> None:
        self._script.extend(answers)

    def next(self, asked: Asked) -> Answer | None:
        self.requests.append(asked)
        return self._script.popleft() if self._script else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    fake: SpeechServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave early are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The base class names it so.
        pass

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def _take(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("content-length") or 0)),
        )
        answer = self.server.fake.next(asked)
        try:
            self._answer(asked, answer)
        except OSError:
            self.close_connection = True

    def _answer(self, asked: Asked, answer: Answer | None) -> None:
        body, content_type, headers = self._good(asked)
        match answer:
            case None:
                self._send(200, body, content_type, headers)
            case CutAudio():
                cut = tone(self.server.fake.seconds)[:-300]
                self._send(200, _as_google(cut) if asked.path.endswith("text:synthesize") else cut, content_type, {})
            case Status():
                told = {"error": {"message": answer.message, "code": answer.code}, "detail": {"status": answer.code}}
                self._send(answer.status, json.dumps(told).encode(), "application/json", answer.headers)
            case Raw():
                self._send(200, answer.body, answer.content_type, {})
            case HangUp():
                self.close_connection = True
            case HalfBody() | Stalls() | Trickles() | Silence():
                self._misbehave(answer, body, content_type)

    def _misbehave(self, answer: Answer, body: bytes, content_type: str) -> None:
        self.close_connection = True
        if not isinstance(answer, Silence):
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
        if isinstance(answer, HalfBody):
            return
        while not self.server.fake.closing.wait(0.05):
            if isinstance(answer, Trickles):
                self.wfile.write(b"\x00")
                self.wfile.flush()

    def _good(self, asked: Asked) -> tuple[bytes, str, Mapping[str, str]]:
        audio = tone(self.server.fake.seconds)
        if asked.path.startswith("/v1/text-to-speech/"):
            return audio, "audio/mpeg", {"character-cost": "7", "request-id": "req-el"}
        if asked.path in {"/cognitiveservices/v1", "/v1/audio/speech"}:
            return audio, "audio/mpeg", {"x-request-id": "req-1"}
        bodies = {
            "/v2/voices": self._eleven_page(asked),
            "/cognitiveservices/voices/list": json.dumps(VOICES["azure"]).encode(),
            "/v1/voices": json.dumps({"voices": VOICES["google"]}).encode(),
            "/v1/text:synthesize": _as_google(audio),
        }
        return bodies.get(asked.path, b"{}"), "application/json", {}

    def _eleven_page(self, asked: Asked) -> bytes:
        """Two voices, and the third on a page of its own."""
        if asked.query.get("next_page_token") == ["more"]:
            return json.dumps({"voices": VOICES["elevenlabs"][2:], "has_more": False}).encode()
        page = {"voices": VOICES["elevenlabs"][:2], "has_more": True, "next_page_token": "more"}
        return json.dumps(page).encode()

    def _send(self, status: int, body: bytes, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _as_google(audio: bytes) -> bytes:
    return json.dumps({"audioContent": base64.b64encode(audio).decode()}).encode()
