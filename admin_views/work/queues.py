"""Queues on the screen: what waits, who works, how fast, what fails; pausing a queue, and doing failed jobs again."""

from datetime import timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import StudioView, expose
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import QUEUE_LABELS, job_label
from studio.accounts.models import User
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.operations import queues as steered
from studio.work import circuits, figures, queries, queues
from studio.work.figures import Hour

PROCESS_LABELS = {"worker": _l("worker"), "scheduler": _l("scheduler")}
"""What people read for the kinds of processes."""


class QueuesView(StudioView):
    """All queues on one page."""

    permissions: ClassVar[Any] = {
        "index": Permission.JOB_READ_ANY,
        "live": Permission.JOB_READ_ANY,
        "pause": Permission.QUEUE_STEER,
        "resume": Permission.QUEUE_STEER,
        "requeue": Permission.JOB_STEER_ANY,
        "try_provider": Permission.QUEUE_STEER,
    }
    menu_section = "operations"
    menu_icon = "list-details"
    menu_order = 11

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Queues, workers, throughput, failures, providers that rest, and what failed for good."""
        hours = figures.by_hour(self.session, now=utc_now())
        return self.render(
            "work/queues.html",
            hours=hours,
            labels=[_hour(one) for one in hours],
            throughput=_chart(hours, [one.succeeded + one.failed for one in hours], str(_("jobs"))),
            failures=_chart(hours, [_percent(one) for one in hours], "%") | {"unit": "%", "at_least": 10},
            percent=_percent,
            dead=figures.dead_letters(self.session),
            **self._live(),
        )

    @expose("/live")
    def live(self) -> ResponseReturnValue:
        """The part that changes; the page asks for it every five seconds."""
        return self.render("work/_queues_live.html", **self._live())

    def _live(self) -> dict[str, Any]:
        now = utc_now()
        pauses = queues.list_pauses(self.session)
        return {
            "queues": figures.of_queues(self.session, now=now),
            "pauses": {one.queue: one for one in pauses},
            "names": dict(
                self.session.execute(
                    sa.select(User.id, User.name).where(User.id.in_([one.paused_by_id for one in pauses]))
                ).all()
            ),
            "pulses": queries.list_pulses(self.session),
            "silent_since": now - timedelta(seconds=self.resources.settings.job_lease),
            "circuits": circuits.list_all(self.session),
            "is_resting": circuits.is_resting,
            "process_label": lambda kind: PROCESS_LABELS.get(kind, kind),
            "queue_label": lambda name: QUEUE_LABELS.get(name, name),
            "job_label": job_label,
            "now": now,
        }

    @expose("/<string:queue>/pause", methods=("POST",))
    def pause(self, queue: str) -> ResponseReturnValue:
        """No worker takes anything from the queue any more."""
        reason = request.form.get("reason", "")
        steered.pause(self.session, actor=current_actor(), queue=queue, reason=reason, now=utc_now())
        flash(_("The queue is paused. Jobs under way go on; nothing new is taken."), "success")
        return redirect(url_for("queues.index"), 303)

    @expose("/<string:queue>/resume", methods=("POST",))
    def resume(self, queue: str) -> ResponseReturnValue:
        """Workers take jobs of the queue again."""
        steered.resume(self.session, actor=current_actor(), queue=queue)
        flash(_("The queue goes on."), "success")
        return redirect(url_for("queues.index"), 303)

    @expose("/requeue", methods=("POST",))
    def requeue(self) -> ResponseReturnValue:
        """Do all failed jobs of one group again."""
        steered.requeue(
            self.session,
            actor=current_actor(),
            name=request.form.get("name", ""),
            error_type=request.form.get("error_type", ""),
            kind=request.form.get("kind", ""),
            now=utc_now(),
        )
        flash(_("These jobs go back into their queues; the tray shows how far that is."), "success")
        return redirect(url_for("queues.index"), 303)

    @expose("/providers/try", methods=("POST",))
    def try_provider(self) -> ResponseReturnValue:
        """Ask a provider again that rests after failures."""
        provider = request.form.get("provider", "")
        steered.try_provider(self.session, actor=current_actor(), provider=provider, now=utc_now())
        flash(
            _(
                "The next request tries the provider, and what waits longest for it asks at once. If it answers, the others follow one by one."
            ),
            "success",
        )
        return redirect(url_for("queues.index"), 303)


def _percent(hour: Hour) -> float:
    ended = hour.succeeded + hour.failed
    return round(100 * hour.failed / ended, 1) if ended else 0.0


def _hour(hour: Hour) -> str:
    return str(format_datetime(hour.begins_at, "HH:mm"))


def _chart(hours: Any, values: list[float], label: str) -> dict[str, Any]:
    return {"label": label, "labels": [_hour(one) for one in hours], "values": values}


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [QueuesView(resources, name=_l("Queues"), endpoint="queues")]
