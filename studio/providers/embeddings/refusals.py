"""What a server's error answer means: which error it becomes, and how long it asks us to wait."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from studio.providers.errors import (
    ProviderBusyError,
    ProviderError,
    ProviderRefusedError,
    ProviderTooLargeError,
)

_BUSY = frozenset({408, 409, 421, 425, 429})
_BATCH = re.compile(
    r"batch[ _]size|too many inputs|array (is )?too long|max_tokens_per_request|per request", re.IGNORECASE
)
_TEXT = re.compile(
    r"context (length|size)|maximum[\w ]* (length|tokens)|too (long|large)|less than \d+ tokens|max_tokens",
    re.IGNORECASE,
)
_DIMENSIONS = re.compile(r"dimension|matryoshka", re.IGNORECASE)
_PRINTABLE = re.compile(r"[\w.:-]{1,100}")


class DimensionsRefusedError(ProviderRefusedError):
    """The model has one length only and refuses to be asked for any, be it that very length."""


def error_from_response(
    *, status: int, headers: Mapping[str, str], body: str, inputs: int, now: datetime
) -> ProviderError:
    """Return the error that a server's answer of this HTTP status amounts to.

    The body is only searched for what tells refusals apart; none of it gets
    into the message, since servers like to quote the key or the text.
    """
    request_id = _request_id(headers)
    if status in _BUSY or status >= 500:  # noqa: PLR2004  HTTP's own line between their fault and ours.
        if "insufficient_quota" in body:
            return ProviderRefusedError(
                "The embeddings account has no credit left. Top it up, then run the job again.",
                http_status=status,
                request_id=request_id,
            )
        return ProviderBusyError(
            "The embeddings server is busy or failing just now (HTTP %(status)s). It will be asked again.",
            status=status,
            retry_after=retry_after(headers, now=now),
            http_status=status,
            request_id=request_id,
        )
    if status in {400, 413, 422}:
        return _refused_content(status, body, inputs, request_id)
    return ProviderRefusedError(
        _SENTENCES.get(status, "The embeddings server refuses the request (HTTP %(status)s)."),
        status=status,
        http_status=status,
        request_id=request_id,
    )


_SENTENCES = {
    401: "The embeddings server does not accept the key. Check STUDIO_EMBEDDINGS_KEY.",
    403: "The embeddings key may not use this model. Check STUDIO_EMBEDDINGS_KEY and STUDIO_EMBEDDINGS_MODEL.",
    404: "The embeddings server knows no such model or address. "
    "Check STUDIO_EMBEDDINGS_MODEL and STUDIO_EMBEDDINGS_URL (it usually ends in /v1).",
}


def _refused_content(status: int, body: str, inputs: int, request_id: str | None) -> ProviderError:
    if _BATCH.search(body) and inputs > 1:
        return ProviderTooLargeError(
            "The embeddings server takes fewer texts in a request.",
            what="batch",
            http_status=status,
            request_id=request_id,
        )
    if _TEXT.search(body):
        return ProviderTooLargeError(
            "A text is too long for the embeddings server.", what="text", http_status=status, request_id=request_id
        )
    if status == 413:  # noqa: PLR2004  A proxy's "content too large" comes without a reason.
        return ProviderTooLargeError(
            "A request is too large for the embeddings server.",
            what="batch" if inputs > 1 else "text",
            http_status=status,
            request_id=request_id,
        )
    kind = DimensionsRefusedError if _DIMENSIONS.search(body) else ProviderRefusedError
    return kind(
        "The embeddings server refuses the request (HTTP %(status)s). "
        "Check STUDIO_EMBEDDINGS_MODEL and STUDIO_EMBEDDINGS_DIMENSIONS.",
        status=status,
        http_status=status,
        request_id=request_id,
    )


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return the seconds that `retry-after-ms` or `retry-after` (seconds or an HTTP date) asks for; None if neither does.

    A moment that has passed is 0; what is unreadable, infinite or negative counts as not given.
    """
    for header, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(header, "").strip()
        if re.fullmatch(r"\d{1,15}(\.\d{1,15})?", value):
            return float(value) / divisor
    value = headers.get("retry-after", "")
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _request_id(headers: Mapping[str, str]) -> str | None:
    """Return the server's name for the exchange where it is one that a log can hold."""
    value = headers.get("x-request-id", "")
    return value if _PRINTABLE.fullmatch(value) else None
