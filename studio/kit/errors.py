"""Why the studio refuses: errors whose message is the sentence that a person reads."""

from collections.abc import Mapping


class StudioError(Exception):
    """A refusal that a person can understand and act on.

    `status` is the HTTP status that the web answers with. The message is a
    whole sentence, free of SQL, paths, secrets and other people's data; it is
    also the msgid under which the web looks for a translation. Values that
    vary go into `params` and stand as %(name)s in the message.
    """

    status = 400

    def __init__(self, message: str, **params: object) -> None:
        super().__init__(message)
        self.msgid = message
        self.params: Mapping[str, object] = params

    def __str__(self) -> str:
        return self.msgid % self.params if self.params else self.msgid


class InvalidError(StudioError):
    """What was given breaks a rule; `fields` says which field and why, where that is known."""

    status = 422

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None, **params: object) -> None:
        super().__init__(message, **params)
        self.fields: Mapping[str, str] = dict(fields or {})


class NotFoundError(StudioError):
    """No such row, or none that this person may know of: the two look alike on purpose."""

    status = 404

    def __init__(self, message: str = "This does not exist, or is not yours to see.", **params: object) -> None:
        super().__init__(message, **params)


class ForbiddenError(StudioError):
    """The person may know of the thing, but may not do this to it."""

    status = 403

    def __init__(self, message: str = "Your roles do not allow this.", **params: object) -> None:
        super().__init__(message, **params)


class ConflictError(StudioError):
    """The row is in a state in which this cannot happen (any more)."""

    status = 409


class StaleError(ConflictError):
    """Someone saved in between; nothing was overwritten."""

    def __init__(
        self,
        message: str = "Someone else saved this in the meantime. Your text is kept below; compare and save again.",
        **params: object,
    ) -> None:
        super().__init__(message, **params)


class UnavailableError(StudioError):
    """Something outside (a provider, the queue, the database) does not answer just now."""

    status = 503
