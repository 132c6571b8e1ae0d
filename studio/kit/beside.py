"""Short lists read beside one another: the n-th row of one statement has the n-th of each, so that a page asks once."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased


class Beside:
    """Lists of at most `most` each, put together and then fetched in one statement."""

    def __init__(self, *, most: int) -> None:
        self._places = sa.func.generate_series(1, most).table_valued("place", name="places").render_derived()
        self._from: Any = self._places
        self._columns: list[Any] = []

    @property
    def is_empty(self) -> bool:
        """Whether no list was put in, so that there is nothing to fetch."""
        return not self._columns

    def put(self, model: type[Any], *criteria: Any, order: Sequence[Any], most: int | None = None) -> Any:
        """Have the rows of `model` that fulfil the criteria fetched, the first `most` in this order; returns their alias."""
        place = sa.func.row_number().over(order_by=list(order)).label("place")
        numbered = sa.select(sa.inspect(model).local_table, place).where(*criteria).subquery()
        found = aliased(model, numbered)
        at = numbered.c.place == self._places.c.place
        self._from = sa.outerjoin(self._from, numbered, at if most is None else sa.and_(at, numbered.c.place <= most))
        self._columns.append(found)
        return found

    def join(self, target: Any, on: sa.ColumnElement[bool], *, column: Any = None) -> Any:
        """Have what belongs to each row of a list fetched with it: the whole of `target`, or one `column`; returns its key."""
        self._from = sa.outerjoin(self._from, target, on)
        self._columns.append(target if column is None else column)
        return self._columns[-1]

    def fetch(self, session: Session) -> "Fetched":
        """All lists, in one statement."""
        rows = session.execute(sa.select(*self._columns).select_from(self._from).order_by(self._places.c.place)).all()
        return Fetched(self._columns, rows)


class Fetched:
    """What was fetched, by the aliases and columns that `put` and `join` returned."""

    def __init__(self, columns: Sequence[Any], rows: Sequence[Any]) -> None:
        self._places = {id(column): place for place, column in enumerate(columns)}
        self._rows = rows

    def list(self, first: Any, *more: Any) -> "list[Any]":
        """The list of `first`; with `more`, tuples of it and what was joined to it."""
        places = [self._places[id(column)] for column in (first, *more)]
        found = [tuple(row[place] for place in places) for row in self._rows if row[places[0]] is not None]
        return found if more else [one[0] for one in found]
