"""What a language server's error answer means: which error it becomes, in words that say what to do next."""

import re
from collections.abc import Mapping
from datetime import datetime

from studio.providers.embeddings.refusals import retry_after
from studio.providers.errors import ProviderBusyError, ProviderError, ProviderRefusedError, ProviderTooLargeError

_BUSY = frozenset({408, 409, 421, 425, 429})
_WINDOW = re.compile(
    r"context[ _](length|size|window)|maximum context|too many tokens|prompt is too long|exceeds? the available",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"content[ _](policy|filter|management)|moderation|safety system|flagged|responsible ai", re.IGNORECASE
)
_PRINTABLE = re.compile(r"[\w.:-]{1,100}")

_SENTENCES = {
    401: "The language server does not accept the key. Check STUDIO_LANGUAGE_KEY.",
    402: "The account at the language server has no credit left. Top it up, then try again.",
    403: "The key may not use this model. Check STUDIO_LANGUAGE_KEY and STUDIO_LANGUAGE_MODEL.",
    404: "The language server knows no such model or address. "
    "Check STUDIO_LANGUAGE_MODEL and STUDIO_LANGUAGE_URL (it usually ends in /v1).",
}


def error_from_response(*, status: int, headers: Mapping[str, str], body: str, now: datetime) -> ProviderError:
    """Return the error that a server's answer of this HTTP status amounts to.

    The body is only searched for what tells refusals apart; none of it gets
    into the message, since servers like to quote the key or the text.
    """
    request_id = request_id_of(headers)
    if status in _BUSY or status >= 500:  # noqa: PLR2004  HTTP's own line between their fault and ours.
        if "insufficient_quota" in body:
            return ProviderRefusedError(_SENTENCES[402], http_status=status, request_id=request_id)
        return _busy(status, retry_after(headers, now=now), request_id)
    if status in {400, 413, 422}:
        if _CONTENT.search(body):
            return content_refused(http_status=status, request_id=request_id)
        if _WINDOW.search(body) or status == 413:  # noqa: PLR2004  A proxy's "content too large".
            return ProviderTooLargeError(
                "The prompt is longer than this model takes. Lower STUDIO_LANGUAGE_CONTEXT, or shorten the character.",
                what="text",
                http_status=status,
                request_id=request_id,
            )
    return ProviderRefusedError(
        _SENTENCES.get(status, "The language server refuses the request (HTTP %(status)s)."),
        status=status,
        http_status=status,
        request_id=request_id,
    )


def _busy(status: int, asked: float | None, request_id: str | None) -> ProviderBusyError:
    if status == 429:  # noqa: PLR2004  Too many requests.
        if asked is not None:
            return ProviderBusyError(
                "The language server takes no more requests just now and asks to wait %(seconds)d seconds.",
                seconds=round(asked),
                retry_after=asked,
                http_status=status,
                request_id=request_id,
            )
        return ProviderBusyError(
            "The language server takes no more requests just now. Try again in a minute.",
            http_status=status,
            request_id=request_id,
        )
    return ProviderBusyError(
        "The language server is failing just now (HTTP %(status)s).",
        status=status,
        retry_after=asked,
        http_status=status,
        request_id=request_id,
    )


def content_refused(*, http_status: int | None = None, request_id: str | None = None) -> ProviderRefusedError:
    """The model, or the filter before it, will not write this."""
    return ProviderRefusedError(
        "The model declines to answer this. Put it differently, or choose another model.",
        http_status=http_status,
        request_id=request_id,
    )


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the server's name for the exchange where it is one that a log can hold."""
    value = headers.get("x-request-id", "")
    return value if _PRINTABLE.fullmatch(value) else None
