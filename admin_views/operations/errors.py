"""Errors and health on the screen, for those who keep the studio running."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import ui
from admin_views.access import is_fragment
from admin_views.authoring.search import provider_label
from admin_views.base import StudioModelView, StudioView, expose
from admin_views.forms import sentence
from admin_views.listing import Column, Filter, FilterKind, contains
from admin_views.media.labels import maker_of
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.voices.labels import provider_label as spoken_by
from admin_views.work.queues import PROCESS_LABELS
from admin_views.work.unpriced import unpriced_sentences
from studio.accounts.permissions import Actor, Permission
from studio.kit.clock import utc_now
from studio.kit.paging import Key
from studio.operations import error_log, health, queries
from studio.operations.models import ErrorGroup, ErrorLog, ErrorSource
from studio.operations.rules import as_reference
from studio.providers.storage import StorageError
from studio.work import circuits
from studio.work import queries as work_queries

_SHOWN = 20

_EMBEDDING_JOBS = ("memory.embed_character", "memory.embed_missing")

FACT_LABELS = {
    "database": _l("Database"),
    "jobs": _l("Waiting jobs"),
    "migrations": _l("Tables"),
    "redis": _l("Queue"),
    "scheduler": _l("Scheduler"),
    "worker": _l("Workers"),
}
"""What people read for the facts of `studio.operations.health`."""

FACT_WORDS = (
    _l("it answers"),
    _l("does not answer (%(error)s)"),
    _l("not known while the database is not ready"),
    _l("the database has no tables yet"),
    _l("at %(found)s, this program needs %(head)s"),
    _l("at %(head)s"),
    _l("none has been seen"),
    _l("seen %(seconds)s s ago"),
    _l("none waits"),
    _l("the oldest has waited %(seconds)s s"),
)
"""What is said of them, marked here: they know no Flask."""


def _type_cell(group: ErrorGroup) -> Markup:
    return Markup("<strong>{}</strong>").format(group.error_type.rpartition(".")[2])


SOURCE_LABELS = {
    ErrorSource.REQUEST: _l("on a page"),
    ErrorSource.JOB: _l("in a job"),
    ErrorSource.COMMAND: _l("in a command"),
}
"""What people read for where an error happened."""


class ErrorsView(StudioModelView):
    """Errors that nobody handled, grouped by what they are and where they happened."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index_view": Permission.ERROR_READ,
        "details_view": Permission.ERROR_READ,
        "find": Permission.ERROR_READ,
        "resolve": Permission.ERROR_RESOLVE,
        "reopen": Permission.ERROR_RESOLVE,
    }
    menu_section = "operations"
    menu_icon = "bug"
    menu_order = 20
    row_id_converter = "string"

    columns = (
        Column("error_type", _l("Error"), cell=_type_cell),
        Column("message", _l("Message"), wide_only=True),
        Column("count", _l("Times"), numeric=True, sort="count"),
        Column("first_seen_at", _l("First"), cell=lambda group: ui.moment(group.first_seen_at), wide_only=True),
        Column("last_seen_at", _l("Last"), cell=lambda group: ui.moment(group.last_seen_at), sort="last_seen_at"),
        Column(
            "state",
            _l("State"),
            cell=lambda group: (
                ui.badge("succeeded", _("dealt with")) if group.resolved_at else ui.badge("failed", _("not dealt with"))
            ),
        ),
    )
    orders = {  # noqa: RUF012 - As above.
        "last_seen_at": (Key(ErrorGroup.last_seen_at), Key(ErrorGroup.fingerprint)),
        "count": (Key(ErrorGroup.count), Key(ErrorGroup.fingerprint)),
    }
    default_sort = ("last_seen_at", True)
    filters = (
        Filter(
            "state",
            _l("State"),
            lambda value: ErrorGroup.resolved_at.is_(None) if value == "open" else ErrorGroup.resolved_at.is_not(None),
            choices=[("open", _l("not dealt with")), ("resolved", _l("dealt with"))],
            quick=True,
        ),
        Filter(
            "source",
            _l("Where"),
            lambda value: sa.exists().where(
                ErrorLog.fingerprint == ErrorGroup.fingerprint, ErrorLog.source == ErrorSource(value)
            ),
            choices=[(source.value, label) for source, label in SOURCE_LABELS.items()],
        ),
        Filter(
            "reference",
            _l("Reference"),
            lambda text: sa.exists().where(
                ErrorLog.fingerprint == ErrorGroup.fingerprint, ErrorLog.reference == as_reference(text)
            ),
            kind=FilterKind.TEXT,
        ),
    )
    search_columns = (ErrorGroup.error_type, ErrorGroup.message)
    search_hint = _l("Type or message")
    bulk_actions = ("errors.resolve", "errors.reopen")
    details_template = "operations/error.html"
    empty_title = _l("No errors")
    empty_text = _l("What goes wrong unexpectedly appears here, with the reference that the person saw.")
    empty_icon = "mood-smile"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Staff and admins see all errors."""
        return queries.error_visible_to(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of the type or of the message."""
        return contains(text, *self.search_columns)

    def row_title(self, row: ErrorGroup) -> str:
        """The error's type without its module."""
        return row.error_type.rpartition(".")[2]

    def row_urls(self) -> Callable[[Any], str | None]:
        """The group's page."""
        return lambda row: url_for("errors.details_view", row_id=row.fingerprint)

    def details_context(self, row: ErrorGroup) -> dict[str, Any]:
        """The latest errors of the group, and the one that was asked for first."""
        latest = queries.list_errors(
            self.request_session, actor=current_actor(), fingerprint=row.fingerprint, limit=_SHOWN
        )
        wanted = request.args.get("reference", "")
        shown = next((error for error in latest if error.reference == wanted), None)
        if shown is None and wanted:
            found = queries.find_error(self.request_session, actor=current_actor(), reference=wanted)
            shown = found if found is not None and found.fingerprint == row.fingerprint else None
        return {
            "source_label": lambda source: SOURCE_LABELS[source],
            "group": row,
            "latest": latest,
            "shown": shown or (latest[0] if latest else None),
        }

    @expose("/find")
    def find(self) -> ResponseReturnValue:
        """Go to the error that a person quotes by its reference."""
        reference = request.args.get("reference", "")
        error = queries.find_error(self.request_session, actor=current_actor(), reference=reference)
        if error is None:
            flash(_("There is no error with this reference. It may have been deleted after its time."), "warning")
            return redirect(url_for("errors.index_view"), 303)
        return redirect(url_for("errors.details_view", row_id=error.fingerprint, reference=error.reference), 303)

    @expose("/<string:row_id>/resolve", methods=("POST",))
    def resolve(self, row_id: str) -> ResponseReturnValue:
        """Mark the group as dealt with."""
        error_log.resolve(self.request_session, actor=current_actor(), fingerprint=row_id, now=utc_now())
        flash(_("Marked as dealt with. It opens again by itself if the error returns."), "success")
        return redirect(url_for("errors.index_view"), 303)

    @expose("/<string:row_id>/reopen", methods=("POST",))
    def reopen(self, row_id: str) -> ResponseReturnValue:
        """Mark the group as not dealt with."""
        error_log.reopen(self.request_session, actor=current_actor(), fingerprint=row_id)
        flash(_("Open again."), "success")
        return redirect(url_for("errors.details_view", row_id=row_id), 303)


class HealthView(StudioView):
    """Whether everything that the studio needs is there, and who works."""

    permissions = {"index": Permission.HEALTH_READ, "files": Permission.HEALTH_READ}  # noqa: RUF012 - The base declares it a ClassVar.
    menu_section = "operations"
    menu_icon = "heart"
    menu_order = 30

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """What `/readyz` knows, in words, with the processes and the provider."""
        now = utc_now()
        return self.render(
            "operations/health.html",
            readiness=health.ready(self.session, self.resources.redis, self.resources.settings, now),
            pulses=work_queries.list_pulses(self.session),
            last_failure=work_queries.find_trouble(
                self.session, actor=current_actor(), names=_EMBEDDING_JOBS, since=now - timedelta(days=1)
            ),
            silent_since=now - timedelta(seconds=self.resources.settings.job_lease),
            process_label=lambda kind: PROCESS_LABELS.get(kind, kind),
            fact_label=lambda name: FACT_LABELS.get(name, name),
            embeddings=self.resources.embeddings,
            language=self.resources.language,
            computed_by=provider_label(self.resources.embeddings),
        )

    @expose("/files")
    def files(self) -> ResponseReturnValue:
        """Whether the files can be reached, and who draws and speaks; a part of the page, since a bucket that is away takes its time."""
        storage, images = self.resources.storage, self.resources.images
        problem = ""
        try:
            next(iter(storage.walk(0)), None)
        except StorageError as error:
            problem = sentence(error)
        return self.render(
            "operations/_files.html" if is_fragment() else "operations/files.html",
            problem=problem,
            where=_where(storage.label),
            pictures=maker_of(images.name, images.label, is_staff=True),
            speech=[spoken_by(one) for one in self.resources.speech.values() if one.is_configured],
            unpriced=unpriced_sentences(self.resources),
            resting=any(circuits.is_resting(one) for one in circuits.list_all(self.session)),
        )


def _where(label: str) -> str:
    """Where files lie, in the reader's language."""
    bucket, is_bucket, host = label.removeprefix("The bucket ").rpartition(", at ")
    if is_bucket:
        return str(_("The bucket %(bucket)s, at %(host)s", bucket=bucket, host=host))
    return str(_("A folder on this machine") if label == "A folder on this machine" else _("not configured"))


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        ErrorsView(resources, ErrorGroup, name=_l("Errors"), endpoint="errors"),
        HealthView(resources, name=_l("Health"), endpoint="health"),
    ]
