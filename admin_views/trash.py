"""The trash: what a person threw away, by whom and when, to be taken out again or deleted for good."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session, load_only

from admin_views import listing, ui
from admin_views.base import Permission, StudioModelView, current_version, expose, sent_version
from admin_views.listing import Column
from admin_views.media import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.trash_words import told
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring import queries
from studio.authoring.models import Character
from studio.operations import trash, usage

_WRITE = (Permission.CHARACTER_WRITE_OWN, Permission.STORY_WRITE)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [TrashView(resources, Character, name=_l("Trash"), endpoint="trash")]


class TrashView(StudioModelView):
    """Characters in the trash; nobody sees another's."""

    permissions: ClassVar[dict[str, Any]] = {"index_view": _WRITE, "restore": _WRITE, "delete_view": _WRITE}
    menu_section = "studio"
    menu_icon = "trash"
    menu_order = 95
    list_template = "authoring/trash.html"
    empty_icon = "trash"
    empty_title = _l("The trash is empty")
    empty_text = _l("What you throw away waits here for 30 days.")
    columns = (
        Column("name", _l("Name"), cell=lambda row: ui.avatar(portrait_url(row.portrait_id), row.name) + row.name),
        Column("trashed_at", _l("Thrown away"), cell=lambda row: ui.moment(row.trashed_at), sort="trashed"),
        Column("trashed_by", _l("By"), cell=lambda row: g.get("trashed_by", {}).get(row.trashed_by_id, "")),
        Column("goes_at", _l("Deleted for good"), cell=lambda row: ui.moment(row.trashed_at + trash.STAYS)),
    )
    orders: ClassVar[listing.Orders] = {"trashed": listing.by(Character.trashed_at, unique=Character.id, nullable=True)}
    default_sort = ("trashed", True)
    search_columns = (Character.name,)
    load = (
        load_only(
            Character.name,
            Character.portrait_id,
            Character.trashed_at,
            Character.trashed_by_id,
            Character.row_version,
        ),
    )

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """What the actor may take out again."""
        return queries.trashed_visible_to(actor)

    def row_url(self, row: Character) -> str | None:  # noqa: ARG002 - The base asks with the row.
        """What is in the trash has no page: it is taken out first."""
        return None

    def list_context(self, rows: Sequence[Character]) -> dict[str, Any]:
        """Who threw them away, read once."""
        people = {row.trashed_by_id for row in rows if row.trashed_by_id is not None}
        if people:
            named = sa.select(User.id, User.name).where(User.id.in_(people))
            g.trashed_by = {row[0]: row[1] for row in self.request_session.execute(named)}
        return {"days": trash.STAYS.days}

    @expose("/<uuid:row_id>/restore", methods=("POST",))
    def restore(self, row_id: UUID) -> ResponseReturnValue:
        """Take it out again. May be repeated, so it needs no version token."""
        character = trash.restore(self.request_session, actor=current_actor(), character_id=row_id)
        flash(_("%(name)s is back.", name=character.name), "success")
        return redirect(url_for("characters.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: UUID) -> ResponseReturnValue:
        """A page that names it and says who uses it, and what the answer does."""
        row = self.get_one(row_id)
        uses = usage.users_of(self.request_session, character_id=row_id)
        if sent_version() is None:
            is_held = any(use.hold is usage.Hold.PROOF for use in uses)
            return self.render(
                "authoring/trash_delete.html",
                row=row,
                uses=told(uses),
                is_held=is_held,
                row_version=current_version(row),
            )
        name = row.name
        self.do_delete(self.request_session, actor=current_actor(), row=row, row_version=sent_version())
        flash(_("%(name)s is deleted for good.", name=name), "success")
        return redirect(url_for("trash.index_view"), 303)

    def do_delete(self, session: Session, *, actor: Actor, row: Character, row_version: int | None) -> None:
        """Delete it for good."""
        trash.delete(session, actor=actor, character_id=row.id, row_version=row_version or 0)
