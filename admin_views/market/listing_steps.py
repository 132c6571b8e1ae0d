"""What is done to one listing from its own page: by its creator, by moderators, by staff."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_views.base import Permission, StudioModelView, expose
from admin_views.forms import sentence
from admin_views.market.labels import labels
from admin_views.session import current_actor
from admin_views.times import typed_time
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError
from studio.market.catalogue import due, listings
from studio.market.models import APPEAL_LENGTH
from studio.market.review import appeals, recalls, schedules
from studio.market.review import queries as review_queries

_P = Permission
_NOT_FOUND = 404


class ListingSteps(StudioModelView):
    """The routes that move a listing on; the view of listings is built on it."""

    step_permissions: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(("withdraw", "unlist", "relist", "schedule", "appeal"), _P.LISTING_SUBMIT),
        **dict.fromkeys(("review_again", "hide"), _P.REVIEW_DECIDE),
        "feature": _P.LISTING_FEATURE,
    }

    @expose("/<uuid:row_id>/withdraw", methods=("POST",))
    def withdraw(self, row_id: UUID) -> ResponseReturnValue:
        """Take the submission back."""
        return self._do(row_id, _("The listing is withdrawn."), listings.withdraw)

    @expose("/<uuid:row_id>/unlist", methods=("POST",))
    def unlist(self, row_id: UUID) -> ResponseReturnValue:
        """Take the listing off the market."""
        return self._do(row_id, _("The listing is off the market."), listings.unlist)

    @expose("/<uuid:row_id>/relist", methods=("POST",))
    def relist(self, row_id: UUID) -> ResponseReturnValue:
        """Put the listing on the market again."""
        return self._do(row_id, _("The listing is live again."), listings.relist)

    @expose("/<uuid:row_id>/schedule", methods=("POST",))
    def schedule(self, row_id: UUID) -> ResponseReturnValue:
        """Say when the listing goes live; nothing is as soon as it is approved."""

        def act(**given: Any) -> None:
            moment = None
            if request.form.get("do") != "now":
                # An empty field is a slip; what publishes at once has a button of its own.
                moment = _typed("publish_at")
            schedules.set_time(**given, publish_at=moment)

        at_once = request.form.get("do") == "now"
        done = _("Done: it goes live as soon as it may.") if at_once else _("The time is kept.")
        return self._do(row_id, done, act, keeps="publish_at")

    @expose("/<uuid:row_id>/feature", methods=("POST",))
    def feature(self, row_id: UUID) -> ResponseReturnValue:
        """Show a live listing as featured until a time, or no more."""

        def act(**given: Any) -> None:
            schedules.feature(**given, until=None if ends else _typed("until"))

        ends = request.form.get("do") == "end"
        done = _("It is featured no more.") if ends else _("It is featured until then, and stands out in the shop.")
        return self._do(row_id, done, act, keeps="until")

    @expose("/<uuid:row_id>/review-again", methods=("POST",))
    def review_again(self, row_id: UUID) -> ResponseReturnValue:
        """Have a listing that was approved looked at again; it stays where it is meanwhile."""
        reason = request.form.get("reason", "")
        done = _("The listing is on its way to the desk.")
        return self._do(row_id, done, lambda **given: recalls.review_again(**given, reason=reason))

    @expose("/<uuid:row_id>/hide", methods=("POST",))
    def hide(self, row_id: UUID) -> ResponseReturnValue:
        """Hide a listing at once until somebody has looked at it."""
        reason = request.form.get("reason", "")
        done = _("Hidden at once. It waits at the desk.")
        return self._do(row_id, done, lambda **given: recalls.quarantine(**given, reason=reason))

    @expose("/<uuid:row_id>/appeal", methods=("GET", "POST"))
    def appeal(self, row_id: UUID) -> ResponseReturnValue:
        """Object to the newest decision on one's own listing."""
        row = self.get_one(row_id)
        if row.publisher_id != current_actor().user_id:
            raise NotFoundError
        text = request.form.get("text", "")
        refusal, status = None, 200
        if request.method == "POST":
            try:
                appeals.appeal(
                    self.request_session,
                    actor=current_actor(),
                    publication_id=row_id,
                    text=text,
                    now=utc_now(),
                    pace=due.pace_from(self.resources.settings),
                )
            except StudioError as error:
                if error.status == _NOT_FOUND:
                    raise
                self.request_session.rollback()
                row = self.get_one(row_id)
                refusal, status = sentence(error), error.status
            else:
                flash(_("Your appeal is made. Somebody who took no part in the decision answers it."), "success")
                return redirect(url_for("listings.details_view", row_id=row_id), 303)
        decided = review_queries.find_decision(self.request_session, actor=current_actor(), publication_id=row_id)
        page = self.render(
            "market/appeal_new.html",
            row=row,
            decided=decided,
            text=text,
            refusal=refusal,
            most=APPEAL_LENGTH,
            can_appeal=decided is not None and appeals.can_appeal(decided.decision, now=utc_now()),
            **labels(),
        )
        return page, status

    def _do(self, row_id: UUID, done: str, act: Callable[..., Any], *, keeps: str = "") -> ResponseReturnValue:
        """Do it to a listing within the scope; the page again, with what was done or why it was not.

        Of what is refused the field `keeps` stands in its form again.
        """
        self.get_one(row_id)
        typed: dict[str, Any] = {}
        try:
            act(session=self.request_session, actor=current_actor(), publication_id=row_id, now=utc_now())
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.request_session.rollback()
            flash(sentence(error), "danger")
            typed = {keeps: request.form.get(keeps, "")} if keeps else {}
        else:
            flash(done, "success")
        return redirect(url_for("listings.details_view", row_id=row_id, **typed), 303)


def _typed(name: str) -> datetime:
    """The time that was typed into a field of the form; raises InvalidError where there is none."""
    moment = typed_time(request.form.get(name), field=name)
    if moment is None:
        sentence = "Choose a day and a time first. Nothing was changed."
        raise InvalidError(sentence, fields={name: sentence})
    return moment
