"""A real HTTP server that speaks OpenAI's pictures protocol, WebUI's and ComfyUI's, and misbehaves as told.

In a test: `with PicturesServer(seconds=1) as server: server.script(Status(402))`; by hand:
`python -m tests.fakes.pictures_server --port 7860 --seconds 8`. Answers left in the script go out first, one for each
request that asks for pictures; every further request is answered well. A drawing takes `seconds`, tells its progress
and stops when it is interrupted.

As the real ones do, the server draws one request after the other, of whoever asks (`somebody` is somebody else in its own
window); what interrupts has no name, and stops what is drawn just now; WebUI hands out what was half drawn as a success, tells
the progress of whatever it draws, and calls what it draws by no name but at `/internal/progress`.
"""

import argparse
import base64
import hashlib
import io
import json
import select
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from tests.fakes.openai_server import HangUp, Silence, Status

_WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STEPS = 10


@dataclass(frozen=True)
class HalfBody:
    """Promise the whole answer, send half of it, and hang up; or, with `stall`, say nothing more."""

    stall: bool = False


@dataclass(frozen=True)
class Bytes:
    """Answer well, with these bytes for a picture."""

    data: bytes


@dataclass(frozen=True)
class Address:
    """Answer with an address for the picture; `{own}` is this server's own."""

    url: str = "{own}/result/picture.png"


@dataclass(frozen=True)
class Raw:
    """Answer 200 with exactly this body."""

    body: bytes


@dataclass(frozen=True)
class LineBreaks:
    """ComfyUI: the websocket breaks in the middle, the drawing goes on."""


@dataclass(frozen=True)
class ViewHangs:
    """ComfyUI: the pictures are drawn, and never handed out."""


@dataclass(frozen=True)
class DrawingFails:
    """ComfyUI: the workflow fails."""


@dataclass(frozen=True)
class StandsStill:
    """WebUI, ComfyUI: it begins to draw, and then tells the same of it for ever."""


Answer = (
    StandsStill | Status | Silence | HalfBody | HangUp | Bytes | Address | Raw | LineBreaks | ViewHangs | DrawingFails
)


def drawn(text: str = "", *, size: tuple[int, int] = (64, 96)) -> bytes:
    """A small PNG, another one for each text."""
    color = tuple(hashlib.blake2b(text.encode(), digest_size=3).digest())
    ramp = Image.linear_gradient("L").resize(size)
    picture = Image.merge("RGB", [ramp.point(lambda value, part=part: value * part // 255) for part in color])
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@dataclass
class Drawing:
    """One request being drawn."""

    prompt_id: str
    text: str
    seed: int
    count: int
    client_id: str = ""
    answer: Answer | None = None
    # Of ComfyUI: the nodes that tell their progress.
    samplers: tuple[str, ...] = ("3",)
    step: int = 0
    is_running: bool = False
    is_done: bool = False
    # When it began, as the server tells it.
    stamp: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)


class PicturesServer:
    """The server, running from `with` to its end on a loopback port of its own."""

    def __init__(self, *, seconds: float = 0.0, port: int = 0, is_expired: bool = False) -> None:
        self.seconds = seconds
        self.is_expired = is_expired
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.interrupts: list[dict[str, Any]] = []
        self.drawings: dict[str, Drawing] = {}
        # What a client of ComfyUI's websocket is told.
        self.told: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.turn = threading.Lock()
        self.is_interrupted = False
        self.last_stamp = ""
        self.closing = threading.Event()
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """The base address of WebUI and ComfyUI."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def script(self, *answers: Answer) -> None:
        """Give these answers to the next requests for pictures, in order."""
        with self._lock:
            self._script.extend(answers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.closing.set()
        for drawing in list(self.drawings.values()):
            drawing.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def begin(self, body: dict[str, Any], headers: dict[str, str]) -> Answer | None:
        """Remember a request and return what the script has for it."""
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            return self._script.popleft() if self._script else None

    def draw(self, drawing: Drawing, tell: Any = None) -> bool:
        """Wait for its turn and take the time that a drawing takes; whether it was drawn to its end."""
        with self.turn:
            if not drawing.stopped.is_set():
                drawing.is_running, self.is_interrupted = True, False
                drawing.stamp = self.last_stamp = f"2026{len(self.drawings)}{time.monotonic_ns()}"
                if isinstance(drawing.answer, StandsStill):
                    self._stand_still(drawing, tell)
                for sampler in drawing.samplers:
                    for step in range(1, _STEPS + 1):
                        if drawing.stopped.wait(self.seconds / _STEPS / len(drawing.samplers)) or self.closing.is_set():
                            break
                        drawing.step = step
                        if tell is not None:
                            tell(sampler, step)
            drawing.is_running, drawing.is_done = False, True
            return not drawing.stopped.is_set()

    def _stand_still(self, drawing: Drawing, tell: Any) -> None:
        drawing.step = 1
        while not drawing.stopped.wait(0.05) and not self.closing.is_set():
            if tell is not None:
                tell(drawing.samplers[0], drawing.step)

    def interrupt(self) -> None:
        """Whatever is drawn just now stops, whosever it is."""
        for drawing in list(self.drawings.values()):
            if drawing.is_running:
                self.is_interrupted = True
                drawing.stopped.set()

    def somebody(self) -> Drawing:
        """Somebody else begins a drawing in the server's own window, which is returned once it is under way."""
        drawing = Drawing(prompt_id=f"window{len(self.drawings)}", text="theirs", seed=1, count=1)
        self.drawings[drawing.prompt_id] = drawing
        threading.Thread(target=self.draw, args=(drawing,), daemon=True).start()
        while not drawing.is_running:
            time.sleep(0.005)
        return drawing


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: PicturesServer

    def handle_error(self, *_arguments: Any) -> None:
        """Clients that hang up belong to the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def fake(self) -> PicturesServer:
        return self.server.fake

    def log_message(self, *_arguments: Any) -> None:
        pass

    def do_POST(self) -> None:  # noqa: PLR0911 - One address after the other.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parsed = json.loads(body or b"{}")
        path = urlsplit(self.path).path
        if path == "/internal/progress":
            return self._named_progress(str(parsed.get("id_task")))
        if path in {"/sdapi/v1/interrupt", "/interrupt", "/queue"}:
            self.fake.interrupts.append({"path": path, **parsed})
            if path != "/queue":
                self.fake.interrupt()
            for name in parsed.get("delete") or ():
                drawing = self.fake.drawings.get(name)
                if drawing is not None and not drawing.is_running:
                    drawing.stopped.set()
            return self._json({})
        answer = self.fake.begin(parsed, dict(self.headers))
        if self._misbehaves(answer):
            return None
        if path.endswith("/images/generations"):
            return self._openai(parsed, answer)
        if path == "/sdapi/v1/txt2img":
            return self._txt2img(parsed, answer)
        if path == "/prompt":
            return self._prompt(parsed, answer)
        return self._json({"detail": "Not Found"}, status=404)

    def do_GET(self) -> None:  # noqa: PLR0911 - One address after the other.
        parts = urlsplit(self.path)
        if parts.path == "/sdapi/v1/progress":
            running = next((one for one in self.fake.drawings.values() if one.is_running), None)
            state = {"interrupted": self.fake.is_interrupted, "job_timestamp": self.fake.last_stamp}
            share = running.step / _STEPS if running is not None else 0
            return self._json({"progress": share, "eta_relative": 1.0, "state": state, "current_task": None})
        if parts.path == "/ws":
            return self._websocket(parse_qs(parts.query).get("clientId", [""])[0])
        if parts.path.startswith("/history/"):
            return self._history(parts.path.rpartition("/")[2])
        if parts.path == "/queue":
            held = list(self.fake.drawings.values())
            running = [[0, one.prompt_id, {}, {}, []] for one in held if one.is_running]
            waiting = [
                [1, one.prompt_id, {}, {}, []]
                for one in held
                if not (one.is_running or one.is_done or one.stopped.is_set())
            ]
            return self._json({"queue_running": running, "queue_pending": waiting})
        if parts.path == "/view":
            name = parse_qs(parts.query)["filename"][0]
            drawing = self.fake.drawings[name.partition("_")[0]]
            if isinstance(drawing.answer, ViewHangs):
                self.fake.closing.wait(30)
            number = name.rpartition("_")[2]
            content = drawn(f"{drawing.text} {drawing.seed} {number}")
            data = drawing.answer.data if isinstance(drawing.answer, Bytes) else content
            return self._body(data, content_type="image/png")
        if parts.path.startswith("/result/"):
            if self.fake.is_expired:
                return self._body(b"<Error><Code>AuthenticationFailed</Code></Error>", status=403)
            return self._body(drawn(parts.path), content_type="image/png")
        return self._json({"detail": "Not Found"}, status=404)

    def _misbehaves(self, answer: Answer | None) -> bool:
        match answer:
            case Status():
                error = {"message": answer.message, "code": answer.code, "type": "error"}
                self._json({"error": error}, status=answer.status, headers=answer.headers)
            case Silence():
                self.fake.closing.wait(30)
                self.close_connection = True
            case HangUp():
                self.close_connection = True
            case Raw():
                self._body(answer.body, content_type="application/json")
            case HalfBody():
                body = json.dumps({"data": [{"b64_json": base64.b64encode(drawn()).decode()}]}).encode()
                self._head(200, len(body), "application/json", {})
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                if answer.stall:
                    self.fake.closing.wait(30)
                self.close_connection = True
            case _:
                return False
        return True

    def _openai(self, body: dict[str, Any], answer: Answer | None) -> None:
        # The newer models refuse the parameter that the older ones need.
        if str(body.get("model", "")).startswith("strict") and "response_format" in body:
            error = {"message": "Unknown parameter: 'response_format'.", "code": "unknown_parameter"}
            return self._json({"error": error}, status=400)
        self._draw_here(body)
        count = int(body.get("n") or 1)
        if isinstance(answer, Address):
            return self._json({"created": 1, "data": [{"url": answer.url.replace("{own}", self.fake.url)}] * count})
        data = [
            {"b64_json": base64.b64encode(_data(answer, f"{body['prompt']} {number}")).decode()}
            for number in range(count)
        ]
        return self._json({"created": 1, "data": data})

    def _txt2img(self, body: dict[str, Any], answer: Answer | None) -> None:
        drawing = self._draw_here(body, answer)
        seeds = [drawing.seed + number for number in range(drawing.count)]
        images = [base64.b64encode(_data(answer, f"{body['prompt']} {seed}")).decode() for seed in seeds]
        told = {"seed": seeds[0], "all_seeds": seeds, "prompt": body["prompt"], "job_timestamp": drawing.stamp}
        info = json.dumps(told)
        self._json({"images": images, "parameters": {}, "info": info})

    def _draw_here(self, body: dict[str, Any], answer: Answer | None = None) -> Drawing:
        seed = body.get("seed")
        drawing = Drawing(
            prompt_id=str(body.get("force_task_id") or f"here{len(self.fake.drawings)}"),
            text=str(body.get("prompt")),
            seed=seed if isinstance(seed, int) and seed >= 0 else 1234,
            count=int(body.get("n_iter") or 1),
            answer=answer,
        )
        self.fake.drawings[drawing.prompt_id] = drawing
        self.fake.draw(drawing)
        return drawing

    def _named_progress(self, name: str) -> None:
        drawing = self.fake.drawings.get(name)
        is_active = drawing is not None and drawing.is_running
        is_queued = drawing is not None and not (drawing.is_running or drawing.is_done)
        told: dict[str, Any] = {"active": is_active, "queued": is_queued, "paused": False}
        told["completed"] = drawing is not None and drawing.is_done
        if drawing is not None and is_active:
            told["progress"] = drawing.step / _STEPS
        return self._json(told)

    def _prompt(self, body: dict[str, Any], answer: Answer | None) -> None:
        nodes = body["prompt"]
        missing = [key for key, node in nodes.items() if "class_type" not in node]
        if missing:
            return self._json({"error": {"type": "invalid_prompt"}, "node_errors": missing}, status=400)
        inputs: dict[str, Any] = {}
        for node in nodes.values():
            inputs |= {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}
        drawing = Drawing(
            prompt_id=str(body.get("prompt_id") or f"p{len(self.fake.drawings)}x{int(time.monotonic() * 1000)}"),
            text=str(inputs.get("text")),
            seed=int(inputs.get("seed") or 0),
            count=int(inputs.get("batch_size") or 1),
            client_id=body.get("client_id") or "",
            answer=answer,
            samplers=tuple(key for key, node in nodes.items() if "latent_image" in node["inputs"]) or ("3",),
        )
        self.fake.drawings[drawing.prompt_id] = drawing
        threading.Thread(target=self._run, args=(drawing,), daemon=True).start()
        return self._json({"prompt_id": drawing.prompt_id, "number": 1, "node_errors": {}})

    def _history(self, prompt_id: str) -> None:
        drawing = self.fake.drawings.get(prompt_id)
        if drawing is None or not drawing.is_done:
            return self._json({})
        images = [
            {"filename": f"{prompt_id}_{number}.png", "subfolder": "", "type": "output"}
            for number in range(drawing.count)
        ]
        failed = isinstance(drawing.answer, DrawingFails) or drawing.stopped.is_set()
        kind = "execution_interrupted" if drawing.stopped.is_set() else "execution_error"
        status = {
            "status_str": "error" if failed else "success",
            "completed": not failed,
            "messages": [[kind if failed else "execution_success", {"prompt_id": prompt_id}]],
        }
        return self._json({prompt_id: {"outputs": {} if failed else {"9": {"images": images}}, "status": status}})

    def _websocket(self, client_id: str) -> None:
        accept = base64.b64encode(
            hashlib.sha1((self.headers["Sec-WebSocket-Key"] + _WEBSOCKET).encode()).digest()
        ).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        self._say("status", {"status": {"exec_info": {"queue_remaining": 0}}})
        told = self.fake.told.setdefault(client_id, [])
        place = 0
        self.is_gone = False
        # Whoever listens says nothing but that it goes; it waits for an answer to that.
        while not self.is_gone and not self.fake.closing.is_set():
            if select.select([self.connection], [], [], 0.01)[0]:
                return self._frame(b"", kind=8)
            for kind, data in told[place:]:
                place += 1
                self._say(kind, data)
                # A preview, as bytes.
                self._frame(b"\x00\x00\x00\x01preview", kind=2)
                if data.get("breaks"):
                    return self.connection.shutdown(2)
        return None

    def _run(self, drawing: Drawing) -> None:
        """A prompt of ComfyUI from its turn in the queue to its end, with what its client is told."""
        own = {"prompt_id": drawing.prompt_id}

        def say(kind: str, **data: Any) -> None:
            self.fake.told.setdefault(drawing.client_id, []).append((kind, data | own))

        def tell(sampler: str, step: int) -> None:
            if not (isinstance(drawing.answer, LineBreaks) and step > _STEPS // 2):
                breaks = isinstance(drawing.answer, LineBreaks) and step == _STEPS // 2
                say("progress", value=step, max=_STEPS, node=sampler, breaks=breaks)

        if isinstance(drawing.answer, DrawingFails):
            drawing.is_done = True
            return say("execution_error", exception_message="CUDA out of memory")
        whole = self.fake.draw(drawing, tell)
        return say("executing", node=None) if whole else say("execution_interrupted")

    def _say(self, kind: str, data: dict[str, Any]) -> None:
        self._frame(json.dumps({"type": kind, "data": data}).encode(), kind=1)

    def _frame(self, body: bytes, *, kind: int) -> None:
        size = struct.pack(">B", len(body)) if len(body) < 126 else struct.pack(">BH", 126, len(body))
        try:
            self.wfile.write(bytes([0x80 | kind]) + size + body)
            self.wfile.flush()
        except OSError:
            self.is_gone = True

    def _json(self, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._body(json.dumps(value).encode(), status=status, content_type="application/json", headers=headers)

    def _body(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "text/xml",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._head(status, len(body), content_type, headers or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _data(answer: Answer | None, text: str) -> bytes:
    return answer.data if isinstance(answer, Bytes) else drawn(text)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A fake OpenAI, WebUI and ComfyUI, for trying.")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a drawing takes")
    options = parser.parse_args()
    with PicturesServer(port=options.port, seconds=options.seconds) as server:
        print(f"STUDIO_IMAGES_PROVIDER=webui STUDIO_IMAGES_URL={server.url}", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{len(server.requests)} requests")  # noqa: T201


if __name__ == "__main__":
    main()
