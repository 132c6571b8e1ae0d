"""Documented HTTP as picture servers of one's own speak it: JSON to and fro, and errors that never quote them."""

import json
from typing import Any

import httpx2

from studio.kit.clock import utc_now
from studio.providers.errors import ProviderError
from studio.providers.images import refusals

MOST_ANSWER = 240_000_000
"""Eight pictures of 20 MB in base64 and a little around them."""


class Line:
    """Requests to one server. Each call opens a connection of its own, which `close` ends from another thread."""

    def __init__(
        self, base_url: str, *, auth: tuple[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self._base_url = base_url
        self._auth = auth
        self._headers = headers or {}

    def open(self, *, timeout: float) -> httpx2.Client:
        """A client for one request or a few."""
        return httpx2.Client(
            base_url=self._base_url,
            auth=self._auth,
            headers=self._headers,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, 10.0)),
            trust_env=False,
            follow_redirects=False,
        )

    def ask(self, client: httpx2.Client, method: str, path: str, *, most: int = MOST_ANSWER, **options: Any) -> bytes:
        """The body of the answer, at most `most` bytes. Raises ProviderError, with nothing chained to it."""
        found = _exchange(client, method, path, most=most, **options)
        if isinstance(found, ProviderError):
            raise found
        return found

    def ask_json(self, client: httpx2.Client, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON. Raises ProviderError."""
        try:
            return json.loads(self.ask(client, method, path, **options))
        except (ValueError, RecursionError):
            pass
        raise refusals.strange()


def _exchange(client: httpx2.Client, method: str, path: str, *, most: int, **options: Any) -> bytes | ProviderError:
    held = bytearray()
    try:
        with client.stream(method, path, **options) as answer:
            for piece in answer.iter_bytes():
                held += piece
                if len(held) > most:
                    return refusals.strange()
            if answer.status_code >= 300:  # noqa: PLR2004 - Redirects are not followed, and no answer either.
                body = bytes(held[:20_000]).decode(errors="replace")
                return refusals.error_from_response(
                    status=answer.status_code, headers=answer.headers, body=body, now=utc_now()
                )
    except (httpx2.HTTPError, httpx2.StreamError, ValueError, RuntimeError) as error:
        return meaning(error)
    return bytes(held)


def meaning(error: Exception) -> ProviderError:
    """What a failure of the line amounts to."""
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        return refusals.unreachable()
    return refusals.silent() if isinstance(error, httpx2.TimeoutException) else refusals.broke_off()
