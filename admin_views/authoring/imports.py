"""Bringing cards in: the drop zone, the dry-run report, confirming and discarding."""

from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from werkzeug.datastructures import FileStorage

from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence
from admin_views.session import current_actor
from studio.authoring import card_imports, duplicates, queries
from studio.authoring.models import CardDocument, DocumentState
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError

MOST_AT_ONCE = 20
_SHOWN = 30

CONTAINERS = {
    "png": _l("PNG picture"),
    "apng": _l("animated PNG picture"),
    "json": _l("JSON file"),
    "charx": _l("CHARX archive"),
    "yaml": _l("YAML file"),
    "byaf": _l("Backyard archive"),
    "jpeg_charx": _l("CHARX behind a JPEG picture"),
    "png_charx": _l("CHARX behind a PNG picture"),
    "webp": _l("WebP picture"),
}
KINDS = {
    "v1": "V1",
    "v2": "V2",
    "v3": "V3",
    "agnai": "Agnai",
    "byaf": "Backyard",
    "pygmalion": "Pygmalion",
    "tavernai": "TavernAI",
    "text_generation": "text-generation-webui",
}
"""What people call the kinds of cards; names, so the same in every language."""

FIELDS = {
    "name": _l("Name"),
    "nickname": _l("Nickname"),
    "description": _l("Description"),
    "personality": _l("Personality"),
    "scenario": _l("Scenario"),
    "first_mes": _l("First greeting"),
    "alternate_greetings": _l("Alternate greetings"),
    "group_only_greetings": _l("Group greetings"),
    "mes_example": _l("Example dialogue"),
    "system_prompt": _l("System prompt"),
    "post_history_instructions": _l("Instructions after the history"),
    "creator_notes": _l("Creator's notes"),
    "creator_notes_multilingual": _l("Creator's notes in other languages"),
    "creator": _l("Creator"),
    "character_version": _l("Version"),
    "tags": _l("Tags"),
    "character_book": _l("Lorebook"),
    "extensions": _l("Extensions"),
    "assets": _l("Assets"),
    "source": _l("Sources"),
    "creation_date": _l("Made on"),
    "modification_date": _l("Changed on"),
    "lorebook": _l("Lorebook"),
    "greetings.first": _l("First greeting"),
    "greetings.alternate": _l("Alternate greetings"),
    "greetings.group_only": _l("Group greetings"),
    "example_dialogue": _l("Example dialogue"),
}
LIKENESS = {
    "file": _l("the same file"),
    "content": _l("the same content"),
    "name": _l("the same name"),
}


class ImportsView(StudioView):
    """A creator's imports; nobody sees another's."""

    permissions: ClassVar[dict[str, Permission]] = dict.fromkeys(
        ("index", "report", "confirm", "discard"), Permission.CARD_IMPORT
    )
    menu_section = "studio"
    menu_icon = "file-import"
    menu_order = 20

    @expose("/", methods=("GET", "POST"))
    def index(self) -> ResponseReturnValue:
        """The drop zone, and what waits for a decision. One file leads to its report, several to the list."""
        if request.method == "GET":
            return self._page()
        files = [file for file in request.files.getlist("card") if file.filename]
        if not files:
            return self._page(_("Choose a file first: a card as PNG, JSON, YAML, CHARX or BYAF.")), 422
        if len(files) > MOST_AT_ONCE:
            return self._page(
                _(
                    "Here you look at each card first: at most %(most)d at once. Bring more under “Many cards at once”.",
                    most=MOST_AT_ONCE,
                )
            ), 422
        read: list[CardDocument] = []
        refused: list[tuple[str, str]] = []
        status = 422
        for file in files:
            try:
                read.append(self._preview(file))
            except InvalidError as error:
                refused.append((file.filename or "", sentence(error)))
                status = error.status
        if not read:
            # An answer of 400 or more undoes what the request did; here nothing was done.
            return self._page(refused=refused), status
        if len(files) == 1:
            return redirect(url_for(".report", document_id=read[0].id), 303)
        flash(
            ngettext("%(num)d card was read. Look at it, then confirm it.", "%(num)d cards were read.", len(read)),
            "success",
        )
        return self._page(refused=refused)

    @expose("/<uuid:document_id>")
    def report(self, document_id: UUID) -> ResponseReturnValue:
        """What was read in the card, before anything is made of it."""
        document = queries.get_document(self.session, actor=current_actor(), document_id=document_id)
        return self._report_page(document)

    @expose("/<uuid:document_id>/confirm", methods=("POST",))
    def confirm(self, document_id: UUID) -> ResponseReturnValue:
        """Make the character."""
        actor = current_actor()
        try:
            character = card_imports.confirm(self.session, actor=actor, document_id=document_id, now=utc_now())
        except InvalidError as error:
            flash(sentence(error), "danger")
            document = queries.get_document(self.session, actor=actor, document_id=document_id)
            return self._report_page(document), error.status
        flash(_("%(name)s is among your characters now, as a draft.", name=character.name), "success")
        return redirect(url_for("characters.details_view", row_id=character.id), 303)

    @expose("/<uuid:document_id>/discard", methods=("POST",))
    def discard(self, document_id: UUID) -> ResponseReturnValue:
        """Make nothing of the card."""
        card_imports.discard(self.session, actor=current_actor(), document_id=document_id)
        flash(_("The import is discarded."), "success")
        return redirect(url_for(".index"), 303)

    def _preview(self, file: FileStorage) -> CardDocument:
        # Of several files one may be refused halfway: what it had left goes, the others stay.
        with file.stream, self.session.begin_nested():
            return card_imports.preview(
                self.session,
                actor=current_actor(),
                storage=self.resources.storage,
                data=file.stream.read(),
                filename=file.filename or "",
                now=utc_now(),
            )

    def _page(self, problem: str = "", *, refused: list[tuple[str, str]] | None = None) -> str:
        waiting = self.session.scalars(
            sa.select(CardDocument)
            .where(queries.document_visible_to(current_actor()), CardDocument.state == DocumentState.PREVIEWED)
            .order_by(CardDocument.created_at.desc(), CardDocument.id.desc())
            .limit(_SHOWN)
        ).all()
        return self.render(
            "authoring/imports.html", waiting=waiting, problem=problem, refused=refused or [], containers=CONTAINERS
        )

    def _report_page(self, document: CardDocument) -> str:
        return self.render(
            "authoring/report.html",
            document=document,
            report=document.report,
            duplicates=duplicates.find(self.session, actor=current_actor(), document=document),
            containers=CONTAINERS,
            kind_of=kind_of,
            labels=FIELDS,
            likeness=LIKENESS,
        )


def kind_of(card_format: str) -> str:
    """The kind in a card's format ("png_v2", "json_text_generation"), as people call it."""
    kind = card_format.partition("_")[2]
    return KINDS.get(kind, kind)
