"""The trash: characters, lorebooks and stories that somebody threw away, to be taken out again or deleted for good."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy.orm import Session, load_only

from admin_views import listing, ui
from admin_views.authoring.trash_words import told, told_files
from admin_views.base import Permission, StudioModelView, current_version, expose, sent_version
from admin_views.formats import exact_time
from admin_views.listing import Column, as_uuid
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring import lorebook_trash, queries, stories
from studio.authoring.models import Character, Story, TrashedLorebook
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.kit.clock import utc_now
from studio.operations import trash, usage

_WRITE = (Permission.CHARACTER_WRITE_OWN, Permission.STORY_WRITE)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        TrashView(resources, Character, name=_l("Trash"), endpoint="trash"),
        LorebookTrashView(
            resources,
            TrashedLorebook,
            name=_l("Lorebooks in the trash"),
            endpoint="trash_lorebooks",
            url="/trash/lorebooks",
        ),
        StoryTrashView(
            resources, Story, name=_l("Stories in the trash"), endpoint="trash_stories", url="/trash/stories"
        ),
    ]


class _Trash(StudioModelView):
    """What one kind of trash shares with the others: who threw what away, when it goes, and the tabs between them."""

    list_template = "authoring/trash.html"
    empty_icon = "trash"
    empty_title = _l("The trash is empty")
    empty_text = _l("What you throw away waits here for 30 days.")
    default_sort = ("trashed", True)
    consequence: ClassVar[Any] = ""
    """What deleting for good takes along, as its page says it."""

    def row_url(self, row: Any) -> str | None:  # noqa: ARG002 - The base asks with the row.
        """What is in the trash has no page: it is taken out first."""
        return None

    def face(self, row: Any) -> Markup:
        """The picture beside its name."""
        return ui.avatar(None, self.row_title(row))

    def list_context(self, rows: Sequence[Any]) -> dict[str, Any]:
        """Who threw them away, read once."""
        people = {row.trashed_by_id for row in rows if row.trashed_by_id is not None}
        if people:
            named = sa.select(User.id, User.name).where(User.id.in_(people))
            g.trashed_by = {row[0]: row[1] for row in self.request_session.execute(named)}
        return {"days": STAYS_IN_TRASH.days, "tabs": self._tabs()}

    def render(self, template: str, **kwargs: Any) -> str:
        """With the tabs, also where nothing is listed."""
        return str(super().render(template, **{"tabs": self._tabs(), **kwargs}))

    def _tabs(self) -> tuple[tuple[str, str], ...]:
        actor = current_actor()
        shown = (
            ("trash", _("Characters"), True),
            ("trash_lorebooks", _("Lorebooks"), True),
            ("trash_stories", _("Stories"), actor.may(Permission.STORY_WRITE)),
        )
        return tuple((endpoint, str(label)) for endpoint, label, is_shown in shown if is_shown)

    def asking(
        self,
        row: Any,
        *,
        uses: Sequence[str] = (),
        goes: Sequence[str] = (),
        stays: Sequence[str] = (),
        is_held: bool = False,
    ) -> ResponseReturnValue:
        """The page that names what would go and what would stay, and says who uses it."""
        return self.render(
            "authoring/trash_delete.html",
            row=row,
            title=self.row_title(row),
            consequence=self.consequence,
            uses=uses,
            goes=goes,
            stays=stays,
            is_held=is_held,
            row_version=current_version(row) or 0,
        )

    def _gone(self, name: str) -> ResponseReturnValue:
        flash(_("%(name)s is deleted for good.", name=name), "success")
        return redirect(url_for(f"{self.endpoint}.index_view"), 303)


def _columns(name: Column) -> tuple[Column, ...]:
    return (
        name,
        Column("trashed_at", _l("Thrown away"), cell=lambda row: ui.moment(row.trashed_at), sort="trashed"),
        Column("trashed_by", _l("By"), cell=lambda row: g.get("trashed_by", {}).get(row.trashed_by_id, "")),
        Column("goes_at", _l("Deleted for good"), cell=_days_left),
    )


def _days_left(row: Any) -> Markup:
    """How long it still waits, in days, as everything else says it; on the last day in hours."""
    goes_at = row.trashed_at + STAYS_IN_TRASH
    days = -((utc_now() - goes_at) // timedelta(days=1))
    if days <= 1:
        return ui.moment(goes_at)
    said = ngettext("in %(num)d day", "in %(num)d days", days)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(goes_at.isoformat(), exact_time(goes_at), said)


class TrashView(_Trash):
    """Characters in the trash; nobody sees another's."""

    permissions: ClassVar[dict[str, Any]] = {"index_view": _WRITE, "restore": _WRITE, "delete_view": _WRITE}
    menu_section = "studio"
    menu_icon = "trash"
    menu_order = 95
    columns = _columns(Column("name", _l("Name")))
    orders: ClassVar[listing.Orders] = {"trashed": listing.by(Character.trashed_at, unique=Character.id, nullable=True)}
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
    consequence = _l(
        "All its texts, versions, greetings, replies, its lorebook and pictures that nothing else shows are gone. This cannot be taken back."
    )

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """What the actor may take out again."""
        return queries.trashed_visible_to(actor)

    def face(self, row: Character) -> Markup:
        """Its portrait."""
        return ui.avatar(portrait_url(row.portrait_id), row.name)

    @expose("/<uuid:row_id>/restore", methods=("POST",))
    def restore(self, row_id: UUID) -> ResponseReturnValue:
        """Take it out again. May be repeated, so it needs no version token."""
        character = trash.restore(self.request_session, actor=current_actor(), character_id=row_id)
        flash(_("%(name)s is back.", name=character.name), "success")
        draft = as_uuid(request.form.get("draft"))
        if draft is not None:
            return redirect(url_for("characters.edit_view", row_id=row_id, draft=draft), 303)
        return redirect(url_for("characters.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: UUID) -> ResponseReturnValue:
        """A page that names it and says who uses it, and what the answer does."""
        row = self.get_one(row_id)
        if sent_version() is None:
            uses = usage.users_of(self.request_session, character_id=row_id)
            return self.asking(
                row,
                uses=told(use for use in uses if use.hold in {usage.Hold.PROOF, usage.Hold.SHARED}),
                goes=[
                    *told(use for use in uses if use.hold is usage.Hold.OWN),
                    *told_files(trash.count_files(self.request_session, character=row)),
                ],
                stays=told(use for use in uses if use.hold is usage.Hold.LEFT),
                is_held=any(use.hold is usage.Hold.PROOF for use in uses),
            )
        name = row.name
        self.do_delete(self.request_session, actor=current_actor(), row=row, row_version=sent_version())
        return self._gone(name)

    def do_delete(self, session: Session, *, actor: Actor, row: Character, row_version: int | None) -> None:
        """Delete it for good."""
        trash.delete(session, actor=actor, character_id=row.id, row_version=row_version or 0)


class LorebookTrashView(_Trash):
    """Lorebooks in the trash, of characters that the person may change."""

    permissions: ClassVar[dict[str, Any]] = {"index_view": _WRITE, "restore": _WRITE, "delete_view": _WRITE}
    in_menu = False
    columns = (
        *_columns(
            Column("character", _l("Character"), cell=lambda row: g.get("trashed_books", {}).get(row.character_id, ""))
        ),
        Column("entries", _l("Entries"), numeric=True),
    )
    orders: ClassVar[listing.Orders] = {"trashed": listing.by(TrashedLorebook.trashed_at, unique=TrashedLorebook.id)}
    search_columns = (TrashedLorebook.name,)
    consequence = _l(
        "All its entries and settings are gone. Versions keep the lorebook that they have. This cannot be taken back."
    )

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """What the actor may take out again."""
        return lorebook_trash.trashed_visible_to(actor)

    def row_title(self, row: TrashedLorebook) -> str:
        """Named after its character, and by its own name where it has one."""
        whose = g.get("trashed_books", {}).get(row.character_id, "")
        title = _("Lorebook of %(name)s", name=whose) if whose else _("Lorebook")
        return f"{title}: {row.name}" if row.name else str(title)

    def list_context(self, rows: Sequence[TrashedLorebook]) -> dict[str, Any]:
        """Whose they were, read once."""
        self._read_names(rows)
        return super().list_context(rows)

    def _read_names(self, rows: Sequence[TrashedLorebook]) -> None:
        named = sa.select(Character.id, Character.name).where(Character.id.in_({row.character_id for row in rows}))
        g.trashed_books = {row[0]: row[1] for row in self.request_session.execute(named)}

    @expose("/<uuid:row_id>/restore", methods=("POST",))
    def restore(self, row_id: UUID) -> ResponseReturnValue:
        """Give the book back to its character; a character that has another one keeps that."""
        character = lorebook_trash.restore(
            self.request_session, actor=current_actor(), trashed_id=row_id, now=utc_now()
        )
        flash(_("The lorebook of %(name)s is back.", name=character.name), "success")
        return redirect(url_for("lorebooks.book", character_id=character.id), 303)

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: UUID) -> ResponseReturnValue:
        """A page that names it, and what the answer does. A book in the trash never changes: its id is its version."""
        row = self.get_one(row_id)
        self._read_names([row])
        if sent_version() is None:
            return self.asking(row)
        name = self.row_title(row)
        lorebook_trash.delete(self.request_session, actor=current_actor(), trashed_id=row.id)
        return self._gone(name)


class StoryTrashView(_Trash):
    """Stories in the trash; nobody is in them."""

    permissions: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("index_view", "restore", "delete_view"), Permission.STORY_WRITE
    )
    in_menu = False
    columns = (*_columns(Column("title", _l("Title"))), Column("code", _l("Code")))
    orders: ClassVar[listing.Orders] = {"trashed": listing.by(Story.trashed_at, unique=Story.id, nullable=True)}
    search_columns = (Story.title, Story.code)
    consequence = _l("Its title, its text and its cover are gone. This cannot be taken back.")

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """What the actor may take out again."""
        return queries.trashed_story_visible_to(actor)

    def face(self, row: Story) -> Markup:
        """Its cover."""
        return ui.avatar(portrait_url(row.cover_id), row.title)

    @expose("/<uuid:row_id>/restore", methods=("POST",))
    def restore(self, row_id: UUID) -> ResponseReturnValue:
        """Take it out again. May be repeated, so it needs no version token."""
        story = stories.restore(self.request_session, actor=current_actor(), story_id=row_id)
        flash(_("%(name)s is back.", name=story.title), "success")
        return redirect(url_for("stories.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: UUID) -> ResponseReturnValue:
        """A page that names it, and what the answer does."""
        row = self.get_one(row_id)
        if sent_version() is None:
            return self.asking(row)
        name = row.title
        stories.delete(self.request_session, actor=current_actor(), story_id=row.id, row_version=sent_version())
        return self._gone(name)
