"""Keyset paging and capped counts: a list costs the same on its first page and on its last."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from studio.kit.errors import InvalidError
from studio.kit.text import storable

_LONGEST_CURSOR = 2_000
# What an integer and a bigint of PostgreSQL hold; it refuses a larger number with an error.
_LARGEST = {False: 2**31 - 1, True: 2**63 - 1}

COUNT_CAP = 10_000
"""Counting stops here; the screen then says "10,000+"."""


class BadCursorError(InvalidError):
    """The page's address was cut short or made up."""

    status = 400

    def __init__(self) -> None:
        super().__init__("This page's address is not complete. Go back to the first page of the list.")


@dataclass(frozen=True, slots=True)
class Key:
    """One column of the order, and which way it runs; the last key of an order is always unique."""

    column: InstrumentedAttribute[Any]
    descending: bool = False
    nullable: bool = False

    def order(self) -> sa.ColumnElement[Any]:
        """The ORDER BY of this key; nulls come last whichever way it runs."""
        ordered = self.column.desc() if self.descending else self.column.asc()
        return ordered.nulls_last() if self.nullable else ordered


def encode_cursor(values: Sequence[Any]) -> str:
    """The opaque text that stands for one row's place in an order."""
    text = json.dumps([_to_json(value) for value in values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, keys: Sequence[Key]) -> list[Any]:
    """The values that `encode_cursor` was given, typed by `keys`; raises BadCursorError for anything else."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(keys) or len(cursor) > _LONGEST_CURSOR:
            raise BadCursorError
        return [_from_json(value, key) for value, key in zip(values, keys, strict=True)]
    except (binascii.Error, ValueError, UnicodeDecodeError, TypeError, ArithmeticError, RecursionError):
        raise BadCursorError from None


def after(keys: Sequence[Key], values: Sequence[Any], *, backwards: bool = False) -> sa.ColumnElement[bool]:
    """The criterion for rows that come after (or, backwards, before) the row with `values` in the order of `keys`.

    A value may be a bound parameter instead, for a statement that is asked again with other values; None may not.
    """
    same_way = len({key.descending for key in keys}) == 1 and not any(key.nullable for key in keys)
    if same_way:
        # A row comparison is one index range; an OR of ANDs is not.
        left = sa.tuple_(*(key.column for key in keys))
        right = sa.tuple_(*(_bound(v, key) for v, key in zip(values, keys, strict=True)))
        return left < right if keys[0].descending != backwards else left > right
    branches: list[sa.ColumnElement[bool]] = []
    for index, key in enumerate(keys):
        equal = [
            k.column.is_(None) if v is None else k.column == v
            for k, v in zip(keys[:index], values[:index], strict=True)
        ]
        branches.append(sa.and_(sa.true(), *equal, _beyond(key, values[index], backwards=backwards)))
    return sa.or_(*branches)


def _bound(value: Any, key: Key) -> sa.ColumnElement[Any]:
    return value if isinstance(value, sa.BindParameter) else sa.literal(value, key.column.type)


def _beyond(key: Key, value: Any, *, backwards: bool) -> sa.ColumnElement[bool]:
    if value is None:
        # Nulls are last: nothing comes after them, and every value comes before.
        return key.column.is_not(None) if backwards else sa.false()
    beyond = key.column < value if key.descending != backwards else key.column > value
    return sa.or_(beyond, key.column.is_(None)) if key.nullable and not backwards else beyond


def capped_count(session: Session, query: sa.Select[Any], *, cap: int = COUNT_CAP) -> tuple[int, bool]:
    """How many rows `query` has, counted up to `cap`, and whether there are more."""
    limited = (
        query.with_only_columns(sa.literal(1), maintain_column_froms=True).order_by(None).limit(cap + 1).subquery()
    )
    count = session.scalar(sa.select(sa.func.count()).select_from(limited)) or 0
    return min(count, cap), count > cap


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    return value


def _from_json(value: Any, key: Key) -> Any:
    if value is None:
        if key.nullable:
            return None
        raise BadCursorError
    kind = key.column.type.python_type
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise BadCursorError
        return moment
    if kind is UUID:
        return UUID(value)
    if kind is Decimal:
        return Decimal(value)
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, (str, int, float)):
        raise BadCursorError
    if issubclass(kind, str):
        if not isinstance(value, str) or storable(value) != value:
            raise BadCursorError
        return kind(value)
    return _bounded(kind(value), key)


def _bounded(number: Any, key: Key) -> Any:
    if isinstance(number, int) and abs(number) > _LARGEST[isinstance(key.column.type, sa.BigInteger)]:
        raise BadCursorError
    return number
