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


class JobIsNotPausedError(ConflictError):
    """Only what was paused can go on."""

    def __init__(self) -> None:
        super().__init__("This job is not paused.")


class OverBudgetError(ConflictError):
    """What was asked for at once costs more than is left of the person's budget; amounts are texts for people."""

    def __init__(self, *, needed: str, left: str) -> None:
        super().__init__(
            "This would cost about %(needed)s, and %(left)s of your budget for this month is left. Wait for the next month, or ask staff for more.",
            needed=needed,
            left=left,
        )


class JobInterruptedError(BaseException):
    """The job under way must stop here, and nothing that it has not committed may take effect.

    Not an `Exception`, so that a handler which survives a failing call does not
    survive this by mistake.
    """


class ClaimLostError(JobInterruptedError):
    """Another process may do this job now: this one was silent for too long, or gave it back."""


class CancelRequestedError(JobInterruptedError):
    """A person asked the running job to stop."""


class PauseRequestedError(JobInterruptedError):
    """A person asked the running job to wait until it is let go on."""


class BudgetReachedError(JobInterruptedError):
    """What the job is about to do costs more (`needed_micro`) than is left of its person's budget: it waits for more."""

    def __init__(self, needed_micro: int) -> None:
        super().__init__()
        self.needed_micro = needed_micro


class MakeWayError(JobInterruptedError):
    """Somebody else's work waits, and this job can go on later as well."""
