"""The list in which people read what became of what they reported."""

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import g, url_for
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import ui
from admin_views.base import Permission, StudioModelView
from admin_views.listing import Column
from admin_views.market.oversight_labels import report_label
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.kit.paging import Key
from studio.market.models import ListingReporter
from studio.market.review import own_reports
from studio.market.review.own_reports import Standing, Told

STANDINGS = {
    Standing.WAITING: _l("Received. No moderator has answered it yet."),
    Standing.ACTED: _l("You were right to say so: a moderator did something about it."),
    Standing.KEPT: _l("A moderator looked at it and left it as it is."),
    Standing.EARLIER: _l(
        "A moderator had looked at it before and left it as it is. It is looked at again when more people say so."
    ),
}


def _title(row: ListingReporter) -> Markup | str:
    told: Told = g.told[row.id]
    if told.live_id is None:
        return told.title
    return Markup('<a href="{}">{}</a>').format(url_for("shop.details_view", row_id=told.live_id), told.title)


class OwnReportsView(StudioModelView):
    """What the present person reported, and what became of it."""

    permissions: ClassVar[dict[str, Any]] = {"index_view": Permission.LISTING_REPORT}
    menu_section = "market"
    menu_icon = "flag"
    menu_order = 21
    columns = (
        Column("title", _l("Listing"), cell=_title),
        Column("reason", _l("Reason"), cell=lambda row: report_label(g.told[row.id].reason)),
        Column("standing", _l("What became of it"), cell=lambda row: str(STANDINGS[g.told[row.id].standing])),
        Column("created_at", _l("Reported"), cell=lambda row: ui.moment(row.created_at), sort="made", wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"made": (Key(ListingReporter.created_at), Key(ListingReporter.id))}
    default_sort = ("made", True)
    empty_title = _l("You reported nothing")
    empty_text = _l(
        "Where a listing in the shop is not as it should be, say so there. Here you read what became of it."
    )
    empty_icon = "flag"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """One's own, for everybody."""
        return own_reports.own_report_visible_to(actor)

    def list_context(self, rows: Sequence[ListingReporter]) -> dict[str, Any]:
        """What became of the reports of the page, read once."""
        g.told = own_reports.tell(self.request_session, actor=current_actor(), made=rows)
        return {}


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [OwnReportsView(resources, ListingReporter, name=_l("Your reports"), endpoint="own_reports")]
