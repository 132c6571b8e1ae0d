"""Why a file is refused as a card: every message is the one sentence that a person reads."""

from studio.kit.errors import InvalidError


class CardError(InvalidError):
    """The file, or what stands in it, cannot be taken as a character card."""


class NotACardError(CardError):
    """The file is whole, but holds something else than a character card."""


class LorebookError(NotACardError):
    """The file is a standalone lorebook: good, but no character."""


class DamagedError(CardError):
    """The file is cut off, or its bytes contradict its format."""


class EncryptedError(CardError):
    """The content is encrypted, so that nobody but its application can read it."""


class TooLargeError(CardError):
    """A limit of `studio.cards.limits` is exceeded; nothing beyond it was inflated or decoded."""

    status = 413


class UnsafeArchiveError(CardError):
    """The archive is built to escape its folder, to hide content or to exhaust the machine."""


class PictureError(CardError):
    """The bytes are no picture that the studio takes."""


class ExportError(CardError):
    """The card cannot be written in the form that was asked for."""
