"""What a speech server's error answer means: which error it becomes, in words that say what to do next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from studio.providers.embeddings.refusals import retry_after
from studio.providers.errors import (
    ProviderBrokenError,
    ProviderBusyError,
    ProviderError,
    ProviderRefusedError,
    ProviderTooLargeError,
)

_BUSY = frozenset({408, 409, 421, 425, 429})
_REQUEST_IDS = ("request-id", "x-request-id", "x-requestid", "apim-request-id")
_PRINTABLE = re.compile(r"[\w.:-]{1,100}")
_CREDIT = re.compile(
    r"insufficient[ _](quota|credits?|funds|balance)|quota_exceeded|out of credits|billing|payment[ _]required|credit_balance",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"content[ _](policy|filter|management)|moderation|safety|flagged|prohibited|usage policies|violat|sensitive|"
    r"blocked_generation|responsible ai",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"too[ _]long|max_character_limit|maximum[\w ]* (length|characters)|string_too_long|longer than the limit",
    re.IGNORECASE,
)


_Error = TypeVar("_Error", bound=ProviderError)


class ContentRefusedError(ProviderRefusedError):
    """The provider will not speak this text."""


class ReadOtherwiseError(ProviderRefusedError):
    """A model that converses said something else than the text."""


@dataclass(frozen=True, slots=True)
class About:
    """Which provider an error is about: what screens call it, and the setting that holds its key."""

    provider: str
    setting: str


def error_from_response(
    about: About, *, status: int, headers: Mapping[str, str], body: str, now: datetime
) -> ProviderError:
    """Return the error that a server's answer of this HTTP status amounts to.

    The body is only searched for what tells refusals apart; none of it gets
    into the message, since servers like to quote the key or the text.
    """
    facts: dict[str, Any] = {"http_status": status, "request_id": request_id_of(headers)}
    named: dict[str, Any] = {"provider": about.provider, "setting": about.setting}
    if status == 402 or (status in {400, 401, 403, 429} and _CREDIT.search(body)):  # noqa: PLR2004  Payment required.
        return ProviderRefusedError(
            "The account at %(provider)s has no credit left. Top it up, or choose another voice.", **facts, **named
        )
    if status in _BUSY or status >= 500:  # noqa: PLR2004  HTTP's own line between their fault and ours.
        return _busy(about, status, retry_after(headers, now=now), facts)
    if status in {400, 403, 413, 422}:
        if _CONTENT.search(body):
            return content_refused(about, **facts)
        if status == 413 or _LENGTH.search(body):  # noqa: PLR2004  Content too large.
            return ProviderTooLargeError(
                "The text is longer than %(provider)s speaks at once. Shorten it.", what="text", **facts, **named
            )
    sentence = _SENTENCES.get(status, "%(provider)s refuses the request (HTTP %(status)s). Check the voice.")
    return ProviderRefusedError(sentence, status=status, **facts, **named)


_SENTENCES = {
    401: "%(provider)s does not accept the key. Check %(setting)s.",
    403: "The key for %(provider)s may not use this voice or model. Check %(setting)s.",
    404: "%(provider)s knows no such voice or model. Choose another one from its list.",
}


def _busy(about: About, status: int, asked: float | None, facts: Mapping[str, Any]) -> ProviderBusyError:
    named: dict[str, Any] = {"provider": about.provider, "retry_after": asked, **facts}
    if status == 429:  # noqa: PLR2004  Too many requests.
        if asked is not None:
            return ProviderBusyError(
                "%(provider)s takes no more requests just now and asks to wait %(seconds)s seconds. Then try again.",
                seconds=round(asked),
                **named,
            )
        return ProviderBusyError(
            "%(provider)s takes no more requests just now. Try again in a minute.",
            **named,
        )
    return ProviderBusyError(
        "%(provider)s is failing just now (HTTP %(status)s). Try again in a few minutes.",
        status=status,
        **named,
    )


def content_refused(about: About, **facts: Any) -> ContentRefusedError:
    """The provider will not speak this text."""
    return ContentRefusedError(
        "%(provider)s declines to speak this text. Change the text, or choose another voice.",
        **facts,
        provider=about.provider,
        setting=about.setting,
    )


def read_otherwise(about: About) -> ReadOtherwiseError:
    """The model was told to read, and said something else."""
    return ReadOtherwiseError(
        "This model of %(provider)s did not read the text word for word, twice in a row. Nothing was kept, but it was "
        "paid for. Change or shorten the text, or choose a voice that reads out.",
        provider=about.provider,
    )


def silent(about: About) -> ProviderBusyError:
    """The server said nothing for too long, or did not finish in time."""
    return _billed(
        ProviderBusyError(
            "%(provider)s did not finish in the time that there is. Try again in a minute.", provider=about.provider
        )
    )


def unreachable(about: About) -> ProviderBusyError:
    """Nothing answers under the server's address."""
    return ProviderBusyError("%(provider)s cannot be reached. Try again in a few minutes.", provider=about.provider)


def broke_off(about: About) -> ProviderBrokenError:
    """The answer ended before its end."""
    return _billed(
        ProviderBrokenError(
            "%(provider)s broke off in the middle of the audio. Nothing was kept; try again.",
            is_transient=True,
            provider=about.provider,
        )
    )


def too_much(about: About) -> ProviderBrokenError:
    """The answer does not end."""
    return _billed(
        ProviderBrokenError("%(provider)s sent far more than was asked for. Nothing was kept.", provider=about.provider)
    )


def not_its_protocol(about: About) -> ProviderBrokenError:
    """The answer is something else than was asked for."""
    return _billed(
        ProviderBrokenError(
            "What %(provider)s sent is not what its documents promise. Nothing was kept.", provider=about.provider
        )
    )


def _billed(error: _Error) -> _Error:
    """The provider had the text, and speaks it, or has spoken it, whether or not it arrives: it bills what it spoke."""
    error.may_be_billed = True
    return error


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the server's name for the exchange where it is one that a log can hold."""
    return next((found for name in _REQUEST_IDS if (found := printable(headers.get(name, "")))), None)


def printable(name: str) -> str | None:
    """A server's name for something, where it is one that a log can hold."""
    return name if _PRINTABLE.fullmatch(name) else None
