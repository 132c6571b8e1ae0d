"""What people read for money: amounts, statuses, kinds of postings and accounts, and what the checks found."""

import math
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_currency, format_date, gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from admin_views import ui
from admin_views.formats import month_label
from admin_views.market.labels import license_label
from studio.kit.money import EXPONENTS, Money
from studio.market.models import GIVEN_UP, TAKEN_DOWN

CALLED_OFF = "called off by staff"
"""Why a payout is off where staff say nothing else."""
PURCHASE_LABELS = {
    "pending": _l("waiting for payment"),
    "paid": _l("paid"),
    "failed": _l("payment failed"),
    "cancelled": _l("cancelled"),
    "disputed": _l("disputed"),
    "refunded": _l("refunded"),
    "lost": _l("dispute lost"),
}
PAYOUT_LABELS = {
    "pending": _l("waiting to be sent"),
    "processing": _l("on its way"),
    "paid": _l("paid out"),
    "failed": _l("failed"),
    "cancelled": _l("cancelled"),
    "held": _l("held"),
}
POSTING_LABELS = {
    "sale": _l("Sale"),
    "refund": _l("Refund"),
    "dispute": _l("Dispute"),
    "dispute_reversal": _l("Dispute won"),
    "correction": _l("Correction"),
    "release": _l("Hold over"),
    "dispute_fee": _l("Fee for the dispute"),
    "payout": _l("Payout"),
    "payout_settlement": _l("Payout settled"),
    "payout_reversal": _l("Payout given back"),
}
EVENT_LABELS = {
    "paid": _l("Payment"),
    "failed": _l("Payment refused"),
    "expired": _l("Time to pay over"),
    "refunded": _l("Refund"),
    "disputed": _l("Dispute"),
    "dispute_won": _l("Dispute won"),
    "dispute_lost": _l("Dispute lost"),
    "unheard": _l("Unread messages"),
}
"""What payment providers tell of."""
ACCOUNT_LABELS = {
    "provider": _l("Held by the payment provider"),
    "provider_fees": _l("Fees of the payment provider"),
    "platform_revenue": _l("Platform revenue"),
    "creator_pending": _l("Creators: pending"),
    "creator_available": _l("Creators: available"),
    "payouts_in_transit": _l("Payouts in transit"),
}
PROVIDER_NAMES = {"local": _l("the local test provider"), "stripe": "Stripe"}
CHECK_LABELS = {
    "unbalanced_posting": _l("A posting does not balance"),
    "balance_differs_from_entries": _l("The balance of an account is not what its entries come to"),
    "pending_differs_from_sales": _l("Pending earnings are not what the sales come to"),
    "transit_differs_from_payouts": _l("Money in transit is not what open payouts come to"),
    "provider_overdrawn": _l("More money has left the payment provider than it held"),
    "sale_not_in_ledger": _l("A paid purchase is not in the ledger with its price and fee"),
    "refund_not_in_ledger": _l("A refund is not in the ledger with the amounts of its sale"),
    "release_not_in_ledger": _l("What left its hold is not in the ledger with what its creator earned"),
    "dispute_not_in_ledger": _l("A dispute is not in the ledger as the purchase stands"),
    "payout_not_in_ledger": _l("A payout is not in the ledger as it stands"),
    "statement_differs_from_ledger": _l("A closed statement is not what the ledger says"),
    "statements_are_missing": _l("A closed month has more or fewer statements than when it was closed"),
    "exclusive_on_the_market": _l("An exclusive that was sold is on the market"),
    "event_waits_for_a_day": _l("A message of the payment provider waits for what it is about"),
}
_PAGES = {
    "sale_not_in_ledger": "sales.details_view",
    "refund_not_in_ledger": "sales.details_view",
    "release_not_in_ledger": "sales.details_view",
    "dispute_not_in_ledger": "sales.details_view",
    "payout_not_in_ledger": "payouts.details_view",
}
REASON_LABELS = {
    GIVEN_UP: _l("given up by the buyer"),
    TAKEN_DOWN: _l("the character was taken down"),
    "not paid in time": _l("not paid in time"),
    "refused by the provider": _l("refused by the provider"),
    CALLED_OFF: _l("called off by staff"),
}
"""Why purchases and payouts ended, where the studio itself says it; people's own words are shown as they are."""
_COLOURS = {
    "pending": "pending",
    "processing": "running",
    "paid": "approved",
    "failed": "failed",
    "cancelled": "withdrawn",
    "disputed": "warning",
    "refunded": "withdrawn",
    "lost": "failed",
    "held": "warning",
}
"""Statuses of money in the colours that the stylesheet has for statuses like them."""


def amount(minor: int, currency: str) -> str:
    """An amount as the reader writes it, whatever its sign; nothing is zero and not "Free"."""
    return str(format_currency(Money(minor, currency).amount, currency))


def plain_amount(minor: int, currency: str) -> str:
    """An amount as files of tables hold it: 4.99, whoever reads."""
    return f"{Money(minor, currency).amount:.{EXPONENTS[currency]}f}"


def amount_mark(minor: int, currency: str) -> Markup:
    """As `amount`, for a table; a negative one is told by its colour too."""
    kind = " money-below" if minor < 0 else ""
    return Markup(f'<span class="money{kind}">{escape(amount(minor, currency))}</span>')  # noqa: S704 - Escaped.


def with_name(text: str, name: str) -> Markup:
    """What a cell says, on a phone with whose it is below it."""
    return Markup('{}<span class="narrow-only text-secondary">{}</span>').format(text, name) if name else escape(text)


def purchase_badge(status: object) -> Markup:
    """A purchase's status."""
    return ui.badge(_COLOURS[str(status)], PURCHASE_LABELS[str(status)])


def payout_badge(status: object) -> Markup:
    """A payout's status."""
    return ui.badge(_COLOURS[str(status)], PAYOUT_LABELS[str(status)])


def seconds_left(moment: datetime | None, *, now: datetime) -> int:
    """Whole seconds until a moment, a begun one counted; nothing once it has come."""
    return 0 if moment is None else max(0, math.ceil((moment - now).total_seconds()))


def anew_where_changed(status: object) -> ResponseReturnValue:
    """The answer to a page that asks whether what it shows as `?was=` is still so; where it is not, the page loads anew."""
    return "", 200, {} if request.args.get("was") == str(status) else {"HX-Refresh": "true"}


def provider_name(name: str) -> str:
    """A payment provider in the reader's words."""
    return str(PROVIDER_NAMES.get(name, name))


def reason_label(reason: str) -> str:
    """Why a purchase or a payout ended, in the reader's words."""
    return str(REASON_LABELS[reason]) if reason in REASON_LABELS else gettext(reason)


def finding_url(finding: dict[str, Any]) -> str | None:
    """Where staff look at what a check found something about; None where it has no page."""
    page = _PAGES.get(finding["check"])
    try:
        return None if page is None else url_for(page, row_id=UUID(finding["about"]))
    except ValueError:
        return None


def labels() -> dict[str, Any]:
    """All of these for templates."""
    return {
        "amount": amount,
        "amount_mark": amount_mark,
        "purchase_badge": purchase_badge,
        "payout_badge": payout_badge,
        "posting_label": lambda kind: str(POSTING_LABELS.get(str(kind), kind)),
        "event_label": lambda kind: str(EVENT_LABELS.get(str(kind), kind)),
        "account_label": lambda kind: str(ACCOUNT_LABELS.get(str(kind), kind)),
        "check_label": lambda name: str(CHECK_LABELS.get(name, name)),
        "finding_url": finding_url,
        "reason_label": reason_label,
        "provider_name": provider_name,
        "license_label": license_label,
        "format_day": lambda moment: format_date(moment, "medium"),
        "month": month_label,
        "translate": gettext,
    }
