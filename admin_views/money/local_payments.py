"""The page of the local test provider, on which a tester says what becomes of a payment."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from admin_views.base import Permission, StudioView, expose
from admin_views.money import labels as money_labels
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio import work
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError
from studio.market.models import (
    Purchase,
)
from studio.market.money import payments, policy
from studio.market.money import queries as money_queries
from studio.providers.payments import EventKind, LocalPayments

_P = Permission

_LATE = timedelta(seconds=20)

TEST_ANSWERS = {
    "pay": _l("Pay"),
    "twice": _l("Pay, and have it told twice"),
    "late": _l("Pay, and have it told 20 seconds later"),
    "fail": _l("Have the card refused"),
}
"""What a tester can have the local test provider do."""


class TestPaymentsView(StudioView):
    """Where the local test provider takes its payments: a tester says what happens, and no money moves."""

    __test__ = False  # Not a test, whatever its name begins with.
    permissions: ClassVar[Any] = {"index": _P.PURCHASE_MAKE, "show": _P.PURCHASE_MAKE, "answer": _P.PURCHASE_MAKE}
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Payments begin on the page of a purchase."""
        return redirect(url_for("purchases.index_view"), 303)

    @expose("/<uuid:purchase_id>")
    def show(self, purchase_id: UUID) -> ResponseReturnValue:
        """What is to be paid, and what can happen."""
        row, _provider = self._pending(purchase_id)
        return self.render("money/test_payment.html", row=row, answers=TEST_ANSWERS, **money_labels.labels())

    @expose("/<uuid:purchase_id>/answer", methods=("POST",))
    def answer(self, purchase_id: UUID) -> ResponseReturnValue:
        """The provider tells what the tester chose: now, late, or twice."""
        row, provider = self._pending(purchase_id)
        how, now = request.form.get("how", ""), utc_now()
        if how not in TEST_ANSWERS:
            raise NotFoundError
        if how == "late":
            work.ask(
                self.session,
                "money.deliver_test_payment",
                actor=current_actor(),
                about=("purchase", row.id),
                run_after=now + _LATE,
                dedupe_key=f"money.deliver_test_payment:{row.id}",
                purchase_id=row.id,
                kind=EventKind.PAID.value,
                times=1,
            )
        else:
            kind = EventKind.FAILED if how == "fail" else EventKind.PAID
            body, signature = provider.tell(
                kind, purchase_id=row.id, amount_minor=row.price_minor, currency=row.currency, now=now
            )
            for _again in range(2 if how == "twice" else 1):
                payments.receive(
                    self.session,
                    provider=provider,
                    body=body,
                    signature=signature,
                    policy=policy.from_settings(self.resources.settings),
                    now=now,
                )
        return redirect(url_for("purchases.details_view", row_id=row.id), 303)

    def _pending(self, purchase_id: UUID) -> tuple[Purchase, LocalPayments]:
        provider = self.resources.payments
        row = money_queries.get_own_purchase(self.session, actor=current_actor(), purchase_id=purchase_id)
        if not isinstance(provider, LocalPayments) or row.provider != provider.name:
            raise NotFoundError
        return row, provider


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [TestPaymentsView(resources, name=_l("Test payments"), endpoint="test_payments", url="/test-payments")]
