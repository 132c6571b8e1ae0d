"""Money for staff: revenue, fees, payouts, what needs a person, and the trial balance."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from admin_views.base import Permission, StudioView, expose
from admin_views.forms import sentence
from admin_views.money import labels as money_labels
from admin_views.money import leaving
from admin_views.money.earnings import chart
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio import work
from studio.accounts.models import User
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.market.money import cover, dues, earnings, ledger, payments, payouts, policy
from studio.market.money import queries as money_queries
from studio.market.money.statements import Period

_P = Permission
_A_MONTH = timedelta(days=30)
_STUCK = timedelta(hours=1)
_MOST_KEY = 64
_MOST_DUE = 50
_MOST_NAMED = 5


class MoneyView(StudioView):
    """The platform's money on one page."""

    permissions: ClassVar[Any] = {
        "index": _P.MONEY_READ_ANY,
        "make_payouts": _P.PAYOUT_MAKE,
        "call_off_payouts": _P.PAYOUT_MAKE,
        "check_now": _P.MONEY_READ_ANY,
        "settle": _P.MONEY_REFUND,
        "reopen": _P.MONEY_REFUND,
    }
    menu_section = "money"
    menu_icon = "building-castle"
    menu_order = 1

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Revenue, fees, payouts, exceptions and the trial balance."""
        actor, now = current_actor(), utc_now()
        provider = self.resources.payments
        trial = ledger.trial_balance(self.session, provider=provider.name)
        currencies = sorted({line.currency for line in trial})
        currency = request.args.get("currency", "")
        if currency not in currencies:
            currency = "USD" if "USD" in currencies or not currencies else currencies[0]
        since = Period.of((now - timedelta(days=365)).date()).begins_at
        months = earnings.revenue_by_month(self.session, actor=actor, currency=currency, since=since)
        rules = policy.from_settings(self.resources.settings)
        troubled = earnings.troubled_payouts(self.session, actor=actor, stuck_before=now - _STUCK)
        due = dues.list_due(
            self.session,
            actor=actor,
            provider=provider.name,
            policy=rules,
            limit=payouts.MOST_IN_A_BATCH,
            # The trial balance has summed all accounts already.
            room=cover.room_in(trial),
        )
        to_pay = [one for one in due if one.is_covered]
        people = {one.creator_id for one in troubled}
        return self.render(
            "money/overview.html",
            trial=trial,
            currencies=currencies,
            currency=currency,
            chart=chart(months, currency),
            flows=earnings.flows(self.session, actor=actor, since=now - _A_MONTH),
            payouts_by_status=earnings.payouts_by_status(self.session, actor=actor, since=now - 12 * _A_MONTH),
            troubled=troubled,
            disputes=money_queries.list_disputes(self.session),
            stuck_refunds=money_queries.list_stuck_refunds(self.session, stuck_before=now - _STUCK),
            questions=money_queries.list_questions(self.session),
            leaving=leaving.waiting(self.session, actor=actor, now=now),
            elsewhere=dues.list_elsewhere(self.session, actor=actor, provider=provider.name)
            if _is_split(trial)
            else [],
            due=due[:_MOST_DUE],
            more_due=len(due) > _MOST_DUE,
            to_pay=len(to_pay),
            to_pay_sums=_sums(to_pay),
            names=dict(self.session.execute(sa.select(User.id, User.name).where(User.id.in_(people))).all()),
            check=money_queries.last_check(self.session),
            key=uuid4().hex,
            provider=provider,
            **money_labels.labels(),
        )

    @expose("/payouts", methods=("POST",))
    def make_payouts(self) -> ResponseReturnValue:
        """Pay everybody who is due, in some seconds; the key of the form makes a second press the same batch."""
        rules, now = policy.from_settings(self.resources.settings), utc_now()
        try:
            made = payouts.make_batch(
                self.session,
                actor=current_actor(),
                batch_key=request.form.get("key", "")[:_MOST_KEY] or uuid4().hex,
                provider=self.resources.payments.name,
                policy=rules,
                now=now,
            )
        except StudioError as error:
            self.session.rollback()
            flash(sentence(error), "warning")
            return redirect(url_for("money.index"), 303)
        # The page says how long it can be called off, however often it is loaded.
        flash(ngettext("%(num)d payout made.", "%(num)d payouts made.", len(made)), "success")
        self._name_left_out(rules)
        return redirect(url_for("payouts.index_view"), 303)

    @expose("/payouts/call-off", methods=("POST",))
    def call_off_payouts(self) -> ResponseReturnValue:
        """Call off all of a batch that was not begun."""
        try:
            off = payouts.call_off_batch(
                self.session,
                actor=current_actor(),
                batch_key=request.form.get("key", "")[:_MOST_KEY],
                reason=money_labels.CALLED_OFF,
                now=utc_now(),
            )
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.session.rollback()
            flash(sentence(error), "warning")
        else:
            said = ngettext(
                "%(num)d payout called off. The money is available to its creator again.",
                "%(num)d payouts called off. The money is available to their creators again.",
                len(off),
            )
            flash(said, "success")
        return redirect(url_for("payouts.index_view"), 303)

    def _name_left_out(self, rules: policy.Policy) -> None:
        due = dues.list_due(
            self.session,
            actor=current_actor(),
            provider=self.resources.payments.name,
            policy=rules,
            limit=payouts.MOST_IN_A_BATCH,
        )
        names = list(dict.fromkeys(one.name for one in due if not one.is_covered))
        if names:
            listed = ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")
            flash(
                _("The payment provider holds too little to pay these too; they stay due: %(names)s", names=listed),
                "warning",
            )

    @expose("/check", methods=("POST",))
    def check_now(self) -> ResponseReturnValue:
        """Have all money checked now, and not at the next hour."""
        work.ask(self.session, "money.check_money", actor=current_actor(), dedupe_key="money.check_money", queue="bulk")
        flash(_("All money is being checked; the result stands here in a moment."), "info")
        return redirect(url_for("money.index"), 303)

    @expose("/questions/<provider>/<event>/settle", methods=("POST",))
    def settle(self, provider: str, event: str) -> ResponseReturnValue:
        """Put aside what a provider told, now that somebody has seen to it."""
        self._settle(provider, event, is_settled=True)
        again = url_for("money.reopen", provider=provider, event=event)
        said: Any = {"text": _("Put aside. The sale and the audit log keep it."), "label": _("Undo"), "url": again}
        flash(said, "success")
        return redirect(url_for("money.index"), 303)

    @expose("/questions/<provider>/<event>/reopen", methods=("POST",))
    def reopen(self, provider: str, event: str) -> ResponseReturnValue:
        """Have it looked at after all."""
        self._settle(provider, event, is_settled=False)
        flash(_("It needs a person again."), "success")
        return redirect(url_for("money.index"), 303)

    def _settle(self, provider: str, event: str, *, is_settled: bool) -> None:
        payments.settle_question(
            self.session,
            actor=current_actor(),
            provider=provider,
            event_id=event,
            is_settled=is_settled,
            now=utc_now(),
        )


def _is_split(trial: Iterable[ledger.TrialLine]) -> bool:
    """Whether there ever was another provider than the present one."""
    return any(line.provider for line in trial)


def _sums(due: Iterable[dues.Due]) -> str:
    sums: Counter[str] = Counter()
    for one in due:
        sums[one.currency] += one.available_minor
    return ", ".join(money_labels.amount(minor, currency) for currency, minor in sorted(sums.items()))


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [MoneyView(resources, name=_l("Money"), endpoint="money")]
