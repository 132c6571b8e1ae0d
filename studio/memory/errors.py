"""Why a search is refused."""

from studio.kit.errors import ConflictError, InvalidError


class EmptySearchError(InvalidError):
    """There is nothing to look for."""

    def __init__(self) -> None:
        super().__init__("Write at least one word to search for.", fields={"q": "Write at least one word."})


class NotEmbeddedError(ConflictError):
    """The character has no vector yet, so nothing can be near it."""

    def __init__(self) -> None:
        super().__init__("This character has not been embedded yet. Its job is waiting; try again in a moment.")
