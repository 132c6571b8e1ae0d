"""What a picture server's error answer means: which error it becomes, in words that say what to do next."""

import re
from collections.abc import Mapping
from datetime import datetime

from studio.providers.embeddings.refusals import retry_after
from studio.providers.errors import ProviderBrokenError, ProviderBusyError, ProviderError, ProviderRefusedError
from studio.providers.language.refusals import request_id_of

_BUSY = frozenset({408, 409, 421, 425, 429})
_CONTENT = re.compile(
    r"content[ _](policy|filter)|moderation|safety|flagged|responsible ai|nsfw|not allowed by our", re.IGNORECASE
)
_CREDIT = re.compile(r"insufficient_quota|billing|out of credit|payment required|hard limit", re.IGNORECASE)

_SENTENCES = {
    401: "The picture server does not accept the key. Check STUDIO_IMAGES_KEY.",
    402: "The account at the picture server has no credit left. Top it up, then try again.",
    403: "The key may not use this model. Check STUDIO_IMAGES_KEY and STUDIO_IMAGES_MODEL.",
    404: "The picture server knows no such model or address. Check STUDIO_IMAGES_MODEL and STUDIO_IMAGES_URL.",
}


def error_from_response(*, status: int, headers: Mapping[str, str], body: str, now: datetime) -> ProviderError:
    """Return the error that a server's answer of this HTTP status amounts to.

    The body is only searched for what tells refusals apart; none of it gets into the message, since servers like to
    quote the key or the text.
    """
    request_id = request_id_of(headers)
    if status in {400, 403, 422} and _CONTENT.search(body):
        return content_refused(http_status=status, request_id=request_id)
    if (status == 429 or status < 500) and _CREDIT.search(body):  # noqa: PLR2004 - HTTP's own numbers.
        return ProviderRefusedError(_SENTENCES[402], http_status=status, request_id=request_id)
    if status in _BUSY or status >= 500:  # noqa: PLR2004 - HTTP's own line between their fault and ours.
        return _busy(status, retry_after(headers, now=now), request_id)
    return ProviderRefusedError(
        _SENTENCES.get(status, "The picture server refuses the request (HTTP %(status)s)."),
        status=status,
        http_status=status,
        request_id=request_id,
    )


def _busy(status: int, asked: float | None, request_id: str | None) -> ProviderBusyError:
    if status != 429:  # noqa: PLR2004 - Too many requests.
        return ProviderBusyError(
            "The picture server is failing just now (HTTP %(status)s). Try again later.",
            status=status,
            retry_after=asked,
            http_status=status,
            request_id=request_id,
        )
    if asked is None:
        return ProviderBusyError(
            "The picture server takes no more requests just now. Try again in a minute.",
            http_status=status,
            request_id=request_id,
        )
    return ProviderBusyError(
        "The picture server takes no more requests just now and asks to wait %(seconds)d seconds.",
        seconds=round(asked),
        retry_after=asked,
        http_status=status,
        request_id=request_id,
    )


def content_refused(*, http_status: int | None = None, request_id: str | None = None) -> ProviderRefusedError:
    """The provider, or the filter before it, will not draw this."""
    return ProviderRefusedError(
        "The provider declines to draw this: its rules do not allow what the prompt asks for. Put it differently, or "
        "leave out what may be the reason.",
        http_status=http_status,
        request_id=request_id,
    )


def silent() -> ProviderBusyError:
    """It said nothing for too long; whether it went on drawing is not known, so nobody asks again by themselves."""
    return ProviderBusyError("The picture server did not finish in the time that there is. Try again, or ask for less.")


class UnreachableError(ProviderBusyError):
    """Nothing was sent: asking again costs nothing twice."""


def unreachable() -> UnreachableError:
    """Nobody answers at the address."""
    return UnreachableError("The picture server cannot be reached. Check that it runs, and STUDIO_IMAGES_URL.")


def broke_off() -> ProviderBrokenError:
    """The answer came in part."""
    return ProviderBrokenError(
        "The picture server broke off in the middle of its answer. Try again.", is_transient=True
    )


def strange() -> ProviderBrokenError:
    """The answer is not what the protocol says."""
    return ProviderBrokenError(
        "The picture server answered with something that the studio does not understand. Check STUDIO_IMAGES_URL and "
        "STUDIO_IMAGES_PROVIDER."
    )


def stalled(seconds: float) -> ProviderBusyError:
    """The server has the request, and for so many seconds nothing of it was drawn."""
    return ProviderBusyError(
        "The picture server got no further with the drawing for %(seconds)d seconds, so it was stopped. Try again; if it "
        "stands still once more, the server needs to be looked at.",
        seconds=max(1, round(seconds)),
    )


def interrupted() -> ProviderBrokenError:
    """Somebody stopped it at the server, or in its window: what came is half drawn."""
    return ProviderBrokenError("Somebody interrupted the drawing at the picture server. Ask for it again.")


def no_picture() -> ProviderBrokenError:
    """What came is no picture that can be shown."""
    return ProviderBrokenError("The picture server sent something that is no picture. Try again, or ask the staff.")
