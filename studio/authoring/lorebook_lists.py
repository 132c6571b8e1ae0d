"""Reading a lorebook's entries: searched, filtered, ordered, page by page, always within one book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from studio.authoring.models import LorebookEntry
from studio.kit.paging import Key, after, decode_cursor, encode_cursor
from studio.kit.text import escape_like, one_line

PAGE = 100
_MOST_TERMS = 8
_LONGEST_SEARCH = 200

ORDERS: Mapping[str, tuple[Key, ...]] = {
    "book": (Key(LorebookEntry.position),),
    "order": (Key(LorebookEntry.insertion_order), Key(LorebookEntry.position)),
    "name": (Key(LorebookEntry.name), Key(LorebookEntry.position)),
    "tokens": (Key(LorebookEntry.tokens, descending=True), Key(LorebookEntry.position)),
}
"""How the entries may be ordered; the place in the book makes each order total."""

_STATES: Mapping[str, sa.ColumnElement[bool]] = {
    "on": LorebookEntry.is_enabled.is_(True),
    "off": LorebookEntry.is_enabled.is_(False),
    "constant": LorebookEntry.is_constant.is_(True),
    "pattern": LorebookEntry.has_patterns.is_(True),
    "keyless": sa.and_(LorebookEntry.is_constant.is_(False), sa.func.cardinality(LorebookEntry.keys) == 0),
    "empty": LorebookEntry.content == "",
}
STATE_NAMES = tuple(_STATES)
"""What `Wanted.state` may ask for."""


@dataclass(frozen=True)
class Wanted:
    """Which entries are asked for: those with every word of `search`, in a state, in an order."""

    search: str = ""
    state: str = ""
    order: str = "book"


@dataclass(frozen=True)
class EntryPage:
    """Some entries without their texts, the place of the next page, and counts of all that match."""

    rows: Sequence[LorebookEntry]
    after: str | None
    count: int
    tokens: int


def criterion(lorebook_id: UUID, wanted: Wanted) -> sa.ColumnElement[bool]:
    """The entries of the book that `wanted` asks for."""
    parts: list[sa.ColumnElement[bool]] = [LorebookEntry.lorebook_id == lorebook_id]
    if wanted.state in _STATES:
        parts.append(_STATES[wanted.state])
    for term in one_line(wanted.search)[:_LONGEST_SEARCH].split(" ")[:_MOST_TERMS]:
        if term:
            pattern = f"%{escape_like(term)}%"
            parts.append(
                sa.or_(
                    LorebookEntry.name.ilike(pattern, escape="\\"),
                    LorebookEntry.content.ilike(pattern, escape="\\"),
                    sa.func.array_to_string(LorebookEntry.keys, "\n").ilike(pattern, escape="\\"),
                    sa.func.array_to_string(LorebookEntry.secondary_keys, "\n").ilike(pattern, escape="\\"),
                )
            )
    return sa.and_(*parts)


def list_entries(
    session: Session, *, lorebook_id: UUID, wanted: Wanted, cursor: str | None = None, limit: int = PAGE
) -> EntryPage:
    """One page of the book's entries, in two statements whatever its size. Raises BadCursorError."""
    keys = ORDERS.get(wanted.order, ORDERS["book"])
    chosen = criterion(lorebook_id, wanted)
    query = (
        sa.select(LorebookEntry)
        .where(chosen)
        .options(
            load_only(
                LorebookEntry.position,
                LorebookEntry.name,
                LorebookEntry.keys,
                LorebookEntry.secondary_keys,
                LorebookEntry.is_enabled,
                LorebookEntry.is_constant,
                LorebookEntry.insertion_order,
                LorebookEntry.place,
                LorebookEntry.tokens,
                LorebookEntry.has_patterns,
                raiseload=True,
            )
        )
        .order_by(*(key.order() for key in keys))
        .limit(limit + 1)
    )
    if cursor is not None:
        query = query.where(after(keys, decode_cursor(cursor, keys)))
    rows = list(session.scalars(query))
    count, tokens = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(LorebookEntry.tokens), 0)).where(chosen)
    ).one()
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = encode_cursor([getattr(rows[-1], key.column.key) for key in keys])
    return EntryPage(rows=rows, after=following, count=count, tokens=tokens)
