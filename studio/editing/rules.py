"""Merging two people's saves of one document over the version that both started from: pure, by field, never silent."""

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final
from uuid import UUID

from studio.kit.matching import BoundedMatcher, Effort

MOST_PIECES = 20_000
"""Lines and sentences of one text that are compared; a longer text is chosen as a whole."""
_EFFORT = 1_000_000

# A text is merged by lines, and within a line by sentences: cards keep whole paragraphs on one line.
_PIECES = re.compile(r"[^\n.!?。！？…]*(?:[.!?。！？…]+[\"'”’」』)）]*[ \t]*\n?|\n|$)")


class Outcome(StrEnum):
    """What became of one field."""

    SAME = "same"
    """Both say the same."""
    MINE = "mine"
    """Only mine differs from the start."""
    THEIRS = "theirs"
    """Only theirs differs from the start."""
    MERGED = "merged"
    """Both changed it, in different places: both changes are in the proposal."""
    CONFLICT = "conflict"
    """Both changed the same place: a person chooses."""


class Unknown(Enum):
    """The one value of what is not known."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True)
class MergedField:
    """One field: what it said at the start (or UNKNOWN), what is saved now, what was about to be saved."""

    name: str
    base: Any
    theirs: Any
    mine: Any
    outcome: Outcome
    value: Any
    """What stands unless a person chooses: of a conflict, mine."""


class _ConflictError(Exception):
    """Both sides changed the same place."""


def merge(
    base: Mapping[str, Any] | None, theirs: Mapping[str, Any], mine: Mapping[str, Any], *, steps: int = _EFFORT
) -> list[MergedField]:
    """Every field of `mine` that `theirs` knows, merged; without `base`, whatever differs is a conflict.

    Values may be texts, lists, dataclasses, mappings and plain values, of the same kind on all sides.
    """
    effort = Effort(steps)
    return [
        _field(name, UNKNOWN if base is None else base.get(name, UNKNOWN), theirs[name], value, effort)
        for name, value in mine.items()
        if name in theirs
    ]


def _field(name: str, base: Any, theirs: Any, mine: Any, effort: Effort) -> MergedField:
    if same(theirs, mine):
        return MergedField(name, base, theirs, mine, Outcome.SAME, mine)
    if base is UNKNOWN:
        return MergedField(name, base, theirs, mine, Outcome.CONFLICT, mine)
    if same(base, theirs):
        return MergedField(name, base, theirs, mine, Outcome.MINE, mine)
    if same(base, mine):
        return MergedField(name, base, theirs, mine, Outcome.THEIRS, theirs)
    try:
        value = _merged(base, theirs, mine, effort)
    except _ConflictError:
        return MergedField(name, base, theirs, mine, Outcome.CONFLICT, mine)
    return MergedField(name, base, theirs, mine, Outcome.MERGED, value)


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same."""
    if one is UNKNOWN or other is UNKNOWN:
        return one is other
    return bool(one == other) or plain(one) == plain(other)


def plain(value: Any) -> Any:  # noqa: PLR0911 - One line for each kind of value.
    """`value` as JSON can hold it; `revived` makes it what it was."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(one) for one in value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def revived(value: Any, like: Any) -> Any:
    """What `plain` made `value` of, of the same kind as `like`; UNKNOWN where it cannot be that any more."""
    try:
        if dataclasses.is_dataclass(like) and not isinstance(like, type):
            known = {field.name for field in dataclasses.fields(like)}
            if not isinstance(value, Mapping) or set(value) - known:
                return UNKNOWN
            parts = {name: revived(one, getattr(like, name)) for name, one in value.items()}
            return UNKNOWN if UNKNOWN in parts.values() else type(like)(**parts)
        if isinstance(like, (list, tuple)) and isinstance(value, list):
            items = [revived(one, like[0]) if like else one for one in value]
            return UNKNOWN if any(one is UNKNOWN for one in items) else type(like)(items)
        if isinstance(like, (Enum, UUID)) and value is not None:
            return type(like)(value)
    except (TypeError, ValueError):
        return UNKNOWN
    return value


def _merged(base: Any, theirs: Any, mine: Any, effort: Effort) -> Any:
    """Both changes in one value; raises _ConflictError where they meet."""
    for one, other, chosen in ((theirs, mine, mine), (base, theirs, mine), (base, mine, theirs)):
        if same(one, other):
            return chosen
    if isinstance(base, str) and isinstance(theirs, str) and isinstance(mine, str):
        return _merged_text(base, theirs, mine, effort)
    if dataclasses.is_dataclass(mine) and type(base) is type(theirs) is type(mine):
        names = [field.name for field in dataclasses.fields(mine)]
        kind: Any = type(mine)
        return kind(
            **{name: _merged(getattr(base, name), getattr(theirs, name), getattr(mine, name), effort) for name in names}
        )
    if all(isinstance(side, Mapping) for side in (base, theirs, mine)):
        return _merged_mapping(base, theirs, mine, effort)
    if all(isinstance(side, (list, tuple)) for side in (base, theirs, mine)):
        return type(mine)(_merged_list(list(base), list(theirs), list(mine), effort))
    raise _ConflictError


def _merged_mapping(
    base: Mapping[str, Any], theirs: Mapping[str, Any], mine: Mapping[str, Any], effort: Effort
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key in dict.fromkeys((*theirs, *mine)):
        sides = (base.get(key, UNKNOWN), theirs.get(key, UNKNOWN), mine.get(key, UNKNOWN))
        value = _merged(*sides, effort)
        if value is not UNKNOWN:
            result[key] = value
    return result


def _merged_text(base: str, theirs: str, mine: str, effort: Effort) -> str:
    pieces = [_PIECES.findall(side) for side in (base, theirs, mine)]
    if max(map(len, pieces)) > MOST_PIECES:
        raise _ConflictError
    result: list[str] = []
    for old, one, other in _regions(pieces[0], pieces[1], pieces[2], effort):
        if old and len(old) == len(one) == len(other):
            # Neighbouring sentences, each changed by one of them.
            for a, b, c in zip(old, one, other, strict=True):
                result += _chosen([a], [b], [c])
        else:
            result += _chosen(old, one, other)
    return "".join(result)


def _chosen(old: Sequence[str], one: Sequence[str], other: Sequence[str]) -> Sequence[str]:
    if other in (one, old):
        return one
    if one == old:
        return other
    raise _ConflictError


def _merged_list(base: list[Any], theirs: list[Any], mine: list[Any], effort: Effort) -> list[Any]:
    """Lists are merged item by item: what either added is in, what either took out is gone, edits meet in the item."""
    keys = [[_key(item) for item in side] for side in (base, theirs, mine)]
    known = {
        key: item
        for side, items in zip(keys, (base, theirs, mine), strict=True)
        for key, item in zip(side, items, strict=True)
    }
    result: list[Any] = []
    for old, one, other in _regions(keys[0], keys[1], keys[2], effort):
        try:
            chosen = _chosen(old, one, other)
        except _ConflictError:
            result += _merged_items(old, one, other, known, effort)
        else:
            result += [known[key] for key in chosen]
    if any(len(set(side)) != len(side) for side in keys):
        return result
    # What one side moved and the other took out is gone, and what both put in at two places is in once.
    gone = set(keys[0]) - (set(keys[1]) & set(keys[2]))
    return list({key: item for item in result if (key := _key(item)) not in gone}.values())


def _key(item: Any) -> str:
    return json.dumps(plain(item), sort_keys=True, ensure_ascii=False)


def _merged_items(
    old: Sequence[str], one: Sequence[str], other: Sequence[str], known: Mapping[str, Any], effort: Effort
) -> list[Any]:
    if old and len(old) == len(one) == len(other):
        return [_merged(known[a], known[b], known[c], effort) for a, b, c in zip(old, one, other, strict=True)]
    added = [[key for key in side if key not in old] for side in (one, other)]
    dropped = [{key for key in old if key not in side} for side in (one, other)]
    # Who both took out and put in may have edited: with a change of the other side in the same place nobody can tell.
    if any(new and gone for new, gone in zip(added, dropped, strict=True)):
        raise _ConflictError
    kept = [key for key in (one if added[0] or not added[1] else other) if key not in dropped[0] | dropped[1]]
    more = added[1] if added[0] or not added[1] else []
    return [known[key] for key in (*kept, *(key for key in more if key not in kept))]


def _regions(
    base: Sequence[str], theirs: Sequence[str], mine: Sequence[str], effort: Effort
) -> Iterable[tuple[Sequence[str], Sequence[str], Sequence[str]]]:
    """The three sequences cut at what all of them share: joined, the parts of each give it back."""
    a = b = c = 0
    for start, in_theirs, in_mine, length in _shared(base, theirs, mine, effort):
        if start > a or in_theirs > b or in_mine > c:
            yield base[a:start], theirs[b:in_theirs], mine[c:in_mine]
        if length:
            yield (base[start : start + length],) * 3
        a, b, c = start + length, in_theirs + length, in_mine + length


def _shared(
    base: Sequence[str], theirs: Sequence[str], mine: Sequence[str], effort: Effort
) -> Iterable[tuple[int, int, int, int]]:
    """(place in base, in theirs, in mine, length) of each run that all three have, and the end of all three."""
    left = BoundedMatcher(base, theirs, effort=effort, autojunk=False).get_matching_blocks()
    right = BoundedMatcher(base, mine, effort=effort, autojunk=False).get_matching_blocks()
    i = j = 0
    while i < len(left) and j < len(right):
        one, other = left[i], right[j]
        start, end = max(one.a, other.a), min(one.a + one.size, other.a + other.size)
        if start < end:
            yield start, one.b + start - one.a, other.b + start - other.a, end - start
        if one.a + one.size < other.a + other.size:
            i += 1
        else:
            j += 1
    yield len(base), len(theirs), len(mine), 0
