"""Jobs for tests, asked for and claimed as the program does it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from studio import work
from studio.work import claiming
from studio.work.models import JobRun


def make_job(session: Session, name: str = "tests.effect", *, now: datetime, **options) -> JobRun:
    """A job that waits; `options` are those of `work.ask`."""
    job = work.ask(session, name, now=now, **options)
    session.flush()
    return job


def make_running_job(
    session: Session, name: str = "tests.effect", *, now: datetime, worker: str = "one", **options
) -> tuple[JobRun, UUID]:
    """A job that a worker has claimed, and the claim's token."""
    job = make_job(session, name, now=now, **options)
    claimed = claiming.claim(session, job_id=job.id, worker=worker, now=now)
    assert claimed is not None
    assert claimed.claim_token is not None
    return claimed, claimed.claim_token


def make_failed_job(
    session: Session,
    name: str = "tests.effect",
    *,
    now: datetime,
    message: str = "It did not work.",
    **options,
) -> JobRun:
    """A job that has failed for good."""
    job, token = make_running_job(session, name, now=now, **options)
    failure = claiming.Failure("ValueError", message, "ABCD-2345")
    return claiming.fail(session, job_id=job.id, token=token, failure=failure, is_final=True, chance=0.5, now=now)
