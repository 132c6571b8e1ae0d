"""The declarative base of every table: names, keys, times and types that all domains share."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column
from uuid_utils.compat import uuid7

_Row = TypeVar("_Row")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table of the studio; text is unbounded in its type and bounded by named CHECKs."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: sa.Text(),
        datetime: sa.DateTime(timezone=True),
        UUID: sa.Uuid(),
        bytes: sa.LargeBinary(),
        # None is no value here, not the JSON null.
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
        list[str]: ARRAY(sa.Text()),
    }


class Identified:
    """A row known by a UUID of version 7, so that newer rows sort after older ones."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-100)


class Timestamped:
    """A row that knows when it was made and last changed; the database's clock tells both."""

    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now(), sort_order=900)
    updated_at: Mapped[datetime] = mapped_column(server_default=sa.func.now(), onupdate=sa.func.now(), sort_order=901)


class RowVersioned:
    """A row that counts its changes, so that a save based on an old reading is refused and not written over."""

    row_version: Mapped[int] = mapped_column(default=1, server_default="1", sort_order=902)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 - SQLAlchemy calls it with the class.
        return {"version_id_col": cls.row_version}


def insert_new(session: Session, rows: Iterable[Base]) -> None:
    """Put rows in that are in no session and stay so: in bulk, objects cost the session several times what it inserts.

    Rows of a table that set the same columns go in by one prepared statement, tables in the order in which they come.
    What the database fills in is not read back.
    """
    kinds: dict[tuple[type[Base], tuple[str, ...]], list[dict[str, Any]]] = {}
    for row in rows:
        columns = sa.inspect(type(row)).column_attrs
        values = {column.columns[0].key: row.__dict__[column.key] for column in columns if column.key in row.__dict__}
        kinds.setdefault((type(row), tuple(values)), []).append(values)
    for (model, _), values_of in kinds.items():
        session.connection().execute(sa.insert(model), values_of)


def lock_row(session: Session, model: type[_Row], key: Any, *, key_share: bool = True) -> _Row | None:
    """The row with this primary key (a tuple where it has several columns), locked until the transaction ends; None for none.

    It says what stands in the database now, also where the session had read it before somebody else's change:
    `Session.get` with a lock raises StaleDataError there, or keeps the old values. Rows may come to refer to it meanwhile,
    unless `key_share` is False.
    """
    return session.scalars(_locking(model, key, key_share=key_share)).one_or_none()


def lock_one(session: Session, model: type[_Row], key: Any, *, key_share: bool = True) -> _Row:
    """As `lock_row`, of a row that must be there; raises NoResultFound."""
    return session.scalars(_locking(model, key, key_share=key_share)).one()


def _locking(model: type[_Row], key: Any, *, key_share: bool) -> sa.Select[_Row]:
    columns = sa.inspect(model).primary_key
    values = key if isinstance(key, tuple) else (key,)
    return (
        sa.select(model)
        .where(*(column == value for column, value in zip(columns, values, strict=True)))
        .with_for_update(key_share=key_share)
        .execution_options(populate_existing=True)
    )


def stored(kind: type[StrEnum], name: str) -> sa.Enum:
    """The column type that keeps `kind` by value, with a CHECK called `ck_<table>_<name>` that knows every value."""
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
        length=40,
        name=name,
    )


def at_most(column: str, length: int) -> sa.CheckConstraint:
    """The CHECK that `column` holds at most `length` characters; forms read the same number."""
    return sa.CheckConstraint(f"char_length({column}) <= {length}", name=f"{column}_at_most_{length}")


def refers_to(target: str, *, ondelete: str = "RESTRICT", index: bool = True, **options: Any) -> Mapped[Any]:
    """A foreign key to `target` ("users.id"), indexed, so that deleting the target never scans this table."""
    return mapped_column(sa.ForeignKey(target, ondelete=ondelete), index=index, **options)
