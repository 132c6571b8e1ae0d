"""Why a draft is not kept."""

from studio.kit.errors import ConflictError, InvalidError


class DraftTooLargeError(InvalidError):
    """A draft is beyond what is kept by itself."""

    status = 413

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "This is too large to be kept by itself (more than %(most)d MB). Save it now, or make it shorter.",
            most=most,
        )


class OtherPersonError(ConflictError):
    """A page that one person opened does not send its text as another's."""

    def __init__(self) -> None:
        super().__init__("Another person is signed in here now. Sign in as yourself; nothing that you typed is lost.")


class UnreadableDraftError(InvalidError):
    """What was sent is no draft."""

    def __init__(self) -> None:
        super().__init__("This draft could not be read. Reload the page.")
