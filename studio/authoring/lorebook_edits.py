"""What a person does to a lorebook: settings, entries added, changed, moved, copied and deleted, and taken back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified, set_committed_value

from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.accounts.rules import fingerprint
from studio.authoring import documents, drafts, lorebook_rules, lorebook_states, lorebooks, queries, rules
from studio.authoring.errors import Difference, StaleEntryError
from studio.authoring.models import Character, Lorebook, LorebookEntry
from studio.cards import limits
from studio.cards.documents import Json
from studio.cards.lore_values import DEFAULT_ORDER, blank, with_values
from studio.editing import common_start
from studio.kit.errors import ConflictError, InvalidError, NotFoundError, StaleError

BOOK, ENTRY = "lorebook", "lorebook_entry"
"""Under which names the common start of a merge is kept: a book's settings, and each entry's values."""

_INVALID = "Some fields need another look. Nothing was saved yet, and nothing is lost."
_STALE = "Someone changed this lorebook in the meantime. Nothing was done. Look at it again, then repeat it."
_STALE_ENTRY = "Someone changed this entry in the meantime. Nothing was done. Look at it again, then repeat it."


def opened(session: Session, *, actor: Actor, character_id: UUID) -> tuple[Character, Lorebook]:
    """The character and its lorebook, an empty one where it has none, locked and open to changes by the actor.

    Raises NotFoundError or ArchivedCharacterError.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    lorebook = queries.find_lorebook(session, character_id=character.id)
    if lorebook is None:
        lorebook = lorebooks.replace(session, character, {"entries": [], "extensions": {}})
    if lorebook is None:
        raise NotFoundError
    return character, lorebook


def get_entry(session: Session, lorebook: Lorebook, *, entry_id: UUID) -> LorebookEntry:
    """One entry of this book; raises NotFoundError."""
    entry = session.scalar(
        sa.select(LorebookEntry).where(LorebookEntry.lorebook_id == lorebook.id, LorebookEntry.id == entry_id)
    )
    if entry is None:
        raise NotFoundError
    return entry


def save_settings(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    row_version: int,
    changes: Mapping[str, Any],
    now: datetime,
) -> Lorebook:
    """The book as a whole says these settings (`lorebook_rules.SETTINGS`); entries stay.

    Raises NotFoundError, InvalidError with a sentence for each field, or StaleEntryError where the settings were
    changed since `row_version` was read; that entries were changed is no matter.
    """
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    values, wrong = lorebook_rules.cleaned_settings(changes)
    if wrong:
        raise InvalidError(_INVALID, fields=wrong)
    document = lorebook_rules.changed_settings(lorebook.document, values)
    if document == lorebook.document:
        return lorebook
    before = settings_of(lorebook.document, values)
    if lorebook.row_version != row_version:
        start = _start(session, BOOK, lorebook.id, row_version, before)
        if start != before:
            raise StaleEntryError(
                row_version=lorebook.row_version,
                base=lorebook_rules.fingerprint(before),
                differences=_differences(before, values),
                theirs=before,
                start=start,
            )
    lorebooks.set_settings(lorebook, document)
    settle(
        session, character, lorebook, actor=actor, action="lorebook.save_settings", before=before, after=values, now=now
    )
    keep_settings(session, lorebook, before, actor=actor, now=now)
    return lorebook


def settings_of(document: Mapping[str, Any], names: Iterable[str] = lorebook_rules.SETTINGS) -> dict[str, Any]:
    """A book's settings as a form shows them."""
    values, _wrong = lorebook_rules.cleaned_settings({name: document.get(name) for name in names})
    return values


def keep_settings(
    session: Session, lorebook: Lorebook, before: Mapping[str, Any], *, actor: Actor, now: datetime
) -> None:
    """After a save: where the settings are not what they were before, a merge will know."""
    present = settings_of(lorebook.document, before)
    common_start.keep(
        session,
        actor=actor,
        resource=BOOK,
        document_id=lorebook.id,
        row_version=lorebook.row_version,
        before={name: value for name, value in before.items() if present.get(name) != value},
        now=now,
    )


def keep_entries(
    session: Session, lorebook: Lorebook, before: Mapping[UUID, Mapping[str, Any]], *, actor: Actor, now: datetime
) -> None:
    """After a save: what its changed fields said before, for each entry, for a merge."""
    common_start.keep_many(
        session, actor=actor, resource=ENTRY, row_version=lorebook.row_version, before=before, now=now
    )


def _start(
    session: Session, resource: str, document_id: UUID, row_version: int, current: Mapping[str, Any]
) -> dict[str, Any] | None:
    return common_start.find(
        session, resource=resource, document_id=document_id, row_version=row_version, current=current
    )


def add_entry(
    session: Session, *, actor: Actor, character_id: UUID, values: Mapping[str, Any], now: datetime
) -> LorebookEntry:
    """The book has one more entry, at its end. Raises NotFoundError, InvalidError, or ConflictError when it is full."""
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    refuse_full(session, lorebook)
    cleaned, wrong = lorebook_rules.cleaned({"insertion_order": DEFAULT_ORDER, **values})
    if wrong:
        raise InvalidError(_INVALID, fields=wrong)
    document = with_values(blank(cleaned["insertion_order"]), cleaned)
    entry = lorebooks.make_entry(lorebook.id, _next_position(session, lorebook), document)
    session.add(entry)
    settle(session, character, lorebook, actor=actor, action="lorebook.add_entry", after=_told(entry), now=now)
    return entry


def update_entry(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    entry_id: UUID,
    base: str,
    row_version: int,
    changes: Mapping[str, Any],
    now: datetime,
) -> LorebookEntry:
    """The entry says what was given, by the names of `lore_values.values_of`; all else of it stays.

    `base` is the entry's fingerprint when it was read, `row_version` the book's. Saves of different entries do not
    disturb each other. Raises NotFoundError, InvalidError, or StaleEntryError with both texts and their start where
    this very entry was changed in between.
    """
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    entry = get_entry(session, lorebook, entry_id=entry_id)
    values, wrong = lorebook_rules.cleaned(changes)
    if wrong:
        raise InvalidError(_INVALID, fields=wrong)
    was = lorebook_rules.shown(entry.document)
    changed = {name: value for name, value in values.items() if was[name] != value}
    if not changed:
        return entry
    present = lorebook_rules.fingerprint(entry.document)
    if present != base:
        raise StaleEntryError(
            row_version=lorebook.row_version,
            base=present,
            differences=_differences(was, values),
            theirs=was,
            start=_start(session, ENTRY, entry.id, row_version, was),
        )
    lorebooks.set_entry(entry, with_values(entry.document, changed))
    settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.update_entry",
        before={"entry": str(entry.id)} | {name: was[name] for name in changed},
        after={"entry": str(entry.id)} | changed,
        now=now,
    )
    keep_entries(session, lorebook, {entry.id: {name: was[name] for name in changed}}, actor=actor, now=now)
    return entry


def set_flag(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    entry_id: UUID,
    base: str,
    flag: str,
    value: bool,
    now: datetime,
) -> LorebookEntry:
    """The entry is on or off (`is_enabled`), always in or not (`is_constant`); its texts are not touched.

    Setting what is set already changes nothing. Raises NotFoundError, or StaleError where the entry is not any more
    what the grid showed of it: `base` is its `lorebook_rules.grid_token`.
    """
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    if flag not in {"is_enabled", "is_constant"}:
        raise NotFoundError
    entry = get_entry(session, lorebook, entry_id=entry_id)
    if getattr(entry, flag) is value:
        return entry
    if lorebook_rules.grid_token(entry) != base:
        raise StaleError(_STALE_ENTRY)
    lorebooks.set_entry(entry, with_values(entry.document, {flag: value}))
    settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.update_entry",
        before={"entry": str(entry.id), flag: not value},
        after={"entry": str(entry.id), flag: value},
        now=now,
    )
    keep_entries(session, lorebook, {entry.id: {flag: not value}}, actor=actor, now=now)
    return entry


def duplicate_entry(
    session: Session, *, actor: Actor, character_id: UUID, entry_id: UUID, now: datetime
) -> LorebookEntry:
    """The book has a copy of the entry right behind it, without its id. Raises NotFoundError or ConflictError."""
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    refuse_full(session, lorebook)
    entry = get_entry(session, lorebook, entry_id=entry_id)
    document = {key: value for key, value in entry.document.items() if key != "id"}
    session.execute(
        sa.update(LorebookEntry)
        .where(LorebookEntry.lorebook_id == lorebook.id, LorebookEntry.position > entry.position)
        .values(position=LorebookEntry.position + 1)
    )
    copy = lorebooks.make_entry(lorebook.id, entry.position + 1, document)
    session.add(copy)
    settle(session, character, lorebook, actor=actor, action="lorebook.add_entry", after=_told(copy), now=now)
    return copy


def move_entry(
    session: Session, *, actor: Actor, character_id: UUID, entry_id: UUID, way: str, row_version: int, now: datetime
) -> LorebookEntry:
    """The entry stands one place earlier or later in the book (`way` up, down), first or last.

    Raises NotFoundError, or StaleError where the book was changed since `row_version` was read: one place on from
    where somebody saw it is another place by then. Where there is no such place, nothing changes.
    """
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    entry = get_entry(session, lorebook, entry_id=entry_id)
    refuse_stale(lorebook, row_version)
    ids = list(
        session.scalars(
            sa.select(LorebookEntry.id).where(LorebookEntry.lorebook_id == lorebook.id).order_by(LorebookEntry.position)
        )
    )
    was = ids.index(entry.id)
    place = {"up": max(0, was - 1), "down": min(len(ids) - 1, was + 1), "first": 0, "last": len(ids) - 1}.get(way, was)
    if place == was:
        return entry
    ids.insert(place, ids.pop(was))
    session.execute(sa.update(LorebookEntry), [{"id": row_id, "position": at} for at, row_id in enumerate(ids)])
    settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.move_entry",
        after={"entry": str(entry.id), "position": place},
        now=now,
    )
    return entry


def delete_entries(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    entry_ids: Sequence[UUID],
    row_version: int,
    now: datetime,
) -> int:
    """These entries are gone, and can be brought back. Returns how many. Raises NotFoundError or StaleError."""
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    refuse_stale(lorebook, row_version)
    chosen = sa.and_(LorebookEntry.lorebook_id == lorebook.id, LorebookEntry.id.in_(entry_ids))
    if not session.scalar(sa.select(sa.func.count()).select_from(LorebookEntry).where(chosen)):
        return 0
    state = lorebook_states.keep(session, lorebook, actor=actor, action="delete", now=now)
    deleted = session.execute(sa.delete(LorebookEntry).where(chosen).returning(LorebookEntry.id)).all()
    settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.delete_entries",
        before={"entries": len(deleted)},
        after={},
        now=now,
    )
    state.row_version = lorebook.row_version
    return len(deleted)


def bring_back(
    session: Session, *, actor: Actor, character_id: UUID, state_id: UUID, row_version: int, now: datetime
) -> Lorebook:
    """The book is again as it was in that state; how it stood is kept as well, so this too can be taken back.

    Raises NotFoundError, or StaleError where the book was changed since `row_version` was read.
    """
    character, lorebook = opened(session, actor=actor, character_id=character_id)
    state = lorebook_states.get_state(session, lorebook, state_id=state_id)
    refuse_stale(lorebook, row_version)
    book = state.book
    kept = lorebook_states.keep(session, lorebook, actor=actor, action="undo", now=now)
    settings = settings_of(lorebook.document)
    lorebooks.replace(session, character, book)
    settle(
        session,
        character,
        lorebook,
        actor=actor,
        action="lorebook.bring_back",
        before={"entries": kept.entries},
        after={"entries": len(book["entries"])},
        now=now,
    )
    keep_settings(session, lorebook, settings, actor=actor, now=now)
    kept.row_version = lorebook.row_version
    return lorebook


def refuse_stale(lorebook: Lorebook, row_version: int) -> None:
    """Raise StaleError where the book was changed since `row_version` was read."""
    if lorebook.row_version != row_version:
        raise StaleError(_STALE)


def settle(
    session: Session,
    character: Character,
    lorebook: Lorebook,
    *,
    actor: Actor,
    action: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any],
    now: datetime,
) -> None:
    """The book has a new version, the character's hash and time say that it changed, and the audit log knows.

    The character's own version stays: whoever has its editor open in another window saves without a conflict.
    """
    lorebook.updated_at = now
    # Of two changes at one moment each makes a version.
    flag_modified(lorebook, "updated_at")
    settle_character(session, character, actor=actor, action=action, before=before or {}, after=after, now=now)


def settle_character(
    session: Session,
    character: Character,
    *,
    actor: Actor,
    action: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    now: datetime,
) -> None:
    """What `settle` does where the book itself is gone, or stands there as it shall stand."""
    session.flush()
    content_hash = rules.content_hash(documents.card_of(session, character))
    session.execute(
        sa.update(Character)
        .where(Character.id == character.id)
        .values(updated_at=now, content_hash=content_hash)
        .execution_options(synchronize_session=False)
    )
    set_committed_value(character, "updated_at", now)
    set_committed_value(character, "content_hash", content_hash)
    audit.record(
        session,
        actor=actor,
        action=action,
        resource="character",
        resource_id=character.id,
        before=_audited(before),
        after=_audited(after),
    )


def forget_starts(session: Session, *, character_id: UUID) -> None:
    """The book of a character that goes leaves nothing where merges look."""
    book = sa.select(Lorebook.id).where(Lorebook.character_id == character_id)
    entries = sa.select(LorebookEntry.id).where(LorebookEntry.lorebook_id.in_(book))
    common_start.forget_all(session, resource=BOOK, document_ids=book)
    common_start.forget_all(session, resource=ENTRY, document_ids=entries)


def refuse_full(session: Session, lorebook: Lorebook, *, more: int = 1) -> None:
    """Raise ConflictError where `more` entries would be too many."""
    count = session.scalar(
        sa.select(sa.func.count()).select_from(LorebookEntry).where(LorebookEntry.lorebook_id == lorebook.id)
    )
    if (count or 0) + more > limits.ENTRIES:
        raise ConflictError(
            "A lorebook holds %(most)s entries at most. Delete some, or give them to another character.",
            most=limits.ENTRIES,
        )


def _next_position(session: Session, lorebook: Lorebook) -> int:
    last = session.scalar(
        sa.select(sa.func.max(LorebookEntry.position)).where(LorebookEntry.lorebook_id == lorebook.id)
    )
    return 0 if last is None else last + 1


def _differences(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> tuple[Difference, ...]:
    return tuple(
        Difference(field=name, theirs=theirs.get(name), mine=value)
        for name, value in mine.items()
        if theirs.get(name) != value
    )


def _told(entry: LorebookEntry) -> Json:
    return {"entry": str(entry.id), "name": entry.name, "keys": len(entry.keys), "content": entry.content}


def _audited(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: fingerprint(value) if name in {"content", "description"} and isinstance(value, str) else value
        for name, value in values.items()
    }
