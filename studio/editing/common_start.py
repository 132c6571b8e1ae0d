"""The common start of two people's saves: each save keeps what the fields that it changed said before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.accounts.permissions import Actor
from studio.editing.models import EarlierValues
from studio.editing.rules import UNKNOWN, plain, revived

ARE_KEPT = timedelta(days=30)
_MOST_STEPS = 500
"""Saves between a person's start and now that a merge looks back over; beyond, the start is not known."""


@dataclass(frozen=True)
class LastSave:
    """Who made the newest save, and when."""

    saved_by_id: UUID | None
    saved_at: datetime


def keep(
    session: Session,
    *,
    actor: Actor,
    resource: str,
    document_id: UUID,
    row_version: int,
    before: Mapping[str, Any],
    now: datetime,
) -> None:
    """The save that made `row_version` found these values in the fields that it changed.

    To be called by every service that changes what an editor shows, in the save's own transaction, when the row has its new version.
    """
    keep_many(session, actor=actor, resource=resource, row_version=row_version, before={document_id: before}, now=now)


def keep_many(
    session: Session,
    *,
    actor: Actor,
    resource: str,
    row_version: int,
    before: Mapping[UUID, Mapping[str, Any]],
    now: datetime,
) -> None:
    """As `keep`, for several documents that one save changed: what each found, by its id."""
    session.add_all(
        EarlierValues(
            resource=resource,
            document_id=document_id,
            row_version=row_version,
            values={name: plain(value) for name, value in values.items()},
            saved_by_id=actor.user_id,
            saved_at=now,
        )
        for document_id, values in before.items()
        if values
    )
    session.flush()


def find(
    session: Session, *, resource: str, document_id: UUID, row_version: int, current: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What the document said in version `row_version`, in the fields of `current`; None where nobody knows any more.

    `current` is what it says now, and shows of which kind each value is. A field whose old value
    cannot be read any more is left out.
    """
    steps = session.scalars(
        sa.select(EarlierValues)
        .where(
            EarlierValues.resource == resource,
            EarlierValues.document_id == document_id,
            EarlierValues.row_version > row_version,
        )
        .order_by(EarlierValues.row_version.desc(), EarlierValues.id.desc())
        .limit(_MOST_STEPS + 1)
    ).all()
    if len(steps) > _MOST_STEPS:
        return None
    values = dict(current)
    for step in steps:
        if step.values is None:
            return None
        values |= {name: value for name, value in step.values.items() if name in current}
    changed = {name for step in steps for name in step.values or {}}
    # A list that is empty now does not show of which kind its items were; both sides then hold plain values.
    read = {name: revived(value, current[name]) if name in changed else value for name, value in values.items()}
    return {name: value for name, value in read.items() if value is not UNKNOWN}


def find_last(session: Session, *, resource: str, document_id: UUID) -> LastSave | None:
    """Who made the newest save that is remembered."""
    row = session.execute(
        sa.select(EarlierValues.saved_by_id, EarlierValues.saved_at)
        .where(EarlierValues.resource == resource, EarlierValues.document_id == document_id)
        .order_by(EarlierValues.row_version.desc(), EarlierValues.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else LastSave(*row)


def forget(session: Session, *, resource: str, document_id: UUID) -> None:
    """A document that is gone leaves nothing here."""
    forget_all(session, resource=resource, document_ids=sa.select(sa.literal(document_id)))


def forget_all(session: Session, *, resource: str, document_ids: sa.Select[UUID]) -> None:
    """Documents that go leave nothing here."""
    session.execute(
        sa.delete(EarlierValues)
        .where(EarlierValues.resource == resource, EarlierValues.document_id.in_(document_ids))
        .execution_options(synchronize_session=False)
    )


def sweep(session: Session, *, now: datetime, limit: int = 1_000) -> int:
    """Forget at most `limit` values older than thirty days; returns how many.

    One mark for each document stays: who started before it is told that the start is not known.
    """
    old = (
        sa.select(EarlierValues.id)
        .where(EarlierValues.saved_at < now - ARE_KEPT, EarlierValues.values.is_not(None))
        .order_by(EarlierValues.saved_at)
        .limit(limit)
    )
    forgotten = session.execute(
        sa.update(EarlierValues)
        .where(EarlierValues.id.in_(old))
        .values(values=sa.null())
        .returning(EarlierValues.resource, EarlierValues.document_id)
        .execution_options(synchronize_session=False)
    ).all()
    if forgotten:
        newer = aliased(EarlierValues)
        session.execute(
            sa.delete(EarlierValues)
            .where(
                EarlierValues.document_id.in_({document_id for _resource, document_id in forgotten}),
                EarlierValues.values.is_(None),
                sa.exists().where(
                    newer.resource == EarlierValues.resource,
                    newer.document_id == EarlierValues.document_id,
                    newer.values.is_(None),
                    sa.tuple_(newer.row_version, newer.id) > sa.tuple_(EarlierValues.row_version, EarlierValues.id),
                ),
            )
            .execution_options(synchronize_session=False)
        )
    return len(forgotten)
