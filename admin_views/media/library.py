"""A person's library of files: a grid, one file with its crop and its uses, and letting go of it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import current_app, flash, g, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session

from admin_views import listing, ui
from admin_views.base import Permission, Picker, StudioModelView, expose
from admin_views.forms import sentence, whole_number
from admin_views.listing import Column, Filter, FilterKind
from admin_views.media.files import portrait_url, remember_moved, signed_link
from admin_views.media.labels import ICONS, KINDS, kind_of, size_of, told_out_of
from admin_views.media.uploads import QUIET, limits
from admin_views.media.uses import told_uses
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.authoring import portraits
from studio.authoring.models import Character, CharacterStatus
from studio.authoring.queries import character_writable_by
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, StaleError
from studio.media import library, queries, references, variants
from studio.media.models import GeneratedPicture, ImageGeneration, MediaFile, MediaPurpose

_READ, _WRITE = Permission.MEDIA_READ_OWN, Permission.MEDIA_WRITE_OWN
_MOST_NUMBERS = 12
_CHANGED = _l("Somebody changed this file in the meantime. What you typed is still here: look at it, and save again.")


class LibraryView(StudioModelView):
    """Pictures, sound, video and documents of the present person."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index_view": _WRITE,
        "details_view": _WRITE,
        "lookup_view": _WRITE,
        "describe": _WRITE,
        "sizes": _WRITE,
        "keep": _WRITE,
        "delete": _WRITE,
        "link": _WRITE,
        "use": (Permission.CHARACTER_WRITE_OWN, Permission.STORY_WRITE),
    }
    menu_section = "studio"
    menu_icon = "photo"
    menu_order = 40
    list_template = "media/library.html"
    details_template = "media/file.html"
    page_size = 40
    empty_icon = "photo"
    empty_title = _l("Nothing in your library yet")
    empty_text = _l("Drop pictures, sound, video or documents above. Pictures become portraits from here.")
    search_columns = (MediaFile.original_name, MediaFile.alt_text)
    search_hint = _l("Name or description")
    columns = (Column("original_name", _l("Name")),)
    orders: ClassVar[listing.Orders] = {
        "created": listing.by(MediaFile.created_at, unique=MediaFile.id),
        "name": listing.by(MediaFile.original_name, unique=MediaFile.id),
        "size": listing.by(MediaFile.size_bytes, unique=MediaFile.id),
    }
    default_sort = ("created", True)
    filters = (
        Filter(
            "kind",
            _l("Kind"),
            lambda value: MediaFile.purpose == MediaPurpose(value),
            choices=tuple((purpose.value, label) for purpose, label in KINDS.items()),
            quick=True,
        ),
        Filter(
            "use",
            _l("Use"),
            lambda value: references.is_used(MediaFile.id) if value == "used" else ~references.is_used(MediaFile.id),
            choices=(("used", _l("in use")), ("unused", _l("not in use"))),
        ),
        Filter(
            "twins",
            _l("Look-alikes"),
            lambda _value: queries.has_look_alike(owner_id=current_actor().user_id),
            kind=FilterKind.FLAG,
        ),
        Filter(
            "made",
            _l("Made from a prompt"),
            lambda _value: sa.exists().where(GeneratedPicture.file_id == MediaFile.id),
            kind=FilterKind.FLAG,
        ),
    )
    pickers: ClassVar[Mapping[str, Picker]] = {
        "character": Picker(
            model=Character,
            scope=lambda actor: sa.and_(character_writable_by(actor), Character.status != CharacterStatus.ARCHIVED),
            search=(Character.name,),
            label=lambda row: row.name,
            order=Character.updated_at.desc(),
        )
    }

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Everybody's library is their own."""
        return queries.library_visible_to(actor)

    def row_title(self, row: MediaFile) -> str:
        """The name that the file came with."""
        return row.original_name or kind_of(row)

    def list_context(self, rows: Sequence[Any]) -> dict[str, Any]:
        """How much is kept, and what uploads need; which of the page's files are in use is kept beside."""
        ids = [row.id for row in rows]
        used = sa.select(MediaFile.id).where(MediaFile.id.in_(ids), references.is_used(MediaFile.id))
        g.used_files = set(self.request_session.scalars(used)) if ids else set()
        user_id = current_actor().user_id
        kept = queries.bytes_of(self.request_session, owner_id=user_id) if user_id is not None else 0
        quota = self.resources.settings.media_quota
        return {
            "kept": size_of(kept),
            "quota": size_of(quota * 1_000_000) if quota else "",
            "kept_percent": min(100, kept // (quota * 10_000)) if quota else 0,
            **_unfinished(self.request_session),
            **limits(),
        }

    def rows_html(self, rows: Sequence[Any], columns: Sequence[Column], context: Mapping[str, Any]) -> Markup:  # noqa: ARG002 - A grid has no columns.
        """The files as a grid."""
        url_of, moment = self.row_urls(), ui.moments()
        return Markup("").join(_tile(row, url_of(row) or "", moment(row.created_at)) for row in rows)

    def details_context(self, row: MediaFile) -> dict[str, Any]:
        """What uses the file, what looks like it, and from which prompt it came."""
        session = self.request_session
        uses = references.uses_of(session, file_id=row.id)
        made = session.execute(
            sa.select(ImageGeneration, GeneratedPicture.seed)
            .join(GeneratedPicture, GeneratedPicture.generation_id == ImageGeneration.id)
            .where(GeneratedPicture.file_id == row.id, queries.generation_visible_to(current_actor()))
            .limit(1)
        ).one_or_none()
        return {
            "file": row,
            "kind": kind_of(row),
            "icon_name": ICONS.get(row.purpose, "file"),
            "size": size_of(row.size_bytes),
            "is_picture": row.purpose is MediaPurpose.PORTRAIT,
            "sizes": _sizes(session, row),
            "is_player": row.purpose in {MediaPurpose.AUDIO, MediaPurpose.VIDEO},
            "uses": told_uses(session, actor=current_actor(), uses=uses),
            "look_alikes": queries.look_alikes(session, file=row),
            "generation": made[0] if made is not None else None,
            "seed": made[1] if made is not None else None,
            "cleared_at": library.is_cleared_at(row) if not uses else None,
            "numbers": _numbers_of(row),
            "keeps_words": library.keeps_words(row),
            "taken_out": told_out_of(row),
        }

    @expose("/<uuid:row_id>")
    def details_view(self, row_id: UUID) -> ResponseReturnValue:
        """The page of one file."""
        row = self.get_one(row_id)
        return self.render(self.details_template, row=row, **self.details_context(row))

    @expose("/<uuid:row_id>/sizes")
    def sizes(self, row_id: UUID) -> ResponseReturnValue:
        """How the picture is shown, asked for again while its sizes are being made."""
        row = self.get_one(row_id)
        return self.render("media/_sizes.html", file=row, sizes=_sizes(self.request_session, row))

    @expose("/<uuid:row_id>/describe", methods=("POST",))
    def describe(self, row_id: UUID) -> ResponseReturnValue:
        """Alt text, crop and focal point."""
        session = self.request_session
        try:
            library.describe(
                session,
                actor=current_actor(),
                file_id=row_id,
                row_version=request.form.get("row_version", 0, type=whole_number),
                alt_text=request.form.get("alt_text", ""),
                crop=_shares("crop_left", "crop_top", "crop_right", "crop_bottom"),
                focus=_pair(_shares("focus_x", "focus_y")),
            )
        except (InvalidError, StaleError) as error:
            session.rollback()
            about = next(iter(error.fields.values()), "") if isinstance(error, InvalidError) else _CHANGED
            flash(_(str(about)) if about else sentence(error), "danger")
            row = self.get_one(row_id)
            context = self.details_context(row) | {"typed": request.form}
            return self.render(self.details_template, row=row, **context), error.status
        remember_moved(utc_now())
        flash(_("Saved. Smaller sizes follow in a moment."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/keep", methods=("POST",))
    def keep(self, row_id: UUID) -> ResponseReturnValue:
        """Keep a file that would be cleared away."""
        library.keep(self.request_session, actor=current_actor(), file_id=row_id)
        flash(_("Kept in your library."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/delete", methods=("POST",))
    def delete(self, row_id: UUID) -> ResponseReturnValue:
        """Let go of a file that nothing uses."""
        library.delete(self.request_session, actor=current_actor(), file_id=row_id)
        flash(_("Deleted."), "success")
        return redirect(url_for(".index_view"), 303)

    @expose("/<uuid:row_id>/link", methods=("POST",))
    def link(self, row_id: UUID) -> ResponseReturnValue:
        """A link to the file that is good for ten minutes, for whoever has it."""
        row = self.get_one(row_id)
        return jsonify(link=signed_link(row, is_whole=True))

    @expose("/<uuid:row_id>/use", methods=("POST",))
    def use(self, row_id: UUID) -> ResponseReturnValue:
        """Make the picture a character's portrait."""
        self.get_one(row_id)
        character_id = listing.as_uuid(request.form.get("character", ""))
        if character_id is None:
            flash(_("Choose a character first."), "warning")
            return redirect(url_for(".details_view", row_id=row_id), 303)
        character = portraits.use(
            self.request_session,
            actor=current_actor(),
            character_id=character_id,
            file_id=row_id,
            row_version=None,
            now=utc_now(),
        )
        flash(_("%(name)s shows this picture now.", name=character.name), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [LibraryView(resources, MediaFile, name=_l("Library"), endpoint="library")]


def _sizes(session: Session, row: MediaFile) -> dict[str, Any]:
    """Whether sizes of the picture are being made, and a version for their addresses that changes when they are there."""
    if row.purpose is not MediaPurpose.PORTRAIT:
        return {}
    count = sa.select(sa.func.count()).where(MediaFile.source_id == row.id).scalar_subquery()
    made, is_open = session.execute(sa.select(count, variants.is_asked(row.id))).one()
    return {"version": f"{row.row_version}.{made}", "is_open": is_open}


def _unfinished(session: Any) -> dict[str, Any]:
    """Uploads of earlier visits that wait to go on."""
    count, size, rows = queries.unfinished_uploads(session, actor=current_actor(), quiet_since=utc_now() - QUIET)
    return {
        "unfinished_count": count,
        "unfinished_size": size_of(size),
        # Frames of lists are kept by what is told in them.
        "unfinished": tuple(
            (
                row.name,
                url_for("uploads.one", upload_id=row.id, _external=True),
                _("%(arrived)s of %(all)s", arrived=size_of(row.arrived_bytes), all=size_of(row.size_bytes)),
            )
            for row in rows
        ),
    }


def _tile(row: MediaFile, url: str, moment: str) -> Markup:
    name = row.original_name or kind_of(row)
    if row.purpose is MediaPurpose.PORTRAIT:
        face = Markup('<img src="{}" alt="{}" loading="lazy" decoding="async" width="400" height="600">').format(
            portrait_url(row.id, "card", version=row.row_version), row.alt_text
        )
    else:
        icon_mark: Any = current_app.jinja_env.globals["icon_mark"]
        face = Markup('<span class="tile-icon">{}</span>').format(icon_mark(ICONS[row.purpose]))
    use = (
        Markup('<span class="tile-use">{}</span>').format(_("in use"))
        if row.id in g.get("used_files", ())
        else Markup("")
    )
    return Markup(
        '<li class="tile"><a href="{}"><span class="tile-face">{}</span><span class="tile-text"><span class="tile-name">{}'
        '</span><span class="text-secondary tile-facts">{} · {}{}</span></span>{}</a></li>\n'
    ).format(
        url,
        face,
        name,
        kind_of(row),
        size_of(row.size_bytes),
        Markup(" · {}").format(Markup(moment)),  # noqa: S704 - Made by `ui`.
        use,
    )


def _numbers_of(row: MediaFile) -> dict[str, str]:
    """Crop and focus in per cent, as the form shows them."""
    crop = row.crop or [0.0, 0.0, 1.0, 1.0]
    names = ("crop_left", "crop_top", "crop_right", "crop_bottom")
    numbers = {name: f"{100 * share:g}" for name, share in zip(names, crop, strict=True)}
    focus = (row.focus_x, row.focus_y)
    return numbers | {
        name: "" if share is None else f"{100 * share:g}"
        for name, share in zip(("focus_x", "focus_y"), focus, strict=True)
    }


def _shares(*names: str) -> list[float] | None:
    """Shares from fields in per cent; None where all are empty."""
    texts = [request.form.get(name, "").strip().replace(",", ".")[:_MOST_NUMBERS] for name in names]
    if not any(texts):
        return None
    try:
        shares = [float(text) / 100 for text in texts]
    except ValueError:
        raise InvalidError("Write numbers from 0 to 100.", fields={names[0]: "Write numbers from 0 to 100."}) from None
    return shares


def _pair(shares: list[float] | None) -> tuple[float, float] | None:
    return None if shares is None else (shares[0], shares[1])
