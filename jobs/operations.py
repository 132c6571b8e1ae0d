"""Jobs of operations: errors and jobs that have served are forgotten, and what was kept in files is collected."""

from datetime import timedelta

from jobs.registry import JobContext, job
from studio.operations import error_log
from studio.work import sweeping

ERRORS_ARE_KEPT = timedelta(days=90)
JOBS_ARE_KEPT = timedelta(days=30)
_BATCH = 5_000


@job("operations.prune_errors", max_attempts=3)
def prune_errors(run: JobContext) -> dict[str, int]:
    """Delete errors older than 90 days, some thousand at a time."""
    gone = 0
    while True:
        run.progress("Deleting old errors", 0)
        with run.transaction() as session:
            count = error_log.prune(session, before=run.now() - ERRORS_ARE_KEPT, limit=_BATCH)
        gone += count
        if count < _BATCH:
            return {"deleted": gone}


@job("operations.prune_jobs", max_attempts=3)
def prune_jobs(run: JobContext) -> dict[str, int]:
    """Delete jobs that ended well more than 30 days ago, some thousand at a time; failed ones stay."""
    gone = 0
    while True:
        run.progress("Deleting old jobs", 0)
        with run.transaction() as session:
            count = sweeping.forget_old(session, before=run.now() - JOBS_ARE_KEPT, limit=_BATCH)
        gone += count
        if count < _BATCH:
            return {"deleted": gone}


@job("operations.collect_error_files", max_attempts=3)
def collect_error_files(run: JobContext) -> dict[str, int]:
    """Move the errors that were kept in a file while the database was away into the error log."""
    with run.transaction(last=True) as session:
        count = error_log.collect_files(session, data=run.settings.data, now=run.now())
        run.result = {"collected": count}
    return {"collected": count}
