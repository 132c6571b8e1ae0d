"""Payments: taking money from buyers and paying creators, by Stripe or by a local test provider that moves none."""

from collections.abc import Callable, Mapping

from studio.providers.errors import ProviderNotConfiguredError
from studio.providers.payments.local import LocalPayments
from studio.providers.payments.protocol import (
    Checkout,
    DestinationError,
    Event,
    EventKind,
    Order,
    PaymentProvider,
    Transfer,
    UnsignedEventError,
)
from studio.providers.payments.stripe import StripePayments
from studio.secret_key import secret_key
from studio.settings import Settings

__all__ = [
    "KINDS",
    "Checkout",
    "DestinationError",
    "Event",
    "EventKind",
    "LocalPayments",
    "Order",
    "PaymentProvider",
    "StripePayments",
    "Transfer",
    "UnsignedEventError",
    "from_settings",
    "named",
]


def _local(settings: Settings) -> PaymentProvider:
    # Bound to this installation's own key, and good for nothing else.
    return LocalPayments(f"test-payments:{secret_key(settings)}")


def _stripe(settings: Settings) -> PaymentProvider:
    if settings.payments_key is None or settings.payments_webhook_secret is None:
        raise ProviderNotConfiguredError("Set STUDIO_PAYMENTS_KEY and STUDIO_PAYMENTS_WEBHOOK_SECRET for Stripe.")
    return StripePayments(
        key=settings.payments_key.get_secret_value(),
        webhook_secret=settings.payments_webhook_secret.get_secret_value(),
        url=settings.payments_url,
        timeout=settings.payments_timeout,
    )


KINDS: Mapping[str, Callable[[Settings], PaymentProvider]] = {"local": _local, "stripe": _stripe}
"""Every kind of payment provider, by its name in `STUDIO_PAYMENTS_PROVIDER`."""


def from_settings(settings: Settings) -> PaymentProvider:
    """The provider that the settings name. Raises ProviderNotConfiguredError where a setting is missing."""
    return KINDS[settings.payments_provider](settings)


def named(settings: Settings, name: str) -> PaymentProvider | None:
    """The provider that sold something here, perhaps before the present one; None where its settings are not there (any more)."""
    make = KINDS.get(name)
    if make is None:
        return None
    try:
        return make(settings)
    except ProviderNotConfiguredError:
        return None
