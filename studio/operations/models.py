"""Tables of errors."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, at_most, refers_to, stored


class ErrorSource(StrEnum):
    """Where an error happened."""

    REQUEST = "request"
    JOB = "job"
    COMMAND = "command"


class ErrorGroup(Base):
    """All errors with one fingerprint: the same type at the same place."""

    __tablename__ = "error_groups"
    __table_args__ = (
        sa.CheckConstraint("count > 0", name="count_is_positive"),
        sa.Index("ix_error_groups_last_seen_at_fingerprint", "last_seen_at", "fingerprint"),
    )

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    error_type: Mapped[str]
    message: Mapped[str]
    count: Mapped[int] = mapped_column(sa.BigInteger, default=1)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    resolved_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")


class ErrorLog(Identified, Base):
    """One error that nobody handled, with the reference that the person saw."""

    __tablename__ = "error_logs"
    __table_args__ = (
        sa.Index("ix_error_logs_created_at_id", "created_at", "id"),
        sa.Index("ix_error_logs_fingerprint_created_at", "fingerprint", "created_at"),
        at_most("message", 4000),
        at_most("stack_trace", 40_000),
    )

    reference: Mapped[str] = mapped_column(unique=True)
    fingerprint: Mapped[str] = mapped_column(sa.ForeignKey("error_groups.fingerprint", ondelete="CASCADE"))
    source: Mapped[ErrorSource] = mapped_column(stored(ErrorSource, "source"))
    error_type: Mapped[str]
    message: Mapped[str]
    stack_trace: Mapped[str]
    # The route, the job's name or the command; never arguments.
    place: Mapped[str] = mapped_column(default="", server_default="")
    user_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    session_ref: Mapped[str | None]
    request_id: Mapped[str | None] = mapped_column(index=True)
    job_id: Mapped[UUID | None] = refers_to("job_runs.id", ondelete="SET NULL")
    created_at: Mapped[datetime]


class RunState(StrEnum):
    """Where a backup, a piece of maintenance or an import stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Backup(Identified, Base):
    """One backup: where it lies, how large it is, its checksum, and whether a restore of it was seen to work."""

    __tablename__ = "backups"
    __table_args__ = (
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished_goes_with_state"),
        sa.CheckConstraint("state <> 'succeeded' OR sha256 IS NOT NULL", name="succeeded_has_a_checksum"),
        sa.Index("ix_backups_started_at_id", "started_at", "id"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    state: Mapped[RunState] = mapped_column(stored(RunState, "state"), default=RunState.RUNNING)
    size_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)
    sha256: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    restore_verified_at: Mapped[datetime | None]
    error_message: Mapped[str | None]


class MaintenanceRun(Identified, Base):
    """One piece of maintenance: what was cleaned, and how much."""

    __tablename__ = "maintenance_runs"
    __table_args__ = (
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished_goes_with_state"),
        sa.Index("ix_maintenance_runs_started_at_id", "started_at", "id"),
    )

    name: Mapped[str]
    state: Mapped[RunState] = mapped_column(stored(RunState, "state"), default=RunState.RUNNING)
    rows_changed: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error_message: Mapped[str | None]


class HealthSample(Base):
    """One number about the studio at one moment, for charts."""

    __tablename__ = "health_samples"

    name: Mapped[str] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[float] = mapped_column(sa.Double)


class ImportRun(Identified, Base):
    """One bringing-in of many rows: of another platform, or of a folder of cards."""

    __tablename__ = "import_runs"
    __table_args__ = (
        sa.CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="finished_goes_with_state"),
    )

    source: Mapped[str]
    state: Mapped[RunState] = mapped_column(stored(RunState, "state"), default=RunState.RUNNING)
    asked_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="SET NULL")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImportOutcome(StrEnum):
    """What became of one item of an import."""

    MADE = "made"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class ImportItem(Identified, Base):
    """One item of an import and what became of it; bringing it twice changes nothing."""

    __tablename__ = "import_items"
    __table_args__ = (sa.UniqueConstraint("run_id", "kind", "legacy_id", name="uq_import_items_run_id_kind_legacy_id"),)

    run_id: Mapped[UUID] = refers_to("import_runs.id", ondelete="CASCADE", index=False)
    kind: Mapped[str]
    legacy_id: Mapped[str]
    outcome: Mapped[ImportOutcome] = mapped_column(stored(ImportOutcome, "outcome"))
    row_id: Mapped[UUID | None]
    message: Mapped[str] = mapped_column(default="", server_default="")
