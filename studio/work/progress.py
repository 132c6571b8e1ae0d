"""How far a running job is, told by the process that does it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.work.claiming import Sign, sign_of
from studio.work.models import JobRun
from studio.work.rules import LONGEST_STEP, brief


def tell(session: Session, *, job_id: UUID, token: UUID, step: str, percent: int, now: datetime) -> Sign:
    """Have screens show `step` (a short English sentence, a msgid) and `percent` (0 to 100, cut to it).

    Counts as a heartbeat; may be repeated.
    """
    row = session.execute(
        sa.update(JobRun)
        .where(JobRun.id == job_id, JobRun.claim_token == token)
        .values(
            step=brief(step, LONGEST_STEP),
            percent=min(max(percent, 0), 100),
            heartbeat_at=now,
        )
        .returning(JobRun.cancel_requested_at, JobRun.pause_requested_at)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return sign_of(row)


def note(session: Session, *, job_id: UUID, token: UUID, counts: Mapping[str, Any]) -> None:
    """What the job has done so far stands in its row: it is shown while it waits, and a later attempt counts on from it."""
    session.execute(
        sa.update(JobRun)
        .where(JobRun.id == job_id, JobRun.claim_token == token)
        .values(result=dict(counts))
        .execution_options(synchronize_session=False)
    )
