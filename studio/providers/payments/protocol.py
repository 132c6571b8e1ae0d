"""What a payment provider is to those who call it: orders, events and transfers in whole minor units."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from studio.kit.errors import StudioError


class EventKind(StrEnum):
    """What a provider tells of a payment."""

    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


class UnsignedEventError(StudioError):
    """What came in is not signed by the provider, too old, or no event at all."""

    def __init__(self) -> None:
        super().__init__("This is not signed by the payment provider. Nothing was done.")


class DestinationError(StudioError):
    """A payout cannot go there."""

    status = 422


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid: once for each purchase, however often it is asked for."""

    purchase_id: UUID
    title: str
    amount_minor: int
    currency: str
    email: str
    done_url: str
    back_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the buyer pays, and what the provider calls it."""

    reference: str
    url: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a provider told, checked to be the provider's own words.

    `purchase_id` is ours, where the provider passed it on; `reference` is the checkout's, `payment_reference` the payment's.
    `fee_minor` is what the provider charged for it, in `fee_currency` (in the payment's where that is empty).
    """

    id: str
    kind: EventKind
    occurred_at: datetime
    amount_minor: int
    currency: str
    purchase_id: UUID | None = None
    reference: str | None = None
    payment_reference: str | None = None
    fee_minor: int = 0
    fee_currency: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A payout as the provider knows it."""

    reference: str


class PaymentProvider(Protocol):
    """Takes payments and pays creators. Every method may be called again with equal arguments and then changes nothing.

    Raises ProviderError (transient or not). A new kind gets a line in `payments.KINDS` and is held by the contract test.
    """

    @property
    def name(self) -> str:
        """The kind, as in `STUDIO_PAYMENTS_PROVIDER`."""

    @property
    def label(self) -> str:
        """What a screen calls this provider."""

    @property
    def is_local(self) -> bool:
        """Whether no money moves at all."""

    def checkout(self, order: Order) -> Checkout:
        """Open a page on which the buyer pays `order`."""

    def refund(self, *, payment_reference: str, purchase_id: UUID, amount_minor: int) -> None:
        """Give the whole payment back; one that was given back already is fine."""

    def event(self, body: bytes, signature: str, *, now: datetime) -> Event | None:
        """The event in `body`, or None for one that is of no interest. Raises UnsignedEventError."""

    def checked_destination(self, text: str) -> str:
        """Where a payout can go, as typed by its creator. Raises DestinationError."""

    def pay_out(self, *, payout_id: UUID, destination: str, amount_minor: int, currency: str) -> Transfer:
        """Pay a creator."""
