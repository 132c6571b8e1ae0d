"""What a creator's first page shows of their characters, in a handful of statements however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import queries, rules
from studio.authoring.models import (
    CardDocument,
    Character,
    CharacterStatus,
    CharacterVersion,
    DocumentState,
    FallbackReply,
    Greeting,
    GreetingKind,
)
from studio.editing.models import Autosave, AutosaveState
from studio.editing.queries import autosave_visible_to

# Completeness asks how long a description is up to here.
_DESCRIPTION_READ = 700
_MOST_COUNTED = 100
# The name under which the editor keeps what is typed.
_EDITOR = "characters"


@dataclass(frozen=True, slots=True)
class Overview:
    """A character as a tile: how far it is, and what is missing."""

    id: UUID
    name: str
    status: CharacterStatus
    portrait_id: UUID | None
    updated_at: datetime
    completeness: rules.Completeness


def list_own(session: Session, *, actor: Actor, limit: int) -> list[Overview]:
    """The actor's characters that are not archived, last changed first, without their long texts."""
    first = sa.select(sa.func.left(Greeting.content, 1)).where(
        Greeting.character_id == Character.id, Greeting.kind == GreetingKind.FIRST
    )
    replies = sa.select(sa.func.count()).where(FallbackReply.character_id == Character.id)
    rows = session.execute(
        sa.select(
            Character.id,
            Character.name,
            Character.status,
            Character.portrait_id,
            Character.updated_at,
            Character.tagline,
            Character.tags,
            Character.content_rating,
            sa.func.left(Character.description, _DESCRIPTION_READ).label("description"),
            sa.func.left(Character.personality, 1).label("personality"),
            sa.func.left(Character.scenario, 1).label("scenario"),
            sa.func.coalesce(first.limit(1).scalar_subquery(), "").label("greeting"),
            replies.scalar_subquery().label("replies"),
        )
        .where(
            Character.owner_id == actor.user_id,
            Character.status != CharacterStatus.ARCHIVED,
            queries.not_in_trash(),
        )
        .order_by(Character.updated_at.desc(), Character.id.desc())
        .limit(limit)
    )
    return [
        Overview(
            id=row.id,
            name=row.name,
            status=row.status,
            portrait_id=row.portrait_id,
            updated_at=row.updated_at,
            completeness=rules.completeness(
                rules.Facts(
                    values=row._asdict(),
                    greeting=row.greeting,
                    replies=row.replies,
                    has_portrait=row.portrait_id is not None,
                )
            ),
        )
        for row in rows
    ]


def list_own_versions(session: Session, *, actor: Actor, limit: int) -> Sequence[CharacterVersion]:
    """The versions that the actor made last, of characters that are theirs."""
    return session.scalars(
        sa.select(CharacterVersion)
        .join(Character, Character.id == CharacterVersion.character_id)
        .where(
            CharacterVersion.created_by_id == actor.user_id,
            Character.owner_id == actor.user_id,
            queries.not_in_trash(),
        )
        .order_by(CharacterVersion.created_at.desc(), CharacterVersion.id.desc())
        .limit(limit)
    ).all()


def count_own_previews(session: Session, *, actor: Actor) -> int:
    """How many cards the actor brought and has not confirmed; counted up to a hundred."""
    waiting = (
        sa.select(sa.literal(1))
        .where(CardDocument.owner_id == actor.user_id, CardDocument.state == DocumentState.PREVIEWED)
        .limit(_MOST_COUNTED)
        .subquery()
    )
    return session.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0


@dataclass(frozen=True, slots=True)
class Unsaved:
    """A character with something typed into its editor that was not saved."""

    id: UUID
    name: str
    saved_at: datetime


def list_own_unsaved(session: Session, *, actor: Actor, limit: int) -> list[Unsaved]:
    """The characters in whose editor the actor typed something that is not saved yet, the latest first."""
    latest = sa.func.max(Autosave.saved_at)
    rows = session.execute(
        sa.select(Character.id, Character.name, latest)
        .join(Autosave, Autosave.document_id == Character.id)
        .where(
            autosave_visible_to(actor),
            Autosave.resource == _EDITOR,
            Autosave.state == AutosaveState.OPEN,
            queries.character_writable_by(actor),
        )
        .group_by(Character.id)
        .order_by(latest.desc(), Character.id)
        .limit(limit)
    )
    return [Unsaved(*row) for row in rows]
