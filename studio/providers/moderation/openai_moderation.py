"""OpenAI's moderation of texts and pictures, or any server that speaks its protocol, through the official SDK."""

import base64
import json
import math
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from studio.kit.clock import utc_now
from studio.providers import credentials
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderNotConfiguredError,
)
from studio.providers.moderation.protocol import Weighed
from studio.providers.moderation.refusals import error_from_response
from studio.providers.openai_client import ProcessClient
from studio.settings import Settings

OPENAI_URL = "https://api.openai.com/v1"
_BYTES_PER_ANSWER = 8_192
_BYTES_AROUND = 65_536
_MOST_CATEGORIES = 100
_LONGEST_CATEGORY = 60


class OpenAIModeration:
    """A server's moderations; one instance may be used from many threads and survives a fork."""

    name = "openai"
    is_configured = True
    max_characters = 6_000
    max_inputs = 32
    max_picture_bytes = 20_000_000

    def __init__(self, *, base_url: str, key: str, model: str) -> None:
        self.model = model
        self._base_url = base_url
        self._sdk = ProcessClient(base_url=base_url, key=key)

    @property
    def label(self) -> str:
        """The model and the host that it is asked of, for a screen."""
        return f"{self.model}, at {urlsplit(self._base_url).hostname}"

    def request(self, texts: Sequence[str], *, timeout: float) -> list[Weighed]:
        """Return the server's answers in the order of the texts.

        `timeout` holds for the whole exchange, so a server that answers in drops is left too. The server's
        words are never part of an error. Raises ProviderBusyError, ProviderRefusedError or ProviderBrokenError.
        """
        return self._request(list(texts), count=len(texts), timeout=timeout)

    def request_picture(self, data: bytes, *, media_type: str, timeout: float) -> Weighed:
        """Return the server's answer for a picture, which is sent along as a data URL; raises as `request` does."""
        url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        [answer] = self._request([{"type": "image_url", "image_url": {"url": url}}], count=1, timeout=timeout)
        return answer

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._sdk.close()

    def _request(self, inputs: list[Any], *, count: int, timeout: float) -> list[Weighed]:
        body = self._ask(inputs, count=count, timeout=timeout)
        if isinstance(body, ProviderError):
            raise body
        found = _weighed(body, count=count)
        if found is None:
            raise ProviderBrokenError("The moderation server's answer is not one of OpenAI's protocol.")
        return found

    def _ask(self, inputs: list[Any], *, count: int, timeout: float) -> bytes | ProviderError:
        """Return the body of a good answer, or what went wrong.

        Errors are returned here and raised by the caller: raised inside an `except`, they would keep the SDK's
        error, and with it the request and what the server quoted of it, for whoever logs the chain.
        """
        import httpx2
        import openai

        ends = time.monotonic() + timeout
        enough = count * _BYTES_PER_ANSWER + _BYTES_AROUND
        body = bytearray()
        try:
            with self._sdk.get().moderations.with_streaming_response.create(
                input=inputs, model=self.model, timeout=timeout
            ) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > enough:
                        return ProviderBrokenError("The moderation server answered far more than was asked for.")
                    if time.monotonic() > ends:
                        return _too_slow()
        except (openai.OpenAIError, httpx2.RequestError) as error:
            return _meaning(error)
        return bytes(body)


def _weighed(body: bytes, *, count: int) -> list[Weighed] | None:
    """The answers in a body, or None where it is anything else than what was asked for."""
    try:
        answer = json.loads(body)
        results = answer["results"]
        if not isinstance(results, list) or len(results) != count:
            return None
        return [Weighed(_flag(one["flagged"]), _scores(one["category_scores"])) for one in results]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _scores(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not 0 < len(value) <= _MOST_CATEGORIES:
        raise TypeError
    scores: dict[str, float] = {}
    for name, score in value.items():
        # A category that this model has and that one has not comes as null.
        if score is None:
            continue
        number = float(score)
        if isinstance(score, bool) or not math.isfinite(number) or len(name) > _LONGEST_CATEGORY:
            raise TypeError
        scores[name] = min(1.0, max(0.0, number))
    return scores


def _meaning(error: Exception) -> ProviderError:
    """Return what the SDK's error, or the connection's while the answer was being read, amounts to."""
    import httpx2
    import openai

    match error:
        case openai.APIStatusError():
            return error_from_response(
                status=error.status_code, headers=error.response.headers, body=error.response.text, now=utc_now()
            )
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return _too_slow()
        case openai.APIConnectionError():
            return ProviderBusyError("The moderation server cannot be reached.")
        case httpx2.RequestError():
            return ProviderBrokenError(
                "The moderation server broke off in the middle of its answer.", is_transient=True
            )
    return ProviderBrokenError("The moderation server's answer is not one of OpenAI's protocol.")


def from_settings(settings: Settings) -> OpenAIModeration:
    """Return the client of the server that is set, OpenAI's own where only a key is; raises ProviderNotConfiguredError."""
    key = (
        credentials.checked_key(settings.moderation_key.get_secret_value(), "STUDIO_MODERATION_KEY")
        if settings.moderation_key
        else ""
    )
    url = (settings.moderation_url or "").strip()
    if not key and not url:
        raise ProviderNotConfiguredError(
            "Moderation by a model needs STUDIO_MODERATION_KEY, or STUDIO_MODERATION_URL for a server without keys. "
            "Set one of them, or STUDIO_MODERATION_PROVIDER=none."
        )
    if url:
        url = credentials.checked_url(url, "STUDIO_MODERATION_URL")
    # Never an empty key: the SDK would then send whatever key its own environment variable holds to this server.
    return OpenAIModeration(base_url=url or OPENAI_URL, key=key or "none", model=settings.moderation_model)


def _too_slow() -> ProviderBusyError:
    return ProviderBusyError("The moderation server took too long to answer.")
