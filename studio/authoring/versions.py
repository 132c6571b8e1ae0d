"""Versions: what a character was at one moment, never changed afterwards; kept, compared, and brought back as new ones."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.authoring import characters, documents, drafts, fields, lorebooks, queries, rules
from studio.authoring.comparing import Comparison, Snapshot, compare
from studio.authoring.errors import MovedOnError, UnusableVersionError
from studio.authoring.models import Character, CharacterVersion, VersionOccasion
from studio.cards import round_trip
from studio.cards.documents import Json, copy_json
from studio.kit.text import excerpt

NOTE_LENGTH = 500
# These stand in every version; others only where somebody chose them, so that older versions still equal their drafts.
_ALWAYS = ("tagline", "relationships", "current_state", "language", "content_rating")
# What stands beside the card under another name than in our extension.
_NAMES = {"fallback_replies": "replies"}
_O = VersionOccasion


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of bringing a version back: the new version, and the one that undoes it."""

    version: CharacterVersion
    undone_by: int | None
    """The number of the version that says what the draft said before; None where it said the same."""
    is_whole: bool
    """Whether the draft says all that the version said; parts that no page edits may be left behind."""


def make(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    change_note: str = "",
    occasion: VersionOccasion = _O.SAVED,
    restored_from: int | None = None,
    now: datetime,
) -> CharacterVersion:
    """The draft as it stands is kept under the next number; equal to the newest version, that one is returned.

    Raises NotFoundError or ArchivedCharacterError.
    """
    # The lock on the character makes the numbers follow each other without a gap.
    character = drafts.locked(session, actor=actor, character_id=character_id)
    snapshot = snapshot_of_draft(session, character)
    newest = queries.find_newest_version(session, character_id=character.id)
    if newest is not None and is_same(snapshot, snapshot_of(newest)):
        return newest
    version = CharacterVersion(
        character_id=character.id,
        version_number=newest.version_number + 1 if newest is not None else 1,
        name=character.name,
        card=snapshot.card,
        studio=dict(snapshot.studio),
        portrait_id=snapshot.portrait_id,
        content_hash=rules.content_hash(snapshot.card),
        change_note=excerpt(change_note, NOTE_LENGTH),
        occasion=occasion,
        restored_from=restored_from,
        created_by_id=actor.user_id,
        created_at=now,
    )
    session.add(version)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="character.make_version",
        resource="character",
        resource_id=character.id,
        after={
            "version_number": version.version_number,
            "content_hash": version.content_hash,
            "occasion": occasion.value,
        },
    )
    return version


def restore(
    session: Session, *, actor: Actor, character_id: UUID, version_number: int, row_version: int, now: datetime
) -> Restored:
    """The draft says what the version said, and a new version says so too; what the draft said before is a version first.

    Restoring what the draft says already makes no second version. Raises NotFoundError, ArchivedCharacterError,
    MovedOnError where somebody saved since `row_version` was read, or UnusableVersionError where the version is
    beyond today's limits.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    version = queries.get_version(session, character_id=character.id, version_number=version_number)
    wanted, present = snapshot_of(version), snapshot_of_draft(session, character)
    if is_same(wanted, present):
        kept = make(
            session,
            actor=actor,
            character_id=character.id,
            occasion=_O.RESTORED,
            restored_from=version_number,
            now=now,
        )
        return Restored(kept, undone_by=None, is_whole=True)
    if character.row_version != row_version:
        raise MovedOnError
    before = make(
        session, actor=actor, character_id=character.id, occasion=_O.KEPT, restored_from=version_number, now=now
    )
    _write(session, character, wanted, present, actor=actor, now=now)
    made = make(
        session, actor=actor, character_id=character.id, occasion=_O.RESTORED, restored_from=version_number, now=now
    )
    audit.record(
        session,
        actor=actor,
        action="character.restore_version",
        resource="character",
        resource_id=character.id,
        before={"version_number": before.version_number},
        after={"version_number": made.version_number, "restored_from": version_number},
    )
    return Restored(made, undone_by=before.version_number, is_whole=is_same(wanted, snapshot_of(made)))


def _write(
    session: Session, character: Character, wanted: Snapshot, present: Snapshot, *, actor: Actor, now: datetime
) -> None:
    """The draft's fields, greetings, parts, lorebook and portrait are those of the snapshot."""
    card = _whole_card(wanted)
    values, wrong = fields.read(card)
    greetings, wrong_greetings = fields.read_greetings(card)
    wrong |= wrong_greetings | lorebooks.problems(card)
    if wrong:
        raise UnusableVersionError(wrong)
    if _book(wanted) != _book(present):
        lorebooks.write(session, character, card)
    parts = fields.read_parts(card)
    characters.update(
        session,
        actor=actor,
        character_id=character.id,
        row_version=character.row_version,
        # What the version does not say was as nobody chose it.
        changes={**fields.DEFAULTS, **values},
        greetings=greetings,
        **{one.name: getattr(parts, one.name) for one in dataclasses.fields(parts)},
        now=now,
    )
    if wanted.portrait_id != character.portrait_id:
        character.portrait_id = wanted.portrait_id
        drafts.ask_variants(session, character, actor=actor)
    # The lorebook and the portrait are part of what the card says.
    drafts.refresh(session, character, now=now)


def _whole_card(snapshot: Snapshot) -> Json:
    """The snapshot's card with all that stands beside it in our own extension, as an exported card has it."""
    beside = {_NAMES.get(key, key): value for key, value in snapshot.studio.items()}
    card: Json = copy_json(snapshot.card)
    card["data"].setdefault("extensions", {})[round_trip.NAMESPACE] = beside
    return card


def _book(snapshot: Snapshot) -> Any:
    return snapshot.card["data"].get("character_book")


def snapshot_of(version: CharacterVersion) -> Snapshot:
    """The version as it is compared."""
    return Snapshot(card=version.card, studio=version.studio, portrait_id=version.portrait_id)


def snapshot_of_draft(session: Session, character: Character) -> Snapshot:
    """What a version made now would keep."""
    return Snapshot(
        card=documents.card_of(session, character),
        studio=beside_the_card(session, character),
        portrait_id=character.portrait_id,
    )


def is_same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots say the same: not when, nor by which program."""
    return (
        one.portrait_id == other.portrait_id
        and dict(one.studio) == dict(other.studio)
        and rules.content_hash(one.card) == rules.content_hash(other.card)
    )


def compare_with_draft(session: Session, character: Character, version: CharacterVersion) -> Comparison:
    """What the draft says that the version did not."""
    return compare(snapshot_of(version), snapshot_of_draft(session, character))


def beside_the_card(session: Session, character: Character) -> dict[str, Any]:
    """What a version keeps and card formats have no place for, as JSON: profile, replies, scenes, context settings."""
    values = documents.values_of(character)
    parts = fields.plain(documents.parts_of(session, character))
    return {
        "profile": {**{column: values[column] for column in _ALWAYS}, **fields.profile_of(values)},
        "fallback_replies": parts.pop("replies", []),
        "scenes": parts.pop("scenes", []),
        **parts,
    }
