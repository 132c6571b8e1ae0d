"""The editor of a character and its portrait: the routes on which the view of characters is built."""

from typing import Any
from uuid import UUID

from flask import flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_views import character_helpers
from admin_views.base import StudioModelView, expose, sent_version
from admin_views.character_form import (
    CONTEXT_LABELS,
    EMOTION_LABELS,
    LANGUAGES,
    CharacterForm,
    form_values,
    row_errors,
    stale_differences,
)
from admin_views.character_rows import Rows, rows_from, rows_of, whole
from admin_views.feedback import asked_of
from admin_views.forms import attach_errors, sentence
from admin_views.session import current_actor
from studio.authoring import characters, chat_settings, drafts, queries, tag_queries
from studio.authoring.errors import StaleCharacterError
from studio.authoring.models import TEXT_LENGTH, Character
from studio.authoring.token_budget import GROUPS
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
            state = drafts.state(session, row)
            return self._editor(row, CharacterForm(formdata=None, data=form_values(state)), rows_of(state))
        form, rows = CharacterForm(), rows_from(request.form)
        asked = self._asked(form, rows, request.form.get("do", ""))
        if asked is not None:
            return self._editor(row, form, rows, is_dirty=True, **asked)
        changes = form.changes()
        if "emotions" in rows.sent:
            changes["emotional_range"] = rows.emotions
        try:
            saved = characters.update(
                session,
                actor=actor,
                character_id=row_id,
                row_version=sent_version() or 0,
                changes=changes,
                **rows.parts(),
                now=utc_now(),
            )
        except StudioError as error:
            return self._refused_save(error, row_id, form, rows)
        flash(_("Saved."), "success")
        return redirect(self.saved_url(saved), 303)

    @staticmethod
    def _asked(form: CharacterForm, rows: Rows, wish: str) -> dict[str, Any] | None:
        """What a button that saves nothing adds to the page, or None where the person saves."""
        if rows.step(wish) or character_helpers.put_right(form, rows, wish):
            return {}
        if wish == "preview":
            return {"previews": character_helpers.previews(form, rows, user=request.form.get("preview_user", ""))}
        if wish == "draw":
            tries = whole(request.form.get("draw_tries", ""), otherwise=1)
            return {"draw": character_helpers.draw(rows, language=request.form.get("draw_language", ""), tries=tries)}
        return None

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
            "previews": {},
            "draw": None,
            **context,
        }
        lore = queries.constant_lore_tokens(self.request_session, character_id=row.id)
        return self.render(
            "authoring/editor.html",
            row=row,
            form=form,
            rows=rows,
            feedback=asked_of(self.request_session, actor=current_actor(), character_id=row.id),
            budget=character_helpers.budget(form, rows, lore=lore),
            notes=character_helpers.notes,
            groups=GROUPS,
            models=chat_settings.MODELS,
            ranges=chat_settings.RANGES,
            context_labels=CONTEXT_LABELS,
            emotion_labels=EMOTION_LABELS,
            languages=LANGUAGES,
            preview_user=request.form.get("preview_user", ""),
            **known,
        )

    @expose("/<uuid:row_id>/check", methods=("POST",))
    def check_text(self, row_id: UUID) -> ResponseReturnValue:
        """What is wrong with a typed text's macros, and how a chat would show it, as JSON; nothing is saved."""
        queries.require_writable(self.request_session, actor=current_actor(), character_id=row_id)
        sent = request.form
        text = sent.get("text", "")[:TEXT_LENGTH]
        answer: dict[str, Any] = {"notes": [note.as_json() for note in character_helpers.notes(text)]}
        if "seed" in sent:
            answer["rendered"] = character_helpers.rendered(
                text, char=sent.get("char", ""), user=sent.get("user", ""), seed=whole(sent["seed"], otherwise=0)
            )
        return jsonify(answer)

    @expose("/tags")
    def tag_suggestions(self) -> ResponseReturnValue:
        """Tags that exist and fit what is typed, as JSON: a person's own first, then the commonest of listed ones."""
        found = tag_queries.suggestions(self.request_session, actor=current_actor(), text=request.args.get("q", ""))
        return jsonify({"items": [{"value": tag, "text": tag} for tag in found]})

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
