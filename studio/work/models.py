"""The tables that hold the truth about every job, and what people's jobs cost."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from studio.kit.orm import Base, Identified, at_most, refers_to, stored


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Hold(StrEnum):
    """Why a job that waits is not to be taken, whoever is free."""

    BUDGET = "budget"
    PAUSE = "pause"


class JobRun(Identified, Base):
    """One job: what was asked, how far it is, what became of it. Redis only carries its id."""

    __tablename__ = "job_runs"
    __table_args__ = (
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name="percent_is_a_percentage"),
        sa.CheckConstraint("attempts BETWEEN 0 AND max_attempts", name="attempts_are_limited"),
        sa.CheckConstraint("cost_micro >= 0 AND estimate_micro >= 0", name="cost_is_not_negative"),
        sa.CheckConstraint("needs_micro >= 0", name="needs_is_not_negative"),
        # Only what waits is held; only what runs can be asked to pause.
        sa.CheckConstraint("held_for IS NULL OR state = 'queued'", name="held_is_queued"),
        sa.CheckConstraint("pause_requested_at IS NULL OR state = 'running'", name="pause_is_asked_of_the_running"),
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
        sa.Index(
            "ix_job_runs_due", "run_after", "id", postgresql_where=sa.text("state = 'queued' AND held_for IS NULL")
        ),
        sa.Index(
            "ix_job_runs_begun",
            "run_after",
            postgresql_where=sa.text("state = 'queued' AND held_for IS NULL AND started_at IS NOT NULL"),
        ),
        sa.Index("ix_job_runs_held", "held_for", "created_at", postgresql_where=sa.text("held_for IS NOT NULL")),
        sa.Index(
            "ix_job_runs_needing_open",
            "asked_by_id",
            postgresql_where=sa.text("needs_micro > 0 AND state IN ('queued', 'running')"),
        ),
        sa.Index(
            "ix_job_runs_put_off_by",
            "put_off_by",
            "created_at",
            "id",
            postgresql_where=sa.text("put_off_by IS NOT NULL"),
        ),
        sa.Index("ix_job_runs_finished_at", "finished_at", postgresql_where=sa.text("finished_at IS NOT NULL")),
        sa.Index("ix_job_runs_name_created_at", "name", "created_at"),
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
    # What it has cost so far and what it was expected to, in millionths of the currency of all prices.
    cost_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    estimate_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    # What its person's budget must have room for before it goes on: all of it, or the next of its steps.
    needs_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    held_for: Mapped[Hold | None] = mapped_column(stored(Hold, "held_for"))
    result: Mapped[dict[str, Any] | None]

    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    max_attempts: Mapped[int] = mapped_column(default=5, server_default="5")
    error_type: Mapped[str | None]
    error_message: Mapped[str | None]
    error_reference: Mapped[str | None]

    # The provider (by its breaker) whose failure put the job off: it is woken when that answers again.
    put_off_by: Mapped[str | None]
    # Since when what it needs has been away, without a step of its own in between.
    outage_since: Mapped[datetime | None]

    created_at: Mapped[datetime]
    run_after: Mapped[datetime]
    nudged_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    pause_requested_at: Mapped[datetime | None]
    # The same work was asked for while this ran, and may not have seen what changed: it is done once more afterwards.
    asked_again_at: Mapped[datetime | None]

    claimed_by: Mapped[str | None]
    claim_token: Mapped[UUID | None]
    heartbeat_at: Mapped[datetime | None]


class PaidAnswer(Base):
    """What a provider was paid for, from the payment until its job has kept it; `id` is the row's that it is meant for."""

    __tablename__ = "paid_answers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = refers_to("job_runs.id", ondelete="CASCADE")
    user_id: Mapped[UUID | None] = refers_to("users.id", ondelete="CASCADE")
    facts: Mapped[dict[str, Any]]
    parts: Mapped[list[bytes]] = mapped_column(ARRAY(sa.LargeBinary))
    created_at: Mapped[datetime] = mapped_column(index=True)


class WorkerPulse(Base):
    """The last sign of life of one worker or scheduler process; `/readyz` reads it."""

    __tablename__ = "worker_pulses"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.CheckConstraint("kind IN ('worker', 'scheduler')", name="kind"))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)
    job_id: Mapped[UUID | None]


class QueuePause(Base):
    """A queue from which workers take nothing until somebody lets it go on."""

    __tablename__ = "queue_pauses"
    __table_args__ = (at_most("reason", 200),)

    queue: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime]
    paused_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    reason: Mapped[str] = mapped_column(default="", server_default="")


class PersonBudget(Base):
    """What a person's jobs cost in `month`, and may cost in any; without a limit of their own, the studio's holds.

    The row is locked whenever a job of the person asks whether there is room. Where `month` is over, nothing
    was spent in the present one yet.
    """

    __tablename__ = "person_budgets"
    __table_args__ = (
        sa.CheckConstraint("limit_micro >= 0", name="limit_is_not_negative"),
        sa.CheckConstraint("spent_micro >= 0", name="spent_is_not_negative"),
        sa.CheckConstraint("extract(day FROM month) = 1", name="month_is_its_first_day"),
        sa.Index("ix_person_budgets_month_spent_micro", "month", "spent_micro", "user_id"),
    )

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    limit_micro: Mapped[int | None] = mapped_column(sa.BigInteger)
    month: Mapped[date]
    spent_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")

    # For screens, which load it with the list; found by name, since accounts stand above.
    user: Mapped[Any] = relationship("User", viewonly=True, lazy="raise")

    @property
    def id(self) -> UUID:
        """The person's id, under the name that every screen asks for."""
        return self.user_id


class Spending(Base):
    """What one kind of provider cost for one person in one month; kept when the month is over."""

    __tablename__ = "spendings"
    __table_args__ = (
        sa.CheckConstraint("spent_micro >= 0", name="spent_is_not_negative"),
        sa.CheckConstraint("requests >= 0", name="requests_is_not_negative"),
        sa.CheckConstraint("extract(day FROM month) = 1", name="month_is_its_first_day"),
        at_most("kind", 40),
    )

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    spent_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    requests: Mapped[int] = mapped_column(default=0, server_default="0")


class HouseSpending(Base):
    """What one kind of provider cost the studio itself in one month: what it does for nobody in particular."""

    __tablename__ = "house_spendings"
    __table_args__ = (
        sa.CheckConstraint("spent_micro >= 0", name="spent_is_not_negative"),
        sa.CheckConstraint("requests >= 0", name="requests_is_not_negative"),
        sa.CheckConstraint("extract(day FROM month) = 1", name="month_is_its_first_day"),
        at_most("kind", 40),
    )

    month: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    spent_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    requests: Mapped[int] = mapped_column(default=0, server_default="0")


class ProviderCircuit(Base):
    """Whether a provider is worth asking, as all processes see it; a provider that never failed has no row."""

    __tablename__ = "provider_circuits"
    __table_args__ = (
        sa.CheckConstraint("failures >= 0", name="failures_is_not_negative"),
        at_most("last_error", 500),
    )

    provider: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    # Until then nobody asks; after it, whoever moves it on first may try.
    open_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(default="", server_default="")
    changed_at: Mapped[datetime]
