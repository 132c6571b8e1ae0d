"""Payouts: a creator's own, all of them for staff."""

from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import ui
from admin_views.base import Permission, StudioModelView, expose
from admin_views.forms import sentence
from admin_views.listing import Column, Filter
from admin_views.money import labels as money_labels
from admin_views.money import leaving
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import StudioError
from studio.kit.paging import Key
from studio.market.models import Payout, PayoutStatus
from studio.market.money import payouts
from studio.market.money import queries as money_queries

_P = Permission


def _reason(row: Payout) -> str:
    return money_labels.reason_label(row.reason) if row.reason else ""


def _payee(row: Payout) -> str:
    return str(g.get("payees", {}).get(row.creator_id, ""))


class PayoutsView(StudioModelView):
    """Payouts: a creator's own, all of them for staff, who let held ones go and call off what was not begun."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "details_view": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "state": (_P.EARNINGS_READ_OWN, _P.MONEY_READ_ANY),
        "let_go": _P.PAYOUT_MAKE,
        "hold": _P.PAYOUT_MAKE,
        "call_off": _P.PAYOUT_MAKE,
    }
    menu_section = "money"
    menu_icon = "send"
    menu_order = 30
    columns = (
        Column(
            "created_at",
            _l("Made"),
            cell=lambda row: money_labels.with_name(ui.moment(row.created_at), _payee(row)),
            sort="created",
        ),
        Column("creator", _l("Creator"), cell=_payee, wide_only=True),
        Column(
            "amount_minor",
            _l("Amount"),
            cell=lambda row: money_labels.amount_mark(row.amount_minor, row.currency),
            numeric=True,
        ),
        Column("status", _l("Status"), cell=lambda row: money_labels.payout_badge(row.status)),
        Column("paid_at", _l("Paid"), cell=lambda row: ui.moment(row.paid_at), wide_only=True),
        Column("reason", _l("Reason"), cell=_reason, wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"created": (Key(Payout.created_at), Key(Payout.id))}
    default_sort = ("created", True)
    filters = (
        Filter(
            "status",
            _l("Status"),
            lambda value: Payout.status == value,
            choices=tuple((value.value, money_labels.PAYOUT_LABELS[value.value]) for value in PayoutStatus),
            quick=True,
        ),
    )
    list_template = "money/payouts.html"
    details_template = "money/payout.html"
    empty_title = _l("No payouts yet")
    empty_text = _l("Once what is available reaches the minimum, it is paid out with the next batch.")
    empty_icon = "send"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """A creator's own; all for staff."""
        return money_queries.payout_visible_to(actor)

    def hidden(self, actor: Actor) -> frozenset[str]:
        """A creator knows whose payouts these are."""
        return frozenset() if actor.may(_P.MONEY_READ_ANY) else frozenset({"creator"})

    def row_title(self, row: Payout) -> str:
        """The amount and the day."""
        return f"{money_labels.amount(row.amount_minor, row.currency)} · {format_date(row.created_at)}"

    def list_context(self, rows: Any) -> dict[str, Any]:
        """Who is paid on this page, read once, and what can still be called off."""
        self._name([row.creator_id for row in rows])
        return {"leaving": leaving.waiting(self.request_session, actor=current_actor(), now=utc_now())}

    def details_context(self, row: Payout) -> dict[str, Any]:
        """The payout, and for how long it can still be called off."""
        self._name([row.creator_id])
        is_waiting = row.status is PayoutStatus.PENDING
        return {
            "creator": g.payees.get(row.creator_id, ""),
            "seconds": money_labels.seconds_left(row.send_at, now=utc_now()) if is_waiting else 0,
            **money_labels.labels(),
        }

    def _name(self, ids: list[UUID]) -> None:
        if current_actor().may(_P.MONEY_READ_ANY):
            people = sa.select(User.id, User.name).where(User.id.in_(set(ids)))
            g.payees = dict(self.request_session.execute(people).all())
        else:
            g.payees = {}

    @expose("/<uuid:row_id>/state")
    def state(self, row_id: UUID) -> ResponseReturnValue:
        """Ask again, from its page, whether a payout has gone on; then the page is made anew."""
        return money_labels.anew_where_changed(self.get_one(row_id).status)

    @expose("/<uuid:row_id>/let-go", methods=("POST",))
    def let_go(self, row_id: UUID) -> ResponseReturnValue:
        """Send a held payout, or try one again that got stuck."""
        self.get_one(row_id)
        try:
            payout = payouts.let_go(
                self.request_session,
                actor=current_actor(),
                payout_id=row_id,
                provider=self.resources.payments.name,
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            is_held = payout.status is PayoutStatus.HELD
            flash(
                _(payout.reason) if is_held else _("The payout goes on; it can be called off until it is sent."),
                "warning" if is_held else "success",
            )
        return redirect(url_for("payouts.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/hold", methods=("POST",))
    def hold(self, row_id: UUID) -> ResponseReturnValue:
        """Keep back a payout that was not begun."""
        self.get_one(row_id)
        try:
            payouts.hold(self.request_session, actor=current_actor(), payout_id=row_id)
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("Held. It goes nowhere until somebody of staff sends it, or calls it off."), "success")
        return redirect(url_for("payouts.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/call-off", methods=("POST",))
    def call_off(self, row_id: UUID) -> ResponseReturnValue:
        """Call off a payout that was not begun."""
        self.get_one(row_id)
        try:
            payouts.cancel(
                self.request_session,
                actor=current_actor(),
                payout_id=row_id,
                reason=request.form.get("reason", "") or money_labels.CALLED_OFF,
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("Called off. The money is available to its creator again."), "success")
        return redirect(url_for("payouts.details_view", row_id=row_id), 303)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [PayoutsView(resources, Payout, name=_l("Payouts"), endpoint="payouts")]
