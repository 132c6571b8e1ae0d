"""Stories and their official characters, for staff: codes, covers, the order of characters, publishing."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session
from wtforms import StringField, TextAreaField

from admin_views import listing, ui
from admin_views.base import Permission, StudioModelView, current_version, expose, sent_version
from admin_views.forms import StudioForm, sentence, whole_number
from admin_views.listing import Column, as_uuid
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.authoring import codes, official, queries, stories
from studio.authoring.models import TITLE_LENGTH, Story
from studio.authoring.models.limits import STAYS_IN_TRASH
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError

_P = Permission


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [StoriesView(resources, Story, name=_l("Stories"), endpoint="stories")]


class StoryForm(StudioForm):
    """What staff write of a story; its code is given by the studio."""

    title = StringField(_l("Title"), render_kw={"maxlength": TITLE_LENGTH, "required": True, "autocomplete": "off"})
    description = TextAreaField(_l("Description"), render_kw={"rows": 8})


def _title_cell(row: Story) -> Markup:
    return Markup('<span class="with-face">{}<span>{}</span></span>').format(
        ui.avatar(portrait_url(row.cover_id), row.title), row.title
    )


class StoriesView(StudioModelView):
    """The stories by number, and the page of each with its characters in their order."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _P.STORY_READ,
        "details_view": _P.STORY_READ,
        "by_code": _P.STORY_READ,
        "create_view": _P.STORY_WRITE,
        "edit_view": _P.STORY_WRITE,
        "delete_view": _P.STORY_WRITE,
        "cover": _P.STORY_WRITE,
        "add_character": _P.STORY_WRITE,
        "move": _P.STORY_WRITE,
        "publish": _P.STORY_WRITE,
        "unpublish": _P.STORY_WRITE,
    }
    menu_section = "studio"
    menu_icon = "books"
    menu_order = 15
    columns = (
        Column("title", _l("Title"), cell=_title_cell, sort="title"),
        Column("code", _l("Code"), sort="code"),
        Column("characters", _l("Characters"), cell=lambda row: g.get("cast_counts", {}).get(row.id, 0), numeric=True),
        Column("updated_at", _l("Changed"), cell=lambda row: ui.moment(row.updated_at), wide_only=True, sort="updated"),
    )
    orders: ClassVar[listing.Orders] = {
        "code": listing.by(Story.number, unique=Story.id),
        "title": listing.by(Story.title, unique=Story.id),
        "updated": listing.by(Story.updated_at, unique=Story.id),
    }
    default_sort = ("code", False)
    search_columns = (Story.title, Story.code, Story.description)
    search_hint = _l("Code, title or text")
    form = StoryForm
    resource = stories.RESOURCE
    details_template = "stories/story.html"
    create_template = "stories/form.html"
    edit_template = "stories/form.html"
    list_template = "stories/list.html"
    empty_icon = "books"
    empty_title = _l("No stories yet")
    empty_text = _l(
        "A story gathers official characters under one code. Begin one: the studio gives it the next number."
    )

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Those that the actor may read."""
        return queries.story_visible_to(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Every word, or a code however it is padded, of the story or of one of its characters."""
        found = super().search(text)
        code = codes.parse(text)
        return found if code is None or found is None else sa.or_(Story.number == code.story, found)

    def row_title(self, row: Story) -> str:
        """A story is called by its title."""
        return row.title

    def do_create(self, session: Session, *, actor: Actor, form: Any) -> Story:
        """Have the story made."""
        return stories.create(
            session,
            actor=actor,
            title=form.title.data or "",
            description=form.description.data or "",
            now=utc_now(),
        )

    def do_update(self, session: Session, *, actor: Actor, row: Story, row_version: int | None, form: Any) -> Story:
        """Have the story changed."""
        return stories.update(
            session,
            actor=actor,
            story_id=row.id,
            row_version=row_version,
            title=form.title.data or "",
            description=form.description.data or "",
            now=utc_now(),
        )

    def do_delete(self, session: Session, *, actor: Actor, row: Story, row_version: int | None) -> None:
        """Have the story thrown away."""
        stories.put_in_trash(session, actor=actor, story_id=row.id, row_version=row_version or 0, now=utc_now())

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: UUID) -> ResponseReturnValue:
        """Who is in the story, where somebody is; else a page that asks once more, and the way into the trash."""
        row = self.get_one(row_id)
        if request.method == "GET":
            cast = queries.list_cast(self.request_session, story_id=row.id, with_trash=True)
            return self.render("stories/delete.html", row=row, cast=cast, row_version=current_version(row))
        self.do_delete(self.request_session, actor=current_actor(), row=row, row_version=sent_version())
        said = _("%(name)s is in the trash for %(days)d days.", name=row.title, days=STAYS_IN_TRASH.days)
        flash({"text": said, "label": _("Undo"), "url": url_for("trash_stories.restore", row_id=row.id)}, "success")  # type: ignore[arg-type]
        return redirect(url_for(".index_view"), 303)

    def details_context(self, row: Story) -> dict[str, Any]:
        """The characters in their order."""
        actor = current_actor()
        cast = queries.list_cast(self.request_session, story_id=row.id)
        return {
            "cast": cast,
            "order_token": stories.order_token(cast),
            "can_write": actor.may(_P.STORY_WRITE),
            "live": queries.list_listed_numbers(self.request_session, story_id=row.id),
        }

    @expose("/<string(maxlength=40):code>")
    def by_code(self, code: str) -> ResponseReturnValue:
        """The way to a story, or to one of its characters, by its code, however that is padded."""
        found = codes.parse(code)
        if found is None:
            raise NotFoundError
        session, actor = self.request_session, current_actor()
        if found.is_character:
            character = queries.get_official(session, actor=actor, code=found)
            return redirect(url_for("characters.details_view", row_id=character.id), 302)
        story = queries.get_story_by_number(session, actor=actor, number=found.story)
        return redirect(url_for(".details_view", row_id=story.id), 302)

    @expose("/<uuid:row_id>/cover", methods=("POST",))
    def cover(self, row_id: UUID) -> ResponseReturnValue:
        """Show another cover, or none; what is refused leaves the story as it was, with the reason said there."""
        self.get_one(row_id)
        sent = request.files.get("cover")
        data = sent.read() if sent is not None else b""
        try:
            if not data and request.form.get("do") != "remove":
                raise InvalidError("Choose a picture first: PNG, JPEG, WebP or GIF, up to 20 MB.")
            stories.set_cover(
                self.request_session,
                actor=current_actor(),
                storage=self.resources.storage,
                story_id=row_id,
                row_version=sent_version() or 0,
                data=data or None,
                name=(sent.filename or "") if sent is not None else "",
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("The cover is saved.") if data else _("The cover is taken away."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/characters", methods=("POST",))
    def add_character(self, row_id: UUID) -> ResponseReturnValue:
        """One more character in the story; then its editor."""
        self.get_one(row_id)
        try:
            character = official.create(
                self.request_session,
                actor=current_actor(),
                story_id=row_id,
                name=request.form.get("name", ""),
                now=utc_now(),
            )
        except InvalidError as error:
            self.request_session.rollback()
            flash(" ".join(_(text) for text in error.fields.values()) or sentence(error), "danger")
            return redirect(url_for(".details_view", row_id=row_id, _anchor="add"), 303)
        flash(_("%(code)s is a draft now. Write it.", code=character.code), "success")
        return redirect(url_for("characters.edit_view", row_id=character.id), 303)

    @expose("/<uuid:row_id>/move", methods=("POST",))
    def move(self, row_id: UUID) -> ResponseReturnValue:
        """Put a character at another place; answers with the list for htmx, else goes back to it."""
        row = self.get_one(row_id)
        character_id, place = as_uuid(request.form.get("character_id")), request.form.get("place", type=whole_number)
        if character_id is None or place is None:
            raise NotFoundError
        stories.move_character(
            self.request_session,
            actor=current_actor(),
            story_id=row.id,
            character_id=character_id,
            place=place,
            order_seen=request.form.get("order", ""),
        )
        if request.headers.get("HX-Request"):
            return self.render("stories/_cast.html", row=row, **self.details_context(row))
        return redirect(url_for(".details_view", row_id=row_id, _anchor="cast"), 303)

    @expose("/characters/<uuid:character_id>/publish", methods=("POST",))
    def publish(self, character_id: UUID) -> ResponseReturnValue:
        """Others meet the character as its draft says now."""
        version = official.publish(
            self.request_session,
            actor=current_actor(),
            character_id=character_id,
            row_version=sent_version() or 0,
            now=utc_now(),
        )
        flash(_("Published: others see version %(number)d.", number=version.version_number), "success")
        return redirect(url_for("characters.details_view", row_id=character_id), 303)

    @expose("/characters/<uuid:character_id>/unpublish", methods=("POST",))
    def unpublish(self, character_id: UUID) -> ResponseReturnValue:
        """Others do not meet the character any more."""
        official.unpublish(self.request_session, actor=current_actor(), character_id=character_id)
        flash(_("The character is a draft again; others do not see it any more."), "success")
        return redirect(url_for("characters.details_view", row_id=character_id), 303)

    def list_context(self, rows: Sequence[Story]) -> dict[str, Any]:
        """How many characters each story has."""
        g.cast_counts = queries.count_cast(self.request_session, story_ids=[row.id for row in rows])
        return {}
