"""What a person is told who opens, or saves, a character of theirs that is in the trash: where it is, and the way back."""

from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import render_template, request
from flask_babel import gettext as _

from admin_views.listing import as_uuid
from admin_views.resources import request_session, resources
from admin_views.saving import CLIENT, CONTINUES, NOT_KEPT
from admin_views.session import current_actor
from studio.authoring import queries
from studio.authoring.models import Character
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.editing import autosaves
from studio.kit.clock import utc_now
from studio.kit.errors import StudioError

GONE = 410


def find() -> Character | None:
    """The character that the present address is about, if it is in the trash and the person's to take out again."""
    character_id = _asked_for()
    actor = current_actor()
    if character_id is None or actor.user_id is None:
        return None
    query = sa.select(Character).where(queries.trashed_visible_to(actor), Character.id == character_id)
    return request_session().scalar(query)


def sentence(character: Character) -> str:
    """What is said where there is no room for a page."""
    return str(_("%(name)s is in the trash. Restore it there, then go on.", name=character.name))


def page(character: Character, **context: Any) -> str:
    """The page that says so, with the button that takes it out again."""
    known = {"row": character, "goes_at": None, "draft": None, "changed": None, "is_kept": True, **context}
    if character.trashed_at is not None:
        known["goes_at"] = character.trashed_at + STAYS_IN_TRASH
    return render_template("authoring/in_trash.html", **known)


def keep(row_id: UUID, *, resource: str) -> UUID | None:
    """Keep what was sent as a draft that is offered once the character is back; its client's id, None where it is too large.

    A refused request is undone whole, so the draft has a transaction of its own.
    """
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in NOT_KEPT]
    taken_over = [as_uuid(one) for one in (*request.form.getlist(CONTINUES), request.form.get(CLIENT))]
    # Not the page's own name: were somebody to go back to that page, what they type there would be older than this.
    client_id = uuid4()
    actor = current_actor()
    request_session().rollback()
    try:
        with resources().own_session() as session:
            autosaves.keep(
                session,
                actor=actor,
                resource=resource,
                document_id=row_id,
                client_id=client_id,
                sequence=1,
                fields=fields,
                continues=[one for one in taken_over if one is not None],
                now=utc_now(),
            )
    except StudioError:
        return None
    return client_id


def _asked_for() -> UUID | None:
    values = request.view_args or {}
    found = values.get("character_id")
    if found is None and (request.endpoint or "").startswith("characters."):
        found = values.get("row_id")
    return found if isinstance(found, UUID) else None
