"""The first page: for each role what waits for whom, what to do next, and how things are."""

from datetime import timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import current_app
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime
from flask_babel import lazy_gettext as _l

from admin_views.authoring.version_labels import occasion_label
from admin_views.base import StudioView, expose
from admin_views.listing import counted
from admin_views.money import labels as money_labels
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.voices import labels as voice_labels
from admin_views.work.labels import job_label
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import Actor, Permission
from studio.accounts.queries import user_visible_to
from studio.authoring import dormancy, overview
from studio.authoring.models import Character, CharacterStatus
from studio.authoring.queries import not_in_trash
from studio.kit.clock import utc_now
from studio.market.catalogue import queries as market
from studio.market.models import ReviewCase
from studio.market.money import earnings
from studio.market.money.ledger import balances_of
from studio.market.money.queries import last_check
from studio.market.review import appeals, figures, held_queries, queue
from studio.market.review import queries as review_queries
from studio.operations import health
from studio.operations import queries as operations
from studio.voices import queries as voices
from studio.work import queries as work
from studio.work.models import JobState

_MOST_CHARACTERS = 8
_MOST_CASES = 6
_MOST_LISTINGS = 6
_MOST_DORMANT = 5
_MOST_UNSAVED = 4
_MOST_JOBS = 4
_MOST_VERSIONS = 5
_STUCK = timedelta(hours=1)
_A_DAY = timedelta(days=1)


class HomeView(StudioView):
    """The page at "/"."""

    permissions: ClassVar[Any] = {"index": Permission.STUDIO_ENTER}
    menu_icon = "home"
    menu_order = 0

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources, name=_l("Home"), endpoint="home", url="/")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Whatever concerns the present person; a part for each of their roles."""
        actor = current_actor()
        context: dict[str, Any] = {}
        if actor.may(Permission.CHARACTER_WRITE_OWN):
            context["creator"] = self._creator(actor)
        if actor.may(Permission.REVIEW_DECIDE):
            context["moderator"] = self._moderator(actor)
        if actor.may(Permission.JOB_READ_ANY):
            context["operations"] = self._operations(actor)
        if actor.may(Permission.MONEY_READ_ANY):
            context["money"] = last_check(self.session)
            context["flows"] = earnings.flows(self.session, actor=actor, since=utc_now() - _A_DAY)
            context["exceptions"] = earnings.count_exceptions(
                self.session, actor=actor, stuck_before=utc_now() - _STUCK
            )
        if actor.may(Permission.EARNINGS_READ_OWN) and actor.user_id is not None:
            context["balances"] = balances_of(self.session, creator_id=actor.user_id)
        if actor.may(Permission.PERSON_READ):
            context["people"] = self._people(actor)
        return self.render(
            "home/index.html",
            has=current_app.view_functions,
            job_label=job_label,
            occasion_label=occasion_label,
            **money_labels.labels(),
            **context,
        )

    def _creator(self, actor: Actor) -> dict[str, Any]:
        """Own characters last changed and what they lack, what waits for whom, the next step, the newest versions."""
        mine = overview.list_own(self.session, actor=actor, limit=_MOST_CHARACTERS)
        listings = market.list_waiting_of(self.session, actor=actor, limit=_MOST_LISTINGS)
        dormant = dormancy.list_own(self.session, actor=actor, limit=_MOST_DORMANT)
        unsaved = overview.list_own_unsaved(self.session, actor=actor, limit=_MOST_UNSAVED)
        previews = overview.count_own_previews(self.session, actor=actor)
        models = voice_labels.successors()
        closing = voices.count_of_models(self.session, actor=actor, models=models) if models else 0
        jobs = work.list_open_own(self.session, actor=actor, limit=_MOST_JOBS)
        offered = {
            publication.character_id for publication, _reasons in listings if publication.status in market.WAITING
        }
        own = sa.select(Character).where(Character.owner_id == actor.user_id, not_in_trash())
        return {
            "characters": mine,
            "count": counted(self.session, own, exact=False),
            "listings": listings,
            "dormant": dormant,
            "unsaved": unsaved,
            "previews": previews,
            "closing": closing,
            "jobs": jobs,
            "waits": bool(listings or unsaved or dormant or previews or closing or jobs),
            "draft": next((one for one in mine if one.status is CharacterStatus.DRAFT and one.id not in offered), None),
            "versions": overview.list_own_versions(self.session, actor=actor, limit=_MOST_VERSIONS),
        }

    def _moderator(self, actor: Actor) -> dict[str, Any]:
        """The queue by due time, and how much is in it."""
        now = utc_now()
        waiting = sa.select(ReviewCase).where(review_queries.case_visible_to(actor), queue.is_queued())
        return {
            "rows": queue.page(self.session, actor=actor, now=now, limit=_MOST_CASES).rows,
            "count": counted(self.session, waiting, exact=False),
            "late": figures.count_overdue(self.session, actor=actor, now=now),
            "seconds": sum(one.is_for_actor for one in held_queries.list_proposals(self.session, actor=actor)),
            "appeals": appeals.count_open_for(self.session, actor=actor),
            "now": now,
        }

    def _operations(self, actor: Actor) -> dict[str, Any]:
        """Whether everything answers, failed jobs, and errors by the hour."""
        now = utc_now()
        since = now.replace(hour=0, minute=0, second=0, microsecond=0)
        states = work.count_by_state(self.session, actor=actor, since=since)
        hours = operations.count_by_hour(self.session, actor=actor, now=now)
        ready = (
            health.ready(self.session, self.resources.redis, self.resources.settings, now)
            if actor.may(Permission.HEALTH_READ)
            else None
        )
        return {
            "failed": states[JobState.FAILED],
            "waiting": states[JobState.QUEUED] + states[JobState.RUNNING],
            "done": states[JobState.SUCCEEDED],
            "errors": sum(count for _hour, count in hours),
            "trend": {
                "labels": [format_datetime(hour, "HH:mm") for hour, _count in hours],
                "values": [count for _hour, count in hours],
            },
            "ready": ready,
        }

    def _people(self, actor: Actor) -> dict[str, Any]:
        """How many people there are."""
        everybody = sa.select(User).where(user_visible_to(actor))
        return {
            "count": counted(self.session, everybody, exact=False),
            "suspended": counted(self.session, everybody.where(User.status == UserStatus.SUSPENDED), exact=False),
        }
