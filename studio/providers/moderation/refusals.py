"""What a moderation server's error answer means: which error it becomes, in words that say what to do next."""

from collections.abc import Mapping
from datetime import datetime

from studio.providers.embeddings.refusals import retry_after
from studio.providers.errors import ProviderBusyError, ProviderError, ProviderRefusedError
from studio.providers.language.refusals import request_id_of

_BUSY = frozenset({408, 409, 421, 425, 429})
_SENTENCES = {
    401: "The moderation server does not accept the key. Check STUDIO_MODERATION_KEY.",
    403: "The key may not use this model. Check STUDIO_MODERATION_KEY and STUDIO_MODERATION_MODEL.",
    404: "The moderation server knows no such model or address. "
    "Check STUDIO_MODERATION_MODEL and STUDIO_MODERATION_URL (it usually ends in /v1).",
}


def error_from_response(*, status: int, headers: Mapping[str, str], body: str, now: datetime) -> ProviderError:
    """Return the error that a server's answer of this HTTP status amounts to.

    The body is only searched for what tells refusals apart; none of it gets into the message, since servers
    like to quote the key or the text.
    """
    request_id = request_id_of(headers)
    if status in _BUSY or status >= 500:  # noqa: PLR2004  HTTP's own line between their fault and ours.
        if "insufficient_quota" in body:
            return ProviderRefusedError(
                "The moderation account has no credit left. Top it up.", http_status=status, request_id=request_id
            )
        return ProviderBusyError(
            "The moderation server is busy or failing just now (HTTP %(status)s).",
            status=status,
            retry_after=retry_after(headers, now=now),
            http_status=status,
            request_id=request_id,
        )
    return ProviderRefusedError(
        _SENTENCES.get(status, "The moderation server refuses the request (HTTP %(status)s)."),
        status=status,
        http_status=status,
        request_id=request_id,
    )
