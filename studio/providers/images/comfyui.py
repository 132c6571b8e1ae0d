"""Pictures from ComfyUI: a workflow with our values in it, its progress by websocket, its results by address."""

import contextlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import httpx2
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from studio.providers.errors import ProviderBrokenError, ProviderBusyError, ProviderError, ProviderNotConfiguredError
from studio.providers.images import fetching, refusals
from studio.providers.images.openai_images import web_address
from studio.providers.images.protocol import Made, Picture, PictureRequest, Watch
from studio.providers.images.speaking import Line
from studio.settings import Settings

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
_LOOK_AT_HISTORY = 2.0
_MOST_MESSAGE = 16_000_000


class ComfyUIImages:
    """One ComfyUI and one workflow."""

    name = "comfyui"
    is_local = False
    sizes: Sequence[tuple[int, int]] = ()
    most_pictures = 8
    tells_progress = True

    def __init__(self, *, base_url: str, key: str, model: str, workflow: dict[str, Any]) -> None:
        self.model = model
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
        """Return the workflow's pictures; see the Protocol. Where `watch` raises, the prompt is taken back."""
        watch("Waiting for the provider", None)
        seed = request.seed if request.seed is not None else secrets.randbelow(_MOST_SEED)
        client_id = secrets.token_hex(16)
        with self._line.open(timeout=timeout) as client, contextlib.ExitStack() as stack:
            # Listening comes first, or the beginning would be missed; without it the history tells the end.
            socket = self._listen(stack, client_id)
            graph = _filled(self._workflow, request, seed=seed, model=self.model)
            asked = self._line.ask_json(
                client, "POST", "/prompt", json={"prompt": graph, "client_id": client_id}, most=4_000_000
            )
            prompt_id = asked.get("prompt_id") if isinstance(asked, dict) else None
            if not isinstance(prompt_id, str) or not prompt_id:
                raise refusals.strange()
            try:
                self._wait(client, socket, prompt_id, timeout=timeout, time_limit=time_limit, watch=watch)
                watch("Fetching the pictures", 99.0)
                return Made(self._fetch(client, prompt_id, request, seed, watch=watch), request_id=prompt_id[:100])
            except BaseException:
                # Stopped, broken off or out of time: nobody waits for the pictures any more.
                self._take_back(prompt_id)
                raise

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

    def _wait(
        self,
        client: httpx2.Client,
        socket: ClientConnection | None,
        prompt_id: str,
        *,
        timeout: float,
        time_limit: float,
        watch: Watch,
    ) -> None:
        """Return when the prompt is done; raises ProviderError, or what `watch` raises."""
        ends, heard_at, looked_at = time.monotonic() + time_limit, time.monotonic(), time.monotonic()
        step, shown = "Waiting for the provider", None
        ear = _Ear(socket)
        while time.monotonic() < min(ends, heard_at + timeout):
            watch(step, shown)
            message = ear.listen()
            if message is not None:
                heard_at = time.monotonic()
                told = _told(message, prompt_id)
                if told == "done":
                    return
                if isinstance(told, float):
                    step, shown = "Drawing", max(shown or 0.0, told)
            elif time.monotonic() - looked_at >= _LOOK_AT_HISTORY:
                looked_at = time.monotonic()
                entry = self._history(client, prompt_id)
                if entry is not None:
                    _refuse_failed(entry)
                    return
                if self._is_queued(client, prompt_id):
                    # It knows of us and is at work, though it says nothing.
                    heard_at = time.monotonic()
        raise refusals.silent()

    def _history(self, client: httpx2.Client, prompt_id: str) -> dict[str, Any] | None:
        try:
            told = self._line.ask_json(client, "GET", f"/history/{prompt_id}", most=20_000_000)
        except ProviderBusyError:
            return None
        entry = told.get(prompt_id) if isinstance(told, dict) else None
        return entry if isinstance(entry, dict) else None

    def _is_queued(self, client: httpx2.Client, prompt_id: str) -> bool:
        try:
            told = self._line.ask(client, "GET", "/queue", most=20_000_000)
        except ProviderError:
            return False
        return prompt_id.encode() in told

    def _fetch(
        self, client: httpx2.Client, prompt_id: str, request: PictureRequest, seed: int, *, watch: Watch
    ) -> list[Picture]:
        entry = self._history(client, prompt_id)
        if entry is None:
            raise refusals.strange()
        _refuse_failed(entry)
        pictures: list[Picture] = []
        for image in _images_of(entry):
            if len(pictures) == request.count:
                break
            watch("Fetching the pictures", 99.0)
            data = self._line.ask(client, "GET", "/view", params=image, most=fetching.MOST_BYTES)
            # One seed makes the whole batch; the first picture's is the one that can be given again.
            pictures.append(Picture(data, seed))
        return pictures

    def _take_back(self, prompt_id: str) -> None:
        """The prompt leaves the queue, or its drawing is interrupted; what the server answers changes nothing."""
        with self._line.open(timeout=5.0) as client:
            for path, body in (("/queue", {"delete": [prompt_id]}), ("/interrupt", {"prompt_id": prompt_id})):
                with contextlib.suppress(ProviderError):
                    self._line.ask(client, "POST", path, json=body, most=100_000)


class _Ear:
    """What the server says by websocket; where the line breaks in the middle, its history says when it is done."""

    def __init__(self, socket: ClientConnection | None) -> None:
        self._socket = socket

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
    """What the server says; previews come as bytes and are passed over."""
    if isinstance(raw, bytes):
        return {}
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _told(message: dict[str, Any], prompt_id: str) -> float | str | None:
    """Per cent, "done", or None for what says nothing of ours; raises ProviderError where ours failed."""
    kind, data = message.get("type"), message.get("data")
    if not isinstance(data, dict) or data.get("prompt_id") not in {prompt_id, None}:
        return None
    if kind == "progress":
        value, most = data.get("value"), data.get("max")
        if isinstance(value, (int, float)) and isinstance(most, (int, float)) and most > 0:
            return min(98.0, 100 * value / most)
    if data.get("prompt_id") != prompt_id:
        return None
    if kind == "execution_success" or (kind == "executing" and data.get("node") is None):
        return "done"
    if kind in {"execution_error", "execution_interrupted"}:
        raise _failed(kind)
    return None


def _failed(kind: str) -> ProviderBrokenError:
    if kind == "execution_interrupted":
        return ProviderBrokenError("Somebody interrupted the drawing at the picture server. Ask for it again.")
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


def _filled(workflow: Any, request: PictureRequest, *, seed: int, model: str) -> Any:
    """The workflow with our values: a text that is one of the signs becomes the value itself, a number too."""
    values: dict[str, Any] = {
        "%prompt%": request.prompt,
        "%negative_prompt%": request.negative_prompt,
        "%width%": max(64, request.width // 8 * 8),
        "%height%": max(64, request.height // 8 * 8),
        "%steps%": request.steps if request.steps is not None else _USUAL_STEPS,
        "%guidance%": request.guidance if request.guidance is not None else _USUAL_GUIDANCE,
        "%seed%": seed,
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
