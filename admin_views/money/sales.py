"""Every sale, for staff: its terms and postings, refunds, corrections."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import ui
from admin_views.base import Permission, StudioModelView, expose
from admin_views.forms import sentence
from admin_views.listing import Column, Filter, contains
from admin_views.market import labels as market_labels
from admin_views.money import labels as money_labels
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, NotFoundError, StudioError
from studio.kit.money import parse_price
from studio.kit.paging import Key
from studio.market.models import EventOutcome, LedgerTransaction, Purchase, PurchaseStatus
from studio.market.money import corrections, ledger, payments, policy, purchases
from studio.market.money import queries as money_queries
from studio.providers.payments import EventKind, LocalPayments
from studio.work.queries import OPEN

_P = Permission

_MOST_POSTINGS = 50

_MOST_KEY = 64

_WAYS = {"give": 1, "take": -1}
"""Which way a correction goes: to the creator, or from them."""


class SalesView(StudioModelView):
    """Every purchase, for staff: terms, postings, refunds."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _P.MONEY_READ_ANY,
        "details_view": _P.MONEY_READ_ANY,
        "state": _P.MONEY_READ_ANY,
        "refund": _P.MONEY_REFUND,
        "correct": _P.MONEY_CORRECT,
        "test_event": _P.MONEY_REFUND,
        "export_view": _P.MONEY_READ_ANY,
    }
    menu_section = "money"
    menu_icon = "list"
    menu_order = 5
    columns = (
        Column("title", _l("Character"), sort="title"),
        Column("buyer", _l("Buyer"), cell=lambda row: _person(row.buyer_id), wide_only=True),
        Column("creator", _l("Creator"), cell=lambda row: _person(row.creator_id), wide_only=True),
        Column("status", _l("Status"), cell=lambda row: money_labels.purchase_badge(row.status)),
        Column(
            "price_minor",
            _l("Price"),
            cell=lambda row: ui.money(row.price_minor, row.currency),
            numeric=True,
        ),
        Column(
            "fee_minor",
            _l("Fee"),
            cell=lambda row: money_labels.amount_mark(row.fee_minor, row.currency) if row.price_minor else "–",
            numeric=True,
            wide_only=True,
        ),
        Column("license_type", _l("Licence"), cell=lambda row: ui.badge(row.license_type), wide_only=True),
        Column("created_at", _l("Begun"), cell=lambda row: ui.moment(row.created_at), sort="created", wide_only=True),
    )
    export_columns = (
        Column("id", "id"),
        Column("title", _l("Character")),
        Column("status", _l("Status")),
        Column("price_minor", _l("Price"), plain=lambda row: money_labels.plain_amount(row.price_minor, row.currency)),
        Column("fee_minor", _l("Fee"), plain=lambda row: money_labels.plain_amount(row.fee_minor, row.currency)),
        Column("currency", _l("Currency")),
        Column("license_type", _l("Licence")),
        Column("paid_at", _l("Paid")),
    )
    orders: ClassVar[dict[str, Any]] = {
        "created": (Key(Purchase.created_at), Key(Purchase.id)),
        "title": (Key(Purchase.title), Key(Purchase.id)),
    }
    default_sort = ("created", True)
    filters = (
        Filter(
            "status",
            _l("Status"),
            lambda value: Purchase.status == value,
            choices=tuple((value.value, money_labels.PURCHASE_LABELS[value.value]) for value in PurchaseStatus),
            quick=True,
        ),
    )
    search_hint = _l("Title")
    details_template = "money/sale.html"
    empty_title = _l("No sales yet")
    empty_icon = "coin"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """All, for staff."""
        return sa.true() if actor.may(_P.MONEY_READ_ANY) else sa.false()

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of a title."""
        return contains(text, Purchase.title)

    def list_context(self, rows: Sequence[Purchase]) -> dict[str, Any]:
        """Who bought from whom on this page, read once."""
        ids = {person for row in rows for person in (row.buyer_id, row.creator_id)}
        g.people = dict(self.request_session.execute(sa.select(User.id, User.name).where(User.id.in_(ids))).all())
        return {}

    def details_context(self, row: Purchase) -> dict[str, Any]:
        """Who bought from whom, and what the ledger has of it."""
        session = self.request_session
        people = sa.select(User.id, User.name).where(User.id.in_({row.buyer_id, row.creator_id}))
        postings = (
            sa.select(LedgerTransaction)
            .where(LedgerTransaction.purchase_id == row.id)
            .order_by(LedgerTransaction.occurred_at, LedgerTransaction.id)
            .limit(_MOST_POSTINGS)
        )
        posted = session.scalars(postings).all()
        return {
            "names": dict(session.execute(people).all()),
            "questions": money_queries.questions_of(session, purchase_id=row.id),
            "is_own": row.buyer_id == current_actor().user_id,
            **self._refund_of(row),
            "can_correct": bool(row.paid_at and row.price_minor and row.creator_id != current_actor().user_id),
            "refusal": g.get("refusal"),
            "asked": g.get("asked"),
            "typed": request.form,
            "key": request.form.get("key", "")[:_MOST_KEY] or uuid4().hex,
            "most_reason": corrections.REASON_LENGTH,
            "postings": posted,
            "entries": ledger.entries_of(session, [one.id for one in posted]),
            "provider_label": self._provider_label(row),
            "is_test": self._is_test(row),
            **market_labels.labels(),
            **money_labels.labels(),
        }

    def _refund_of(self, row: Purchase) -> dict[str, Any]:
        """Whether a refund is due, and what became of the job that asks for it: open, or why it ended."""
        if not purchases.is_refund_due(row):
            return {"is_refund_due": False, "is_being_refunded": False, "refund_error": None}
        job = money_queries.last_refund_job(self.request_session, purchase_id=row.id)
        return {
            "is_refund_due": True,
            "is_being_refunded": job is not None and job.state in OPEN,
            "refund_error": job.error_message if job is not None else None,
        }

    def _is_test(self, row: Purchase) -> bool:
        provider = self.resources.payments_through(row.provider)
        return provider is not None and provider.is_local

    def _provider_label(self, row: Purchase) -> str:
        provider = self.resources.payments
        if row.provider != provider.name:
            return row.provider
        return _("the local test provider") if provider.is_local else str(provider.label)

    @expose("/<uuid:row_id>/state")
    def state(self, row_id: UUID) -> ResponseReturnValue:
        """Ask again, from its page, whether a refund has come through or was given up; then the page is made anew."""
        row = self.get_one(row_id)
        is_asking = self._refund_of(row)["is_being_refunded"]
        return money_labels.anew_where_changed(row.status if is_asking else "over")

    @expose("/<uuid:row_id>/refund", methods=("POST",))
    def refund(self, row_id: UUID) -> ResponseReturnValue:
        """Give the money back."""
        try:
            purchase = purchases.ask_refund(
                self.request_session,
                actor=current_actor(),
                purchase_id=row_id,
                reason=request.form.get("reason", ""),
                now=utc_now(),
            )
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.request_session.rollback()
            flash(sentence(error), "danger")
        else:
            if purchase.status is PurchaseStatus.REFUNDED:
                flash(_("This purchase was refunded already; nothing was changed."), "info")
        return redirect(url_for("sales.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/correct", methods=("POST",))
    def correct(self, row_id: UUID) -> ResponseReturnValue:
        """Give the creator of a sale more of it, or take some back; the key of the form makes a second press the same one."""
        row = self.get_one(row_id)
        way = request.form.get("way")
        try:
            if way not in _WAYS:
                raise InvalidError("Say whether the creator gets the amount or gives it.")
            typed = request.form.get("amount", "").strip()
            # A price may be nothing, a correction not; which way it goes is chosen, and no sign says it.
            if typed.startswith(("-", "\u2212")) or not typed.strip("0.,"):
                raise InvalidError("The amount has to be above zero; which way it goes is chosen above it.")
            amount = parse_price(typed, row.currency, locale=str(get_locale()), field="amount")
            given: Any = {
                "actor": current_actor(),
                "purchase_id": row_id,
                "key": request.form.get("key", "")[:_MOST_KEY] or uuid4().hex,
                "amount_minor": _WAYS[way] * amount.minor,
                "reason": request.form.get("reason", ""),
            }
            if request.form.get("agreed") != f"{way} {amount.minor}":
                # Read back as it would be posted, and asked for once more: also where it was changed after that.
                corrections.check(self.request_session, **given)
                g.asked = {"agreed": f"{way} {amount.minor}", "amount": amount.minor, "way": way}
                return self.details_view(row_id), 200
            corrections.make(self.request_session, **given, now=utc_now())
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            self.request_session.rollback()
            g.refusal = sentence(error)
            # What was typed stands in the form again.
            return self.details_view(row_id), error.status
        flash(_("Corrected. It is in the ledger now, and its creator reads the reason."), "success")
        return redirect(url_for("sales.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/test-event", methods=("POST",))
    def test_event(self, row_id: UUID) -> ResponseReturnValue:
        """Have the local test provider tell of a dispute, or of its end."""
        row = self.get_one(row_id)
        provider = self.resources.payments_through(row.provider)
        kind = request.form.get("kind", "")
        allowed = {EventKind.DISPUTED, EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST}
        if not isinstance(provider, LocalPayments) or kind not in allowed:
            raise NotFoundError
        now = utc_now()
        times = row.dispute_count + (1 if kind == EventKind.DISPUTED else 0)
        body, signature = provider.tell(
            EventKind(kind),
            purchase_id=row.id,
            amount_minor=row.price_minor,
            currency=row.currency,
            now=now,
            times=times,
        )
        outcome = payments.receive(
            self.request_session,
            provider=provider,
            body=body,
            signature=signature,
            policy=policy.from_settings(self.resources.settings),
            now=now,
        )
        if outcome is EventOutcome.APPLIED:
            flash(_("The test provider told it, and the ledger has it."), "success")
        else:
            flash(
                _(
                    "The test provider told it, but this sale stands elsewhere by now: nothing changed. Look at it anew."
                ),
                "warning",
            )
        return redirect(url_for("sales.details_view", row_id=row_id), 303)


def _person(person_id: UUID) -> str:
    return str(g.get("people", {}).get(person_id, ""))


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [SalesView(resources, Purchase, name=_l("Sales"), endpoint="sales")]
