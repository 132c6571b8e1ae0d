"""Pictures from any server that speaks OpenAI's pictures protocol, through the official SDK."""

import base64
import binascii
import contextlib
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from studio.kit.clock import utc_now
from studio.providers import credentials, openai_client
from studio.providers.errors import ProviderError, ProviderNotConfiguredError
from studio.providers.images import fetching, refusals
from studio.providers.images.protocol import Made, Picture, PictureRequest, Watch
from studio.providers.images.watching import watched
from studio.settings import Settings

if TYPE_CHECKING:
    from openai import OpenAI

OPENAI_URL = "https://api.openai.com/v1"
USUAL_MODEL = "gpt-image-1"

_SQUARE_AND_OBLONG = ((1024, 1024), (1024, 1536), (1536, 1024))
_SIZES: Mapping[str, Sequence[tuple[int, int]]] = {
    "gpt-image": _SQUARE_AND_OBLONG,
    "dall-e-3": ((1024, 1024), (1024, 1792), (1792, 1024)),
    "dall-e-2": ((256, 256), (512, 512), (1024, 1024)),
}
"""By the beginning of the model's name; of others nothing is known, and any size is asked for."""

_REFUSED_PARAMETERS = (400, 422)


class OpenAIImages:
    """A server's pictures; one instance may be used from many threads and survives a fork."""

    name = "openai"
    is_local = False
    ignores = frozenset({"negative_prompt", "steps", "guidance", "seed"})
    tells_progress = False

    def __init__(self, *, base_url: str, key: str, model: str, hosts: frozenset[str]) -> None:
        self.model = model
        self._base_url = base_url
        self._key = key
        self._hosts = hosts
        # The newer models always answer with the picture itself and know no parameter for it.
        self._asks_for_bytes = not model.startswith("gpt-image")

    @property
    def label(self) -> str:
        """The model and the host that it is asked of, for a screen."""
        return f"{self.model}, at {urlsplit(self._base_url).hostname}"

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """The sizes that the model makes, where they are known."""
        return next((sizes for start, sizes in _SIZES.items() if self.model.startswith(start)), ())

    @property
    def most_pictures(self) -> int:
        """One for the model that makes no more at once."""
        return 1 if self.model.startswith("dall-e-3") else 8

    def make(self, request: PictureRequest, *, timeout: float, time_limit: float, watch: Watch) -> Made:
        """Return the server's pictures; see the Protocol. The server's words are never part of an error."""
        watch("Waiting for the provider", None)
        stopped = threading.Event()
        sdk = openai_client.opened(base_url=self._base_url, key=self._key)

        def stop() -> None:
            stopped.set()
            # Whoever waits for the answer is woken by the end of its connection.
            with contextlib.suppress(Exception):
                sdk.close()

        try:
            found = watched(
                lambda: self._ask(sdk, request, timeout=min(timeout, time_limit), stopped=stopped),
                look=lambda: watch("Waiting for the provider", None),
                stop=stop,
                time_limit=time_limit,
            )
        finally:
            with contextlib.suppress(Exception):
                sdk.close()
        if isinstance(found, ProviderError):
            raise found
        return found

    def close(self) -> None:
        """Nothing is held between two requests: each has connections of its own, so that it can be stopped by itself."""

    def _ask(
        self, sdk: "OpenAI", request: PictureRequest, *, timeout: float, stopped: threading.Event
    ) -> "Made | ProviderError":
        """Return the pictures or what went wrong.

        Raised inside an `except`, an error would keep the SDK's, and with it the request and what the server quoted of it.
        """
        import httpx2
        import openai

        for _attempt in range(2):
            asks_for_bytes = self._asks_for_bytes
            try:
                answer = sdk.images.generate(
                    model=self.model,
                    prompt=request.prompt,
                    n=request.count,
                    size=f"{request.width}x{request.height}",
                    response_format="b64_json" if asks_for_bytes else openai.omit,
                    timeout=timeout,
                )
            except openai.APIStatusError as error:
                body = _body(error)
                if asks_for_bytes and error.status_code in _REFUSED_PARAMETERS and "response_format" in body:
                    self._asks_for_bytes = False
                    continue
                return refusals.error_from_response(
                    status=error.status_code, headers=error.response.headers, body=body, now=utc_now()
                )
            except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
                return _meaning(error)
            return self._read(answer, timeout=timeout, stopped=stopped)
        return refusals.strange()

    def _read(self, answer: Any, *, timeout: float, stopped: threading.Event) -> "Made | ProviderError":
        items = getattr(answer, "data", None)
        if not isinstance(items, list):
            return refusals.strange()
        pictures: list[Picture] = []
        revised = ""
        for item in items:
            if stopped.is_set():
                return refusals.silent()
            revised = revised or str(getattr(item, "revised_prompt", None) or "")
            found = self._bytes_of(item, timeout=timeout)
            if isinstance(found, ProviderError):
                return found
            pictures.append(Picture(found))
        request_id = getattr(answer, "_request_id", None)
        return Made(pictures, revised_prompt=revised, request_id=request_id if isinstance(request_id, str) else None)

    def _bytes_of(self, item: Any, *, timeout: float) -> "bytes | ProviderError":
        encoded, url = getattr(item, "b64_json", None), getattr(item, "url", None)
        if isinstance(encoded, str) and encoded:
            return decoded(encoded) or refusals.no_picture()
        if not isinstance(url, str):
            return refusals.strange()
        try:
            return fetching.fetch(
                url, home=fetching.origin_of(self._base_url), hosts=self._hosts, timeout=min(timeout, 60.0)
            )
        except ProviderError as error:
            return error


def _meaning(error: Exception) -> ProviderError:
    import httpx2
    import openai

    if isinstance(error, openai.APITimeoutError):
        return refusals.silent()
    if isinstance(error, openai.APIConnectionError):
        return refusals.unreachable() if isinstance(error.__cause__, httpx2.ConnectError) else refusals.broke_off()
    return refusals.strange()


def decoded(text: str) -> bytes:
    """The bytes of base64, with or without the beginning that makes it a data address; nothing where it is none."""
    body = text.partition(",")[2] if text.startswith("data:") else text
    if len(body) > fetching.MOST_BYTES * 4 // 3 + 4:
        return b""
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _body(error: Any) -> str:
    try:
        return str(error.response.text)
    except Exception:  # noqa: BLE001 - A body that cannot be read tells nothing.
        return ""


def from_settings(settings: Settings) -> OpenAIImages:
    """Return the provider that the settings name; nothing is sent yet. Raises ProviderNotConfiguredError."""
    url = web_address(settings)
    key = (
        credentials.checked_key(settings.images_key.get_secret_value(), "STUDIO_IMAGES_KEY")
        if settings.images_key
        else ""
    )
    if not url and not key:
        raise ProviderNotConfiguredError(
            "Pictures need a key: set STUDIO_IMAGES_KEY, or STUDIO_IMAGES_URL for a server of your own."
        )
    return OpenAIImages(
        base_url=url or OPENAI_URL,
        # Never empty: the SDK would then send whatever key its own environment variable holds to this server.
        key=key or "none",
        model=settings.images_model.strip() or USUAL_MODEL,
        hosts=settings.image_result_hosts,
    )


def web_address(settings: Settings) -> str:
    """The server's address without a slash at its end, or nothing; raises ProviderNotConfiguredError for what is none."""
    url = (settings.images_url or "").strip().rstrip("/")
    if url and fetching.origin_of(url) is None:
        raise ProviderNotConfiguredError(
            "STUDIO_IMAGES_URL is no web address. It looks like http://host:port, without a name or password in it."
        )
    return url
