"""Stripe, by its own SDK (extra `stripe`): Checkout for payments, Transfers to connected accounts for payouts."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from studio.providers.breaker import Breaker
from studio.providers.errors import ProviderBusyError, ProviderNotConfiguredError, ProviderRefusedError
from studio.providers.payments.protocol import (
    Checkout,
    DestinationError,
    Event,
    EventKind,
    Order,
    Transfer,
    UnsignedEventError,
)

if TYPE_CHECKING:
    from stripe import StripeClient

_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{8,64}")
_REFUNDED_ALREADY = "charge_already_refunded"
_BUSY = 500
_TOO_MANY = 429
_TITLE_LENGTH = 250
_SESSIONS = {
    "checkout.session.completed": EventKind.PAID,
    "checkout.session.async_payment_succeeded": EventKind.PAID,
    "checkout.session.async_payment_failed": EventKind.FAILED,
    "checkout.session.expired": EventKind.EXPIRED,
}
_DISPUTES = {"won": EventKind.DISPUTE_WON, "warning_closed": EventKind.DISPUTE_WON, "lost": EventKind.DISPUTE_LOST}


class StripePayments:
    """Stripe. `url` is another server's address, for tests."""

    name = "stripe"
    label = "Stripe"
    is_local = False

    def __init__(self, *, key: str, webhook_secret: str, url: str | None = None, timeout: float = 20.0) -> None:
        self._key, self._webhook_secret, self._url, self._timeout = key, webhook_secret, url, timeout
        self._made: StripeClient | None = None
        self._breaker = Breaker(f"payments:{self.name}", label=self.label)

    @property
    def _client(self) -> "StripeClient":
        if self._made is None:
            try:
                import stripe
            except ImportError:
                raise ProviderNotConfiguredError(
                    "Stripe's library is not installed. Whoever runs the studio installs the extra `stripe`."
                ) from None
            self._made = stripe.StripeClient(
                self._key,
                base_addresses={"api": self._url} if self._url else None,
                http_client=stripe.RequestsClient(timeout=self._timeout),
                max_network_retries=2,
            )
        return self._made

    def checkout(self, order: Order) -> Checkout:
        """A Checkout Session; the same purchase finds the same one."""
        session = self._ask(
            lambda: self._client.v1.checkout.sessions.create(
                {
                    "mode": "payment",
                    "client_reference_id": str(order.purchase_id),
                    "customer_email": order.email,
                    "success_url": order.done_url,
                    "cancel_url": order.back_url,
                    "expires_at": int(order.expires_at.timestamp()),
                    "metadata": {"purchase_id": str(order.purchase_id)},
                    "payment_intent_data": {"metadata": {"purchase_id": str(order.purchase_id)}},
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": order.currency.lower(),
                                "unit_amount": order.amount_minor,
                                "product_data": {"name": order.title[:_TITLE_LENGTH]},
                            },
                        }
                    ],
                },
                {"idempotency_key": f"checkout-{order.purchase_id}"},
            )
        )
        return Checkout(reference=str(session.id), url=str(session.url))

    def refund(self, *, payment_reference: str, purchase_id: UUID, amount_minor: int) -> None:
        """A Refund of the whole payment, if there is none yet: Stripe forgets its keys, and people refund by hand."""
        try:
            self._ask(
                lambda: self._client.v1.refunds.create(
                    {
                        "payment_intent": payment_reference,
                        "amount": amount_minor,
                        "metadata": {"purchase_id": str(purchase_id)},
                    },
                    {"idempotency_key": f"refund-{purchase_id}"},
                )
            )
        except ProviderRefusedError as error:
            if error.params.get("code") != _REFUNDED_ALREADY:
                raise

    def event(self, body: bytes, signature: str, *, now: datetime) -> Event | None:  # noqa: ARG002 - The SDK reads the clock.
        """The event, verified by the SDK: signature and age."""
        client = self._client  # An absent library is told as such.
        import stripe

        assert client is not None  # noqa: S101 - For the reader: it was made just above.
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret, 300)
            told = json.loads(body)
        except (stripe.SignatureVerificationError, ValueError):
            raise UnsignedEventError from None
        return _event(told)

    def checked_destination(self, text: str) -> str:
        """The id of a connected account."""
        destination = text.strip()
        if not _ACCOUNT.fullmatch(destination):
            raise DestinationError("Write the id of your Stripe account; it begins with acct_.")
        return destination

    def pay_out(self, *, payout_id: UUID, destination: str, amount_minor: int, currency: str) -> Transfer:
        """A Transfer to the creator's connected account.

        Stripe forgets its keys after a day, but not to which group a transfer belongs: one that is there is the one.
        """
        group = f"payout-{payout_id}"
        earlier = self._ask(lambda: self._client.v1.transfers.list({"transfer_group": group, "limit": 1})).data
        if earlier:
            return Transfer(reference=str(earlier[0].id))
        made = self._ask(
            lambda: self._client.v1.transfers.create(
                {
                    "amount": amount_minor,
                    "currency": currency.lower(),
                    "destination": destination,
                    "transfer_group": group,
                    "metadata": {"payout_id": str(payout_id)},
                },
                {"idempotency_key": group},
            )
        )
        return Transfer(reference=str(made.id))

    def _ask(self, call: Any) -> Any:
        """What the call answers. While Stripe fails again and again it is left alone, and whoever asks is told so at once."""
        with self._breaker.guarding():
            return self._told(call)

    def _told(self, call: Any) -> Any:
        client = self._client  # An absent library is told as such.
        import stripe

        assert client is not None  # noqa: S101 - For the reader: it was made just above.
        try:
            return call()
        except stripe.APIConnectionError:
            raise ProviderBusyError("The payment provider does not answer. Nothing was paid; try again soon.") from None
        except stripe.StripeError as error:
            status = error.http_status
            if status is None or status >= _BUSY or status == _TOO_MANY:
                raise ProviderBusyError(
                    "The payment provider is overloaded or failing. Nothing was paid; try again soon.",
                    http_status=status,
                    request_id=error.request_id,
                ) from None
            raise ProviderRefusedError(
                "The payment provider refused this (%(code)s). Nothing was paid.",
                http_status=status,
                request_id=error.request_id,
                code=str(error.code or status),
            ) from None


def _event(told: Mapping[str, Any]) -> Event | None:
    """What is of interest in one of Stripe's events."""
    kind, about = str(told["type"]), told["data"]["object"]
    common: dict[str, Any] = {
        "id": str(told["id"]),
        "occurred_at": datetime.fromtimestamp(int(told["created"]), UTC),
        "currency": str(about.get("currency") or "").upper(),
        "purchase_id": _purchase_id(about),
        "payment_reference": about.get("payment_intent"),
    }
    if kind in _SESSIONS:
        # A session may be complete while the money is still on its way; another event tells when it came.
        if _SESSIONS[kind] is EventKind.PAID and about.get("payment_status") != "paid":
            return None
        return Event(
            kind=_SESSIONS[kind], amount_minor=int(about.get("amount_total") or 0), reference=about.get("id"), **common
        )
    if kind == "charge.refunded":
        return Event(kind=EventKind.REFUNDED, amount_minor=int(about.get("amount_refunded") or 0), **common)
    if kind == "charge.dispute.created":
        fee_minor, fee_currency = _fee(about)
        return Event(
            kind=EventKind.DISPUTED,
            amount_minor=int(about["amount"]),
            fee_minor=fee_minor,
            fee_currency=fee_currency,
            reason=str(about.get("reason") or ""),
            **common,
        )
    if kind == "charge.dispute.closed" and about.get("status") in _DISPUTES:
        return Event(kind=_DISPUTES[about["status"]], amount_minor=int(about["amount"]), **common)
    return None


def _fee(about: Mapping[str, Any]) -> tuple[int, str]:
    """What Stripe charged for a dispute: in the currency of the account, whatever the payment's was."""
    moved = [one for one in about.get("balance_transactions") or () if one.get("fee")]
    if not moved:
        return 0, ""
    currency = str(moved[0].get("currency") or about.get("currency") or "").upper()
    return sum(int(one["fee"]) for one in moved), currency


def _purchase_id(about: Mapping[str, Any]) -> UUID | None:
    try:
        return UUID((about.get("metadata") or {}).get("purchase_id") or about.get("client_reference_id") or "")
    except ValueError:
        return None
