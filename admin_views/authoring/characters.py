"""Characters: the list, the page of one, its lorebook, its exports; the editor stands in `character_editor`."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, after_this_request, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session, load_only

from admin_views import listing, ui
from admin_views.authoring.batches import BatchesView
from admin_views.authoring.cards import character_cards
from admin_views.authoring.editor import EditorView
from admin_views.authoring.editor_form import (
    RATINGS,
    CharacterForm,
    NewCharacterForm,
    license_words,
    warning_words,
)
from admin_views.authoring.imports import ImportsView, kind_of
from admin_views.authoring.version_labels import occasion_label
from admin_views.authoring.versions import VersionRoutes, standing_of
from admin_views.base import Permission, expose
from admin_views.forms import whole_number
from admin_views.listing import Column, Filter, FilterKind
from admin_views.market.feedback import asked_of
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import job_label, step_label
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring import characters, codes, dormancy, exports, fields, queries, rules
from studio.authoring.listed import summary_of
from studio.authoring.models import Character, CharacterOrigin, CharacterStatus
from studio.cards import macros
from studio.cards.writer import Export
from studio.kit.clock import utc_now
from studio.market.catalogue import queries as market
from studio.market.models import CharacterPublication, PublicationStatus
from studio.work import queries as work_queries
from studio.work.models import FINAL

_P = Permission
_WRITE, _READ = (_P.CHARACTER_WRITE_OWN, _P.STORY_WRITE), (_P.CHARACTER_READ_OWN, _P.CHARACTER_READ_ANY)
_LAYOUT_COOKIE = "characters_layout"
_LAYOUTS = ("cards", "table")
_A_YEAR = 365 * 24 * 3600


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        CharactersView(resources, Character, name=_l("Characters"), endpoint="characters"),
        ImportsView(resources, name=_l("Import a card"), endpoint="imports"),
        BatchesView(resources, name=_l("Many cards at once"), endpoint="batches", url="/imports/batches"),
    ]


def _name_cell(row: Character) -> Markup:
    face = ui.avatar(portrait_url(row.portrait_id), row.name)
    return Markup('<span class="with-face">{}<span>{}</span></span>').format(face, row.name)


def _owner_cell(row: Character) -> str:
    return str(g.get("character_owners", {}).get(row.owner_id, ""))


class CharactersView(EditorView, VersionRoutes):
    """A creator's own characters; everybody's for moderators and staff, who read."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _READ,
        "details_view": (*_READ, _P.CHARACTER_READ_PUBLISHED),
        "create_view": _P.CHARACTER_WRITE_OWN,
        "edit_view": _WRITE,
        "check_text": _WRITE,
        "tag_suggestions": _WRITE,
        "portrait": _WRITE,
        "archive": _WRITE,
        "trash": _WRITE,
        "restore": _WRITE,
        "keep": _WRITE,
        "jobs": _READ,
        "export_view": _READ,
        "version_list": _READ,
        "version_page": _READ,
        "compare_versions": _READ,
        "save_version": _WRITE,
        "restore_version": _WRITE,
        "export_page": _P.CARD_EXPORT,
        "export_file": _P.CARD_EXPORT,
    }
    menu_section = "studio"
    menu_icon = "masks-theater"
    menu_order = 10
    form = NewCharacterForm
    list_template = "authoring/list.html"
    create_template = "authoring/new.html"
    empty_icon = "masks-theater"
    empty_title = _l("No characters yet")
    empty_text = _l("Bring in a card that you have, or write a new character.")
    search_hint = _l("Name, tag or text")
    page_size = 24
    columns = (
        Column("name", _l("Name"), cell=_name_cell, sort="name"),
        Column("status", _l("Status"), cell=lambda row: ui.badge(row.status)),
        Column("tagline", _l("Tagline"), wide_only=True),
        Column("content_rating", _l("Rating"), cell=lambda row: ui.badge(row.content_rating), wide_only=True),
        Column("code", _l("Code"), sort="code", wide_only=True),
        Column("owner", _l("Creator"), cell=_owner_cell, wide_only=True),
        Column("updated_at", _l("Changed"), cell=lambda row: ui.moment(row.updated_at), sort="updated"),
    )
    filters = (
        Filter(
            "status",
            _l("Status"),
            lambda value: Character.status == CharacterStatus(value),
            choices=(("draft", _l("draft")), ("published", _l("published")), ("archived", _l("archived"))),
            quick=True,
        ),
        Filter(
            "origin",
            _l("Written by"),
            lambda value: Character.origin == CharacterOrigin(value),
            choices=(("creator", _l("creators")), ("official", _l("the staff"))),
        ),
        Filter("rating", _l("Rating"), lambda value: Character.content_rating == value, choices=RATINGS),
        Filter("tag", _l("Tag"), lambda value: Character.tags.contains([value]), kind=FilterKind.TEXT),
    )
    orders: ClassVar[listing.Orders] = {
        "updated": listing.by(Character.updated_at, unique=Character.id),
        "name": listing.by(Character.name, unique=Character.id),
        "code": listing.by(Character.story_number, Character.code_number, unique=Character.id, nullable=True),
    }
    default_sort = ("updated", True)
    # The long texts stay where they are: a list shows none of them.
    row_columns = (
        Character.id,
        Character.name,
        Character.tagline,
        Character.status,
        Character.content_rating,
        Character.owner_id,
        Character.code,
        Character.story_number,
        Character.code_number,
        Character.portrait_id,
        Character.row_version,
        Character.updated_at,
    )

    export_columns = (
        Column("name", _l("Name")),
        Column("code", _l("Code")),
        Column("status", _l("Status"), plain=lambda row: row.status.value),
        Column("tagline", _l("Tagline")),
        Column("content_rating", _l("Rating"), plain=lambda row: row.content_rating.value),
        Column("tags", _l("Tags")),
        Column("language", _l("Language")),
        Column("updated_at", _l("Changed")),
        Column("id", _l("Id")),
    )
    export_load = (
        load_only(
            Character.name,
            Character.status,
            Character.tagline,
            Character.content_rating,
            Character.tags,
            Character.language,
            Character.code,
            Character.story_number,
            Character.code_number,
            Character.updated_at,
        ),
    )
    bulk_actions = (
        "characters.add_tag",
        "characters.remove_tag",
        "characters.set_rating",
        "characters.archive",
        "characters.restore",
    )

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """The characters whose working texts the actor may read."""
        return queries.draft_visible_to(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Every word, Chinese ones of two characters too."""
        found = listing.contains_folded(text, search_text=Character.search_text, pairs=Character.bigrams)
        code = codes.parse(text)
        return found if code is None else sa.or_(found, queries.has_code(code))

    def hidden(self, actor: Actor) -> frozenset[str]:
        """A creator's list is all their own."""
        return frozenset() if actor.may(_P.CHARACTER_READ_ANY) else frozenset({"owner", "code", "origin"})

    def list_context(self, rows: Sequence[Any]) -> dict[str, Any]:
        """The names of the owners, and whether the list stands as cards or as a table."""
        layout = _layout()
        # Cards don't name their owners.
        if layout == "table" and rows and current_actor().may(_P.CHARACTER_READ_ANY):
            owners = {row.owner_id for row in rows if row.owner_id is not None}
            named = sa.select(User.id, User.name).where(User.id.in_(owners))
            g.character_owners = {row[0]: row[1] for row in self.request_session.execute(named)}
        return {"layout": layout}

    def rows_html(self, rows: Sequence[Any], columns: Sequence[Column], context: Mapping[str, Any]) -> Markup:
        """Cards, or the rows of a table."""
        if context["layout"] == "table":
            return super().rows_html(rows, columns, context)
        return character_cards(rows, url_of=self.row_urls(), picks=self.picks())

    def do_create(self, session: Session, *, actor: Actor, form: Any) -> Character:
        """Have the character made."""
        changes = {name: getattr(form, name).data or "" for name in ("name", "tagline", "description")}
        return characters.create(session, actor=actor, changes=changes, now=utc_now())

    def saved_url(self, row: Character) -> str:
        """After saving one goes on writing."""
        return url_for(".edit_view", row_id=row.id)

    @expose("/<uuid:row_id>")
    def details_view(self, row_id: UUID) -> ResponseReturnValue:
        """The page of one character; of another creator's only what its live listing shows."""
        session, actor = self.request_session, current_actor()
        row = queries.get_character(session, actor=actor, character_id=row_id)
        if not (actor.may(_P.CHARACTER_READ_ANY) or row.owner_id == actor.user_id):
            return self._listed_page(row)
        greetings = queries.greetings_of(session, character_id=row.id)
        return self.render(
            "authoring/character.html",
            row=row,
            is_mine=self._is_mine(row),
            greetings=greetings,
            rendered=self._rendered,
            replies=queries.list_replies(session, character_id=row.id),
            lorebook=queries.find_lorebook(session, character_id=row.id),
            source=queries.find_source(session, character_id=row.id),
            kind_of=kind_of,
            standing=standing_of(session, row),
            dormant=dormancy.find(session, character=row),
            occasion_label=occasion_label,
            completeness=rules.completeness(characters.facts_of(session, row)),
            listing=market.find_newest_listing(session, actor=actor, character_id=row.id),
            feedback=asked_of(session, actor=actor, character_id=row.id),
            jobs=self._jobs(row.id),
            long_fields=[field for field in CharacterForm() if field.name in rules.LONG_TEXTS],
            tokens=rules.tokens,
            license=license_words(row.license),
            warnings=warning_words(row.content_warnings),
        )

    def _listed_page(self, row: Character) -> str:
        session = self.request_session
        publication = session.scalar(
            sa.select(CharacterPublication).where(
                market.listing_visible_to(current_actor()),
                CharacterPublication.character_id == row.id,
                CharacterPublication.status == PublicationStatus.APPROVED,
            )
        )
        version = market.version_of(session, publication) if publication is not None else None
        if version is None and row.origin is CharacterOrigin.OFFICIAL:
            number = queries.find_listed_number(session, character_id=row.id)
            if number is not None:
                version = queries.get_version(session, character_id=row.id, version_number=number)
        data = version.card["data"] if version is not None else {}
        profile = fields.profile_in(version.studio) if version is not None else {}
        return self.render(
            "authoring/listed.html",
            row=row,
            publication=publication,
            version=version,
            profile=profile,
            summary=summary_of(version.name, data.get("description") or "") if version is not None else "",
            data=data,
            name=version.name if version is not None else _("A published character"),
            rendered=macros.render(
                data.get("first_mes", ""),
                char=macros.display_name(data) if data else "",
                user=macros.reader_in(data.get("first_mes", ""), language=str(profile.get("language") or "")),
            ),
        )

    @expose("/<uuid:row_id>/archive", methods=("POST",))
    def archive(self, row_id: UUID) -> ResponseReturnValue:
        """Put the character out of the way."""
        characters.archive(self.request_session, actor=current_actor(), character_id=row_id, now=utc_now())
        flash(_("The character is archived. Nothing of it is lost."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/restore", methods=("POST",))
    def restore(self, row_id: UUID) -> ResponseReturnValue:
        """Bring an archived character back."""
        characters.restore(self.request_session, actor=current_actor(), character_id=row_id, now=utc_now())
        flash(_("The character is a draft again."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/keep", methods=("POST",))
    def keep(self, row_id: UUID) -> ResponseReturnValue:
        """Let a draft that lies still stay a draft."""
        dormancy.keep(self.request_session, actor=current_actor(), character_id=row_id, now=utc_now())
        flash(_("The draft stays. Nothing in it was changed."), "success")
        is_home = request.form.get("back") == "home"
        return redirect(url_for("home.index") if is_home else url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/jobs")
    def jobs(self, row_id: UUID) -> ResponseReturnValue:
        """What runs for this character just now: a part of its page that renews itself while something runs."""
        queries.get_draft(self.request_session, actor=current_actor(), character_id=row_id)
        return self.render("authoring/_jobs.html", row_id=row_id, jobs=self._jobs(row_id))

    @expose("/<uuid:row_id>/export")
    def export_page(self, row_id: UUID) -> ResponseReturnValue:
        """What a chosen form of the draft, or of a version, would lose, before anybody downloads it."""
        to, as_ = request.args.get("to", "v3"), request.args.get("as", "png")
        made = self._export(row_id, to, as_)
        row = queries.get_exportable(self.request_session, actor=current_actor(), character_id=row_id)
        return self.render(
            "authoring/export.html",
            row=row,
            made=made,
            to=to,
            as_=as_,
            size=len(made.data),
            keep_metadata=_is_wanted("keep_metadata"),
            is_public=_is_wanted("public"),
            has_metadata=exports.has_metadata(self.request_session, row),
            number=_number(),
        )

    @expose("/<uuid:row_id>/export/file")
    def export_file(self, row_id: UUID) -> ResponseReturnValue:
        """The card file."""
        made = self._export(row_id, request.args.get("to", "v3"), request.args.get("as", "png"))
        response = Response(made.data, mimetype=made.media_type)
        response.headers.set("Content-Disposition", "attachment", filename=made.filename)
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def _export(self, row_id: UUID, to: str, as_: str) -> Export:
        return exports.export_card(
            self.request_session,
            actor=current_actor(),
            storage=self.resources.storage,
            character_id=row_id,
            version_number=_number(),
            to=to,
            as_=as_,
            now=utc_now(),
            source_url=self._public_address(row_id),
            keep_metadata=_is_wanted("keep_metadata"),
            is_public=_is_wanted("public"),
        )

    def _public_address(self, row_id: UUID) -> str | None:
        """What a card's sources say of where it was written; nothing where the studio has no address of its own."""
        public = self.resources.settings.public_url
        return f"{public.rstrip('/')}{url_for('characters.details_view', row_id=row_id)}" if public else None

    def _jobs(self, row_id: UUID) -> dict[str, Any]:
        found = work_queries.list_jobs_about(
            self.request_session, actor=current_actor(), about=("character", row_id), limit=6
        )
        is_running = any(job.state not in FINAL for job in found)
        return {"rows": found, "is_running": is_running, "label": job_label, "step": step_label}

    @staticmethod
    def _is_mine(row: Character) -> bool:
        return queries.may_write(current_actor(), row)

    @staticmethod
    def _rendered(row: Character, text: str) -> str:
        return macros.render(text, char=row.nickname or row.name, user=macros.reader_in(text, language=row.language))


def _is_wanted(option: str) -> bool:
    return request.args.get(option) == "yes"


def _number() -> int | None:
    """The number of the version that is to be exported; None for the draft."""
    return request.args.get("version", type=whole_number)


def _layout() -> str:
    """Cards or table: as asked for just now, else as last time."""
    wanted = request.args.get("layout", "")
    if wanted in _LAYOUTS:

        @after_this_request
        def remember(response: Response) -> Response:
            response.set_cookie(_LAYOUT_COOKIE, wanted, max_age=_A_YEAR, samesite="Lax", httponly=True)
            return response

        return wanted
    kept = request.cookies.get(_LAYOUT_COOKIE, "")
    return kept if kept in _LAYOUTS else _LAYOUTS[0]
