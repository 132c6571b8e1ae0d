"""A person's long exports: how far they are, and the file until it expires."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, current_app, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import ui
from admin_views.base import Permission, StudioModelView, expose
from admin_views.listing import Column
from admin_views.operations.csv_lists import export_of
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import step_label
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.paging import Key
from studio.operations import exports, queries
from studio.operations.models import ListExport
from studio.work import queries as work_queries
from studio.work.models import FINAL

_READ = Permission.JOB_READ_OWN


def _list_label(row: ListExport) -> str:
    try:
        return str(export_of(current_app, row.list_name).name)
    except NotFoundError:
        return row.list_name


def _state_cell(row: ListExport) -> Markup:
    return ui.badge("succeeded", _("ready")) if row.finished_at is not None else ui.badge("queued", _("being written"))


class ExportsView(StudioModelView):
    """The exports that the person asked for; nobody else sees them."""

    permissions: ClassVar[Mapping[str, Any]] = {
        "index_view": _READ,
        "details_view": _READ,
        "live": _READ,
        "file": _READ,
        "delete": _READ,
    }
    menu_section = "operations"
    menu_icon = "table-export"
    menu_order = 14
    columns = (
        Column("list_name", _l("List"), cell=_list_label),
        Column("state", _l("State"), cell=_state_cell),
        Column("rows", _l("Rows"), cell=lambda row: format_decimal(row.rows), numeric=True),
        Column("created_at", _l("Asked for"), cell=lambda row: ui.moment(row.created_at)),
        Column("expires_at", _l("Kept until"), cell=lambda row: ui.moment(row.expires_at), wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"created_at": (Key(ListExport.created_at), Key(ListExport.id))}
    default_sort = ("created_at", True)
    details_template = "operations/export.html"
    empty_title = _l("No export yet")
    empty_text = _l(
        "Lists of up to 50,000 rows are downloaded at once. Longer ones are written by a job and wait here."
    )
    empty_icon = "table-export"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Their own."""
        return queries.list_export_visible_to(actor)

    def row_title(self, row: ListExport) -> str:
        """Which list it holds."""
        return str(_("Export: %(list)s", list=_list_label(row)))

    def details_context(self, row: ListExport) -> dict[str, Any]:
        """How far the job is."""
        found = work_queries.list_jobs_about(
            self.request_session, actor=current_actor(), about=("list_export", row.id), limit=1
        )
        job = found[0] if found else None
        return {
            "made": row,
            "job": job,
            "step": step_label(job.step) if job is not None else "",
            "is_open": row.finished_at is None and (job is None or job.state not in FINAL),
        }

    @expose("/<uuid:row_id>/live")
    def live(self, row_id: UUID) -> ResponseReturnValue:
        """The part of the page that changes while the file is written."""
        row = self.get_one(row_id)
        return self.render("operations/_export_live.html", row=row, **self.details_context(row))

    @expose("/<uuid:row_id>/file")
    def file(self, row_id: UUID) -> ResponseReturnValue:
        """The file, for whoever asked for it and still may see the list."""
        made, key = exports.file_of(self.request_session, actor=current_actor(), export_id=row_id, now=utc_now())
        if not export_of(current_app, made.list_name).may("export_view"):
            raise ForbiddenError
        response = Response(self.resources.storage.stream(key), mimetype="text/csv")
        response.headers["Content-Length"] = str(made.size_bytes)
        response.headers["Cache-Control"] = "private, no-store"
        response.headers.set("Content-Disposition", "attachment", filename=f"{made.list_name}.csv")
        return response

    @expose("/<uuid:row_id>/delete", methods=("POST",))
    def delete(self, row_id: UUID) -> ResponseReturnValue:
        """Delete the export before its time; where it is still written, its job ends with nothing to do."""
        session = self.request_session
        sha256 = exports.delete(session, actor=current_actor(), export_id=row_id)
        if sha256 is not None:
            exports.drop_unused(session, storage=self.resources.storage, hashes=[sha256])
        flash(_("Deleted."), "success")
        return redirect(url_for("exports.index_view"), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ExportsView(resources, ListExport, name=_l("Exports"), endpoint="exports")]
