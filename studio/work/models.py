"""The table that holds the truth about every job."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, at_most, refers_to, stored


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class JobRun(Identified, Base):
    """One job: what was asked, how far it is, what became of it. Redis only carries its id."""

    __tablename__ = "job_runs"
    __table_args__ = (
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name="percent_is_a_percentage"),
        sa.CheckConstraint("attempts BETWEEN 0 AND max_attempts", name="attempts_are_limited"),
        sa.CheckConstraint("cost_minor >= 0", name="cost_is_not_negative"),
        # A running job has a claim and a pulse; no other has a claim.
        sa.CheckConstraint(
            "(state = 'running') = (claim_token IS NOT NULL) AND (state <> 'running' OR heartbeat_at IS NOT NULL)",
            name="running_goes_with_a_claim",
        ),
        # A job is finished exactly when its state is final.
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="final_goes_with_finished_at",
        ),
        at_most("step", 200),
        # The same work is waiting or running at most once.
        sa.Index(
            "uq_job_runs_dedupe_key_open",
            "dedupe_key",
            unique=True,
            postgresql_where=sa.text("state IN ('queued', 'running')"),
        ),
        sa.Index("ix_job_runs_due", "run_after", "id", postgresql_where=sa.text("state = 'queued'")),
        sa.Index("ix_job_runs_pulse", "heartbeat_at", postgresql_where=sa.text("state = 'running'")),
        sa.Index("ix_job_runs_created_at_id", "created_at", "id"),
        sa.Index("ix_job_runs_about_type_about_id", "about_type", "about_id"),
        sa.Index("ix_job_runs_asked_by_id_created_at", "asked_by_id", "created_at"),
        sa.Index("ix_job_runs_state_created_at", "state", "created_at"),
    )

    name: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    queue: Mapped[str] = mapped_column(default="default", server_default="default")
    state: Mapped[JobState] = mapped_column(stored(JobState, "state"), default=JobState.QUEUED)
    dedupe_key: Mapped[str | None]

    asked_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL", index=False)
    # The row that the job is about, so that its page can show the job: ("character", id).
    about_type: Mapped[str | None]
    about_id: Mapped[UUID | None]

    step: Mapped[str] = mapped_column(default="", server_default="")
    percent: Mapped[int] = mapped_column(default=0, server_default="0")
    cost_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    result: Mapped[dict[str, Any] | None]

    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    max_attempts: Mapped[int] = mapped_column(default=5, server_default="5")
    error_type: Mapped[str | None]
    error_message: Mapped[str | None]
    error_reference: Mapped[str | None]

    created_at: Mapped[datetime]
    run_after: Mapped[datetime]
    nudged_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    # The same work was asked for while this ran, and may not have seen what changed: it is done once more afterwards.
    asked_again_at: Mapped[datetime | None]

    claimed_by: Mapped[str | None]
    claim_token: Mapped[UUID | None]
    heartbeat_at: Mapped[datetime | None]


class WorkerPulse(Base):
    """The last sign of life of one worker or scheduler process; `/readyz` reads it."""

    __tablename__ = "worker_pulses"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.CheckConstraint("kind IN ('worker', 'scheduler')", name="kind"))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
    job_id: Mapped[UUID | None]
