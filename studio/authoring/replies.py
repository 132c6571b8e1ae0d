"""What a character says when no model answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring import characters
from studio.authoring.models import Character
from studio.authoring.rules import ReplyDraft


def replace(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    row_version: int,
    replies: Sequence[ReplyDraft],
    now: datetime,
) -> Character:
    """The character has exactly these fallback replies in this order, empty ones left out.

    Raises what `characters.update` raises.
    """
    return characters.update(
        session, actor=actor, character_id=character_id, row_version=row_version, changes={}, replies=replies, now=now
    )
