"""Which errors, bulk changes and exports there are, and who may see them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.operations.models import BulkItem, BulkOutcome, BulkRun, ErrorGroup, ErrorLog, ListExport
from studio.operations.rules import as_reference


def error_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff and admins see the error log; nobody else does, not even their own errors."""
    return sa.true() if actor.may(Permission.ERROR_READ) else sa.false()


def bulk_run_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Who may see all jobs sees everybody's bulk changes; everybody else their own."""
    if actor.may(Permission.JOB_READ_ANY):
        return sa.true()
    if actor.may(Permission.JOB_READ_OWN) and actor.user_id is not None:
        return BulkRun.asked_by_id == actor.user_id
    return sa.false()


def list_export_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """An export is for whoever asked for it, and for nobody else."""
    if actor.may(Permission.JOB_READ_OWN) and actor.user_id is not None:
        return ListExport.asked_by_id == actor.user_id
    return sa.false()


def list_bulk_items(
    session: Session, *, run_id: UUID, outcome: BulkOutcome | None = None, after: int = -1, limit: int = 50
) -> Sequence[BulkItem]:
    """The rows of a run that the caller was allowed to see, in their order, those behind position `after`."""
    query = (
        sa.select(BulkItem)
        .where(BulkItem.run_id == run_id, BulkItem.position > after)
        .order_by(BulkItem.position)
        .limit(limit)
    )
    if outcome is not None:
        query = query.where(BulkItem.outcome == outcome)
    return session.scalars(query).all()


def list_groups(
    session: Session, *, actor: Actor, open_only: bool = False, before: datetime | None = None, limit: int = 50
) -> Sequence[ErrorGroup]:
    """The groups of errors, those seen last first; `before` is the `last_seen_at` of the last one on the page above."""
    query = (
        sa.select(ErrorGroup)
        .where(error_visible_to(actor))
        .order_by(ErrorGroup.last_seen_at.desc(), ErrorGroup.fingerprint.desc())
        .limit(limit)
    )
    if open_only:
        query = query.where(ErrorGroup.resolved_at.is_(None))
    if before is not None:
        query = query.where(ErrorGroup.last_seen_at < before)
    return session.scalars(query).all()


def get_group(session: Session, *, actor: Actor, fingerprint: str) -> ErrorGroup:
    """One group. Raises NotFoundError where there is none that the actor may see."""
    group = session.scalars(
        sa.select(ErrorGroup).where(error_visible_to(actor), ErrorGroup.fingerprint == fingerprint)
    ).one_or_none()
    if group is None:
        raise NotFoundError
    return group


def list_errors(
    session: Session, *, actor: Actor, fingerprint: str, limit: int = 50, before: tuple[datetime, UUID] | None = None
) -> Sequence[ErrorLog]:
    """The errors of one group, newest first; `before` is (`created_at`, `id`) of the last one on the page above."""
    query = (
        sa.select(ErrorLog)
        .where(error_visible_to(actor), ErrorLog.fingerprint == fingerprint)
        .order_by(ErrorLog.created_at.desc(), ErrorLog.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(sa.tuple_(ErrorLog.created_at, ErrorLog.id) < sa.tuple_(*map(sa.literal, before)))
    return session.scalars(query).all()


def find_error(session: Session, *, actor: Actor, reference: str) -> ErrorLog | None:
    """The error that a person quotes by its reference, however they typed it."""
    return session.scalars(
        sa.select(ErrorLog).where(error_visible_to(actor), ErrorLog.reference == as_reference(reference))
    ).one_or_none()


def count_by_hour(session: Session, *, actor: Actor, now: datetime, hours: int = 24) -> Sequence[tuple[datetime, int]]:
    """How many errors were kept in each of the last `hours` hours, oldest first; hours without one are there with 0."""
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    hour = sa.func.date_trunc("hour", ErrorLog.created_at, "UTC")
    rows = session.execute(
        sa.select(hour, sa.func.count()).where(error_visible_to(actor), ErrorLog.created_at >= start).group_by(hour)
    )
    counted: dict[datetime, int] = {row[0]: row[1] for row in rows}
    return [(moment, counted.get(moment, 0)) for moment in (start + timedelta(hours=n) for n in range(hours))]
