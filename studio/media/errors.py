"""Why files are refused."""

from studio.kit.errors import ConflictError, InvalidError, StudioError


class UnusableFileError(InvalidError):
    """The file is of a kind that the studio does not take, or its content cannot be read."""


class TooLargeFileError(InvalidError):
    """The file has more bytes than its purpose allows."""

    status = 413


class FullLibraryError(InvalidError):
    """The person keeps as much as they may."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            "There is no room for this file: you may keep %(limit)s MB. Delete files that nothing uses, then try again.",
            limit=limit,
        )


class TooManyUploadsError(ConflictError):
    """More files are on their way than one person can watch."""

    def __init__(self, *, most: int) -> None:
        super().__init__("More than %(most)s files are on their way. Wait for some, or try again tomorrow.", most=most)


class UploadOffsetError(ConflictError):
    """The bytes do not follow on those that are here; `arrived` says where they should begin."""

    def __init__(self, *, arrived: int) -> None:
        super().__init__("The file's parts came in a wrong order. Send it from byte %(arrived)s on.", arrived=arrived)
        self.arrived = arrived


class UsedFileError(ConflictError):
    """Something uses the file."""

    def __init__(self) -> None:
        super().__init__("Something uses this file. Take it away there first; this page says where.")


class GenerationFailedError(StudioError):
    """No picture came of a request, for the reason that is said; asking again is the person's to decide."""
