"""The local test provider: signs and sends the same events as a real one, and moves no money."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from studio.providers.errors import ProviderRefusedError
from studio.providers.payments.protocol import (
    Checkout,
    DestinationError,
    Event,
    EventKind,
    Order,
    Transfer,
    UnsignedEventError,
)

_OLDEST = timedelta(minutes=5)
_LONGEST_DESTINATION = 100
_IDS = UUID("0f1b9a52-7d3e-5c1a-8a55-6c6f63616c21")


class LocalPayments:
    """Takes test payments on a page of the studio's own; `tell` makes the events that it would send."""

    name = "local"
    label = "Local test provider"
    is_local = True

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def checkout(self, order: Order) -> Checkout:
        """The page of the studio on which a tester chooses what happens."""
        return Checkout(reference=f"test_{order.purchase_id.hex}", url=f"/test-payments/{order.purchase_id}")

    def refund(self, *, payment_reference: str, purchase_id: UUID, amount_minor: int) -> None:
        """Nothing to give back."""
        if payment_reference != payment_of(purchase_id) or amount_minor <= 0:
            raise ProviderRefusedError("The test provider knows no such payment.")

    def tell(
        self, kind: EventKind, *, purchase_id: UUID, amount_minor: int, currency: str, now: datetime, times: int = 1
    ) -> tuple[bytes, str]:
        """The body and the signature with which a provider would tell that `kind` happened; equal calls tell one event."""
        body = json.dumps(
            {
                "id": f"test_{uuid5(_IDS, f'{purchase_id}:{kind.value}:{times}').hex}",
                "kind": kind.value,
                "occurred_at": now.isoformat(),
                "purchase_id": str(purchase_id),
                "amount_minor": amount_minor,
                "currency": currency,
            }
        ).encode()
        return body, self._sign(body, now)

    def event(self, body: bytes, signature: str, *, now: datetime) -> Event | None:
        """The event, if this provider signed it within the last five minutes."""
        stamp, _, mark = signature.partition(".")
        if not stamp.isdecimal() or not stamp.isascii() or len(stamp) > 12:  # noqa: PLR2004 - Seconds since 1970.
            raise UnsignedEventError
        at = datetime.fromtimestamp(int(stamp), UTC)
        if not hmac.compare_digest(self._sign(body, at).encode(), signature.encode(errors="replace")) or not mark:
            raise UnsignedEventError
        if abs(now - at) > _OLDEST:
            raise UnsignedEventError
        told: dict[str, Any] = json.loads(body)
        purchase_id = UUID(told["purchase_id"])
        return Event(
            id=told["id"],
            kind=EventKind(told["kind"]),
            occurred_at=datetime.fromisoformat(told["occurred_at"]),
            amount_minor=int(told["amount_minor"]),
            currency=told["currency"],
            purchase_id=purchase_id,
            reference=f"test_{purchase_id.hex}",
            payment_reference=payment_of(purchase_id),
        )

    def checked_destination(self, text: str) -> str:
        """Any short text: no money arrives there."""
        destination = text.strip()
        if not destination or len(destination) > _LONGEST_DESTINATION or not destination.isprintable():
            raise DestinationError("Write a name for the test account, in at most 100 characters.")
        return destination

    def pay_out(self, *, payout_id: UUID, destination: str, amount_minor: int, currency: str) -> Transfer:  # noqa: ARG002 - The Protocol's.
        """A payout that nobody receives; one to a destination with "fail" in its name is refused, for trying that out."""
        if "fail" in destination.lower():
            raise ProviderRefusedError("The test account refuses payouts because “fail” stands in its name.")
        return Transfer(reference=f"test_payout_{payout_id.hex}")

    def _sign(self, body: bytes, at: datetime) -> str:
        stamp = str(int(at.timestamp()))
        return f"{stamp}.{hmac.new(self._secret, stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def payment_of(purchase_id: UUID) -> str:
    """What the test provider calls the payment of a purchase."""
    return f"test_payment_{purchase_id.hex}"
