"""The editor of a character and its portrait: the routes on which the view of characters is built."""

from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_views.base import StudioModelView, expose, sent_version
from admin_views.character_form import (
    CharacterForm,
    Rows,
    joined_tags,
    row_errors,
    rows_from,
    rows_of,
    stale_differences,
)
from admin_views.feedback import asked_of
from admin_views.forms import attach_errors, sentence
from admin_views.session import current_actor
from studio.authoring import characters, documents, queries
from studio.authoring.errors import StaleCharacterError
from studio.authoring.models import Character
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, StudioError


class EditorView(StudioModelView):
    """The routes in which a character is changed; a view of characters is built on it."""

    @expose("/<uuid:row_id>/edit", methods=("GET", "POST"))
    def edit_view(self, row_id: UUID) -> ResponseReturnValue:
        """The editor. Buttons of rows re-arrange what is typed and save nothing; a stale save shows both texts."""
        session, actor = self.request_session, current_actor()
        row = queries.get_writable(session, actor=actor, character_id=row_id)
        if request.method == "GET":
            values = documents.values_of(row)
            form = CharacterForm(formdata=None, data={**values, "tags": joined_tags(values["tags"])})
            rows = rows_of(
                queries.greetings_of(session, character_id=row.id), queries.replies_of(session, character_id=row.id)
            )
            return self._editor(row, form, rows)
        form, rows = CharacterForm(), rows_from(request.form)
        if rows.step(request.form.get("do", "")):
            return self._editor(row, form, rows, is_dirty=True)
        try:
            saved = characters.update(
                session,
                actor=actor,
                character_id=row_id,
                row_version=sent_version() or 0,
                changes=form.changes(),
                greetings=rows.greetings(),
                replies=rows.drafts(),
                now=utc_now(),
            )
        except StudioError as error:
            return self._refused_save(error, row_id, form, rows)
        flash(_("Saved."), "success")
        return redirect(self.saved_url(saved), 303)

    def _refused_save(self, error: StudioError, row_id: UUID, form: CharacterForm, rows: Rows) -> ResponseReturnValue:
        self.request_session.rollback()
        row = queries.get_writable(self.request_session, actor=current_actor(), character_id=row_id)
        context: dict[str, Any] = {"is_dirty": True}
        if isinstance(error, StaleCharacterError):
            # The next save is made in knowledge of what is saved now.
            context |= {"stale": stale_differences(form, error), "row_version": error.row_version}
        is_beside_a_field = False
        if isinstance(error, InvalidError):
            form.validate()
            is_beside_a_field = attach_errors(form, error)
            context["row_errors"] = row_errors(error.fields)
        if not is_beside_a_field:
            flash(sentence(error), "danger")
        return self._editor(row, form, rows, **context), error.status

    def _editor(self, row: Character, form: CharacterForm, rows: Rows, **context: Any) -> str:
        known = {
            "stale": [],
            "row_errors": {},
            "is_dirty": False,
            "row_version": sent_version() or row.row_version,
            **context,
        }
        known["feedback"] = asked_of(self.request_session, actor=current_actor(), character_id=row.id)
        return self.render("authoring/editor.html", row=row, form=form, rows=rows, **known)

    @expose("/<uuid:row_id>/portrait", methods=("POST",))
    def portrait(self, row_id: UUID) -> ResponseReturnValue:
        """Show another portrait, or none; what is refused leaves the character as it was, with the reason said there."""
        # Whose character it is comes before what is wrong with the picture.
        queries.get_writable(self.request_session, actor=current_actor(), character_id=row_id)
        sent = request.files.get("portrait")
        data = sent.read() if sent is not None else b""
        try:
            if not data and request.form.get("do") != "remove":
                raise InvalidError("Choose a picture first: PNG, JPEG, WebP or GIF, up to 20 MB.")
            characters.set_portrait(
                self.request_session,
                actor=current_actor(),
                storage=self.resources.storage,
                character_id=row_id,
                row_version=sent_version() or 0,
                data=data or None,
                name=(sent.filename or "") if sent is not None else "",
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("The portrait is saved.") if data else _("The portrait is taken away."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)
