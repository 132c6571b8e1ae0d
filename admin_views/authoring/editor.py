"""The editor of a character and its portrait: the routes on which the view of characters is built."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from admin_views import merging
from admin_views.access import is_fragment
from admin_views.authoring import editor_helpers as character_helpers
from admin_views.authoring import in_trash
from admin_views.authoring.editor_form import (
    CONTEXT_LABELS,
    EMOTION_LABELS,
    LANGUAGES,
    CharacterForm,
    field_label,
    form_values,
    readable,
    row_errors,
    row_links,
    shown_differences,
)
from admin_views.authoring.editor_rows import Rows, left_out, rows_from, rows_of, whole
from admin_views.authoring.trash_words import told
from admin_views.authoring.versions import say_saved
from admin_views.base import StudioModelView, expose, sent_version
from admin_views.forms import Difference, attach_errors, sentence
from admin_views.market.feedback import asked_of
from admin_views.saving import NEW
from admin_views.session import current_actor
from studio.authoring import characters, chat_settings, drafts, queries, rules, tag_queries, versions
from studio.authoring import errors as authoring_errors
from studio.authoring.errors import StaleCharacterError
from studio.authoring.models import TEXT_LENGTH, Character
from studio.authoring.token_budget import GROUPS
from studio.editing.rules import merge, same
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError
from studio.operations import trash
from studio.operations.errors import UsedCharacterError


class EditorView(StudioModelView):
    """The routes in which a character is changed; a view of characters is built on it."""

    @expose("/<uuid:row_id>/edit", methods=("GET", "POST"))
    def edit_view(self, row_id: UUID) -> ResponseReturnValue:
        """The editor. Buttons of rows re-arrange what is typed and save nothing; a stale save leads to the merge."""
        session, actor = self.request_session, current_actor()
        try:
            row = queries.get_writable(session, actor=actor, character_id=row_id)
        except NotFoundError:
            return self._in_trash(row_id)
        draft = self.take_up_draft(row_id)
        if draft is not None:
            return self._editor(row, CharacterForm(formdata=draft), rows_from(draft), is_dirty=True)
        if request.method == "GET":
            return self._editor(row, *_filled(drafts.state(session, row)))
        form, rows = CharacterForm(), rows_from(request.form)
        asked = self._asked(form, rows, request.form.get("do", ""))
        if asked is not None:
            return self._editor(row, form, rows, is_dirty=True, **asked)
        return self._save(row_id, form, rows)

    def _save(self, row_id: UUID, form: CharacterForm, rows: Rows) -> ResponseReturnValue:
        session, actor = self.request_session, current_actor()
        try:
            saved = characters.update(
                session,
                actor=actor,
                character_id=row_id,
                row_version=sent_version() or 0,
                now=utc_now(),
                **_given(form, rows),
            )
        except StaleCharacterError as stale:
            return self._merge(stale, row_id)
        except StudioError as error:
            return self._refused_save(error, row_id, form, rows)
        self.close_drafts(session, row_id)
        self._say_saved(saved)
        for said in left_out(rows):
            flash(said, "info")
        return redirect(self.saved_url(saved), 303)

    def _in_trash(self, row_id: UUID) -> ResponseReturnValue:
        """Where a save finds the character in the trash: a page with the text, which is kept. Raises NotFoundError elsewhere."""
        row = in_trash.find() if request.method == "POST" and not is_fragment() else None
        if row is None:
            raise NotFoundError
        changed = self.draft_differences(row, request.form, part="")
        draft = in_trash.keep(row_id, resource=self.endpoint) if changed else None
        return in_trash.page(row, draft=draft, changed=changed or []), in_trash.GONE

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

    def _say_saved(self, row: Character) -> None:
        """Say that everything is saved, after keeping it as a version where that was asked for."""
        if request.form.get("do") != "version":
            flash(_("Saved."), "success")
            return
        now = utc_now()
        note = request.form.get("change_note", "")
        version = versions.make(
            self.request_session, actor=current_actor(), character_id=row.id, change_note=note, now=now
        )
        say_saved(version, now=now)

    def ask_writable(self, row_id: UUID, part: str) -> None:
        """Return if the character is the present person's to change; raise NotFoundError otherwise."""
        if part == NEW:
            super().ask_writable(row_id, part)
        else:
            queries.require_writable(self.request_session, actor=current_actor(), character_id=row_id)

    def draft_differences(
        self, row: Character | None, fields: "MultiDict[str, str]", *, part: str
    ) -> list[Difference] | None:
        """What a draft would change of the character as it is saved."""
        if part or row is None:
            return super().draft_differences(row, fields, part=part)
        mine = characters.as_kept(**_given(CharacterForm(formdata=fields), rows_from(fields)))
        theirs = drafts.state(self.request_session, row)
        found = (
            authoring_errors.Difference(field=name, theirs=theirs[name], mine=value)
            for name, value in mine.items()
            if not same(theirs[name], value)
        )
        return shown_differences(found)

    def _merge(self, stale: StaleCharacterError, row_id: UUID) -> ResponseReturnValue:
        """The page on which this save is merged with the one that came first, or what was chosen there, saved."""
        session, actor = self.request_session, current_actor()
        session.rollback()
        row = queries.get_writable(session, actor=actor, character_id=row_id)
        fields = merge(stale.base, stale.theirs, stale.mine)
        values = merging.decided(fields, row_version=stale.row_version)
        if values is None:
            return merging.page(
                self,
                row,
                fields,
                row_version=stale.row_version,
                resource=drafts.RESOURCE,
                label=field_label,
                readable=lambda _name, value: readable(value),
                action=url_for("characters.edit_view", row_id=row_id),
            )
        form, rows = _filled({**stale.theirs, **values})
        if request.form.get("do") == "write":
            return self._editor(row, form, rows, is_dirty=True, row_version=stale.row_version)
        parts = {name: values.pop(name) for name in list(values) if name not in rules.FIELDS}
        try:
            saved = characters.update(
                session,
                actor=actor,
                character_id=row_id,
                row_version=stale.row_version,
                changes=values,
                now=utc_now(),
                **parts,
            )
        except StaleCharacterError as again:
            return self._merge(again, row_id)
        except StudioError as error:
            return self._refused_save(error, row_id, form, rows, row_version=stale.row_version)
        self.close_drafts(session, row_id)
        flash(_("Saved: both changes are in it."), "success")
        return redirect(self.saved_url(saved), 303)

    def _refused_save(
        self, error: StudioError, row_id: UUID, form: CharacterForm, rows: Rows, **context: Any
    ) -> ResponseReturnValue:
        self.request_session.rollback()
        row = queries.get_writable(self.request_session, actor=current_actor(), character_id=row_id)
        context["is_dirty"] = True
        is_beside_a_field = False
        if isinstance(error, InvalidError):
            form.validate()
            is_beside_a_field = attach_errors(form, error) or bool(row_links(error.fields))
            context["row_errors"] = row_errors(error.fields)
            context["row_links"] = row_links(error.fields)
        if not is_beside_a_field:
            flash(sentence(error), "danger")
        return self._editor(row, form, rows, **context), error.status

    def _editor(self, row: Character, form: CharacterForm, rows: Rows, **context: Any) -> str:
        known = {
            "row_errors": {},
            "row_links": [],
            "is_dirty": False,
            "row_version": sent_version() or row.row_version,
            "previews": {},
            "draw": None,
            **self.saving_context(row),
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
            models=chat_settings.models(self.resources.settings.language_windows),
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

    @expose("/<uuid:row_id>/trash", methods=("POST",))
    def trash(self, row_id: UUID) -> ResponseReturnValue:
        """Throw the character away, with the way back at hand. May be repeated and undone, so it needs no version token."""
        try:
            row = trash.put(self.request_session, actor=current_actor(), character_id=row_id, now=utc_now())
        except UsedCharacterError as error:
            self.request_session.rollback()
            flash(" ".join((sentence(error), *told(error.uses))), "danger")
            return redirect(url_for("characters.details_view", row_id=row_id), 303)
        days = trash.STAYS.days
        said = _("%(name)s is in the trash for %(days)d days.", name=row.name, days=days)
        undo = {"text": said, "label": _("Undo"), "url": url_for("trash.restore", row_id=row_id)}
        flash(undo, "success")  # type: ignore[arg-type]
        return redirect(url_for("characters.index_view"), 303)

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


def _given(form: CharacterForm, rows: Rows) -> dict[str, Any]:
    """What the form holds, as `authoring.characters.update` takes it: the fields, and each part by its name."""
    changes = form.changes()
    if "emotions" in rows.sent:
        changes["emotional_range"] = rows.emotions
    return {"changes": changes, **rows.parts()}


def _filled(state: Mapping[str, Any]) -> tuple[CharacterForm, Rows]:
    """The form for what `studio.authoring.drafts.state` says."""
    return CharacterForm(formdata=None, data=form_values(state)), rows_of(state)
