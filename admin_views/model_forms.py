"""The forms of a model view: making a row, changing it, refusals beside their fields, and merging a save that came second."""

from typing import Any, ClassVar

from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_babel import gettext as _

from admin_views import merging
from admin_views.forms import attach_errors, current_version, differences, sent_version, sentence
from admin_views.saving import NEW, NEW_ID, SavingRoutes
from admin_views.session import current_actor
from studio.kit.errors import InvalidError, NotFoundError, StaleError, StudioError


class FormRoutes(SavingRoutes):
    """Forms over rows. What they write is the view's `do_create` and `do_update`, which call services."""

    # What the view says; see `StudioModelView`.
    resource: ClassVar[str]
    keeps_new: ClassVar[bool] = True
    """Whether the form for a new row keeps itself; not where it is filled from something that its address names."""
    create_template: ClassVar[str]
    edit_template: ClassVar[str]
    created_text: ClassVar[Any]
    form: Any
    render: Any
    hidden: Any
    scaffold_form: Any
    request_session: Any
    do_create: Any
    do_update: Any
    row_title: Any
    saved_url: Any

    def draft_differences(self, row: Any, fields: Any, *, part: str) -> list[Any] | None:
        """What a draft would change of the row as it is saved, or what was written of a new one."""
        if part not in {"", NEW}:
            return None
        kept = g.get("continued_fields")
        try:
            g.continued_fields = None
            blank = {field.name: field.data for field in self.make_form()} if row is None else row
            g.continued_fields = fields
            return differences(self.make_form(row), blank)
        finally:
            g.continued_fields = kept

    def make_form(self, row: Any | None = None) -> Any:
        """The form, filled from the request or from `row`, without the fields hidden from the present person."""
        form = (self.form or self.scaffold_form())(obj=row)
        for name in self.hidden(current_actor()):
            if name in form:
                del form[name]
        return form

    def made_text(self, row: Any) -> str:  # noqa: ARG002 - Subclasses need it.
        """What is said when `row` was made."""
        return str(self.created_text)

    def changed_text(self, row: Any) -> str:  # noqa: ARG002 - Subclasses need it.
        """What is said when `row` was changed; "Saved." where nothing is given."""
        return ""

    @expose("/new", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """A form for a new row; what was typed into one that was left is offered again."""
        if self.keeps_new:
            self.take_up_draft(NEW_ID, part=NEW)
        form = self.make_form()
        if request.method == "POST" and form.validate():
            try:
                row = self.do_create(self.request_session, actor=current_actor(), form=form)
            except StudioError as error:
                return self._refused(self.create_template, error, form=form, row=None)
            self.close_drafts(self.request_session, NEW_ID, part=NEW)
            flash(self.made_text(row) or _("Saved."), "success")
            return redirect(self.saved_url(row), 303)
        status = 422 if request.method == "POST" else 200
        context = self._new_context() | self.form_context(None)
        return self.render(self.create_template, form=form, row=None, **context), status

    def _new_context(self) -> dict[str, Any]:
        """Where the form for a new row keeps itself, and what is offered there."""
        return self.saving_context(None, part=NEW, row_id=NEW_ID) if self.keeps_new else {}

    def form_context(self, row: Any | None) -> dict[str, Any]:  # noqa: ARG002 - Subclasses need it.
        """What the form's template needs besides."""
        return {}

    @expose("/<uuid:row_id>/edit", methods=("GET", "POST"))
    def edit_view(self, row_id: Any) -> ResponseReturnValue:
        """A form over a row. A save that is based on an old reading changes nothing and leads to the merge."""
        row = self.get_one(row_id)
        self.take_up_draft(row_id)
        form = self.make_form(row)
        if request.method == "POST" and form.validate():
            try:
                row = self.do_update(
                    self.request_session, actor=current_actor(), row=row, row_version=sent_version(), form=form
                )
            except StudioError as error:
                return self._refused(self.edit_template, error, form=form, row=row_id)
            self.close_drafts(self.request_session, row_id)
            flash(self.changed_text(row) or _("Saved."), "success")
            return redirect(self.saved_url(row), 303)
        status = 422 if request.method == "POST" else 200
        context = {"row": row, "form": form, "row_version": sent_version() or current_version(row)}
        return self.render(self.edit_template, **context, **self.saving_context(row), **self.form_context(row)), status

    def _merge(self, form: Any, row: Any) -> ResponseReturnValue:
        """The page on which this save is merged with the one that came first, or what was chosen there, saved."""
        fields, version = merging.of_form(form, row, resource=self.resource), current_version(row)
        values = merging.decided(fields, row_version=version)
        if values is None:
            return merging.page(
                self,
                row,
                fields,
                row_version=version,
                resource=self.resource,
                label=merging.label_of(form),
                readable=merging.readable_in(form),
                action=url_for(f"{self.endpoint}.edit_view", row_id=row.id),
            )
        merging.put_into(form, values, row)
        row_id = row.id
        if request.form.get("do") == "write":
            context = {"row": row, "form": form, "row_version": version, "is_dirty": True}
            page = self.render(self.edit_template, **context, **self.saving_context(row), **self.form_context(row))
            return str(page)
        try:
            saved = self.do_update(self.request_session, actor=current_actor(), row=row, row_version=version, form=form)
        except StudioError as error:
            return self._refused(self.edit_template, error, form=form, row=row_id, version=version)
        self.close_drafts(self.request_session, row_id)
        flash(_("Saved: both changes are in it."), "success")
        return redirect(self.saved_url(saved), 303)

    def _refused(
        self, template: str, error: StudioError, *, form: Any, row: Any, version: int | None = None
    ) -> ResponseReturnValue:
        """The form again with all that was typed and the sentence of `error`; nothing of the request stands."""
        if isinstance(error, NotFoundError):
            raise error
        self.request_session.rollback()
        current = None if row is None else self.get_one(row)
        if isinstance(error, StaleError) and current is not None:
            return self._merge(form, current)
        if not (isinstance(error, InvalidError) and attach_errors(form, error)):
            flash(sentence(error), "danger")
        version = version or sent_version()
        context = {"row": current, "form": form, "row_version": version, "is_dirty": True}
        context |= self._new_context() if current is None else self.saving_context(current)
        return self.render(template, **context, **self.form_context(current)), error.status
