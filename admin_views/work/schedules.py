"""What is done by itself, on the screen: when it was done last, how that went, when it is done next; and doing it now."""

from datetime import timedelta
from typing import Any, ClassVar

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import StudioView, expose
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.jobs import duration_of
from admin_views.work.labels import job_label, state_mark
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.operations import queues as steered
from studio.work import figures
from studio.work.models import JobState
from studio.work.schedules import PERIODIC


class SchedulesView(StudioView):
    """Periodic work in one list."""

    permissions: ClassVar[Any] = {"index": Permission.JOB_READ_ANY, "run_now": Permission.SCHEDULE_RUN}
    menu_section = "operations"
    menu_icon = "calendar"
    menu_order = 12

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Every schedule with its last run, its outcome and its next."""
        now = utc_now()
        last = figures.last_runs(self.session, names=[one.name for one in PERIODIC])
        rows = [
            {
                "periodic": one,
                "label": job_label(one.name),
                "every": format_timedelta(one.every, threshold=1),
                "last": last.get(one.name),
                "duration": duration_of(last[one.name], now=now) if one.name in last else "",
                "next_at": one.next_at(now),
                # In less than a minute, or waiting for the scheduler's next look.
                "is_due": one.next_at(now) - now < timedelta(minutes=1),
            }
            for one in sorted(PERIODIC, key=lambda one: one.next_at(now))
        ]
        failed = sum(job.state is JobState.FAILED for job in last.values())
        return self.render("work/schedules.html", rows=rows, failed=failed, state_mark=state_mark)

    @expose("/<string:name>/run", methods=("POST",))
    def run_now(self, name: str) -> ResponseReturnValue:
        """Have it done now, and at its next time as ever."""
        job = steered.run_now(self.session, actor=current_actor(), name=name, now=utc_now())
        flash(_("It is being done; the tray shows how far it is."), "success")
        self.session.flush()
        return redirect(url_for("schedules.index", _anchor=f"run-{job.name}"), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [SchedulesView(resources, name=_l("Schedules"), endpoint="schedules")]
