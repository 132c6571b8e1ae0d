"""Tables of errors, of what is done to many rows at once, of exports, and of other work of the house."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, at_most, refers_to, stored
from studio.media.models import STORED_OBJECT


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


class BulkState(StrEnum):
    """Where something that is done to many rows stands."""

    PREVIEWING = "trying"
    PREVIEWED = "tried"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


class BulkOutcome(StrEnum):
    """What becomes of one row of many."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class BulkRun(Identified, Base):
    """One action on many rows by one person: first tried without effect, then done, row by row, and perhaps undone."""

    __tablename__ = "bulk_runs"
    __table_args__ = (
        sa.CheckConstraint(
            "total >= 0 AND changed >= 0 AND unchanged >= 0 AND refused >= 0", name="counts_are_not_negative"
        ),
        sa.CheckConstraint("changed + unchanged + refused <= total", name="no_more_is_done_than_there_is"),
        # A run that has ended has a moment for it; no other has.
        sa.CheckConstraint(
            "(state IN ('finished', 'stopped')) = (finished_at IS NOT NULL)", name="ended_goes_with_finished_at"
        ),
        # A run is undone at most once.
        sa.UniqueConstraint("undoes_id", name="uq_bulk_runs_undoes_id"),
        sa.Index("ix_bulk_runs_created_at_id", "created_at", "id"),
        sa.Index("ix_bulk_runs_asked_by_id_created_at", "asked_by_id", "created_at"),
    )

    action: Mapped[str]
    argument: Mapped[str] = mapped_column(default="", server_default="")
    asked_by_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    state: Mapped[BulkState] = mapped_column(stored(BulkState, "state"))
    undoes_id: Mapped[UUID | None] = refers_to("bulk_runs.id", ondelete="CASCADE", index=False)
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    changed: Mapped[int] = mapped_column(default=0, server_default="0")
    unchanged: Mapped[int] = mapped_column(default=0, server_default="0")
    refused: Mapped[int] = mapped_column(default=0, server_default="0")
    # Why it was stopped before its end, in a sentence.
    stopped_because: Mapped[str | None]
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class BulkItem(Base):
    """One row of a run: how it stood when it was chosen, what would become of it, what became of it, what it was before."""

    __tablename__ = "bulk_items"
    __table_args__ = (
        sa.CheckConstraint(
            "outcome = 'refused' OR sentence IS NULL OR outcome IS NULL", name="a_sentence_says_why_not"
        ),
        sa.Index("ix_bulk_items_pending", "run_id", "position", postgresql_where=sa.text("outcome IS NULL")),
        sa.Index("ix_bulk_items_run_id_outcome_position", "run_id", "outcome", "position"),
    )

    run_id: Mapped[UUID] = mapped_column(sa.ForeignKey("bulk_runs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row_id: Mapped[str]
    row_title: Mapped[str] = mapped_column(default="", server_default="")
    # The row's version when it was chosen: who saved since is not written over. None where rows have no version.
    row_version: Mapped[int | None]
    forecast: Mapped[BulkOutcome | None] = mapped_column(stored(BulkOutcome, "forecast"))
    outcome: Mapped[BulkOutcome | None] = mapped_column(stored(BulkOutcome, "outcome"))
    sentence: Mapped[str | None]
    before: Mapped[dict[str, Any] | None]
    version_after: Mapped[int | None]


class ListExport(Identified, Base):
    """A list that a job writes into a file, for whoever asked, until it expires."""

    __tablename__ = "list_exports"
    __table_args__ = (
        # What is finished can be fetched until a certain moment.
        sa.CheckConstraint(
            "(finished_at IS NULL) = (sha256 IS NULL) AND (finished_at IS NULL) = (expires_at IS NULL)",
            name="finished_goes_with_a_file",
        ),
        sa.Index("ix_list_exports_created_at_id", "created_at", "id"),
        sa.Index("ix_list_exports_asked_by_id_created_at", "asked_by_id", "created_at"),
        sa.Index("ix_list_exports_sha256", "sha256"),
    )

    asked_by_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    # Which list, and what its address asked of it: the job asks the list itself, as the person would.
    list_name: Mapped[str]
    arguments: Mapped[str] = mapped_column(default="", server_default="")
    locale: Mapped[str] = mapped_column(default="en", server_default="en")
    rows: Mapped[int] = mapped_column(default=0, server_default="0")
    sha256: Mapped[str | None] = mapped_column(info=STORED_OBJECT)
    size_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
