"""Why a provider's answer cannot be used, and whether waiting would help."""

from typing import Any, Literal, Self

from studio.kit.errors import InvalidError, UnavailableError


class ProviderError(UnavailableError):
    """A provider did not give what was asked of it.

    `is_transient` says whether the same request may succeed later; a job is
    worth repeating only then. `http_status` and `request_id` are the
    provider's, for the log. The message never holds a key or a text that was
    sent, and neither does anything chained to the error. `usage` is what was
    used of the provider before it failed, in its own units; None where nothing
    was, or where it does not tell. `characters` are those that a provider which
    bills by them may bill though nothing came of it, and `may_be_billed` is
    whether it had the request in hand when it failed. `breaker` is the name of the breaker that
    counted it, such as "speech:openai"; None for what says nothing against the
    provider.
    """

    is_transient = False
    usage: object | None = None
    characters: int = 0
    may_be_billed: bool = False
    breaker: str | None = None

    def __init__(
        self, message: str, *, http_status: int | None = None, request_id: str | None = None, **params: object
    ) -> None:
        super().__init__(message, **params)
        self.http_status = http_status
        self.request_id = request_id

    def afresh(self) -> Self:
        """The same sentence as a new error: one that is raised twice drags the first one's way along."""
        params: dict[str, Any] = dict(self.params)
        again = type(self)(self.msgid, **params)
        again.breaker = self.breaker
        return again


class ProviderRefusedError(ProviderError):
    """The provider understood and said no: waiting will not change its mind."""


class ProviderNotConfiguredError(ProviderRefusedError):
    """A setting that the provider needs is missing or cannot be right; nothing was sent."""


class NoModelError(ProviderNotConfiguredError):
    """Nobody has set up a model: so the studio is meant to be for now, and there is no failure to look into."""


class ProviderTooLargeError(ProviderRefusedError):
    """One text, or one request, is longer than this server takes; `what` says which of the two."""

    def __init__(
        self,
        message: str,
        *,
        what: Literal["text", "batch"],
        http_status: int | None = None,
        request_id: str | None = None,
        **params: object,
    ) -> None:
        super().__init__(message, http_status=http_status, request_id=request_id, **params)
        self.what: Literal["text", "batch"] = what


class ProviderBusyError(ProviderError):
    """The provider is overloaded, failing, slow or out of reach; `retry_after` is the seconds that it asked for."""

    is_transient = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        **params: object,
    ) -> None:
        super().__init__(message, http_status=http_status, request_id=request_id, **params)
        self.retry_after = retry_after


class ProviderRestsError(ProviderBusyError):
    """The provider failed so often that nobody asks it for `retry_after` seconds: waiting here would be in vain."""


class ProviderBrokenError(ProviderError):
    """The provider answered, but with something that must not be stored.

    An answer that was cut off is transient; one of the wrong shape is a
    setting or a server to correct, and asking again would only cost again.
    """

    def __init__(
        self,
        message: str,
        *,
        is_transient: bool = False,
        http_status: int | None = None,
        request_id: str | None = None,
        **params: object,
    ) -> None:
        super().__init__(message, http_status=http_status, request_id=request_id, **params)
        self.is_transient = is_transient


class EmptyTextError(InvalidError):
    """There is no text to embed; `positions` says where in what was given."""

    def __init__(self, positions: tuple[int, ...]) -> None:
        super().__init__("There is no text here to find by meaning. Write a description first.")
        self.positions = positions
