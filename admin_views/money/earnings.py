"""Earnings: what a creator earned, and what waits and until when."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import Permission, StudioView, expose
from admin_views.formats import month_label
from admin_views.forms import sentence
from admin_views.money import labels as money_labels
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.kit.money import Money
from studio.market.models import CreatorEarnings, Payout
from studio.market.money import corrections, earnings, ledger, payouts, policy
from studio.market.money import queries as money_queries
from studio.market.money.statements import Period

_P = Permission
_A_YEAR = timedelta(days=365)
_NEWEST = 6


class EarningsView(StudioView):
    """A creator's own earnings."""

    permissions: ClassVar[Any] = {"index": _P.EARNINGS_READ_OWN, "destination": _P.EARNINGS_READ_OWN}
    menu_section = "money"
    menu_icon = "coin"
    menu_order = 10

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Balances, a chart, each character, what waits and until when, statements and payouts."""
        actor = current_actor()
        if actor.user_id is None:
            raise NotFoundError
        held = ledger.balances_of(self.session, creator_id=actor.user_id)
        currency = request.args.get("currency", "")
        if currency not in held:
            currency = max(held, key=lambda one: held[one].pending_minor + held[one].available_minor, default="USD")
        since = _months_ago(utc_now())
        months = earnings.by_month(self.session, creator_id=actor.user_id, currency=currency, since=since)
        own_statements = sa.select(CreatorEarnings).where(CreatorEarnings.creator_id == actor.user_id)
        own_payouts = sa.select(Payout).where(Payout.creator_id == actor.user_id)
        rules = policy.from_settings(self.resources.settings)
        return self.render(
            "money/earnings.html",
            held=held,
            currency=currency,
            chart=chart(months, currency),
            total=sum(one.amount_minor for one in months),
            characters=earnings.by_character(self.session, creator_id=actor.user_id, currency=currency, since=since),
            pending=money_queries.list_pending(self.session, creator_id=actor.user_id, currency=currency),
            statements=self.session.scalars(
                own_statements.order_by(CreatorEarnings.period_start.desc(), CreatorEarnings.id).limit(_NEWEST)
            ).all(),
            payouts=self.session.scalars(
                own_payouts.order_by(Payout.created_at.desc(), Payout.id.desc()).limit(_NEWEST)
            ).all(),
            corrections=corrections.newest(self.session, creator_id=actor.user_id, limit=_NEWEST),
            destination=payouts.find_destination(self.session, user_id=actor.user_id),
            minimum=rules.minimum(currency),
            hold_days=rules.hold.days,
            fee_percent=rules.fee_bps / 100,
            provider=self.resources.payments,
            **money_labels.labels(),
        )

    @expose("/destination", methods=("POST",))
    def destination(self) -> ResponseReturnValue:
        """Say where payouts go."""
        provider = self.resources.payments
        try:
            payouts.set_destination(
                self.session,
                actor=current_actor(),
                provider=provider.name,
                text=request.form.get("destination", ""),
                check=provider.checked_destination,
            )
        except StudioError as error:
            self.session.rollback()
            flash(sentence(error), "danger")
        else:
            flash(_("Saved. Your payouts go there from now on."), "success")
        return redirect(url_for("earnings.index"), 303)


def chart(months: list[earnings.Month], currency: str) -> dict[str, Any]:
    """Months as the page's chart draws them, in major units."""
    return {
        "label": currency,
        "unit": currency,
        "labels": [month_label(one.begins_at.date()) for one in months],
        "values": [float(Money(one.amount_minor, currency).amount) for one in months],
    }


def _months_ago(now: datetime) -> datetime:
    return Period.of((now - _A_YEAR).date()).begins_at


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [EarningsView(resources, name=_l("Earnings"), endpoint="earnings")]
