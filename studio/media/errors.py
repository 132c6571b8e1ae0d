"""Why files are refused."""

from studio.kit.errors import InvalidError


class UnusableFileError(InvalidError):
    """The file is of a kind that the studio does not take, or its content cannot be read."""


class TooLargeFileError(InvalidError):
    """The file has more bytes than its purpose allows."""

    status = 413
