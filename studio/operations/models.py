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
