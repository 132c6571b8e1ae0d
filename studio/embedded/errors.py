"""Why the servers on this machine cannot be had."""

from studio.kit.errors import ConflictError, UnavailableError


class NotRunningError(UnavailableError):
    """Nothing to attach to."""

    def __init__(self) -> None:
        super().__init__(
            "The studio's database is not running. Start everything with `make run`, "
            "or set STUDIO_DATABASE_URL and STUDIO_REDIS_URL to servers of your own."
        )


class AlreadyRunningError(ConflictError):
    """Two launchers must not share one data folder."""

    def __init__(self, *, owner: str) -> None:
        super().__init__(
            "Another Greenroom (%(owner)s) already uses this data folder. Stop it first, or set STUDIO_DATA to another folder.",
            owner=owner,
        )


class DataVersionError(UnavailableError):
    """The data folder was written by a PostgreSQL that this one cannot read."""

    def __init__(self, *, found: str, needed: int) -> None:
        super().__init__(
            "The data folder was made by PostgreSQL %(found)s, and this studio brings PostgreSQL %(needed)s. "
            "Start the older studio to make a backup, or set STUDIO_DATA to a new folder.",
            found=found,
            needed=needed,
        )


class DataOwnerError(UnavailableError):
    """The data folder belongs to somebody else."""

    def __init__(self, *, folder: str) -> None:
        super().__init__(
            "The folder %(folder)s belongs to another user. Start the studio as the user who made it, "
            "or set STUDIO_DATA to a folder of your own.",
            folder=folder,
        )


class DataFolderError(UnavailableError):
    """The data folder cannot be written."""

    def __init__(self, *, folder: str, reason: str) -> None:
        super().__init__(
            "The data folder %(folder)s cannot be written (%(reason)s). Set STUDIO_DATA to a folder that you may write.",
            folder=folder,
            reason=reason,
        )


class ServerFailedError(UnavailableError):
    """A server ended, or did not answer in time, while it was being started."""

    def __init__(self, *, server: str, log: str, last: str) -> None:
        super().__init__(
            "%(server)s could not be started. Its last words were: %(last)s More is in %(log)s.",
            server=server,
            log=log,
            last=last,
        )


class NoBinariesError(UnavailableError):
    """This platform has no server in the installed packages."""

    def __init__(self, *, server: str, setting: str) -> None:
        super().__init__(
            "There is no %(server)s for this platform in the installed packages. "
            "Run `make setup` again, or set %(setting)s to a server of your own.",
            server=server,
            setting=setting,
        )
