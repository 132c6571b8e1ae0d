"""Why authoring refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.kit.errors import ConflictError, InvalidError, StaleError


class DocumentDiscardedError(ConflictError):
    """A discarded import cannot be confirmed."""

    def __init__(self) -> None:
        super().__init__("This import was discarded. Upload the card again to bring it in.")


class DocumentConfirmedError(ConflictError):
    """A confirmed import cannot be discarded."""

    def __init__(self) -> None:
        super().__init__("This import was confirmed already; its character is among yours.")


class ArchivedCharacterError(ConflictError):
    """An archived character is not edited."""

    def __init__(self) -> None:
        super().__init__("This character is archived. Restore it before you change it.")


class LiveCharacterError(ConflictError):
    """A published character is not archived under its listing."""

    def __init__(self) -> None:
        super().__init__("This character is published. Take its listing down before you archive it.")


class TooManyPreviewsError(ConflictError):
    """A person has as many unconfirmed imports as they can look through."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "You have %(most)s cards waiting to be confirmed. Confirm or discard some of them, then bring more.",
            most=most,
        )


class UnusableCardError(InvalidError):
    """A card's content is beyond what the studio keeps; `fields` says where and why."""


@dataclass(frozen=True)
class Difference:
    """One field that two people changed: what stands in the database, and what was about to be saved."""

    field: str
    theirs: Any
    mine: Any


class StaleCharacterError(StaleError):
    """Someone saved the character in between; `differences` holds both texts, `row_version` the number to save with."""

    def __init__(self, *, row_version: int, differences: tuple[Difference, ...], theirs: Mapping[str, Any]) -> None:
        super().__init__()
        self.row_version = row_version
        self.differences = differences
        self.theirs = theirs
