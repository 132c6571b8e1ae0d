"""Jobs on the screen: every job with its state, attempts, cost and error; stop it, pause it, or have it done again."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session

from admin_views import ui
from admin_views.base import StudioModelView, expose
from admin_views.forms import whole_number
from admin_views.listing import Column, Filter
from admin_views.rendering import status_label
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.about import names_about, title_of
from admin_views.work.again import again_url
from admin_views.work.labels import (
    JOB_LABELS,
    QUEUE_LABELS,
    argument_pairs,
    attempts_of,
    job_label,
    micro_label,
    result_pairs,
    state_mark,
    step_label,
    told_to,
)
from studio.accounts.permissions import Actor, Permission
from studio.kit.clock import utc_now
from studio.kit.paging import Key
from studio.kit.text import excerpt
from studio.operations import jobs
from studio.work import budgets, queues
from studio.work.models import FINAL, Hold, JobRun, JobState
from studio.work.queries import job_visible_to

READ = (Permission.JOB_READ_OWN, Permission.JOB_READ_ANY)
STEER = (Permission.JOB_STEER_OWN, Permission.JOB_STEER_ANY)

DELAYS = (
    (0, _l("at once")),
    (10, _l("in ten minutes")),
    (60, _l("in an hour")),
    (8 * 60, _l("in eight hours")),
    (24 * 60, _l("tomorrow")),
)
"""Minutes by which a job that is done again may be put off."""

_LONGEST_DELAY = 7 * 24 * 60

_SHORT, _SHORTEST = 10.0, 0.1
"""Seconds; a duration below the first is told with a decimal, one below the second as that."""


def duration_of(job: JobRun, *, now: datetime) -> str:
    """How long the job took, or has been running; nothing while it waits."""
    if job.started_at is None or job.state is JobState.QUEUED:
        return ""
    length = (job.finished_at or now) - job.started_at
    if length.total_seconds() < _SHORTEST:
        return str(_("under 0.1 s"))
    if length.total_seconds() < _SHORT:
        return str(_("%(seconds).1f s", seconds=max(length.total_seconds(), 0)))
    return str(format_timedelta(length, threshold=2))


def waits_because(
    job: JobRun, *, now: datetime, is_queue_paused: bool = False, budget: str = "", is_too_dear: bool = False
) -> str:
    """Why a queued job does not run yet, in a sentence; `budget` says how its person's budget stands.

    It `is_too_dear` where a whole month of that has no room for it.
    """
    if job.held_for is Hold.PAUSE:
        return str(_("It is paused. What it has done stays; it goes on where it was."))
    if job.held_for is Hold.BUDGET:
        waits = str(
            _(
                "It costs more than a whole month of the budget. Ask staff for a higher one, or stop it and ask for less."
            )
            if is_too_dear
            else _("It waits for budget, and goes on by itself next month, or when the budget is raised.")
        )
        return f"{waits} {budget}".strip()
    if is_queue_paused:
        return str(_("Its queue is paused by staff; it runs when the queue goes on."))
    if job.run_after > now:
        if job.error_message:
            return str(_("It failed and will be tried again on its own."))
        return str(_("It is meant for later."))
    return str(_("It waits for a free worker."))


def _state_cell(job: JobRun) -> Markup:
    if job.state is JobState.RUNNING or (job.held_for is not None and job.percent):
        return Markup("{} {}").format(state_mark(job), ui.progress(job.percent, step_label(job.step)))
    return state_mark(job)


OWN_JOBS = frozenset(
    {
        "authoring.import_cards",
        "authoring.make_batch_variants",
        "authoring.undo_card_batch",
        "chat.run_test_prompts",
        "market.screen_listing",
        "media.clear_upload",
        "media.generate_pictures",
        "media.make_variants",
        "memory.embed_character",
        "operations.preview_bulk",
        "operations.run_bulk",
        "operations.write_export",
        "voices.refresh_list",
        "voices.speak",
        "voices.speak_greetings",
    }
)
"""Jobs that people ask for; all others are the house's, and no choice in the list of who sees only their own."""


def _job_choices(actor: Actor) -> list[tuple[str, str]]:
    names = JOB_LABELS if actor.may(Permission.JOB_READ_ANY) else OWN_JOBS
    return sorted(((name, job_label(name)) for name in names), key=lambda pair: pair[1])


def _is_staff() -> bool:
    return current_actor().may(Permission.HEALTH_READ)


def _told(job: JobRun) -> str:
    """Why it failed, for whoever reads it."""
    return told_to(job.error_message, {}, is_staff=_is_staff()) if job.error_message else ""


def _error_cell(job: JobRun) -> str:
    if job.error_type is None:
        return ""
    return job.error_type.rpartition(".")[2] if _is_staff() else excerpt(_told(job), 60)


class JobsView(StudioModelView):
    """Every job that the person may see, newest first."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index_view": READ,
        "details_view": READ,
        "live": READ,
        "cancel": STEER,
        "pause": STEER,
        "resume": STEER,
        "retry": STEER,
    }
    menu_section = "operations"
    menu_icon = "progress"
    menu_order = 10

    columns = (
        Column("name", _l("Job"), cell=lambda job: title_of(job, g.get("jobs_about", {}))),
        Column("state", _l("State"), cell=_state_cell),
        Column("attempts", _l("Attempts"), cell=lambda job: str(attempts_of(job)), numeric=True, wide_only=True),
        Column(
            "duration", _l("Duration"), cell=lambda job: duration_of(job, now=utc_now()), numeric=True, wide_only=True
        ),
        Column("error", _l("Error"), cell=_error_cell, wide_only=True),
        Column("created_at", _l("Asked for"), cell=lambda job: ui.moment(job.created_at)),
    )
    orders = {"created_at": (Key(JobRun.created_at), Key(JobRun.id))}  # noqa: RUF012 - As above.
    default_sort = ("created_at", True)
    filters = (
        Filter(
            "state",
            _l("State"),
            lambda value: JobRun.state == JobState(value),
            choices=lambda _actor: [(state.value, status_label(state)) for state in JobState],
            quick=True,
        ),
        Filter(
            "held",
            _l("Held"),
            lambda value: JobRun.held_for == Hold(value),
            choices=lambda _actor: [(Hold.BUDGET.value, _("waiting for budget")), (Hold.PAUSE.value, _("paused"))],
        ),
        Filter(
            "queue",
            _l("Queue"),
            lambda value: JobRun.queue == value,
            choices=lambda _actor: [(name, str(label)) for name, label in QUEUE_LABELS.items()],
        ),
        Filter(
            "name",
            _l("Job"),
            lambda value: JobRun.name == value,
            choices=_job_choices,
        ),
    )
    bulk_actions = ("jobs.cancel", "jobs.retry")
    details_template = "work/job.html"
    empty_title = _l("No job yet")
    empty_text = _l("Whatever takes time runs here: pictures, screening, embeddings. Import a card to see some.")
    empty_icon = "progress"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Staff see every job, everybody else what they asked for."""
        return job_visible_to(actor)

    def list_context(self, rows: Any) -> dict[str, Any]:
        """What the page's jobs are about is kept beside."""
        g.jobs_about = dict(names_about(self.request_session, actor=current_actor(), jobs=rows))
        return dict(super().list_context(rows))

    def row_title(self, row: JobRun) -> str:
        """What the job does, and to what."""
        return title_of(row, self._about(row))

    def _about(self, row: JobRun) -> Mapping[UUID, str]:
        """What the job is about, by its id; asked for once in a request."""
        known: dict[UUID, str] = g.setdefault("jobs_about", {})
        if row.id not in known:
            found = names_about(self.request_session, actor=current_actor(), jobs=[row])
            known[row.id] = found.get(row.id, "")
        return known

    def details_context(self, row: JobRun) -> dict[str, Any]:
        """What may be done to the job, and why it waits."""
        now = utc_now()
        currency = self.resources.settings.language_currency
        return {
            "job": row,
            "is_open": row.state not in FINAL,
            "is_paused": row.held_for is Hold.PAUSE or row.pause_requested_at is not None,
            "can_retry": row.state in {JobState.FAILED, JobState.CANCELLED},
            "again": again_url(row),
            "duration": duration_of(row, now=now),
            "waits_because": self._why(row, now) if row.state is JobState.QUEUED else "",
            # A time is told only of what waits for it.
            "due_at": row.run_after if row.held_for is None and row.run_after > now else None,
            "attempts": attempts_of(row),
            "results": result_pairs(row),
            "arguments": argument_pairs(row, is_staff=_is_staff()),
            # A name is known of what the person may look at.
            "about_name": self._about(row)[row.id],
            "told": _told(row),
            "is_staff": _is_staff(),
            "step": step_label(row.step),
            "state_mark": state_mark,
            "queue_label": QUEUE_LABELS.get(row.queue, row.queue),
            "money": lambda micro: micro_label(micro, currency),
            "delays": DELAYS,
        }

    def _why(self, row: JobRun, now: datetime) -> str:
        settings = self.resources.settings
        told, is_too_dear = "", False
        if row.held_for is Hold.BUDGET and row.asked_by_id is not None:
            stands = budgets.standing(
                self.request_session, user_id=row.asked_by_id, default_micro=settings.budget_micro, now=now
            )
            is_too_dear = stands.never_has_room(row.needs_micro)
            told = str(
                _(
                    "It is expected to cost %(needed)s more; %(left)s of %(limit)s is left this month.",
                    needed=micro_label(row.needs_micro, settings.language_currency),
                    left=micro_label(stands.left_micro or 0, settings.language_currency),
                    limit=micro_label(stands.limit_micro or 0, settings.language_currency),
                )
            )
        paused = {one.queue for one in queues.list_pauses(self.request_session)}
        return waits_because(row, now=now, is_queue_paused=row.queue in paused, budget=told, is_too_dear=is_too_dear)

    @expose("/<uuid:row_id>/live")
    def live(self, row_id: UUID) -> ResponseReturnValue:
        """The part of a job's page that changes while it runs, asked for every two seconds; at its end the page is whole."""
        row = self.get_one(row_id)
        context = self.details_context(row)
        if not context["is_open"]:
            # What can be done with it is another thing now: its buttons stand in the page's head.
            return "", 200, {"HX-Refresh": "true"}
        return self.render("work/_live.html", row=row, **context)

    @expose("/<uuid:row_id>/cancel", methods=("POST",))
    def cancel(self, row_id: UUID) -> ResponseReturnValue:
        """Stop the job."""
        return self._steer(row_id, jobs.cancel, str(_("The job is being stopped.")))

    @expose("/<uuid:row_id>/pause", methods=("POST",))
    def pause(self, row_id: UUID) -> ResponseReturnValue:
        """Have the job wait until it is let go on."""
        return self._steer(row_id, jobs.pause, str(_("The job pauses at its next step.")))

    @expose("/<uuid:row_id>/resume", methods=("POST",))
    def resume(self, row_id: UUID) -> ResponseReturnValue:
        """Have the job go on."""
        return self._steer(row_id, jobs.resume, str(_("The job goes on.")))

    @expose("/<uuid:row_id>/retry", methods=("POST",))
    def retry(self, row_id: UUID) -> ResponseReturnValue:
        """Have the job done again: as it was, or later and with another number of attempts."""
        minutes = min(max(request.form.get("delay", 0, type=whole_number), 0), _LONGEST_DELAY)
        act = partial(
            jobs.retry,
            run_after=utc_now() + timedelta(minutes=minutes) if minutes else None,
            max_attempts=request.form.get("attempts", type=whole_number),
        )
        return self._steer(row_id, act, str(_("The job will be done again.")))

    def _steer(self, row_id: UUID, act: Callable[..., JobRun], told: str) -> ResponseReturnValue:
        session: Session = self.request_session
        act(session, actor=current_actor(), job_id=row_id, now=utc_now())
        flash(told, "success")
        return redirect(url_for("jobs.details_view", row_id=row_id), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [JobsView(resources, JobRun, name=_l("Jobs"), endpoint="jobs")]
