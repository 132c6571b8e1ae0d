"""Work over everything that the studio has, on the screen: what it would be, starting it, and how far it is."""

from typing import Any, ClassVar

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import StudioView, expose
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import micro_label, state_mark, step_label
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.operations import bulk_jobs
from studio.operations.bulk_jobs import BULK_JOBS, Means
from studio.work import figures
from studio.work.queries import job_visible_to

BULK_JOB_WORDS = {
    "embeddings": (
        _l("Embed all characters"),
        _l("Search by meaning knows a character by its vector. Missing ones are made, or, if you choose so, all anew."),
        (_l("character"), _l("characters")),
        "sparkles",
    ),
    "variants": (
        _l("Make all picture sizes"),
        _l("Lists and cards show small copies of pictures. Missing ones are made, or, if you choose so, all anew."),
        (_l("picture"), _l("pictures")),
        "photo",
    ),
    "greetings": (
        _l("Have all greetings spoken"),
        _l(
            "Every greeting is spoken by its character's voice for its language, and can be heard on the page of that "
            "character's voices. What was spoken before with all the same costs nothing."
        ),
        (_l("greeting"), _l("greetings")),
        "microphone",
    ),
}
"""By the kind's name: its title, what it is for, what is counted (one, and more), and its icon."""


_FOR = (Permission.BULK_JOB_RUN, Permission.SPEECH_MAKE)


class BulkJobsView(StudioView):
    """Every kind of bulk job that the present person may have done, and a page for each."""

    permissions: ClassVar[Any] = dict.fromkeys(("index", "page", "start"), _FOR)
    menu_section = "operations"
    menu_icon = "stack-2"
    menu_order = 13

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """All kinds, with what is under way of each."""
        actor = current_actor()
        kinds = bulk_jobs.offered_to(actor)
        last = figures.last_runs(self.session, names=[kind.job for kind in kinds], criterion=job_visible_to(actor))
        return self.render(
            "work/bulk_jobs.html",
            kinds=[(kind, BULK_JOB_WORDS[kind.name], last.get(kind.job)) for kind in kinds],
            is_own=not actor.may(Permission.BULK_JOB_RUN),
            state_mark=state_mark,
        )

    @expose("/<string:name>")
    def page(self, name: str) -> ResponseReturnValue:
        """The dry run of one kind: how many, how long, how dear; or the job that is under way."""
        actor, settings, now = current_actor(), self.resources.settings, utc_now()
        is_anew = request.args.get("anew") == "1"
        means = self._means()
        found = bulk_jobs.forecast(self.session, actor=actor, name=name, is_anew=is_anew, means=means, now=now)
        return self.render(
            "work/bulk_job.html",
            name=name,
            kind=BULK_JOBS[name],
            words=BULK_JOB_WORDS[name],
            is_anew=is_anew,
            is_own=not actor.may(Permission.BULK_JOB_RUN),
            forecast=found,
            found=found.found,
            lasts=format_timedelta(max(round(found.seconds), 1), threshold=2),
            job=bulk_jobs.find_under_way(self.session, actor=actor, name=name),
            standing=bulk_jobs.standing(self.session, actor=actor, settings=settings, now=now),
            money=lambda micro: micro_label(micro, settings.language_currency),
            assumed=micro_label(int(settings.speech_unpriced * 1_000), settings.language_currency),
            provider=self.resources.embeddings if name == "embeddings" else None,
            state_mark=state_mark,
            step_label=step_label,
        )

    @expose("/<string:name>/start", methods=("POST",))
    def start(self, name: str) -> ResponseReturnValue:
        """Ask for it."""
        job = bulk_jobs.start(
            self.session,
            actor=current_actor(),
            name=name,
            is_anew=request.form.get("anew") == "1",
            means=self._means(),
            now=utc_now(),
        )
        self.session.flush()
        flash(_("Asked for. It makes way for whatever people wait for; pause it at any time."), "success")
        return redirect(url_for("jobs.details_view", row_id=job.id), 303)

    def _means(self) -> Means:
        return Means(self.resources.settings, self.resources.embeddings, self.resources.speech)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [BulkJobsView(resources, name=_l("Bulk jobs"), endpoint="bulk_jobs", url="/bulk-jobs")]
