"""One HTTP request to a speech server, bounded in time and bytes; every failure becomes an error in plain words."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from studio.kit.clock import utc_now
from studio.providers.errors import ProviderError
from studio.providers.speech import refusals
from studio.providers.speech.protocol import MOST_AUDIO_BYTES, Alive
from studio.providers.speech.refusals import About

_MOST_TOLD = 20_000
"""Bytes of an error answer that are searched for what it means."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its body, whole, and its headers."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def is_json(self) -> bool:
        """Whether it says to be JSON, which no audio is."""
        return "json" in self.headers.get("content-type", "")


def send(
    about: About,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    time_limit: float,
    alive: Alive,
    most: int = MOST_AUDIO_BYTES,
    **content: Any,
) -> Answer:
    """Return the answer to one request; `content` is httpx' (`json`, `content`, `params`).

    The key and the text stand in no error, nor in what is chained to one. Raises ProviderError.
    """
    found = _exchange(
        about,
        method,
        url,
        headers=headers,
        timeout=timeout,
        time_limit=time_limit,
        alive=alive,
        most=most,
        content=content,
    )
    if isinstance(found, ProviderError):
        raise found
    return found


def _exchange(
    about: About,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    time_limit: float,
    alive: Alive,
    most: int,
    content: Mapping[str, Any],
) -> Answer | ProviderError:
    """The answer, or what went wrong: raised inside an `except`, it would keep the request for whoever logs the chain."""
    import httpx2

    ends = time.monotonic() + time_limit
    has_begun = False
    try:
        # A client for each request: connections are never shared with a process that forked, and speech is slow anyway.
        with (
            httpx2.Client(timeout=min(timeout, time_limit), follow_redirects=False, verify=certificates()) as client,
            client.stream(method, url, headers=dict(headers), **content) as response,
        ):
            has_begun = True
            is_good = response.is_success
            bound = most if is_good else _MOST_TOLD
            body = bytearray()
            for piece in response.iter_bytes():
                alive()
                body += piece
                if len(body) > bound:
                    break
                if time.monotonic() > ends:
                    return refusals.silent(about)
            if not is_good:
                return refusals.error_from_response(
                    about,
                    status=response.status_code,
                    headers=response.headers,
                    body=bytes(body[:_MOST_TOLD]).decode(errors="replace"),
                    now=utc_now(),
                )
            if len(body) > bound:
                return refusals.too_much(about)
            return Answer(bytes(body), response.headers)
    except httpx2.TimeoutException as error:
        return refusals.unreachable(about) if isinstance(error, httpx2.ConnectTimeout) else refusals.silent(about)
    except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL):
        return refusals.broke_off(about) if has_begun else refusals.unreachable(about)


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """Whom this process trusts; reading that takes longer than many a request, so it is read once."""
    import httpx2

    return httpx2.create_ssl_context()
