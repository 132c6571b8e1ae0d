"""The job tray at the top of every page: what the present person asked for, how far it is, and what can be done about it."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from admin_views.base import StudioView, expose
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.about import names_about, title_of
from admin_views.work.again import again_url
from admin_views.work.labels import job_label, micro_label, state_mark, step_label, told_to
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.operations import jobs as steered
from studio.work import budgets, queries
from studio.work.models import Hold, JobRun, JobState

STEER = (Permission.JOB_STEER_OWN, Permission.JOB_STEER_ANY)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [TrayView(resources, name=_l("Your jobs"), endpoint="tray", url="/jobs/tray")]


class TrayView(StudioView):
    """A part of a page; it asks again by itself only while something is under way."""

    permissions: ClassVar[Any] = {
        "index": Permission.JOB_READ_OWN,
        "cancel": STEER,
        "pause": STEER,
        "resume": STEER,
        "retry": STEER,
    }
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The tray's content."""
        return self._tray()

    @expose("/<uuid:job_id>/cancel", methods=("POST",))
    def cancel(self, job_id: UUID) -> ResponseReturnValue:
        """Stop the job."""
        return self._steer(job_id, steered.cancel)

    @expose("/<uuid:job_id>/pause", methods=("POST",))
    def pause(self, job_id: UUID) -> ResponseReturnValue:
        """Have the job wait."""
        return self._steer(job_id, steered.pause)

    @expose("/<uuid:job_id>/resume", methods=("POST",))
    def resume(self, job_id: UUID) -> ResponseReturnValue:
        """Have the job go on."""
        return self._steer(job_id, steered.resume)

    @expose("/<uuid:job_id>/retry", methods=("POST",))
    def retry(self, job_id: UUID) -> ResponseReturnValue:
        """Have the job done again."""
        return self._steer(job_id, steered.retry)

    def _steer(self, job_id: UUID, act: Callable[..., JobRun]) -> ResponseReturnValue:
        act(self.session, actor=current_actor(), job_id=job_id, now=utc_now())
        return self._tray()

    def _tray(self) -> ResponseReturnValue:
        actor, settings, now = current_actor(), self.resources.settings, utc_now()
        jobs = queries.list_tray(self.session, actor=actor, now=now)
        about = names_about(self.session, actor=actor, jobs=jobs)
        costs = any(job.cost_micro or job.estimate_micro for job in jobs)
        stands = (
            budgets.standing(self.session, user_id=actor.user_id, default_micro=settings.budget_micro, now=now)
            if costs and actor.user_id is not None
            else None
        )
        return self.render(
            "base/_tray.html",
            jobs=jobs,
            open_count=sum(job.state in queries.OPEN for job in jobs),
            is_moving=any(job.state in queries.OPEN and job.held_for is None for job in jobs),
            failed_count=sum(job.state is JobState.FAILED for job in jobs),
            held_count=sum(job.held_for is Hold.BUDGET for job in jobs),
            standing=stands,
            money=lambda micro: micro_label(micro, settings.language_currency),
            job_label=job_label,
            title=lambda job: title_of(job, about),
            told=lambda sentence: told_to(sentence, {}, is_staff=actor.may(Permission.HEALTH_READ)),
            step_label=step_label,
            state_mark=state_mark,
            again_url=again_url,
        )
