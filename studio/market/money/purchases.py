"""Purchases: beginning one, paying it, giving it up, giving the money back.

Whatever changes a purchase locks its character first, then the purchase: an exclusive has one buyer, and who buys
waits for who takes the listing off the market.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.kit.text import excerpt
from studio.market.catalogue import listings, withheld
from studio.market.catalogue.withheld import Withheld
from studio.market.models import (
    CLOSED,
    GIVEN_UP,
    TAKEN_DOWN,
    CharacterPublication,
    LicenseType,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import bookkeeping, for_sale, ledger
from studio.market.money import queries as money_queries
from studio.market.money.bookkeeping import Terms
from studio.market.money.errors import (
    AlreadyBoughtError,
    CheckoutOverError,
    NotRefundableError,
    OwnRefundError,
)
from studio.market.money.policy import CHECKOUT_LASTS, Policy
from studio.market.money.queries import REFUND_JOB
from studio.providers.payments import Checkout
from studio.work.queries import find_open

RESOURCE = "purchase"
_BATCH = 200
_STRIPE_NEEDS = timedelta(minutes=1)
"""A provider counts its half hour from when it is asked, which is a little later."""


def begin(
    session: Session,
    *,
    actor: Actor,
    publication_id: UUID,
    idempotency_key: str,
    provider: str,
    policy: Policy,
    now: datetime,
) -> Purchase:
    """The actor is buying a live listing on its present terms; a free one is theirs at once.

    An equal key, or a purchase of the character that still waits for its money, returns that purchase.
    Raises NotFoundError, NotForSaleError, OwnPurchaseError, AlreadyBoughtError, or ReservedError while somebody
    else is paying for an exclusive.
    """
    actor.must(Permission.PURCHASE_MAKE)
    again = session.scalar(
        sa.select(Purchase).where(Purchase.buyer_id == actor.user_id, Purchase.idempotency_key == idempotency_key)
    )
    if again is not None:
        return again
    publication = for_sale.lock_offer(session, actor=actor, publication_id=publication_id)
    open_or_held = _sweep_aside(session, publication, buyer_id=actor.user_id, now=now)
    own = next((one for one in open_or_held if one.buyer_id == actor.user_id), None)
    if own is not None and own.status is PurchaseStatus.PENDING and own.provider != provider:
        # The studio uses another provider by now, and listens to the former one no more.
        _close(own, PurchaseStatus.CANCELLED, reason="not paid in time", now=now)
        session.flush()
        open_or_held.remove(own)
    elif own is not None:
        if own.status is PurchaseStatus.PENDING:
            return own
        raise AlreadyBoughtError
    for_sale.refuse_if_taken(publication, open_or_held)
    fee_minor = bookkeeping.fee_of(publication.price_minor, fee_bps=policy.fee_bps)
    purchase = Purchase(
        buyer_id=actor.user_id,
        creator_id=publication.publisher_id,
        publication_id=publication.id,
        character_id=publication.character_id,
        version_number=publication.version_number,
        title=publication.title,
        license_type=publication.license_type,
        price_minor=publication.price_minor,
        currency=publication.currency,
        fee_bps=policy.fee_bps,
        fee_minor=fee_minor,
        status=PurchaseStatus.PENDING,
        idempotency_key=idempotency_key,
        provider=provider,
        expires_at=now + CHECKOUT_LASTS + _STRIPE_NEEDS,
        created_at=now,
    )
    session.add(purchase)
    session.flush()
    if purchase.price_minor == 0:
        complete(session, purchase, policy=policy, now=now)
    audit.record(
        session,
        actor=actor,
        action="purchase.begin",
        resource=RESOURCE,
        resource_id=purchase.id,
        after=_facts(purchase),
    )
    return purchase


def open_checkout(
    session: Session,
    *,
    actor: Actor,
    purchase_id: UUID,
    provider: str,
    open_: Callable[[Purchase], Checkout],
    now: datetime,
) -> str:
    """Where the actor pays: `open_` asks the provider once, and asking again finds the same page.

    Raises NotFoundError, or CheckoutOverError where there is nothing (any more) to pay, nothing is handed out for it, or
    another provider took over since: what is paid where it was not sold, nobody would know.
    """
    actor.must(Permission.PURCHASE_MAKE)
    purchase = money_queries.get_own_purchase(session, actor=actor, purchase_id=purchase_id, lock=True)
    if purchase.status is not PurchaseStatus.PENDING or now >= purchase.expires_at or purchase.provider != provider:
        raise CheckoutOverError
    if _why_withheld(session, purchase) is not None:
        raise CheckoutOverError
    if purchase.pay_url is None:
        made = open_(purchase)
        purchase.provider_reference, purchase.pay_url = made.reference, made.url
        session.flush()
    return purchase.pay_url


def give_up(session: Session, *, actor: Actor, purchase_id: UUID, now: datetime) -> Purchase:
    """The actor does not want to pay after all. Doing it twice changes nothing; what is paid stays paid.

    A payment that was under way and comes afterwards is given back.
    """
    actor.must(Permission.PURCHASE_MAKE)
    seen = money_queries.get_own_purchase(session, actor=actor, purchase_id=purchase_id)
    purchase = locked(session, seen.id)
    if purchase.status is PurchaseStatus.PENDING:
        _close(purchase, PurchaseStatus.CANCELLED, reason=GIVEN_UP, now=now)
        session.flush()
        audit.record(session, actor=actor, action="purchase.give_up", resource=RESOURCE, resource_id=purchase.id)
    return purchase


def expire(session: Session, *, now: datetime) -> int:
    """Purchases that nobody paid in time are over, and what was kept for them is free; at most a batch of them."""
    ids = session.scalars(
        sa.select(Purchase.id)
        .where(Purchase.status == PurchaseStatus.PENDING, Purchase.expires_at <= now)
        .order_by(Purchase.expires_at, Purchase.id)
        .limit(_BATCH)
    ).all()
    for purchase_id in ids:
        purchase = locked(session, purchase_id)
        if purchase.status is PurchaseStatus.PENDING:
            _close(purchase, PurchaseStatus.CANCELLED, reason="not paid in time", now=now)
    session.flush()
    return len(ids)


def complete(session: Session, purchase: Purchase, *, policy: Policy, now: datetime) -> None:
    """The purchase is paid: it is in the ledger, its hold begins, and an exclusive is off the market."""
    purchase.status = PurchaseStatus.PAID
    purchase.paid_at = now
    purchase.available_at = now + policy.hold
    purchase.closed_at = None
    purchase.reason = ""
    session.flush()
    ledger.post(session, bookkeeping.sale(terms_of(purchase), at=now))
    if purchase.license_type is LicenseType.EXCLUSIVE:
        for_sale.take_off_the_market(session, purchase, now=now)
    audit.record(
        session,
        actor=SYSTEM,
        action="purchase.pay",
        resource=RESOURCE,
        resource_id=purchase.id,
        before={"status": "pending"},
        after=_facts(purchase),
    )


def can_be_completed(session: Session, purchase: Purchase) -> bool:
    """Whether a purchase that was over can be had after all: it was not given up, and nothing came between.

    Between comes an exclusive of somebody else's, another purchase of the buyer's, and a severe takedown.
    """
    if purchase.reason == GIVEN_UP or _is_taken_down(session, purchase):
        return False
    others = session.scalars(for_sale.open_or_held(purchase.character_id).where(Purchase.id != purchase.id)).all()
    return not any(
        one.buyer_id == purchase.buyer_id or LicenseType.EXCLUSIVE in {one.license_type, purchase.license_type}
        for one in others
    )


def close_taken_down(session: Session, purchase: Purchase, *, now: datetime) -> None:
    """A purchase that is not paid is over where its version was taken down for a severe reason; anything else stays as it is."""
    is_open = purchase.paid_at is None and purchase.reason != GIVEN_UP
    if is_open and _is_taken_down(session, purchase):
        _close(purchase, PurchaseStatus.CANCELLED, reason=TAKEN_DOWN, now=now)
        session.flush()


def fail(session: Session, purchase: Purchase, status: PurchaseStatus, *, reason: str, now: datetime) -> None:
    """The provider says that no money comes."""
    _close(purchase, status, reason=reason, now=now)
    session.flush()


def ask_refund(session: Session, *, actor: Actor, purchase_id: UUID, reason: str, now: datetime) -> Purchase:
    """The buyer gets the money back: a job asks the provider, and then the ledger has it.

    Asking again while that job is open changes nothing; where it was given up, the provider is asked anew.
    Raises ForbiddenError, NotFoundError, OwnRefundError, or NotRefundableError.
    """
    actor.must(Permission.MONEY_REFUND)
    seen = money_queries.get_purchase(session, actor=actor, purchase_id=purchase_id)
    purchase = locked(session, seen.id)
    if purchase.buyer_id == actor.user_id:
        raise OwnRefundError
    if purchase.status is PurchaseStatus.REFUNDED:
        return purchase
    if is_refund_due(purchase):
        if find_open(session, dedupe_key=refund_key(purchase.id)) is not None:
            return purchase
    elif purchase.status is not PurchaseStatus.PAID:
        raise NotRefundableError
    else:
        purchase.reason = excerpt(reason, 300)
        purchase.refund_asked_at = now
    session.flush()
    audit.record(
        session, actor=actor, action="purchase.ask_refund", resource=RESOURCE, resource_id=purchase.id, reason=reason
    )
    ask_refund_job(session, purchase, actor=actor, now=now)
    return purchase


def is_refund_due(purchase: Purchase) -> bool:
    """Whether the buyer is to have the money back and has not; while a bank looks into it, the bank decides."""
    if purchase.refund_asked_at is None:
        return False
    return purchase.status is PurchaseStatus.PAID or (purchase.was_paid_too_late and purchase.status in CLOSED)


def refund_key(purchase_id: UUID) -> str:
    """What the job that asks for a refund is known by while it is open."""
    return f"{REFUND_JOB}:{purchase_id}"


def ask_refund_job(session: Session, purchase: Purchase, *, actor: Actor, now: datetime) -> None:
    """Have the provider give the money back; asking again while that waits changes nothing."""
    work.ask(
        session,
        REFUND_JOB,
        actor=actor,
        about=("purchase", purchase.id),
        dedupe_key=refund_key(purchase.id),
        now=now,
        purchase_id=purchase.id,
    )


def refunded(session: Session, purchase: Purchase, *, now: datetime) -> None:
    """The buyer has the money back: the licence ends, and the ledger goes back over what the sale did.

    What was paid after the purchase was over is in the ledger from now on, with its charge and its refund.
    """
    before, was_paid_too_late = purchase.status, purchase.paid_at is None
    if was_paid_too_late:
        charged_at = purchase.refund_asked_at or now
        purchase.paid_at = purchase.available_at = purchase.refund_asked_at = charged_at
        purchase.closed_at = None
    purchase.status = PurchaseStatus.REFUNDED
    purchase.refunded_at = now
    session.flush()
    if was_paid_too_late:
        ledger.post(session, bookkeeping.sale(terms_of(purchase), at=now))
    ledger.post(session, bookkeeping.refund(terms_of(purchase), is_released=purchase.released_at is not None, at=now))
    audit.record(
        session,
        actor=SYSTEM,
        action="purchase.refund",
        resource=RESOURCE,
        resource_id=purchase.id,
        before={"status": before.value},
        after={"status": "refunded"},
    )


def release_due(session: Session, *, now: datetime) -> int:
    """What was held for long enough is available to its creators; at most a batch, and how many there were."""
    due = session.scalars(
        sa.select(Purchase)
        .where(
            Purchase.status == PurchaseStatus.PAID,
            Purchase.released_at.is_(None),
            Purchase.available_at <= now,
            # What is about to go back stays where it is.
            Purchase.refund_asked_at.is_(None),
        )
        .order_by(Purchase.available_at, Purchase.id)
        .limit(_BATCH)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for purchase in due:
        purchase.released_at = now
        ledger.post(session, bookkeeping.release(terms_of(purchase), at=now))
    session.flush()
    return len(due)


def locked(session: Session, purchase_id: UUID) -> Purchase:
    """The purchase, locked after its character."""
    character_id = session.scalars(sa.select(Purchase.character_id).where(Purchase.id == purchase_id)).one()
    listings.lock_character(session, character_id)
    return session.scalars(
        sa.select(Purchase)
        .where(Purchase.id == purchase_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def terms_of(purchase: Purchase) -> Terms:
    """What was agreed, as bookkeeping wants it."""
    return Terms(
        purchase_id=purchase.id,
        creator_id=purchase.creator_id,
        character_id=purchase.character_id,
        currency=purchase.currency,
        price_minor=purchase.price_minor,
        fee_minor=purchase.fee_minor,
    )


def _sweep_aside(
    session: Session, publication: CharacterPublication, *, buyer_id: UUID | None, now: datetime
) -> list[Purchase]:
    """Whoever matters to this sale: the buyer's own purchases, and all where it is exclusive; what is overdue is closed."""
    query = (
        for_sale.open_or_held(publication.character_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if publication.license_type is not LicenseType.EXCLUSIVE:
        query = query.where(sa.or_(Purchase.license_type == LicenseType.EXCLUSIVE, Purchase.buyer_id == buyer_id))
    # The buyer's own first; of the others one is enough to refuse.
    own_first = (Purchase.buyer_id != buyer_id, Purchase.status == PurchaseStatus.PENDING, Purchase.id)
    found = session.scalars(query.order_by(*own_first).limit(_BATCH)).all()
    for one in found:
        if one.status is PurchaseStatus.PENDING and one.expires_at <= now:
            _close(one, PurchaseStatus.CANCELLED, reason="not paid in time", now=now)
    session.flush()
    return [one for one in found if one.status is not PurchaseStatus.CANCELLED]


def _why_withheld(session: Session, purchase: Purchase) -> Withheld | None:
    return withheld.of_character(session, character_id=purchase.character_id).get(purchase.version_number)


def _is_taken_down(session: Session, purchase: Purchase) -> bool:
    return _why_withheld(session, purchase) in {Withheld.TAKEN_DOWN, Withheld.WITH_ANOTHER}


def _close(purchase: Purchase, status: PurchaseStatus, *, reason: str, now: datetime) -> None:
    purchase.status = status
    purchase.closed_at = now
    purchase.reason = excerpt(reason, 300)


def _facts(purchase: Purchase) -> dict[str, Any]:
    return {
        "status": purchase.status.value,
        "price_minor": purchase.price_minor,
        "fee_minor": purchase.fee_minor,
        "currency": purchase.currency,
        "license_type": purchase.license_type.value,
        "version_number": purchase.version_number,
    }
