"""What a list page is made of: columns, filters, orders, and one page of rows by keyset."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from admin_views.row_net import SCOPED
from studio.accounts.permissions import Actor
from studio.kit.errors import InvalidError
from studio.kit.paging import COUNT_CAP, Key, after, capped_count, decode_cursor, encode_cursor
from studio.kit.text import bigrams, escape_like, folded, one_line

LONGEST_SEARCH = 200
_PLAN_FOR_THIS_TEXT = sa.text("SET LOCAL plan_cache_mode = force_custom_plan")
SHORTEST_TRIGRAM = 3
_MOST_TERMS = 8
_LASTS = 60.0
_MOST_ASKED = 1_000


@dataclass(frozen=True)
class Column:
    """One column of a list, a details page or an export.

    `cell` makes what the screen shows (text is escaped, Markup is not; see `admin_views.ui`), `plain` what an
    export holds; without them the attribute `name` is shown. `sort` names one of the view's `orders`.
    """

    name: str
    label: Any
    cell: Callable[[Any], Any] | None = None
    plain: Callable[[Any], Any] | None = None
    sort: str | None = None
    numeric: bool = False
    # Left out on a narrow screen.
    wide_only: bool = False

    def shown(self, row: Any) -> Any:
        """What the screen shows of `row` in this column."""
        return self.cell(row) if self.cell is not None else getattr(row, self.name)

    def exported(self, row: Any) -> Any:
        """What an export holds of `row` in this column."""
        return self.plain(row) if self.plain is not None else getattr(row, self.name)


class FilterKind(StrEnum):
    """How a filter is asked for on the screen."""

    CHOICE = "choice"
    TEXT = "text"
    DATE = "date"
    FLAG = "flag"


Choices: TypeAlias = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class Filter:
    """A filter, known in addresses by its name for ever: saved links keep their meaning.

    `criterion` gets the value that was asked for (a date for DATE, otherwise text) and answers with a criterion
    over the list's own rows; for what hangs on a row it is an EXISTS, so that no row appears twice.
    `choices` are the values of a CHOICE with their labels, or a function of the actor that gives them.
    """

    name: str
    label: Any
    criterion: Callable[[Any], sa.ColumnElement[bool]]
    kind: FilterKind = FilterKind.CHOICE
    choices: Choices | Callable[[Actor], Choices] = ()
    # Shown as a row of links over the list instead of a field.
    quick: bool = False

    def choices_for(self, actor: Actor) -> Choices:
        """The values that `actor` may choose from."""
        return self.choices(actor) if callable(self.choices) else self.choices

    def value(self, text: str, actor: Actor) -> Any:
        """`text` as `criterion` needs it; raises InvalidError for what is no choice or no date."""
        if self.kind is FilterKind.CHOICE and text not in {str(value) for value, _ in self.choices_for(actor)}:
            raise InvalidError("This filter does not know that value.", fields={self.name: "Choose one of the list."})
        if self.kind is FilterKind.DATE:
            try:
                day = date.fromisoformat(text)
            except ValueError:
                day = date.max
            # A filter may ask for the day after, which the last day that Python knows does not have.
            if day == date.max:
                raise InvalidError(
                    "Write the date as year-month-day, like 2026-11-22.", fields={self.name: "This is not a date."}
                )
            return day
        return one_line(text)[:LONGEST_SEARCH]


Orders: TypeAlias = Mapping[str, Sequence[Key]]
"""The ways in which a list can be ordered, by name, each as it runs when ascending."""


def by(*columns: Any, unique: Any, nullable: bool = False) -> tuple[Key, ...]:
    """An order by `columns`, ascending, made total by the column `unique`."""
    return (*(Key(column, nullable=nullable) for column in columns), Key(unique))


def turned(keys: Sequence[Key], *, descending: bool) -> tuple[Key, ...]:
    """`keys` as they are, or each of them the other way round."""
    return tuple(Key(key.column, key.descending != descending, key.nullable) for key in keys)


@dataclass
class ListState:
    """What the address of a list page asks for, checked."""

    search: str = ""
    sort: str = ""
    descending: bool = False
    filters: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    after: str | None = None
    before: str | None = None
    exact_count: bool = False
    # What could not be used, in sentences for the person.
    complaints: list[InvalidError] = field(default_factory=list)

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """The address's arguments, changed; a page's place is forgotten where anything else changes."""
        base: dict[str, Any] = {
            "q": self.search or None,
            "sort": self.sort or None,
            "desc": 1 if self.descending else 0,
            **self.filters,
        }
        base.update(changes)
        return {name: value for name, value in base.items() if value not in {None, ""}}


def read_state(
    args: "MultiDict[str, str]",
    *,
    filters: Sequence[Filter],
    orders: Orders,
    default_sort: tuple[str, bool],
    actor: Actor,
) -> ListState:
    """The list's state from the address; what is unknown is ignored, what is wrong is complained of and left out."""
    sort, descending = default_sort
    if args.get("sort") in orders:
        sort, descending = args["sort"], args.get("desc") == "1"
    state = ListState(
        search=one_line(args.get("q", ""))[:LONGEST_SEARCH],
        sort=sort,
        descending=descending,
        after=args.get("after") or None,
        before=args.get("before") or None,
        exact_count=args.get("count") == "exact",
    )
    for one in filters:
        text = args.get(one.name, "").strip()
        if not text:
            continue
        try:
            state.values[one.name] = one.value(text, actor)
            state.filters[one.name] = text
        except InvalidError as complaint:
            state.complaints.append(complaint)
    return state


@dataclass(frozen=True)
class RowPage:
    """One page of rows, and the cursors of its neighbours where there are any."""

    rows: list[Any]
    after: str | None
    before: str | None
    count: int
    is_capped: bool


class Asked:
    """What a view knows of lists that were asked for within a minute: which are long, and the statements of their pages.

    A key names who asks and everything that the rows depend on. That a list has more rows than are counted is believed
    for that long, so that paging does not count again; putting a statement together costs as much as all its rows, and a
    filter may speak of the present day.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def is_long(self, key: Hashable) -> bool:
        """Whether the list was long less than a minute ago."""
        return self._find(("long", key)) is not None

    def add_long(self, key: Hashable) -> None:
        """Remember that the list is long."""
        self._keep(("long", key), True)

    def statement(self, key: Hashable, make: Callable[[], sa.Select[Any]]) -> sa.Select[Any]:
        """The statement of `key`; `make` is asked for it where it was not there within the last minute."""
        found: sa.Select[Any] | None = self._find(("statement", key))
        if found is None:
            found = make()
            self._keep(("statement", key), found)
        return found

    def _find(self, key: Hashable) -> Any:
        until, found = self._kept.get(key, (0.0, None))
        return found if time.monotonic() < until else None

    def _keep(self, key: Hashable, value: object) -> None:
        if len(self._kept) >= _MOST_ASKED:
            self._kept.clear()
        self._kept[key] = time.monotonic() + _LASTS, value


def fetch_page(
    session: Session,
    query: Callable[[], sa.Select[Any]],
    *,
    keys: Sequence[Key],
    state: ListState,
    size: int,
    options: Sequence[Any] = (),
    columns: Sequence[Any] = (),
    asked: Asked,
    key: Hashable,
) -> RowPage:
    """One page of `query` (scoped and filtered, without an order) by keyset, with a count that is capped unless asked exact.

    With `columns` the page's rows hold these and nothing else, and `options` are not needed.
    Two statements (three for a search) and those of the eager loads, whatever the page; one less where `asked`
    knows that the list of this `key` passes the cap. Raises BadCursorError.
    """
    if state.search:
        # Without this, the fifth search would get a plan for an average text, which suits neither rare words nor common ones.
        session.execute(_PLAN_FOR_THIS_TEXT)
    backwards = state.before is not None
    cursor = state.before if backwards else state.after
    place = [] if cursor is None else decode_cursor(cursor, keys)
    shape = (state.sort, state.descending, backwards, size, tuple(value is None for value in place))

    def paged() -> sa.Select[Any]:
        made = query()
        made = made.with_only_columns(*columns) if columns else made.options(*options)
        if cursor is not None:
            bound = [
                None if value is None else sa.bindparam(f"place_{number}", type_=one.column.type)
                for number, (value, one) in enumerate(zip(place, keys, strict=True))
            ]
            made = made.where(after(keys, bound, backwards=backwards))
        made = made.order_by(*(_order(one, backwards=backwards) for one in keys)).limit(size + 1)
        return made.execution_options(**SCOPED)

    statement = asked.statement((key, shape), paged)
    values = {f"place_{number}": value for number, value in enumerate(place) if value is not None}
    rows: list[Any] = (
        list(session.execute(statement, values)) if columns else list(session.scalars(statement, values).unique())
    )
    has_more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_next = bool(rows) and (has_more or backwards)
    has_previous = bool(rows) and (has_more if backwards else cursor is not None)
    if not state.exact_count and asked.is_long(key):
        count, is_capped = COUNT_CAP, True
    else:
        count, is_capped = counted(session, query(), exact=state.exact_count)
        if is_capped:
            asked.add_long(key)
    return RowPage(
        rows=rows,
        after=_cursor(rows[-1], keys) if has_next and (has_more or backwards) else None,
        before=_cursor(rows[0], keys) if has_previous else None,
        count=count,
        is_capped=is_capped,
    )


def counted(session: Session, query: sa.Select[Any], *, exact: bool) -> tuple[int, bool]:
    """How many rows `query` has, up to the cap unless `exact`, and whether there are more."""
    if not exact:
        return capped_count(session, query)
    every = query.with_only_columns(sa.literal(1), maintain_column_froms=True).order_by(None).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(every)) or 0, False


def _order(key: Key, *, backwards: bool) -> sa.ColumnElement[Any]:
    if not backwards:
        return key.order()
    ordered = key.column.asc() if key.descending else key.column.desc()
    # Nulls are last forwards, so they come first on the way back.
    return ordered.nulls_first() if key.nullable else ordered


def _cursor(row: Any, keys: Sequence[Key]) -> str:
    return encode_cursor([getattr(row, key.column.key) for key in keys])


def contains(text: str, *columns: Any) -> sa.ColumnElement[bool]:
    """Rows of which some of `columns` contain every word of `text`, whatever the case; "%" is a per cent sign."""
    return sa.and_(
        sa.true(),
        *(
            sa.or_(*(column.ilike(f"%{escape_like(term)}%", escape="\\") for column in columns))
            for term in one_line(text).split(" ")[:_MOST_TERMS]
            if term
        ),
    )


def contains_folded(text: str, *, search_text: Any, pairs: Any) -> sa.ColumnElement[bool]:
    """Rows whose folded `search_text` contains every word of `text`, each by the index that is made for it.

    Words of three and more signs are found by trigrams. Shorter ones are below a trigram: Chinese ones and
    whole Latin ones stand in the array `pairs`. One word is never looked up in both, since
    PostgreSQL multiplies the two estimates, expects a handful of rows and sorts half the table.
    """
    criteria: list[sa.ColumnElement[bool]] = [sa.true()]
    for term in folded(one_line(text)).split(" ")[:_MOST_TERMS]:
        if not term:
            continue
        # A short term of mixed signs, such as "c+", is no piece of its own.
        if len(term) < SHORTEST_TRIGRAM and term in bigrams([term]):
            criteria.append(pairs.contains([term]))
        else:
            criteria.append(search_text.like(f"%{escape_like(term)}%", escape="\\"))
    return sa.and_(*criteria)


def as_uuid(text: Any) -> UUID | None:
    """`text` as an id, or None where it is none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def on_day(column: Any, *, since: bool) -> Callable[[Any], sa.ColumnElement[bool]]:
    """The criterion of a DATE filter: from that day on, or up to and with it, in UTC."""

    def criterion(day: date) -> sa.ColumnElement[bool]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        found: sa.ColumnElement[bool] = column >= midnight if since else column < midnight + timedelta(days=1)
        return found

    return criterion
