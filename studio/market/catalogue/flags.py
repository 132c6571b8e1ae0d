"""Flags: the reasons to look at a listing, raised by what happens and cleared by decisions; the desk shows them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.kit.text import excerpt
from studio.market.models import DETAIL_LENGTH, FlagKind, ReviewFlag


def put(session: Session, *, publication_id: UUID, kind: FlagKind, now: datetime, detail: str = "") -> None:
    """The listing is flagged; where it is already, the newer `detail` replaces the older."""
    values = {"detail": excerpt(detail, DETAIL_LENGTH)}
    session.execute(
        insert(ReviewFlag)
        .values(id=uuid7(), publication_id=publication_id, kind=kind, created_at=now, **values)
        .on_conflict_do_update(
            index_elements=[ReviewFlag.publication_id, ReviewFlag.kind],
            index_where=ReviewFlag.cleared_at.is_(None),
            set_=values,
        )
    )


def clear(session: Session, *, publication_id: UUID, now: datetime, kinds: Iterable[FlagKind] = FlagKind) -> None:
    """The flags of these kinds are down; by default all."""
    session.execute(
        sa.update(ReviewFlag)
        .where(
            ReviewFlag.publication_id == publication_id,
            ReviewFlag.kind.in_(list(kinds)),
            ReviewFlag.cleared_at.is_(None),
        )
        .values(cleared_at=sa.func.greatest(now, ReviewFlag.created_at))
        .execution_options(synchronize_session=False)
    )


def is_told() -> sa.ColumnElement[bool]:
    """Flags of which the desk says more than their name: why somebody raised them, or what alone can have changed."""
    return sa.or_(ReviewFlag.detail != "", ReviewFlag.kind == FlagKind.CHANGED_AFTER_APPROVAL)


def list_open(session: Session, *, publication_ids: Iterable[UUID]) -> Mapping[UUID, Sequence[ReviewFlag]]:
    """The flags that are up, oldest first, of each of these listings; in one statement."""
    wanted = set(publication_ids)
    found: dict[UUID, list[ReviewFlag]] = {}
    if wanted:
        rows = session.scalars(
            sa.select(ReviewFlag)
            .where(ReviewFlag.publication_id.in_(wanted), ReviewFlag.cleared_at.is_(None))
            .order_by(ReviewFlag.created_at, ReviewFlag.id)
        )
        for flag in rows:
            found.setdefault(flag.publication_id, []).append(flag)
    return found
