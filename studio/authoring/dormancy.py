"""Drafts that nobody touched for a year: told of for 30 days, then archived, and brought back or kept by one click."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor
from studio.authoring import characters, drafts, queries
from studio.authoring.models import Character, CharacterOrigin, CharacterStatus, DormancyNotice

UNTOUCHED_FOR = timedelta(days=365)
"""So long a draft lies before it is archived."""
TOLD_BEFORE = timedelta(days=30)
"""So long its owner is told before; never less, even where the studio was off in between."""
_AT_ONCE = 200
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Dormant:
    """A draft that lies still: which, since when, and when it is archived, or was."""

    character_id: UUID
    name: str
    portrait_id: UUID | None
    untouched_since: datetime
    archive_at: datetime
    archived_at: datetime | None


def last_touched() -> sa.ColumnElement[datetime]:
    """When somebody last changed or kept the draft."""
    return sa.func.greatest(Character.updated_at, Character.kept_at)


def tell(session: Session, *, now: datetime, limit: int = _AT_ONCE) -> int:
    """Owners of drafts that are archived in 30 days are told so; returns how many drafts, at most `limit`.

    May be repeated: a draft is told of once for each time that it falls asleep.
    """
    since = now - (UNTOUCHED_FOR - TOLD_BEFORE)
    is_told = sa.exists().where(
        DormancyNotice.character_id == Character.id, DormancyNotice.untouched_since >= last_touched()
    )
    due = session.execute(
        sa.select(Character.id, last_touched())
        .where(
            Character.status == CharacterStatus.DRAFT,
            Character.origin == CharacterOrigin.CREATOR,
            queries.not_in_trash(),
            Character.updated_at <= since,
            sa.or_(Character.kept_at.is_(None), Character.kept_at <= since),
            ~is_told,
        )
        .order_by(Character.updated_at, Character.id)
        .limit(limit)
        # One that is being saved at this moment is not asleep.
        .with_for_update(of=Character, key_share=True, skip_locked=True)
    ).all()
    if not due:
        return 0
    told = insert(DormancyNotice).values(
        [
            {
                "character_id": character_id,
                "untouched_since": touched,
                "told_at": now,
                "archive_at": max(touched + UNTOUCHED_FOR, now + TOLD_BEFORE),
                "archived_at": None,
            }
            for character_id, touched in due
        ]
    )
    names = ("untouched_since", "told_at", "archive_at", "archived_at")
    session.execute(
        told.on_conflict_do_update(
            index_elements=[DormancyNotice.character_id], set_={name: told.excluded[name] for name in names}
        )
    )
    return len(due)


def archive_due(session: Session, *, now: datetime, limit: int = _AT_ONCE) -> tuple[int, int]:
    """Drafts whose notice has run out are archived, and notices of drafts that somebody touched are gone.

    Returns how many notices were looked at, at most `limit`, and how many drafts were archived. May be repeated.
    """
    rows = session.execute(
        sa.select(DormancyNotice, Character, last_touched())
        .join(Character, Character.id == DormancyNotice.character_id)
        .where(DormancyNotice.archive_at <= now, DormancyNotice.archived_at.is_(None))
        .order_by(DormancyNotice.archive_at, DormancyNotice.character_id)
        .limit(limit)
        .with_for_update(of=Character, key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    archived = 0
    for notice, character, touched in rows:
        is_asleep = character.status is CharacterStatus.DRAFT and touched <= notice.untouched_since
        if character.trashed_at is not None or not is_asleep:
            session.delete(notice)
            continue
        characters.archive(session, actor=SYSTEM, character_id=character.id, now=now)
        notice.archived_at = now
        archived += 1
    session.flush()
    return len(rows), archived


def keep(session: Session, *, actor: Actor, character_id: UUID, now: datetime) -> Character:
    """The draft counts as touched now, without any change to what it says. May be repeated.

    Raises NotFoundError or ArchivedCharacterError.
    """
    character = drafts.locked(session, actor=actor, character_id=character_id)
    table: sa.Table = Character.__table__  # type: ignore[assignment]
    # Neither its row version nor its time of change moves: an editor that is open stays good.
    session.execute(table.update().where(table.c.id == character.id).values(kept_at=now, updated_at=table.c.updated_at))
    session.expire(character, ["kept_at"])
    session.execute(sa.delete(DormancyNotice).where(DormancyNotice.character_id == character.id))
    audit.record(
        session,
        actor=actor,
        action="character.keep_draft",
        resource="character",
        resource_id=character.id,
        after={"kept_at": now.isoformat()},
    )
    return character


def find(session: Session, *, character: Character) -> Dormant | None:
    """The notice about a character that the caller may read, while it holds."""
    return next(iter(_listed(session, sa.and_(Character.id == character.id), limit=1)), None)


def list_own(session: Session, *, actor: Actor, limit: int = _SHOWN) -> Sequence[Dormant]:
    """The actor's drafts that are archived soon, the next first."""
    if actor.user_id is None:
        return []
    own = sa.and_(
        queries.draft_visible_to(actor), Character.owner_id == actor.user_id, DormancyNotice.archived_at.is_(None)
    )
    return _listed(session, own, limit=limit)


def _listed(session: Session, criterion: sa.ColumnElement[bool], *, limit: int) -> Sequence[Dormant]:
    holds = sa.or_(
        sa.and_(
            Character.status == CharacterStatus.DRAFT,
            DormancyNotice.archived_at.is_(None),
            DormancyNotice.untouched_since >= last_touched(),
        ),
        sa.and_(Character.status == CharacterStatus.ARCHIVED, DormancyNotice.archived_at.is_not(None)),
    )
    rows = session.execute(
        sa.select(
            Character.id,
            Character.name,
            Character.portrait_id,
            DormancyNotice.untouched_since,
            DormancyNotice.archive_at,
            DormancyNotice.archived_at,
        )
        .join(DormancyNotice, DormancyNotice.character_id == Character.id)
        .where(criterion, holds, queries.not_in_trash())
        .order_by(DormancyNotice.archive_at, Character.id)
        .limit(limit)
    )
    return [Dormant(*row) for row in rows]
