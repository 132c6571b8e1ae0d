"""Who may see which drafts, and reads of them."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from studio.accounts.permissions import Actor
from studio.editing.models import Autosave, AutosaveState

MOST_SHOWN = 5


def autosave_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """What somebody typed and has not saved is theirs alone, whatever roles others have."""
    return Autosave.user_id == actor.user_id if actor.user_id is not None else sa.false()


def list_open(session: Session, *, actor: Actor, resource: str, document_id: UUID) -> Sequence[Autosave]:
    """The actor's unsaved drafts of one document, newest first, with their fields."""
    query = (
        sa.select(Autosave)
        .where(
            autosave_visible_to(actor),
            Autosave.resource == resource,
            Autosave.document_id == document_id,
            Autosave.state == AutosaveState.OPEN,
        )
        .options(undefer(Autosave.fields))
        .order_by(Autosave.saved_at.desc(), Autosave.id.desc())
        .limit(MOST_SHOWN)
    )
    return session.scalars(query).all()


def find_open(session: Session, *, actor: Actor, resource: str, document_id: UUID, client_id: UUID) -> Autosave | None:
    """One of the actor's unsaved drafts, with its fields."""
    return session.scalar(
        sa.select(Autosave)
        .where(
            autosave_visible_to(actor),
            Autosave.resource == resource,
            Autosave.document_id == document_id,
            Autosave.client_id == client_id,
            Autosave.state == AutosaveState.OPEN,
        )
        .options(undefer(Autosave.fields))
    )
