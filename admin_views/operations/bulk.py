"""What was done to many rows, or is about to be: tried first, confirmed, followed, stopped, undone."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import ui
from admin_views.base import Permission, StudioModelView, expose
from admin_views.formats import status_label
from admin_views.forms import whole_number
from admin_views.listing import Column, Filter
from admin_views.many import tell
from admin_views.operations.bulk_labels import BULK_LABELS, action_label
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import step_label
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.paging import Key
from studio.operations import bulk, queries
from studio.operations.bulk_actions import Asks, find_action
from studio.operations.models import BulkOutcome, BulkRun, BulkState
from studio.work import queries as work_queries
from studio.work.models import FINAL

_READ = (Permission.JOB_READ_OWN, Permission.JOB_READ_ANY)
_SHOWN = 50
_OUTCOMES = {outcome.value: outcome for outcome in BulkOutcome}


def _what(run: BulkRun) -> str:
    label = action_label(run.action)
    kind = find_action(run.action)
    if run.argument and kind is not None:
        shown = status_label(run.argument) if kind.asks is Asks.RATING else run.argument
        label = f"{label}: {shown}"
    return str(_("Undone: %(what)s", what=label)) if run.undoes_id is not None else label


def _actions(actor: Actor) -> list[tuple[str, Any]]:
    """What the person may do to many rows; who sees everybody's runs, everything."""
    sees_all = actor.may(Permission.JOB_READ_ANY)
    return [
        (name, label)
        for name, label in BULK_LABELS.items()
        if sees_all or ((kind := find_action(name)) is not None and kind.offered_to(actor))
    ]


class BulkRunsView(StudioModelView):
    """Every run of an action on many rows that the person may see, newest first."""

    permissions: ClassVar[Mapping[str, Any]] = {
        "index_view": _READ,
        "details_view": _READ,
        "live": _READ,
        "confirm": Permission.JOB_STEER_OWN,
        "stop": Permission.JOB_STEER_OWN,
        "go_on": Permission.JOB_STEER_OWN,
        "undo": Permission.JOB_STEER_OWN,
    }
    menu_section = "operations"
    menu_icon = "checklist"
    menu_order = 12
    columns = (
        Column("action", _l("What"), cell=_what),
        Column("state", _l("State"), cell=lambda run: ui.badge(run.state)),
        Column("total", _l("Rows"), numeric=True),
        Column("changed", _l("Changed"), numeric=True),
        Column("refused", _l("Refused"), numeric=True, wide_only=True),
        Column("created_at", _l("Asked for"), cell=lambda run: ui.moment(run.created_at)),
    )
    orders: ClassVar[dict[str, Any]] = {"created_at": (Key(BulkRun.created_at), Key(BulkRun.id))}
    default_sort = ("created_at", True)
    filters = (
        Filter(
            "state",
            _l("State"),
            lambda value: BulkRun.state == BulkState(value),
            choices=lambda _actor: [(state.value, status_label(state)) for state in BulkState],
            quick=True,
        ),
        Filter(
            "action",
            _l("What"),
            lambda value: BulkRun.action == value,
            choices=_actions,
        ),
    )
    details_template = "operations/bulk.html"
    empty_title = _l("Nothing was done to many rows yet")
    empty_text = _l("Choose rows of a list, then what should be done. It is kept here for 30 days, and can be undone.")
    empty_icon = "checklist"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Their own, and everybody's for who may see all jobs."""
        return queries.bulk_run_visible_to(actor)

    def row_title(self, row: BulkRun) -> str:
        """What was done."""
        return _what(row)

    def details_context(self, row: BulkRun) -> dict[str, Any]:
        """How far it is, what became of the rows, and what can be done now."""
        session, actor = self.request_session, current_actor()
        wanted = _OUTCOMES.get(request.args.get("outcome", ""))
        after = request.args.get("after", -1, type=whole_number)
        is_done = row.confirmed_at is not None
        items = (
            queries.list_bulk_items(session, run_id=row.id, outcome=wanted, after=after, limit=_SHOWN + 1)
            if is_done
            else []
        )
        jobs = work_queries.list_jobs_about(session, actor=actor, about=("bulk_run", row.id), limit=1)
        job = jobs[0] if jobs else None
        is_mine = row.asked_by_id == actor.user_id
        is_open = row.state in {BulkState.PREVIEWING, BulkState.RUNNING}
        seen = row.changed + row.unchanged + row.refused
        expected = bulk.forecast(session, run=row) if not is_done else None
        if expected is not None:
            seen = sum(expected.values())
        return {
            "run": row,
            "is_mine": is_mine,
            "is_open": is_open,
            "is_stuck": is_open and is_mine and job is not None and job.state in FINAL,
            "job": job,
            "step": step_label(job.step) if job is not None else "",
            "percent": int(100 * seen / row.total) if row.total else 0,
            "expected": expected,
            "samples": {
                outcome: bulk.samples(session, run=row, outcome=outcome)
                for outcome in BulkOutcome
                if expected is not None and expected[outcome]
            },
            "items": items[:_SHOWN],
            "following": items[_SHOWN - 1].position if len(items) > _SHOWN else None,
            "outcome": wanted,
            "outcomes": list(BulkOutcome),
            "can_undo": is_mine and bulk.may_be_undone(session, row),
            "never_undone": (kind := find_action(row.action)) is not None and kind.undo is None,
        }

    @expose("/<uuid:row_id>/live")
    def live(self, row_id: UUID) -> ResponseReturnValue:
        """The part of the page that changes while it runs."""
        row = self.get_one(row_id)
        return self.render("operations/_bulk_live.html", row=row, **self.details_context(row))

    @expose("/<uuid:row_id>/confirm", methods=("POST",))
    def confirm(self, row_id: UUID) -> ResponseReturnValue:
        """Have it done."""
        bulk.confirm(self.request_session, actor=current_actor(), run_id=row_id, now=utc_now())
        return self._to(row_id)

    @expose("/<uuid:row_id>/stop", methods=("POST",))
    def stop(self, row_id: UUID) -> ResponseReturnValue:
        """Do nothing more; what was done stays."""
        bulk.stop(self.request_session, actor=current_actor(), run_id=row_id, now=utc_now())
        flash(_("Stopped. What was changed before stays changed, and can be undone."), "success")
        return self._to(row_id)

    @expose("/<uuid:row_id>/go-on", methods=("POST",))
    def go_on(self, row_id: UUID) -> ResponseReturnValue:
        """Have the rest done after a job failed."""
        bulk.go_on(self.request_session, actor=current_actor(), run_id=row_id, now=utc_now())
        return self._to(row_id)

    @expose("/<uuid:row_id>/undo", methods=("POST",))
    def undo(self, row_id: UUID) -> ResponseReturnValue:
        """Put back what it changed, where nobody changed it since."""
        session = self.request_session
        back = bulk.undo(session, actor=current_actor(), run_id=row_id, now=utc_now())
        if back.finished_at is not None:
            refused = bulk.samples(session, run=back, outcome=BulkOutcome.REFUSED, limit=1)
            tell(back, can_undo=False, refusals=[item.sentence for item in refused if item.sentence])
        return self._to(back.id)

    @staticmethod
    def _to(run_id: UUID) -> ResponseReturnValue:
        return redirect(url_for("bulk.details_view", row_id=run_id), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [BulkRunsView(resources, BulkRun, name=_l("Bulk changes"), endpoint="bulk")]
