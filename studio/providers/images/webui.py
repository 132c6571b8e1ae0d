"""Pictures from Stable Diffusion WebUI (AUTOMATIC1111 and what speaks its protocol): txt2img, its progress, interrupt."""

import contextlib
import json
import secrets
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from studio.providers.errors import ProviderError, ProviderNotConfiguredError
from studio.providers.images import refusals
from studio.providers.images.openai_images import decoded, web_address
from studio.providers.images.protocol import Made, Picture, PictureRequest, Watch
from studio.providers.images.speaking import Line
from studio.providers.images.watching import Patience, watched
from studio.settings import Settings

USUAL_URL = "http://127.0.0.1:7860"
_BETWEEN = 0.6
_QUICK = 5.0
_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class _Told:
    """What the server says of its work just now: whether it is ours, how much of it is done, whether somebody broke it off.

    `waits` is whether ours stands behind somebody else's; `sign` is another one whenever anything has moved, and None
    where the server says nothing.
    """

    is_ours: bool
    share: float | None
    is_interrupted: bool
    waits: bool
    sign: Hashable | None


class WebUIImages:
    """One WebUI. It draws one request after the other, of whoever asks: only the work that has our name is watched and stopped."""

    name = "webui"
    is_local = False
    ignores: frozenset[str] = frozenset()
    sizes: Sequence[tuple[int, int]] = ()
    most_pictures = 8
    tells_progress = True

    def __init__(self, *, base_url: str, auth: tuple[str, str] | None, model: str, stall: float = 180.0) -> None:
        self.model = model
        self._stall = stall
        self._base_url = base_url
        self._line = Line(base_url, auth=auth)

    @property
    def label(self) -> str:
        """The checkpoint and the host, for a screen."""
        return f"{self.model or 'Stable Diffusion WebUI'}, at {urlsplit(self._base_url).hostname}"

    def make(self, request: PictureRequest, *, timeout: float, time_limit: float, watch: Watch) -> Made:
        """Return the server's pictures; see the Protocol. Where `watch` raises, or nothing moves, the server is told to interrupt."""
        watch("Waiting for the provider", None)
        task = f"task(greenroom-{secrets.token_hex(8)})"
        body = _body(request, self.model) | {"force_task_id": task}
        # A drawing server says nothing until it is done, so only the limit of the whole ends the wait for its answer.
        with self._line.open(timeout=time_limit) as drawing, self._line.open(timeout=_QUICK) as asking:
            looked_at = time.monotonic()
            shown: float | None = None
            is_interrupted = False
            patience = Patience(self._stall)

            def look() -> None:
                nonlocal looked_at, shown, is_interrupted
                if time.monotonic() - looked_at >= _BETWEEN:
                    looked_at = time.monotonic()
                    told = self._told(asking, task)
                    if told.is_ours:
                        is_interrupted |= told.is_interrupted
                        shown = max(shown or 0.0, min(99.0, 100 * (told.share or 0.0)))
                    if told.sign is not None:
                        patience.see("work", told.sign)
                    if told.waits:
                        # How long somebody else's may take is theirs: the limit of the whole ends that.
                        patience.moved()
                watch("Drawing" if shown is not None else "Waiting for the provider", shown)
                patience.require()

            def stop() -> None:
                # Before the connection is closed: the server goes on drawing for a client that is gone. What is drawn
                # now may be somebody else's, and ours behind it.
                with contextlib.suppress(ProviderError):
                    if self._told(asking, task).is_ours:
                        self._line.ask(asking, "POST", "/sdapi/v1/interrupt", most=100_000)
                with contextlib.suppress(Exception):
                    drawing.close()

            answer = watched(
                lambda: self._line.ask_json(drawing, "POST", "/sdapi/v1/txt2img", json=body),
                look=look,
                stop=stop,
                time_limit=time_limit,
            )
            made, info = _read(answer)
            if is_interrupted or self._was_interrupted(asking, info, is_short=len(made.pictures) < request.count):
                # It hands out what was half drawn as if it were whole.
                raise refusals.interrupted()
        del timeout
        return made

    def close(self) -> None:
        """Nothing is held between two requests."""

    def _told(self, client: Any, task: str) -> _Told:
        """What is being drawn, by the name that we gave; what the server cannot say just now is no error."""
        named = self._asked(client, "POST", "/internal/progress", json={"id_task": task, "live_preview": False})
        whole = self._whole(client)
        # A server without its own window tells by the other address, if it does.
        is_ours = whole.get("current_task") == task if named is None else named.get("active") is True
        return _Told(
            is_ours=is_ours,
            share=_share(whole if named is None else named) if is_ours else None,
            is_interrupted=is_ours and _state(whole).get("interrupted") is True,
            waits=named is not None and named.get("queued") is True,
            sign=_sign(named or {}, whole) if named or whole else None,
        )

    def _was_interrupted(self, client: Any, info: dict[str, Any], *, is_short: bool) -> bool:
        state = _state(self._whole(client))
        if state.get("job_timestamp") and state.get("job_timestamp") == info.get("job_timestamp"):
            # Nothing else has begun since: this is what became of ours.
            return state.get("interrupted") is True
        return is_short

    def _whole(self, client: Any) -> dict[str, Any]:
        return self._asked(client, "GET", "/sdapi/v1/progress", params={"skip_current_image": "true"}) or {}

    def _asked(self, client: Any, method: str, path: str, **options: Any) -> dict[str, Any] | None:
        try:
            told = self._line.ask_json(client, method, path, most=20_000_000, **options)
        except ProviderError:
            return None
        return told if isinstance(told, dict) else None


def _state(whole: Mapping[str, Any]) -> dict[str, Any]:
    state = whole.get("state")
    return state if isinstance(state, dict) else {}


def _sign(named: Mapping[str, Any], whole: Mapping[str, Any]) -> Hashable:
    """What changes with every step of the work; the time that is left, which some count down while nothing happens, does not."""
    state = _state(whole)
    told = [named.get(name) for name in ("active", "queued", "completed", "progress")]
    told += [whole.get("progress"), *(state.get(name) for name in ("job", "job_no", "job_timestamp", "sampling_step"))]
    return repr(told)


def _share(told: dict[str, Any]) -> float | None:
    share = told.get("progress")
    if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 <= share <= 1:
        return None
    return float(share)


def _body(request: PictureRequest, model: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        # It takes multiples of eight.
        "width": max(64, request.width // _MULTIPLE * _MULTIPLE),
        "height": max(64, request.height // _MULTIPLE * _MULTIPLE),
        "seed": request.seed if request.seed is not None else -1,
        "batch_size": 1,
        "n_iter": request.count,
        "send_images": True,
        "save_images": False,
        "do_not_save_samples": True,
        "do_not_save_grid": True,
    }
    if request.steps is not None:
        body["steps"] = request.steps
    if request.guidance is not None:
        body["cfg_scale"] = request.guidance
    if model:
        body |= {"override_settings": {"sd_model_checkpoint": model}, "override_settings_restore_afterwards": True}
    return body


def _read(answer: Any) -> tuple[Made, dict[str, Any]]:
    """The pictures, and what the server tells about them."""
    images = answer.get("images") if isinstance(answer, dict) else None
    if not isinstance(images, list):
        raise refusals.strange()
    try:
        # A string that holds JSON, as this protocol has it.
        info = json.loads(answer.get("info") or "{}")
    except (TypeError, ValueError, RecursionError):
        info = {}
    info = info if isinstance(info, dict) else {}
    seeds = info.get("all_seeds")
    seeds = seeds if isinstance(seeds, list) else []
    # Where it makes a grid of several pictures in spite of all, the grid stands first and has no seed.
    if len(seeds) < len(images) and len(seeds) > 1:
        images = images[-len(seeds) :]
    pictures = []
    for place, image in enumerate(images):
        data = decoded(image) if isinstance(image, str) else b""
        if not data:
            raise refusals.no_picture()
        seed = seeds[place] if place < len(seeds) else None
        pictures.append(Picture(data, seed if isinstance(seed, int) and not isinstance(seed, bool) else None))
    return Made(pictures), info


def from_settings(settings: Settings) -> WebUIImages:
    """Return the provider that the settings name; nothing is sent yet. Raises ProviderNotConfiguredError."""
    auth = None
    if settings.images_key is not None and (key := settings.images_key.get_secret_value().strip()):
        user, colon, password = key.partition(":")
        if not colon:
            raise ProviderNotConfiguredError(
                "For WebUI, STUDIO_IMAGES_KEY is a name and a password with a colon between them."
            )
        auth = (user, password)
    return WebUIImages(
        base_url=web_address(settings) or USUAL_URL,
        auth=auth,
        model=settings.images_model.strip(),
        stall=settings.images_stall,
    )
