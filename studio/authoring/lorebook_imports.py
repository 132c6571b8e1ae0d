"""Bringing a lorebook file into a character's book: first what it would do, then done, and taken back if need be."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring import lorebook_edits, lorebook_states, lorebooks
from studio.authoring.models import TEXT_LENGTH, Lorebook
from studio.cards import limits
from studio.cards.documents import Json, canonical
from studio.cards.lore_files import LoreReading, read_lorebook
from studio.kit.errors import ConflictError, InvalidError
from studio.kit.text import one_line, storable

MOST_SHOWN = 200


class Way(StrEnum):
    """What becomes of the entries that are there."""

    APPEND = "append"
    REPLACE = "replace"


class Fate(StrEnum):
    """What an import does to one entry."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True)
class Step:
    """What becomes of one entry: its title, its keys, and which of its keys change where it is changed."""

    fate: Fate
    title: str
    keys: tuple[str, ...]
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What an import would do; `steps` are the first 200 that change something, `counts` count all."""

    reading: LoreReading
    way: Way
    book: Json
    counts: dict[Fate, int]
    steps: tuple[Step, ...]


def plan(present: Json | None, data: bytes, *, filename: str = "", way: Way) -> Plan:
    """What bringing the file `data` into the book `present` would do; nothing is done.

    Appending adds new entries at the end, sets those anew that have the same id and title or the same keys and title,
    and keeps all others. Replacing leaves nothing but the file. Raises a CardError where the file holds no lorebook,
    InvalidError or ConflictError where the book would be beyond the limits.
    """
    reading = read_lorebook(data, filename=filename)
    if any(len(storable(entry["content"])) > TEXT_LENGTH for entry in reading.book["entries"]):
        raise InvalidError("An entry of the lorebook has more than 200,000 characters. Split it.")
    old = [] if present is None else present["entries"]
    book, steps = (_replaced if way is Way.REPLACE else _appended)(present, old, reading.book)
    if len(book["entries"]) > limits.ENTRIES:
        raise ConflictError(
            "A lorebook holds %(most)s entries at most. Delete some, or give them to another character.",
            most=limits.ENTRIES,
        )
    counts = {fate: sum(step.fate is fate for step in steps) for fate in Fate}
    shown = tuple(step for step in steps if step.fate is not Fate.SAME)[:MOST_SHOWN]
    return Plan(reading, way, book, counts, shown)


def bring(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    row_version: int,
    data: bytes,
    filename: str = "",
    way: Way,
    now: datetime,
) -> Lorebook:
    """The book is what `plan` said; how it was is kept and can be brought back.

    Raises what `plan` raises, NotFoundError, or StaleError where the book was changed since `row_version` was read.
    """
    actor.must(Permission.CARD_IMPORT)
    character, lorebook = lorebook_edits.opened(session, actor=actor, character_id=character_id)
    lorebook_edits.refuse_stale(lorebook, row_version)
    present = lorebooks.whole_book(session, lorebook)
    planned = plan(present, data, filename=filename, way=way)
    if planned.book == present:
        return lorebook
    state = lorebook_states.keep(session, lorebook, actor=actor, action=way.value, now=now)
    settings = lorebook_edits.settings_of(lorebook.document)
    lorebooks.replace(session, character, planned.book)
    lorebook_edits.settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.import",
        before={"entries": state.entries},
        after={
            "entries": len(planned.book["entries"]),
            "kind": planned.reading.kind,
            "way": way.value,
            "file": one_line(filename)[:200],
        },
        now=now,
    )
    lorebook_edits.keep_settings(session, lorebook, settings, actor=actor, now=now)
    state.row_version = lorebook.row_version
    return lorebook


def _replaced(_present: Json | None, old: list[Json], new: Json) -> tuple[Json, list[Step]]:
    matches = _matches(old, new["entries"])
    steps = [_step(entry, match) for entry, match in zip(new["entries"], matches, strict=True)]
    kept = {id(match) for match in matches if match is not None}
    steps += [Step(Fate.GONE, _title(entry), tuple(entry["keys"])) for entry in old if id(entry) not in kept]
    return new, steps


def _appended(present: Json | None, old: list[Json], new: Json) -> tuple[Json, list[Step]]:
    matches = _matches(old, new["entries"])
    steps = [_step(entry, match) for entry, match in zip(new["entries"], matches, strict=True)]
    instead = {id(match): entry for entry, match in zip(new["entries"], matches, strict=True) if match is not None}
    entries = [instead.get(id(entry), entry) for entry in old]
    entries += [entry for entry, match in zip(new["entries"], matches, strict=True) if match is None]
    # The book's own settings stay; an empty book takes those of the file.
    settings = new if not old else (present or new)
    return {**{key: value for key, value in settings.items() if key != "entries"}, "entries": entries}, steps


def _step(entry: Json, match: Json | None) -> Step:
    keys = tuple(entry["keys"])
    if match is None:
        return Step(Fate.NEW, _title(entry), keys)
    changed = tuple(
        key for key in dict.fromkeys((*match, *entry)) if match.get(key, _ABSENT) != entry.get(key, _ABSENT)
    )
    return Step(Fate.CHANGED if changed else Fate.SAME, _title(entry), keys, changed)


_ABSENT = object()


def _matches(old: list[Json], new: list[Json]) -> list[Json | None]:
    """For each new entry the old one that it is: equal, or with its title and id, or with its title and keys."""
    found: list[Json | None] = [None] * len(new)
    free = {id(entry): entry for entry in old}
    for mark in (canonical, _by_id, _by_keys):
        known: dict[Any, list[Json]] = {}
        for entry in free.values():
            known.setdefault(mark(entry), []).append(entry)
        for number, entry in enumerate(new):
            if found[number] is None and (key := mark(entry)) is not None and known.get(key):
                found[number] = known[key].pop(0)
                del free[id(found[number])]
    return found


def _by_id(entry: Json) -> Any:
    return (repr(entry["id"]), _title(entry)) if "id" in entry and _title(entry) else None


def _by_keys(entry: Json) -> Any:
    return (_title(entry), tuple(entry["keys"])) if entry["keys"] else None


def _title(entry: Json) -> str:
    return entry.get("name") or entry.get("comment") or ""
