"""Why a job cannot be steered, or must not go on."""

from studio.kit.errors import ConflictError


class JobIsFinalError(ConflictError):
    """The job has already ended."""

    def __init__(self) -> None:
        super().__init__("This job has already ended.")


class JobIsOpenError(ConflictError):
    """Only what failed or was cancelled can be done again."""

    def __init__(self) -> None:
        super().__init__("Only a job that failed or was cancelled can be started again.")


class SameWorkIsOpenError(ConflictError):
    """Another job for the same work waits or runs."""

    def __init__(self) -> None:
        super().__init__("The same work is already waiting or running; look at that job instead.")


class JobInterruptedError(BaseException):
    """The job under way must stop here, and nothing that it has not committed may take effect.

    Not an `Exception`, so that a handler which survives a failing call does not
    survive this by mistake.
    """


class ClaimLostError(JobInterruptedError):
    """Another process may do this job now: this one was silent for too long, or gave it back."""


class CancelRequestedError(JobInterruptedError):
    """A person asked the running job to stop."""
