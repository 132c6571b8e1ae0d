"""Why authoring refuses."""

from collections.abc import Mapping, Sequence
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


class StoryInUseError(ConflictError):
    """A story with characters is not deleted."""

    def __init__(self, names: Sequence[str], *, count: int) -> None:
        super().__init__(
            "This story has %(count)s characters (%(names)s), those in the trash included. Delete them for good first, or keep the story.",
            count=count,
            names=", ".join(names),
        )


class OtherLorebookError(ConflictError):
    """A lorebook in the trash does not take the place of another one."""

    def __init__(self, *, name: str) -> None:
        super().__init__(
            "%(name)s has another lorebook by now. Throw that one away first, or keep it; nothing was changed.",
            name=name,
        )


class FullStoryError(ConflictError):
    """A story has as many characters as its page can show."""

    def __init__(self) -> None:
        super().__init__("This story has as many characters as a story can have. Begin another one.")


class CodesUsedUpError(ConflictError):
    """The highest number that a code can have is given."""

    def __init__(self) -> None:
        super().__init__("There is no code left after the highest one.")


class NotOfficialError(ConflictError):
    """Only official characters are published without the market."""

    def __init__(self) -> None:
        super().__init__("This is a creator's character. It is published by submitting a listing.")


class MovedOnError(StaleError):
    """A version is not brought back over a draft that somebody saved in the meantime."""

    def __init__(self) -> None:
        super().__init__(
            "Someone saved this character in the meantime, and nothing was changed. Look at the comparison again, then restore."
        )


class UnusableVersionError(InvalidError):
    """A version holds what the studio does not keep any more; `fields` says where and why."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("This version cannot be restored: some of it is beyond today's limits.", fields=fields)


class TooManyPreviewsError(ConflictError):
    """A person has as many unconfirmed imports as they can look through."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "You have %(most)s cards waiting to be confirmed. Confirm or discard some of them, then bring more.",
            most=most,
        )


class BatchClosedError(ConflictError):
    """A bulk import that was started takes no more files."""

    def __init__(self) -> None:
        super().__init__("This import has started already. Bring more cards as another one.")


class BatchBusyError(ConflictError):
    """What was asked of a bulk import needs it to stand still."""

    def __init__(self) -> None:
        super().__init__("This import is at work. Wait until it has ended, or stop it first.")


class BatchUnfinishedError(ConflictError):
    """Only a bulk import that came to its end can be undone or tried again."""

    def __init__(self) -> None:
        super().__init__("This can be done once the import has come to its end, and not after it was undone.")


class TooManyFilesError(InvalidError):
    """A bulk import would become larger than one may be."""

    status = 413

    def __init__(self, *, files: int, megabytes: int) -> None:
        super().__init__(
            "One import takes at most %(files)s files of %(megabytes)s MB together. Bring the others as another one.",
            files=files,
            megabytes=megabytes,
        )


class StorageFullError(ConflictError):
    """A person's files have as many bytes as one person may keep."""

    def __init__(self, *, gigabytes: int) -> None:
        super().__init__(
            "Your files have reached the %(gigabytes)s GB that one person may keep. Ask the staff for room, "
            "or undo an earlier import.",
            gigabytes=gigabytes,
        )


class TooManyBatchesError(ConflictError):
    """A person has as many unfinished bulk imports as they may have at once."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            "You have %(most)s imports that have not come to their end. Finish or discard one of them first.",
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
    """Someone saved the character in between; `differences` holds both texts, `row_version` the number to save with.

    `theirs` is all that is saved now, `mine` what was about to be saved, `base` what `mine` started from, or None
    where nobody knows that any more.
    """

    def __init__(
        self,
        *,
        row_version: int,
        differences: tuple[Difference, ...],
        theirs: Mapping[str, Any],
        mine: Mapping[str, Any],
        base: Mapping[str, Any] | None,
    ) -> None:
        super().__init__()
        self.row_version = row_version
        self.differences = differences
        self.theirs = theirs
        self.mine = mine
        self.base = base


class StaleEntryError(StaleError):
    """Someone saved this entry, or these settings of a lorebook, in between.

    `differences` holds both texts, `base` and `row_version` what to save with next, `theirs` all that stands there,
    `start` what both started from, or None where nobody knows that any more.
    """

    def __init__(
        self,
        *,
        row_version: int,
        base: str,
        differences: tuple[Difference, ...],
        theirs: Mapping[str, Any],
        start: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.row_version = row_version
        self.base = base
        self.differences = differences
        self.theirs = theirs
        self.start = start
