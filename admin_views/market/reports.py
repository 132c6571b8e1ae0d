"""Reports of listings: the form on which anybody says what is wrong, and the list that moderators and staff read."""

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
from admin_views.market.oversight_labels import REPORT_LABELS, report_label
from admin_views.market.own_reports import STANDINGS
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.kit.paging import Key
from studio.market.catalogue import cases, queries
from studio.market.models import (
    REPORT_LENGTH,
    CharacterPublication,
    ListingReport,
    PublicationStatus,
    ReportReason,
    ReportState,
)
from studio.market.review import own_reports, reports
from studio.market.review.errors import OwnReportError

_P = Permission
_NOT_FOUND = 404
_STATES = (
    (ReportState.OPEN.value, _l("open")),
    (ReportState.ACTIONED.value, _l("acted upon")),
    (ReportState.DISMISSED.value, _l("dismissed")),
)


class ReportsView(StudioModelView):
    """What people reported, merged by listing and reason."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _P.REVIEW_READ,
        "details_view": _P.REVIEW_READ,
        "dismiss": _P.REVIEW_DECIDE,
        "make": _P.LISTING_REPORT,
    }
    menu_section = "market"
    menu_icon = "flag"
    menu_order = 22
    columns = (
        Column("title", _l("Listing"), cell=lambda row: g.reported.get(row.publication_id, "")),
        Column("reason", _l("Reason"), cell=lambda row: report_label(row.reason)),
        Column("reporter_count", _l("People"), numeric=True, wide_only=True),
        Column("state", _l("State"), cell=lambda row: ui.badge(row.state)),
        Column("last_at", _l("Last reported"), cell=lambda row: ui.moment(row.last_at), sort="last", wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"last": (Key(ListingReport.last_at), Key(ListingReport.id))}
    default_sort = ("last", True)
    filters = (
        Filter("state", _l("State"), lambda value: ListingReport.state == value, choices=_STATES, quick=True),
        Filter(
            "reason",
            _l("Reason"),
            lambda value: ListingReport.reason == value,
            choices=tuple((reason.value, label) for reason, label in REPORT_LABELS.items()),
        ),
    )
    details_template = "market/report.html"
    empty_title = _l("Nobody reported anything")
    empty_text = _l("What people report of live listings appears here. Two of them bring a listing back to the desk.")
    empty_icon = "flag"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """All of them, for who works or watches the desk."""
        return reports.report_visible_to(actor)

    def list_context(self, rows: Sequence[ListingReport]) -> dict[str, Any]:
        """The titles of the page's listings, read once."""
        ids = {row.publication_id for row in rows}
        titles = sa.select(CharacterPublication.id, CharacterPublication.title).where(CharacterPublication.id.in_(ids))
        g.reported = dict(self.request_session.execute(titles).all())
        return {}

    def row_title(self, row: ListingReport) -> str:
        """The reason in words."""
        return report_label(row.reason)

    def details_context(self, row: ListingReport) -> dict[str, Any]:
        """The listing, who reported it, and what else was reported of it."""
        session, actor = self.request_session, current_actor()
        publication = queries.get_listing(session, actor=actor, publication_id=row.publication_id)
        return {
            "publication": publication,
            "voices": reports.list_voices(session, actor=actor, report_id=row.id),
            "others": [
                one
                for one in reports.list_of_listing(session, actor=actor, publication_id=row.publication_id)
                if one.id != row.id
            ],
            "case": cases.find_open_case(session, publication_id=row.publication_id),
            "is_own": publication.publisher_id == actor.user_id,
            **labels(),
        }

    @expose("/<uuid:row_id>/dismiss", methods=("POST",))
    def dismiss(self, row_id: UUID) -> ResponseReturnValue:
        """Close the report: nothing is wrong."""
        try:
            reports.dismiss(self.request_session, actor=current_actor(), report_id=row_id, now=utc_now())
        except StudioError as error:
            if error.status == _NOT_FOUND:
                raise
            self.request_session.rollback()
            flash(sentence(error), "warning")
        else:
            flash(_("Closed. It takes twice as many people to open this report again."), "success")
        return redirect(url_for("reports.details_view", row_id=row_id), 303)

    @expose("/new/<uuid:publication_id>", methods=("GET", "POST"))
    def make(self, publication_id: UUID) -> ResponseReturnValue:
        """The form on which anybody says what is wrong with a live listing."""
        session, actor = self.request_session, current_actor()
        publication = queries.get_listing(session, actor=actor, publication_id=publication_id)
        if publication.status is not PublicationStatus.APPROVED:
            raise NotFoundError
        if publication.publisher_id == actor.user_id:
            # Said before anybody fills in a form for nothing.
            flash(sentence(OwnReportError()), "warning")
            return redirect(url_for("shop.details_view", row_id=publication_id), 303)
        refusal, status = None, 200
        if request.method == "POST":
            reason = _reason(request.form.get("reason"))
            try:
                if reason is None:
                    refusal, status = _("Choose what is wrong."), 422
                else:
                    reports.report(
                        session,
                        actor=actor,
                        publication_id=publication_id,
                        reason=reason,
                        comment=request.form.get("comment", ""),
                        now=utc_now(),
                    )
                    flash(
                        _(
                            "Thank you. Moderators see your report; the creator never learns who made it. “Your reports” tells what became of it."
                        ),
                        "success",
                    )
                    return redirect(url_for("shop.details_view", row_id=publication_id), 303)
            except StudioError as error:
                if error.status == _NOT_FOUND:
                    raise
                session.rollback()
                publication = queries.get_listing(session, actor=actor, publication_id=publication_id)
                refusal, status = sentence(error), error.status
        page = self.render(
            "market/report_new.html",
            publication=publication,
            mine=own_reports.tell_of_listing(session, actor=actor, publication_id=publication_id),
            standings=STANDINGS,
            report_label=report_label,
            reasons=REPORT_LABELS,
            chosen=request.form.get("reason", ""),
            comment=request.form.get("comment", ""),
            most=REPORT_LENGTH,
            refusal=refusal,
        )
        return page, status


def _reason(value: str | None) -> ReportReason | None:
    try:
        return ReportReason(value or "")
    except ValueError:
        return None


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ReportsView(resources, ListingReport, name=_l("Reports"), endpoint="reports")]
