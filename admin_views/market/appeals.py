"""Appeals: a creator's own, and the queue in which somebody who took no part in a decision answers."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import ui
from admin_views.base import Permission, StudioModelView, expose
from admin_views.forms import sentence
from admin_views.listing import Column, Filter
from admin_views.market.labels import labels
from admin_views.market.oversight_labels import outcome_label
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, StudioError
from studio.kit.paging import Key
from studio.market.models import COMMENT_LENGTH, Appeal, AppealState, CharacterPublication, ReviewCase, ReviewDecision
from studio.market.review import appeals, held_queries

_P = Permission
_NOT_FOUND = 404
_ANSWERS = ("uphold", "dismiss")
_STATES = (
    (AppealState.OPEN.value, _l("open")),
    (AppealState.UPHELD.value, _l("upheld")),
    (AppealState.DISMISSED.value, _l("dismissed")),
)


class AppealsView(StudioModelView):
    """The appeals that the present person may see."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.REVIEW_READ, _P.LISTING_READ_OWN),
        "details_view": (_P.REVIEW_READ, _P.LISTING_READ_OWN),
        "answer": _P.REVIEW_DECIDE,
    }
    menu_section = "market"
    menu_icon = "scale"
    menu_order = 24
    columns = (
        Column("title", _l("Listing"), cell=lambda row: g.appealed[row.id][0]),
        Column("outcome", _l("Against"), cell=lambda row: outcome_label(g.appealed[row.id][1])),
        Column("state", _l("State"), cell=lambda row: ui.badge(row.state)),
        Column("due_at", _l("Due"), cell=lambda row: ui.moment(row.due_at), sort="due"),
        Column("created_at", _l("Made"), cell=lambda row: ui.moment(row.created_at), sort="created", wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {
        # What is answered is due no more, and stands last.
        "due": (Key(Appeal.due_at, nullable=True), Key(Appeal.id)),
        "created": (Key(Appeal.created_at), Key(Appeal.id)),
    }
    default_sort = ("due", False)
    filters = (Filter("state", _l("State"), lambda value: Appeal.state == value, choices=_STATES, quick=True),)
    details_template = "market/appeal.html"
    empty_title = _l("No appeals")
    empty_text = _l("A creator can appeal once against a decision, within 184 days; somebody else answers.")
    empty_icon = "scale"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """A creator's own; everything for who works or watches the desk."""
        return appeals.appeal_visible_to(actor)

    def list_context(self, rows: Sequence[Appeal]) -> dict[str, Any]:
        """The listings and outcomes of the page, read once."""
        found = self.request_session.execute(
            sa.select(Appeal.id, CharacterPublication.title, ReviewDecision.outcome)
            .join(ReviewDecision, ReviewDecision.id == Appeal.decision_id)
            .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
            .join(CharacterPublication, CharacterPublication.id == ReviewCase.publication_id)
            .where(Appeal.id.in_([row.id for row in rows]))
        )
        g.appealed = {appeal_id: (title, outcome) for appeal_id, title, outcome in found}
        return {}

    def row_title(self, row: Appeal) -> str:  # noqa: ARG002 - The base asks with the row.
        """All of them are called the same."""
        return str(_("Appeal"))

    def details_context(self, row: Appeal) -> dict[str, Any]:
        """The decision, its reasons, and whether the present person may answer."""
        session, actor = self.request_session, current_actor()
        decision, publication = appeals.about(session, row)
        people = {decision.moderator_id, decision.second_id, row.decided_by_id, row.appellant_id}
        names = dict(session.execute(sa.select(User.id, User.name).where(User.id.in_(people - {None}))).all())
        why_not = appeals.why_not(decision, publication, actor=actor)
        is_open, sees_people = row.state is AppealState.OPEN, actor.may(_P.REVIEW_READ)
        may_answer = is_open and self.may("answer") and why_not is None
        answerers: Sequence[str] | None = None
        if is_open and sees_people and not may_answer and actor.user_id != publication.publisher_id:
            answerers = appeals.list_answerers(session, actor=actor, decision=decision, publication=publication)
        return {
            "decision": decision,
            "publication": publication,
            "feedback": held_queries.reasons_of(session, decision.id),
            "names": names,
            "sees_people": sees_people,
            "is_own": actor.user_id == publication.publisher_id,
            "may_answer": may_answer,
            "why_not": None if why_not is None else sentence(why_not),
            "answerers": answerers,
            "text": request.form.get("text", ""),
            "most": COMMENT_LENGTH,
            "refusal": g.get("refusal"),
            **labels(),
        }

    @expose("/<uuid:row_id>/answer", methods=("POST",))
    def answer(self, row_id: UUID) -> ResponseReturnValue:
        """Uphold the appeal or dismiss it, with an answer that the creator reads."""
        self.get_one(row_id)
        asked = request.form.get("do")
        upholds = asked == "uphold"
        try:
            # An appeal is answered once: what names neither button must not count as one of them.
            if asked not in _ANSWERS:
                raise InvalidError("Press one of the two buttons below the answer. Nothing was answered yet.")
            appeals.answer(
                self.request_session,
                actor=current_actor(),
                appeal_id=row_id,
                upholds=upholds,
                text=request.form.get("text", ""),
                now=utc_now(),
            )
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.request_session.rollback()
            g.refusal = sentence(error)
            # The answer stands in the form again.
            return self.details_view(row_id), error.status
        said = _("Upheld: the decision is overturned.") if upholds else _("Dismissed: the decision stands.")
        flash(said, "success")
        return redirect(url_for("appeals.details_view", row_id=row_id), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [AppealsView(resources, Appeal, name=_l("Appeals"), endpoint="appeals")]
