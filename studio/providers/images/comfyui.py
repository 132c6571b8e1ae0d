"""Pictures from ComfyUI: a workflow with our values in it, its progress by websocket, its results by address."""

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
    ProviderRefusedError,
)
from studio.providers.images import fetching, refusals
from studio.providers.images.openai_images import web_address
from studio.providers.images.protocol import Made, Picture, PictureRequest, Watch
from studio.providers.images.speaking import Line
from studio.providers.images.watching import Patience, watched
from studio.settings import Settings

T = TypeVar("T")

USUAL_URL = "http://127.0.0.1:8188"
USUAL_CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"

_PLACES = {
    "%prompt%": "prompt",
    "%negative_prompt%": "negative_prompt",
    "%width%": "width",
    "%height%": "height",
    "%steps%": "steps",
    "%guidance%": "guidance",
    "%seed%": "seed",
    "%count%": "count",
    "%model%": "model",
}
"""What a workflow has in the places of our values: the signs that SillyTavern's users know, and a few more."""

_SIGN = re.compile("|".join(map(re.escape, _PLACES)))
_MOST_SEED = 2**63
_USUAL_STEPS, _USUAL_GUIDANCE = 20, 7.5
_MOST_WORKFLOW = 4_000_000
_LOOK = 0.25
_QUICK = 3.0
_MOST_SHOWN = 98.0
_LOOK_AT_HISTORY = 2.0
_MOST_MESSAGE = 16_000_000
_PREVIEW = "preview"


class ComfyUIImages:
    """One ComfyUI and one workflow."""

    name = "comfyui"
    is_local = False
    sizes: Sequence[tuple[int, int]] = ()
    most_pictures = 8
    tells_progress = True

    def __init__(self, *, base_url: str, key: str, model: str, workflow: dict[str, Any], stall: float = 180.0) -> None:
        self.model = model
        self._stall = stall
        self._base_url = base_url
        self._workflow = workflow
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._headers = headers
        self._line = Line(base_url, headers=headers)
        named = set(_strings(workflow))
        self.ignores = frozenset(
            name
            for sign, name in _PLACES.items()
            if name in {"negative_prompt", "steps", "guidance", "seed"} and sign not in named
        )

    @property
    def label(self) -> str:
        """The checkpoint and the host, for a screen."""
        return f"{self.model or 'ComfyUI'}, at {urlsplit(self._base_url).hostname}"

    def make(self, request: PictureRequest, *, timeout: float, time_limit: float, watch: Watch) -> Made:
        """Return the workflow's pictures; see the Protocol. Where `watch` raises, the prompt is taken back.

        Where the workflow takes a seed, each picture is a prompt of its own with the next one: a batch has one seed for all
        of them, which makes only the first again.
        """
        watch("Waiting for the provider", None)
        seed = request.seed if request.seed is not None else secrets.randbelow(_MOST_SEED)
        client_id = secrets.token_hex(16)
        ends = time.monotonic() + time_limit
        each = 1 if "seed" not in self.ignores else request.count
        pictures: list[Picture] = []
        asked: list[str] = []
        with contextlib.ExitStack() as stack:
            # Listening comes first, or the beginning would be missed; without it the history tells the end.
            ear = _Ear(self._listen(stack, client_id))
            while len(pictures) < request.count:
                part = replace(request, count=each, seed=(seed + len(pictures)) % _MOST_SEED)
                graph = _filled(self._workflow, part, model=self.model)
                meter = _Meter(graph, before=len(pictures), count=request.count, each=each)
                with self._line.open(timeout=timeout) as client:
                    talk = _Talk(self._line, client, watch=watch, ends=ends, meter=meter)
                    prompt_id = self._queue(talk, graph, client_id)
                    try:
                        self._wait(talk, ear, meter, prompt_id, timeout=timeout)
                        made = self._fetch(talk, prompt_id, part)
                    except BaseException:
                        # Stopped, broken off or out of time: nobody waits for the pictures any more.
                        self._take_back(prompt_id)
                        raise
                asked.append(prompt_id)
                pictures += made
                if not made or each != 1:
                    break
        return Made(pictures, request_id=asked[0][:100])

    def close(self) -> None:
        """Nothing is held between two requests."""

    def _listen(self, stack: contextlib.ExitStack, client_id: str) -> ClientConnection | None:
        url = f"ws{self._base_url.removeprefix('http')}/ws?clientId={client_id}"
        try:
            return stack.enter_context(
                connect(
                    url,
                    additional_headers=self._headers,
                    open_timeout=10,
                    close_timeout=1,
                    max_size=_MOST_MESSAGE,
                    proxy=None,
                )
            )
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI, WebSocketException):
            return None

    def _queue(self, talk: "_Talk", graph: Any, client_id: str) -> str:
        """The prompt waits at the server; returns its name there, which is ours where the server takes it."""
        ours = str(uuid4())
        try:
            asked = talk.ask_json(
                "POST", "/prompt", json={"prompt": graph, "client_id": client_id, "prompt_id": ours}, most=4_000_000
            )
        except ProviderRefusedError:
            raise
        except BaseException:
            # It may have taken it, and only its answer is missing.
            self._take_back(ours)
            raise
        prompt_id = asked.get("prompt_id") if isinstance(asked, dict) else None
        if not isinstance(prompt_id, str) or not prompt_id:
            raise refusals.strange()
        return prompt_id

    def _wait(self, talk: "_Talk", ear: "_Ear", meter: "_Meter", prompt_id: str, *, timeout: float) -> None:
        """Return when the prompt is done; raises ProviderError, or what `watch` raises."""
        heard_at = looked_at = time.monotonic()
        patience = Patience(self._stall)
        while time.monotonic() < min(talk.ends, heard_at + timeout):
            talk.show(meter.step, meter.shown)
            message = ear.listen()
            if message is not None:
                heard_at = time.monotonic()
                if _is_done(message, prompt_id):
                    return
                meter.hear(message, prompt_id)
                if _is_ours(message, prompt_id):
                    patience.see(str(message.get("type")), repr(message.get("data")))
            if time.monotonic() - looked_at >= _LOOK_AT_HISTORY:
                looked_at = time.monotonic()
                entry = _history(talk, prompt_id)
                if entry is not None:
                    _refuse_failed(entry)
                    return
                place = _place(talk, prompt_id)
                if place is not None:
                    # It knows of us and is at work, though it says nothing.
                    heard_at = time.monotonic()
                if place == "pending" or ear.is_deaf:
                    # How long somebody else's may take is theirs, and of ours nothing can be heard: the limit of the whole ends that.
                    patience.moved()
            patience.require()
        raise refusals.silent()

    def _fetch(self, talk: "_Talk", prompt_id: str, request: PictureRequest) -> list[Picture]:
        talk.show("Fetching the pictures", None)
        entry = _history(talk, prompt_id)
        if entry is None:
            raise refusals.strange()
        _refuse_failed(entry)
        pictures: list[Picture] = []
        for image in _images_of(entry):
            if len(pictures) == request.count:
                break
            data = talk.ask("GET", "/view", params=image, most=fetching.MOST_BYTES)
            # Of a batch that a workflow makes in spite of all, the first picture's is the one that can be given again.
            pictures.append(Picture(data, request.seed))
        return pictures

    def _take_back(self, prompt_id: str) -> None:
        """The prompt leaves the queue, or its drawing is interrupted; what the server answers changes nothing.

        Older servers interrupt whatever they draw, whosever it is: so only where the queue says that it is ours.
        """
        with self._line.open(timeout=_QUICK) as client, contextlib.suppress(ProviderError):
            self._line.ask(client, "POST", "/queue", json={"delete": [prompt_id]}, most=100_000)
            queue = self._line.ask_json(client, "GET", "/queue", most=20_000_000)
            if _holds(queue, "queue_running", prompt_id):
                self._line.ask(client, "POST", "/interrupt", json={"prompt_id": prompt_id}, most=100_000)


class _Talk:
    """Questions to the server while somebody watches: what `watch` raises ends one that hangs."""

    def __init__(self, line: Line, client: httpx2.Client, *, watch: Watch, ends: float, meter: "_Meter") -> None:
        self._line, self._client, self._watch = line, client, watch
        self.ends = ends
        # Of several pictures the next one begins where the one before it ended.
        self._step, self._shown = meter.step, meter.shown

    def show(self, step: str, percent: float | None) -> None:
        """Tell what is being done; without a number the last one stands."""
        self._step, self._shown = step, self._shown if percent is None else percent
        self._watch(self._step, self._shown)

    def ask(self, method: str, path: str, **options: Any) -> bytes:
        """As `Line.ask`."""
        return self._watched(lambda: self._line.ask(self._client, method, path, **options))

    def ask_json(self, method: str, path: str, **options: Any) -> Any:
        """As `Line.ask_json`."""
        return self._watched(lambda: self._line.ask_json(self._client, method, path, **options))

    def _watched(self, work: Callable[[], T]) -> T:
        return watched(
            work,
            look=lambda: self._watch(self._step, self._shown),
            stop=self._client.close,
            time_limit=max(self.ends - time.monotonic(), 0.0),
        )


class _Meter:
    """How much of the pictures is drawn, in per cent: each sampler of the workflow has its share, by its steps."""

    def __init__(self, graph: Any, *, before: int, count: int, each: int) -> None:
        self._weights = {
            name: _whole_number(node["inputs"].get("steps")) or _USUAL_STEPS
            for name, node in graph.items()
            if isinstance(node.get("inputs"), dict) and "latent_image" in node["inputs"]
        }
        self._heard: dict[str, float] = {}
        self._begin, self._part = before / count, each / count
        self.step = "Drawing" if before else "Waiting for the provider"
        self.shown: float | None = _MOST_SHOWN * self._begin if before else None

    def hear(self, message: dict[str, Any], prompt_id: str) -> None:
        """The server said this; what it says of others' work changes nothing."""
        data = message.get("data")
        if message.get("type") != "progress" or not isinstance(data, dict):
            return
        value, most = data.get("value"), data.get("max")
        if data.get("prompt_id") not in {prompt_id, None}:
            return
        if not isinstance(value, (int, float)) or not isinstance(most, (int, float)) or most <= 0:
            return
        self.step = "Drawing"
        done = self._share(str(data.get("node") or ""), min(max(value / most, 0.0), 1.0))
        self.shown = max(self.shown or 0.0, _MOST_SHOWN * (self._begin + self._part * done))

    def _share(self, node: str, done: float) -> float:
        if len(self._weights) < 2:  # noqa: PLR2004 - One sampler is the whole of it, whatever else counts to its end.
            return done if not self._weights or node in self._weights or not node else 0.0
        if node in self._weights:
            # Where the next one is heard, those before it have ended.
            self._heard = {**dict.fromkeys(self._heard, 1.0), node: done}
        told = sum(self._weights[name] * share for name, share in self._heard.items())
        return told / sum(self._weights.values())


def _whole_number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _history(talk: _Talk, prompt_id: str) -> dict[str, Any] | None:
    try:
        told = talk.ask_json("GET", f"/history/{prompt_id}", most=20_000_000)
    except ProviderBusyError:
        return None
    entry = told.get(prompt_id) if isinstance(told, dict) else None
    return entry if isinstance(entry, dict) else None


def _place(talk: _Talk, prompt_id: str) -> Literal["running", "pending"] | None:
    """Whether the prompt is being drawn or waits behind others; None where the server does not know it, or does not say."""
    try:
        told = talk.ask_json("GET", "/queue", most=20_000_000)
    except ProviderError:
        return None
    if _holds(told, "queue_running", prompt_id):
        return "running"
    return "pending" if _holds(told, "queue_pending", prompt_id) else None


def _holds(told: Any, name: str, prompt_id: str) -> bool:
    held = told.get(name) if isinstance(told, dict) else None
    return any(isinstance(one, list) and one[1:2] == [prompt_id] for one in held or ())


class _Ear:
    """What the server says by websocket; where the line breaks in the middle, its history says when it is done."""

    def __init__(self, socket: ClientConnection | None) -> None:
        self._socket = socket

    @property
    def is_deaf(self) -> bool:
        """Whether nothing is heard, as where something between has no websockets."""
        return self._socket is None

    def listen(self) -> dict[str, Any] | None:
        """The next message, or None after a moment without one."""
        if self._socket is None:
            time.sleep(_LOOK)
            return None
        try:
            return _message(self._socket.recv(timeout=_LOOK))
        except TimeoutError:
            return None
        except (OSError, WebSocketException):
            self._socket = None
            return None


def _message(raw: str | bytes) -> dict[str, Any] | None:
    """What the server says; of previews, which come as bytes to whoever asked for the drawing, only which it is."""
    if isinstance(raw, bytes):
        return {"type": _PREVIEW, "data": hash(raw)}
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_ours(message: dict[str, Any], prompt_id: str) -> bool:
    """Whether it tells of our drawing. The queue's state and what extensions tell every second come to everybody."""
    kind, data = message.get("type"), message.get("data")
    if kind == _PREVIEW:
        return True
    if not isinstance(data, dict):
        return False
    # Older servers do not name the prompt in these two, which they send to its owner alone.
    return data.get("prompt_id") == prompt_id or (kind in {"progress", "executing"} and "prompt_id" not in data)


def _is_done(message: dict[str, Any], prompt_id: str) -> bool:
    """Whether the server says that ours is drawn; raises ProviderError where it failed."""
    kind, data = message.get("type"), message.get("data")
    if not isinstance(data, dict) or data.get("prompt_id") != prompt_id:
        return False
    if kind in {"execution_error", "execution_interrupted"}:
        raise _failed(kind)
    return kind == "execution_success" or (kind == "executing" and data.get("node") is None)


def _failed(kind: str) -> ProviderBrokenError:
    if kind == "execution_interrupted":
        return refusals.interrupted()
    return ProviderBrokenError(
        "The workflow failed at the picture server, which says why in its own window. Check the workflow and its models."
    )


def _refuse_failed(entry: dict[str, Any]) -> None:
    status = entry.get("status")
    if isinstance(status, dict) and status.get("status_str") == "error":
        told = [one[0] for one in status.get("messages") or [] if isinstance(one, list) and one]
        raise _failed("execution_interrupted" if "execution_interrupted" in told else "execution_error")


def _images_of(entry: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Where the results lie: those that were saved before those that were only shown."""
    outputs = entry.get("outputs")
    found = [
        image
        for output in (outputs.values() if isinstance(outputs, dict) else ())
        if isinstance(output, dict)
        for image in output.get("images") or ()
        if isinstance(image, dict) and isinstance(image.get("filename"), str)
    ]
    saved = [image for image in found if image.get("type") == "output"]
    for image in saved or found:
        yield {name: str(image.get(name) or "")[:500] for name in ("filename", "subfolder", "type")}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        for sign in _PLACES:
            if sign in value:
                yield sign
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _filled(workflow: Any, request: PictureRequest, *, model: str) -> Any:
    """The workflow with our values: a text that is one of the signs becomes the value itself, a number too."""
    values: dict[str, Any] = {
        "%prompt%": request.prompt,
        "%negative_prompt%": request.negative_prompt,
        "%width%": max(64, request.width // 8 * 8),
        "%height%": max(64, request.height // 8 * 8),
        "%steps%": request.steps if request.steps is not None else _USUAL_STEPS,
        "%guidance%": request.guidance if request.guidance is not None else _USUAL_GUIDANCE,
        "%seed%": request.seed,
        "%count%": request.count,
        "%model%": model or USUAL_CHECKPOINT,
    }

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(one) for key, one in value.items()}
        if isinstance(value, list):
            return [fill(one) for one in value]
        if not isinstance(value, str) or "%" not in value:
            return value
        if value in values:
            return values[value]
        # One pass over the workflow's own signs: what the prompt holds is text, whatever stands in it.
        return _SIGN.sub(lambda found: str(values[found[0]]), value)

    return fill(workflow)


def from_settings(settings: Settings) -> ComfyUIImages:
    """Return the provider that the settings name; nothing is sent yet. Raises ProviderNotConfiguredError."""
    key = settings.images_key.get_secret_value().strip() if settings.images_key else ""
    return ComfyUIImages(
        base_url=web_address(settings) or USUAL_URL,
        key=key,
        model=settings.images_model.strip(),
        workflow=_workflow(settings),
        stall=settings.images_stall,
    )


def _workflow(settings: Settings) -> dict[str, Any]:
    try:
        if settings.images_workflow is None:
            text = resources.files("studio.providers.images").joinpath("workflow.json").read_text(encoding="utf-8")
        else:
            with settings.images_workflow.open(encoding="utf-8") as file:
                text = file.read(_MOST_WORKFLOW)
        found = json.loads(text)
    except (OSError, ValueError, RecursionError):
        raise ProviderNotConfiguredError(
            "STUDIO_IMAGES_WORKFLOW cannot be read. Save it from ComfyUI in its API format, as JSON."
        ) from None
    if not isinstance(found, dict) or not all(isinstance(one, dict) and "class_type" in one for one in found.values()):
        raise ProviderNotConfiguredError(
            "STUDIO_IMAGES_WORKFLOW is not in ComfyUI's API format. Export it by “Export (API)”."
        )
    if "%prompt%" not in set(_strings(found)):
        raise ProviderNotConfiguredError(
            "STUDIO_IMAGES_WORKFLOW has no place for the prompt, so none would be drawn. See docs/how-to/media.md."
        )
    return found
