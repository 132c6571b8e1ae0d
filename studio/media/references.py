"""Who uses a file, and which rows speak of an object of the storage: asked of every table, so none is forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.kit.orm import Base
from studio.media.models import STORED_OBJECT, MediaFile

MOST_TOLD = 20
"""Uses of one table that are told one by one."""


@dataclass(frozen=True, slots=True)
class Use:
    """One row that uses a file; `row_id` is the row's own id."""

    table: str
    row_id: UUID


def is_used(file_id: sa.SQLColumnExpression[UUID]) -> sa.ColumnElement[bool]:
    """Whether anything holds on to the file: a foreign key that would refuse its deletion or lose it.

    A key that goes with the file (CASCADE: a variant, a place in a history) holds nothing.
    """
    return sa.or_(sa.false(), *(sa.exists().where(column == file_id) for _table, column in _holders()))


def uses_of(session: Session, *, file_id: UUID) -> Sequence[Use]:
    """The rows that use the file, at most twenty of each table."""
    asked = [
        sa.select(sa.literal(table.name).label("name"), _key(table).label("row_id"))
        .where(column == file_id)
        .limit(MOST_TOLD)
        .subquery()
        for table, column in _holders()
    ]
    if not asked:
        return []
    rows = session.execute(sa.union_all(*(sa.select(one.c.name, one.c.row_id) for one in asked)))
    return [Use(row.name, row.row_id) for row in rows]


def is_spoken_of(session: Session, sha256: str) -> bool:
    """Whether any row names the object with this hash."""
    return bool(spoken_of(session, [sha256]))


def spoken_of(session: Session, hashes: Sequence[str]) -> set[str]:
    """Those of the hashes whose objects some row names."""
    named = [
        sa.select(column).where(column.in_(hashes))
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.info.items() >= STORED_OBJECT.items()
    ]
    return set(session.scalars(sa.union(*named)))


def _key(table: sa.Table) -> sa.ColumnElement[UUID]:
    return next(iter(table.primary_key.columns))


def _holders() -> Sequence[tuple[sa.Table, sa.ColumnElement[UUID]]]:
    target = MediaFile.__table__
    return [
        (table, key.parent)
        for table in Base.metadata.sorted_tables
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
        if key.column.table is target and (key.ondelete or "RESTRICT").upper() != "CASCADE"
    ]
