"""Drafts that save themselves: kept in order, closed by a real save, discarded and taken back, forgotten after a month."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts.permissions import Actor
from studio.editing.errors import DraftTooLargeError
from studio.editing.models import Autosave, AutosaveState
from studio.editing.queries import autosave_visible_to
from studio.kit.errors import ForbiddenError, InvalidError
from studio.kit.text import storable

MOST_BYTES = 8 * 1024 * 1024
MOST_FIELDS = 4_000
MOST_OPEN = 20
"""Drafts that one person may have of one document; the oldest goes."""
ARE_KEPT = timedelta(days=30)
_LAST = 2**53
_NAME_LENGTH = 200


class Kept(StrEnum):
    """What became of a draft that was sent."""

    KEPT = "kept"
    OLDER = "older"
    """A later state of the same page is kept already."""
    CLOSED = "closed"
    """The page's text was saved for good, or discarded."""


def keep(
    session: Session,
    *,
    actor: Actor,
    resource: str,
    document_id: UUID,
    client_id: UUID,
    sequence: int,
    fields: Sequence[tuple[str, str]],
    continues: Iterable[UUID] = (),
    now: datetime,
) -> Kept:
    """The draft of this page is what was sent, unless a later state of it is kept already.

    The caller has made sure that the document is the actor's to change. `continues` are drafts
    whose text this page took over: they go. May be repeated. Raises ForbiddenError, InvalidError or DraftTooLargeError.
    """
    if actor.user_id is None:
        raise ForbiddenError
    _refuse_unusable(sequence, fields)
    version = next((value for name, value in fields if name == "row_version"), "")
    row = {
        "id": uuid7(),
        "user_id": actor.user_id,
        "resource": resource,
        "document_id": document_id,
        "client_id": client_id,
        "sequence": sequence,
        "state": AutosaveState.OPEN,
        "row_version": int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None,  # noqa: PLR2004 - What fits into the column.
        "fields": [[storable(name), storable(value)] for name, value in fields],
        "saved_at": now,
    }
    statement = insert(Autosave).values(row)
    written = session.scalar(
        statement.on_conflict_do_update(
            constraint="uq_autosaves_user_id_resource_document_id_client_id",
            set_={name: statement.excluded[name] for name in ("sequence", "row_version", "fields", "saved_at")},
            where=sa.and_(
                Autosave.sequence < statement.excluded.sequence,
                Autosave.state == AutosaveState.OPEN,
            ),
        ).returning(Autosave.id)
    )
    mine = _of(actor, resource, document_id)
    if written is None:
        state = session.scalar(sa.select(Autosave.state).where(*mine, Autosave.client_id == client_id))
        return Kept.OLDER if state is AutosaveState.OPEN else Kept.CLOSED
    taken_over = [one for one in continues if one != client_id]
    if taken_over:
        session.execute(
            sa.delete(Autosave).where(*mine, Autosave.client_id.in_(taken_over), Autosave.state == AutosaveState.OPEN)
        )
    _forget_oldest(session, mine)
    return Kept.KEPT


def close(
    session: Session,
    *,
    actor: Actor,
    resource: str,
    document_id: UUID,
    client_ids: Iterable[UUID],
    now: datetime,
) -> None:
    """What these pages had typed is saved for good: their drafts are gone, and one still on its way is refused."""
    if actor.user_id is None:
        return
    rows = [
        {
            "id": uuid7(),
            "user_id": actor.user_id,
            "resource": resource,
            "document_id": document_id,
            "client_id": client_id,
            "sequence": 0,
            "state": AutosaveState.SAVED,
            "fields": [],
            "saved_at": now,
        }
        for client_id in sorted(set(client_ids))
    ]
    if rows:
        session.execute(
            insert(Autosave)
            .values(rows)
            .on_conflict_do_update(
                constraint="uq_autosaves_user_id_resource_document_id_client_id",
                set_={"state": AutosaveState.SAVED, "fields": sa.literal([], Autosave.fields.type), "saved_at": now},
            )
        )


def discard(session: Session, *, actor: Actor, resource: str, document_id: UUID, client_id: UUID) -> bool:
    """The draft is offered no more; it can be taken back until it is forgotten. May be repeated."""
    return _turn(session, actor, resource, document_id, client_id, AutosaveState.OPEN, AutosaveState.DISCARDED)


def take_back(session: Session, *, actor: Actor, resource: str, document_id: UUID, client_id: UUID) -> bool:
    """A discarded draft is offered again. May be repeated."""
    return _turn(session, actor, resource, document_id, client_id, AutosaveState.DISCARDED, AutosaveState.OPEN)


def forget(session: Session, *, document_id: UUID) -> None:
    """All drafts of a document that is gone are gone."""
    session.execute(sa.delete(Autosave).where(Autosave.document_id == document_id))


def sweep(session: Session, *, now: datetime, limit: int = 1_000) -> int:
    """Delete at most `limit` drafts that nobody touched for thirty days; returns how many."""
    old = sa.select(Autosave.id).where(Autosave.saved_at < now - ARE_KEPT).order_by(Autosave.saved_at).limit(limit)
    gone = session.execute(sa.delete(Autosave).where(Autosave.id.in_(old)).returning(Autosave.id)).all()
    return len(gone)


def _refuse_unusable(sequence: int, fields: Sequence[tuple[str, str]]) -> None:
    if not 0 < sequence < _LAST:
        raise InvalidError("This draft has no usable number. Reload the page.")
    size = sum(len(name.encode("utf-8", "replace")) + len(value.encode("utf-8", "replace")) for name, value in fields)
    if size > MOST_BYTES:
        raise DraftTooLargeError(most=MOST_BYTES // (1024 * 1024))
    if len(fields) > MOST_FIELDS or any(len(name) > _NAME_LENGTH for name, _value in fields):
        raise InvalidError("This form has more fields than are kept by themselves. Save it now.")


def _of(actor: Actor, resource: str, document_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return autosave_visible_to(actor), Autosave.resource == resource, Autosave.document_id == document_id


def _turn(
    session: Session,
    actor: Actor,
    resource: str,
    document_id: UUID,
    client_id: UUID,
    was: AutosaveState,
    becomes: AutosaveState,
) -> bool:
    turned = session.scalar(
        sa.update(Autosave)
        .where(*_of(actor, resource, document_id), Autosave.client_id == client_id, Autosave.state == was)
        # It keeps its time: "unsaved work from 12:04" is still true when it is taken back.
        .values(state=becomes)
        .returning(Autosave.id)
    )
    return turned is not None


def _forget_oldest(session: Session, mine: tuple[sa.ColumnElement[bool], ...]) -> None:
    beyond = (
        sa.select(Autosave.id)
        .where(*mine, Autosave.state == AutosaveState.OPEN)
        .order_by(Autosave.saved_at.desc(), Autosave.id.desc())
        .offset(MOST_OPEN)
    )
    session.execute(sa.delete(Autosave).where(Autosave.id.in_(beyond)))
