"""Earlier states of a lorebook: kept before something is taken away, and brought back when a person wants that."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from studio.accounts.permissions import Actor
from studio.authoring import lorebooks
from studio.authoring.models import Lorebook, LorebookState
from studio.kit.errors import NotFoundError

MOST_STATES = 8


def keep(session: Session, lorebook: Lorebook, *, actor: Actor, action: str, now: datetime) -> LorebookState:
    """The book as it stands is kept, to be brought back; the oldest beyond eight are gone."""
    book = lorebooks.whole_book(session, lorebook)
    state = LorebookState(
        lorebook_id=lorebook.id,
        action=action,
        entries=len(book["entries"]),
        book=book,
        row_version=lorebook.row_version,
        created_by_id=actor.user_id,
        created_at=now,
    )
    session.add(state)
    session.flush()
    newest = (
        sa.select(LorebookState.id)
        .where(LorebookState.lorebook_id == lorebook.id)
        .order_by(LorebookState.created_at.desc(), LorebookState.id.desc())
        .limit(MOST_STATES)
    )
    session.execute(
        sa.delete(LorebookState).where(LorebookState.lorebook_id == lorebook.id, LorebookState.id.not_in(newest))
    )
    return state


def list_states(session: Session, *, lorebook_id: UUID) -> Sequence[LorebookState]:
    """The states that are kept, newest first, without their books."""
    query = (
        sa.select(LorebookState)
        .where(LorebookState.lorebook_id == lorebook_id)
        .options(defer(LorebookState.book, raiseload=True))
        .order_by(LorebookState.created_at.desc(), LorebookState.id.desc())
    )
    return session.scalars(query).all()


def get_state(session: Session, lorebook: Lorebook, *, state_id: UUID) -> LorebookState:
    """One kept state of this book; raises NotFoundError."""
    state = session.scalar(
        sa.select(LorebookState).where(LorebookState.lorebook_id == lorebook.id, LorebookState.id == state_id)
    )
    if state is None:
        raise NotFoundError
    return state
