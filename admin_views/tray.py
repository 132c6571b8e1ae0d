"""The job tray at the top of every page: what the present person asked for, and how far it is."""

from typing import Any, ClassVar

from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from admin_views.base import StudioView, expose
from admin_views.job_labels import job_label, step_label
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.work import queries
from studio.work.models import JobState


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [TrayView(resources, name=_l("Your jobs"), endpoint="tray", url="/jobs/tray")]


class TrayView(StudioView):
    """A part of a page; it asks again by itself only while something is under way."""

    permissions: ClassVar[Any] = {"index": Permission.JOB_READ_OWN}
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The tray's content."""
        jobs = queries.list_tray(self.session, actor=current_actor(), now=utc_now())
        return self.render(
            "base/_tray.html",
            jobs=jobs,
            open_count=sum(job.state in queries.OPEN for job in jobs),
            failed_count=sum(job.state is JobState.FAILED for job in jobs),
            job_label=job_label,
            step_label=step_label,
        )
