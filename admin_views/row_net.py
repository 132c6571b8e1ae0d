"""The second net under row scopes: what a request reads of owned rows is cut to what its person can ever be shown.

Every read names its scope (`…_visible_to(actor)`): that is the first net, and the narrower one. Should one be forgotten,
this one still holds: rows of others' drafts, imports, unsaved work, files, pictures and speech do not leave the session of a request. It knows
the union of all that any screen shows a person. Jobs, commands and the error log have sessions of their own, without it.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import g, has_request_context
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.sql.util import ClauseAdapter

from admin_views.session import current_actor
from studio.accounts.permissions import Actor, Permission, RoleName
from studio.authoring import queries as authoring
from studio.authoring.models import CardDocument, Character
from studio.editing.models import Autosave
from studio.editing.queries import autosave_visible_to
from studio.media import queries as media
from studio.media.models import ImageGeneration, MediaFile, MediaPurpose, MediaUpload
from studio.voices import queries as voices
from studio.voices.models import SpeechSynthesis, VoiceConfiguration

SCOPED = {"is_scoped": True}
"""The execution options of a statement that is not cut: the base view's list, whose scope is put on in one place, and what a
signed link names."""
_MOST_KEPT = 4_000


def hang(session_class: type[Session]) -> None:
    """Have every statement of `session_class` that reads or changes owned rows cut to the present person's."""
    sa.event.listen(session_class, "do_orm_execute", _cut)


def _cut(state: ORMExecuteState) -> None:
    # What is loaded belongs to a row that the person was shown already.
    if state.is_column_load or state.is_relationship_load or not has_request_context() or g.get("is_finding_person"):
        return
    if state.execution_options.get("is_scoped"):
        return
    owned = _owned(state)
    if not owned:
        return
    g.is_finding_person = True
    try:
        actor = current_actor()
    finally:
        g.is_finding_person = False
    statement: Any = state.statement
    for entity, may_be_absent in owned:
        criterion = _criterion(entity, actor.user_id, actor.roles)
        statement = statement.where(sa.or_(entity.id.is_(None), criterion) if may_be_absent else criterion)
    state.statement = statement


def _owned(state: ORMExecuteState) -> list[tuple[Any, bool]]:
    """The owned models, and aliases of them, whose rows or columns the statement returns or changes.

    With each, whether a row may be without one: what is joined on may be joined by an outer join. What only stands in
    its conditions is left alone: "does nobody use it any more?" asks about everybody's rows.
    """
    statement: Any = state.statement
    if isinstance(statement, sa.Select):
        entities = {
            id(found): found for one in statement.column_descriptions if (found := one.get("entity")) is not None
        }
        return [
            (one, place > 0) for place, one in enumerate(entities.values()) if sa.inspect(one).mapper.class_ in OWNED
        ]
    if isinstance(statement, (sa.Update, sa.Delete)) and state.bind_mapper is not None:
        return [(state.bind_mapper.class_, False)] if state.bind_mapper.class_ in OWNED else []
    return []


@lru_cache(maxsize=_MOST_KEPT)
def _criterion(entity: Any, user_id: UUID | None, roles: frozenset[RoleName]) -> sa.ColumnElement[bool]:
    inspected = sa.inspect(entity)
    criterion = _CRITERIA[inspected.mapper.class_](Actor(user_id=user_id, roles=roles))
    if not inspected.is_aliased_class:
        return criterion
    adapted: sa.ColumnElement[bool] = ClauseAdapter(inspected.selectable).traverse(criterion)
    return adapted


def _characters(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.or_(
        authoring.character_visible_to(actor),
        authoring.character_writable_by(actor),
        authoring.trashed_visible_to(actor),
    )


def _documents(actor: Actor) -> sa.ColumnElement[bool]:
    # The page of a character says which card it came from, to whoever may read the draft.
    if actor.may(Permission.CHARACTER_READ_ANY):
        return sa.true()
    return CardDocument.owner_id == actor.user_id if actor.user_id is not None else sa.false()


def _files(actor: Actor) -> sa.ColumnElement[bool]:
    if actor.may(Permission.MEDIA_READ_ANY):
        return sa.true()
    # Portraits, and their sizes, are shown with what is listed; a card's own file is for whoever brought it.
    own = MediaFile.owner_id == actor.user_id if actor.user_id is not None else sa.false()
    return sa.or_(own, MediaFile.purpose.in_((MediaPurpose.PORTRAIT, MediaPurpose.VARIANT)))


def _voices(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.or_(voices.configuration_visible_to(actor), voices.configuration_writable_by(actor))


_CRITERIA: Mapping[type[Any], Callable[[Actor], sa.ColumnElement[bool]]] = {
    Character: _characters,
    CardDocument: _documents,
    Autosave: autosave_visible_to,
    MediaFile: _files,
    MediaUpload: media.upload_visible_to,
    ImageGeneration: media.generation_visible_to,
    VoiceConfiguration: _voices,
    SpeechSynthesis: voices.speech_visible_to,
}
OWNED = frozenset(_CRITERIA)
"""The models that the net knows."""
