"""What payment providers tell: applied once, whatever the order and however often it comes."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.kit.errors import NotFoundError
from studio.kit.money import Money
from studio.kit.orm import lock_one
from studio.kit.text import excerpt
from studio.market.models import (
    CLOSED,
    GIVEN_UP,
    TAKEN_DOWN,
    EventOutcome,
    PaymentEvent,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import bookkeeping, ledger, purchases
from studio.market.money.policy import Policy
from studio.providers.payments import Event, EventKind, PaymentProvider

_MOST_WAITING = 20
_MOST_QUESTIONED = 500
_WAITS_FOR = timedelta(days=1)
_DISPUTES = (EventKind.DISPUTED, EventKind.DISPUTE_WON, EventKind.DISPUTE_LOST)
WAITED = (
    "It waited a day for the payment that it is about, which the studio does not know. Look at the payment provider: it may "
    "belong to something else that uses the same account there."
)
REFUNDED_WHILE_DISPUTED = "Refunded at the provider while disputed: the bank decides who has the money."
_TRIED_AGAIN = (WAITED, REFUNDED_WHILE_DISPUTED)
"""Questions that answer themselves where the purchase goes on."""


class _Problem(Exception):  # noqa: N818 - Caught below; it is what staff read, not an error of the program's.
    """Something about an event that a person must look at."""


class _NotYet(Exception):  # noqa: N818 - Caught below.
    """The event came before what it is about."""


def receive(
    session: Session, *, provider: PaymentProvider, body: bytes, signature: str, policy: Policy, now: datetime
) -> EventOutcome:
    """What the provider says in `body` is true here too; said twice, it is true once.

    What comes before that which it is about waits for it. What cannot be right is kept for staff and changes nothing. What
    is about no purchase of the studio's (the account may serve another shop too) is written down and ignored.
    Raises UnsignedEventError where the provider did not say it.
    """
    event = provider.event(body, signature, now=now)
    if event is None:
        return EventOutcome.IGNORED
    # The purchase is locked before the event, as by whoever applies what waited: so nobody waits for the other.
    purchase_id = _find(session, provider.name, event)
    purchase = purchases.locked(session, purchase_id) if purchase_id is not None else None
    made = session.execute(
        insert(PaymentEvent)
        .values(
            provider=provider.name,
            event_id=event.id,
            kind=event.kind.value,
            facts=_facts(event),
            payment_reference=event.payment_reference,
            outcome=EventOutcome.WAITING
            if purchase is not None or _may_be_ours(session, event)
            else EventOutcome.IGNORED,
            occurred_at=event.occurred_at,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(PaymentEvent.event_id)
    ).scalar_one_or_none()
    row = lock_one(session, PaymentEvent, (provider.name, event.id), key_share=False)
    if made is None and row.outcome is not EventOutcome.WAITING:
        return EventOutcome.IGNORED
    if purchase is None:
        return row.outcome
    outcome = _apply(session, row, event, purchase=purchase, policy=policy, now=now)
    if outcome in {EventOutcome.APPLIED, EventOutcome.PROBLEM}:
        _apply_waiting(session, row, purchase=purchase, policy=policy, now=now)
    return outcome


def question_waiting(session: Session, *, now: datetime) -> int:
    """What has waited for a day for what it is about needs a person from now on; at most a batch, and how many there were."""
    waiting = session.scalars(
        sa.select(PaymentEvent)
        .where(PaymentEvent.outcome == EventOutcome.WAITING, PaymentEvent.received_at < now - _WAITS_FOR)
        .order_by(PaymentEvent.provider, PaymentEvent.event_id)
        .limit(_MOST_QUESTIONED)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for row in waiting:
        _question(session, row, WAITED)
    session.flush()
    return len(waiting)


def settle_question(
    session: Session, *, actor: Actor, provider: str, event_id: str, is_settled: bool, now: datetime
) -> PaymentEvent:
    """Staff have seen to what a provider told, so it needs nobody any more; or it does again. Saying it twice changes nothing.

    Raises ForbiddenError, or NotFoundError for what is no question.
    """
    actor.must(Permission.MONEY_REFUND)
    row = session.scalar(
        sa.select(PaymentEvent)
        .where(
            PaymentEvent.provider == provider,
            PaymentEvent.event_id == event_id,
            PaymentEvent.outcome == EventOutcome.PROBLEM,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError
    if (row.settled_at is not None) is is_settled:
        return row
    row.settled_at = now if is_settled else None
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="payment.settle_question" if is_settled else "payment.reopen_question",
        resource=purchases.RESOURCE,
        resource_id=row.purchase_id,
        after={"event": event_id, "problem": row.problem},
    )
    return row


def _apply(
    session: Session, row: PaymentEvent, event: Event, *, purchase: Purchase, policy: Policy, now: datetime
) -> EventOutcome:
    row.purchase_id = purchase.id
    try:
        is_done = _DOERS[event.kind](session, purchase, event, policy, now)
        row.outcome, row.problem = EventOutcome.APPLIED if is_done else EventOutcome.IGNORED, ""
    except _NotYet:
        row.outcome, row.problem = EventOutcome.WAITING, ""
    except _Problem as problem:
        _question(session, row, str(problem))
    session.flush()
    return row.outcome


def _question(session: Session, row: PaymentEvent, problem: str) -> None:
    if row.problem == problem:
        return
    row.outcome, row.problem = EventOutcome.PROBLEM, excerpt(problem, 300)
    audit.record(
        session,
        actor=SYSTEM,
        action="payment.question",
        resource=purchases.RESOURCE,
        resource_id=row.purchase_id,
        reason=row.problem,
    )


def _apply_waiting(
    session: Session, applied: PaymentEvent, *, purchase: Purchase, policy: Policy, now: datetime
) -> None:
    """What came too early about the same payment has its turn, in the order in which it happened, and what was a question."""
    if applied.payment_reference is None:
        return
    is_again = sa.and_(
        PaymentEvent.outcome == EventOutcome.PROBLEM,
        PaymentEvent.settled_at.is_(None),
        PaymentEvent.problem.in_(_TRIED_AGAIN),
        PaymentEvent.event_id != applied.event_id,
    )
    waiting = session.scalars(
        sa.select(PaymentEvent)
        .where(
            PaymentEvent.provider == applied.provider,
            sa.or_(PaymentEvent.outcome == EventOutcome.WAITING, is_again),
            PaymentEvent.payment_reference == applied.payment_reference,
        )
        .order_by(PaymentEvent.occurred_at, PaymentEvent.event_id)
        .limit(_MOST_WAITING)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for row in waiting:
        _apply(session, row, _event(row), purchase=purchase, policy=policy, now=now)


def _find(session: Session, provider: str, event: Event) -> UUID | None:
    known: list[sa.ColumnElement[bool]] = []
    if event.purchase_id is not None:
        known.append(Purchase.id == event.purchase_id)
    if event.reference is not None:
        known.append(Purchase.provider_reference == event.reference)
    if event.payment_reference is not None:
        known.append(Purchase.payment_reference == event.payment_reference)
    if not known:
        return None
    return session.scalar(sa.select(Purchase.id).where(Purchase.provider == provider, sa.or_(*known)).limit(1))


def _may_be_ours(session: Session, event: Event) -> bool:
    """Whether an event that finds no purchase may find one later: what was sold here says so itself, but for its disputes.

    Of those a provider names the payment alone, and that is known once its payment was told.
    """
    if event.purchase_id is None:
        return event.kind in _DISPUTES
    return session.scalar(sa.select(sa.exists().where(Purchase.id == event.purchase_id))) or False


def _paid(session: Session, purchase: Purchase, event: Event, policy: Policy, now: datetime) -> bool:
    if purchase.paid_at is not None:
        return False
    _must_be_the_price(purchase, event)
    purchase.payment_reference = purchase.payment_reference or event.payment_reference
    purchases.close_taken_down(session, purchase, now=now)
    if purchase.status in CLOSED and not purchases.can_be_completed(session, purchase):
        # The money came after the time was up, and what it was for is gone: it goes back.
        purchase.refund_asked_at = purchase.refund_asked_at or now
        purchases.ask_refund_job(session, purchase, actor=SYSTEM, now=now)
        session.flush()
        if purchase.reason == TAKEN_DOWN:
            raise _Problem("Paid after the character was taken down: the money goes back.")
        raise _Problem(
            "Paid after the buyer gave up: the money goes back."
            if purchase.reason == GIVEN_UP
            else "Paid after the purchase was over, and the character went to somebody else: the money goes back."
        )
    purchases.complete(session, purchase, policy=policy, now=now)
    return True


def _failed(session: Session, purchase: Purchase, event: Event, _policy: Policy, now: datetime) -> bool:
    if purchase.status is not PurchaseStatus.PENDING:
        return False
    purchases.fail(session, purchase, PurchaseStatus.FAILED, reason=event.reason or "refused by the provider", now=now)
    return True


def _expired(session: Session, purchase: Purchase, _event: Event, _policy: Policy, now: datetime) -> bool:
    if purchase.status is not PurchaseStatus.PENDING:
        return False
    purchases.fail(session, purchase, PurchaseStatus.CANCELLED, reason="not paid in time", now=now)
    return True


def _refunded(session: Session, purchase: Purchase, event: Event, _policy: Policy, now: datetime) -> bool:
    if purchase.status is PurchaseStatus.REFUNDED:
        return False
    is_too_late = purchase.status in CLOSED and purchase.was_paid_too_late
    if purchase.paid_at is None and not is_too_late:
        raise _NotYet
    if purchase.status is not PurchaseStatus.PAID and not is_too_late:
        raise _Problem(REFUNDED_WHILE_DISPUTED)
    if event.amount_minor != purchase.price_minor:
        raise _Problem("Refunded in part at the provider; the studio knows whole refunds only.")
    purchases.refunded(session, purchase, now=now)
    return True


def _disputed(session: Session, purchase: Purchase, event: Event, _policy: Policy, now: datetime) -> bool:
    if purchase.status is PurchaseStatus.DISPUTED:
        return False
    if purchase.paid_at is None:
        raise _NotYet
    if purchase.status is not PurchaseStatus.PAID:
        raise _Problem("Disputed after it was refunded or lost: the same money may be taken back twice.")
    _must_be_the_price(purchase, event)
    purchase.status = PurchaseStatus.DISPUTED
    purchase.disputed_at = now
    purchase.dispute_count += 1
    session.flush()
    terms, times = purchases.terms_of(purchase), purchase.dispute_count
    ledger.post(
        session,
        bookkeeping.dispute(terms, is_released=purchase.released_at is not None, at=now, times=times),
    )
    fee = Money(event.fee_minor, event.fee_currency or terms.currency)
    ledger.post(session, bookkeeping.dispute_fee(terms, fee=fee, at=now, times=times))
    _audit(session, purchase, "purchase.dispute", before=PurchaseStatus.PAID)
    return True


def _won(session: Session, purchase: Purchase, _event: Event, _policy: Policy, now: datetime) -> bool:
    if purchase.status is not PurchaseStatus.DISPUTED:
        _must_have_been_disputed(session, purchase)
        return False
    purchase.status = PurchaseStatus.PAID
    session.flush()
    ledger.post(
        session,
        bookkeeping.dispute_reversal(
            purchases.terms_of(purchase),
            is_released=purchase.released_at is not None,
            at=now,
            times=purchase.dispute_count,
        ),
    )
    _audit(session, purchase, "purchase.win_dispute", before=PurchaseStatus.DISPUTED)
    if purchases.is_refund_due(purchase):
        # Asked for before the bank looked into it, and not done: it is the buyer's due again.
        purchases.ask_refund_job(session, purchase, actor=SYSTEM, now=now)
    return True


def _lost(session: Session, purchase: Purchase, _event: Event, _policy: Policy, _now: datetime) -> bool:
    if purchase.status is not PurchaseStatus.DISPUTED:
        _must_have_been_disputed(session, purchase)
        return False
    purchase.status = PurchaseStatus.LOST
    session.flush()
    _audit(session, purchase, "purchase.lose_dispute", before=PurchaseStatus.DISPUTED)
    return True


_DOERS: Mapping[EventKind, Callable[[Session, Purchase, Event, Policy, datetime], bool]] = {
    EventKind.PAID: _paid,
    EventKind.FAILED: _failed,
    EventKind.EXPIRED: _expired,
    EventKind.REFUNDED: _refunded,
    EventKind.DISPUTED: _disputed,
    EventKind.DISPUTE_WON: _won,
    EventKind.DISPUTE_LOST: _lost,
}
"""What each kind of event does: whether it changed anything."""


def _must_be_the_price(purchase: Purchase, event: Event) -> None:
    if (event.amount_minor, event.currency) != (purchase.price_minor, purchase.currency):
        raise _Problem("The provider names another amount or currency than the purchase has. Nothing was changed.")


def _must_have_been_disputed(session: Session, purchase: Purchase) -> None:
    if purchase.disputed_at is not None and purchase.status is not PurchaseStatus.REFUNDED:
        return
    was_refused = sa.exists().where(
        PaymentEvent.purchase_id == purchase.id,
        PaymentEvent.kind == EventKind.DISPUTED.value,
        PaymentEvent.outcome == EventOutcome.PROBLEM,
    )
    if purchase.status is PurchaseStatus.REFUNDED or session.scalar(sa.select(was_refused)):
        raise _Problem("A dispute ended that the ledger does not know. Look at the payment provider who has the money.")
    raise _NotYet


def _audit(session: Session, purchase: Purchase, action: str, *, before: PurchaseStatus) -> None:
    audit.record(
        session,
        actor=SYSTEM,
        action=action,
        resource=purchases.RESOURCE,
        resource_id=purchase.id,
        before={"status": before.value},
        after={"status": purchase.status.value},
    )


def _facts(event: Event) -> dict[str, Any]:
    return {
        "purchase_id": str(event.purchase_id) if event.purchase_id else None,
        "reference": event.reference,
        "amount_minor": event.amount_minor,
        "currency": event.currency,
        "fee_minor": event.fee_minor,
        "fee_currency": event.fee_currency,
        "reason": excerpt(event.reason, 200),
    }


def _event(row: PaymentEvent) -> Event:
    facts = row.facts
    return Event(
        id=row.event_id,
        kind=EventKind(row.kind),
        occurred_at=row.occurred_at,
        amount_minor=facts["amount_minor"],
        currency=facts["currency"],
        purchase_id=UUID(facts["purchase_id"]) if facts["purchase_id"] else None,
        reference=facts["reference"],
        payment_reference=row.payment_reference,
        fee_minor=facts["fee_minor"],
        # Written down before it was known that a fee may be in another currency than its payment.
        fee_currency=facts.get("fee_currency") or "",
        reason=facts["reason"],
    )
