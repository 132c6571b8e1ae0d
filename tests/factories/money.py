"""Makes purchases, payments and payouts for tests, through the services and the local test provider."""

from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, RoleName
from studio.kit.money import Money
from studio.market.models import CharacterPublication, EventOutcome, LicenseType, Purchase
from studio.market.money import payments, purchases
from studio.market.money.policy import Policy
from studio.providers.payments import EventKind, LocalPayments
from tests.factories.accounts import make_actor
from tests.factories.market import make_live_listing

PROVIDER = LocalPayments("a secret of the tests")
POLICY = Policy()

_numbers = count(1)


def make_offer(
    session: Session, *, owner: Actor, now: datetime, price: int = 500, currency: str = "USD", **values: Any
) -> CharacterPublication:
    """A live listing at `price` minor units; free where that is nothing."""
    values.setdefault("license_type", LicenseType.PREMIUM if price else LicenseType.FREE)
    moderator = make_actor(session, RoleName.MODERATOR)
    return make_live_listing(session, owner=owner, moderator=moderator, now=now, price=Money(price, currency), **values)


def begin(session: Session, *, buyer: Actor, offer: CharacterPublication, now: datetime, **values: Any) -> Purchase:
    """A purchase that waits for its money; a free one is through."""
    given: dict[str, Any] = {"idempotency_key": f"key {next(_numbers)}", "provider": "local", "policy": POLICY}
    return purchases.begin(session, actor=buyer, publication_id=offer.id, now=now, **{**given, **values})


def tell(
    session: Session, purchase: Purchase, kind: EventKind, *, now: datetime, times: int = 1, policy: Policy = POLICY
) -> EventOutcome:
    """The provider tells that `kind` happened to the purchase."""
    body, signature = PROVIDER.tell(
        kind,
        purchase_id=purchase.id,
        amount_minor=purchase.price_minor,
        currency=purchase.currency,
        now=now,
        times=times,
    )
    return payments.receive(session, provider=PROVIDER, body=body, signature=signature, policy=policy, now=now)


def buy(
    session: Session, *, buyer: Actor, offer: CharacterPublication, now: datetime, policy: Policy = POLICY
) -> Purchase:
    """A purchase that is paid."""
    purchase = begin(session, buyer=buyer, offer=offer, now=now, policy=policy)
    if purchase.price_minor:
        tell(session, purchase, EventKind.PAID, now=now, policy=policy)
    return purchase
