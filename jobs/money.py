"""Jobs of money: refunds, releases, payouts, statements, checks."""

from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from studio.market.models import Purchase, PurchaseStatus
from studio.market.money import downloads, invariants, ledger, payments, payouts, policy, purchases, statements
from studio.market.money.errors import OtherProviderError
from studio.providers.errors import ProviderError
from studio.providers.payments import EventKind, LocalPayments

_MOST_BATCHES = 500
_MOST_MONTHS = 120


@job("money.refund_purchase", timeout=120)
def refund_purchase(run: JobContext, *, purchase_id: UUID) -> dict[str, Any] | None:
    """Have the provider give a payment back, then say so in the ledger."""
    run.progress("Asking the payment provider", 10)
    with run.transaction() as session:
        purchase = session.get_one(Purchase, purchase_id)
        reference = purchase.payment_reference
        is_due = purchases.is_refund_due(purchase)
        amount_minor = purchase.price_minor
        provider = run.resources.payments_through(purchase.provider)
        if is_due and amount_minor and provider is None:
            raise OtherProviderError(purchase.provider)
    if not is_due:
        return {"refunded": False}
    if provider is not None and reference is not None and amount_minor:
        provider.refund(payment_reference=reference, purchase_id=purchase_id, amount_minor=amount_minor)
    with run.transaction(last=True) as session:
        purchase = purchases.locked(session, purchase_id)
        if purchases.is_refund_due(purchase):
            purchases.refunded(session, purchase, now=run.now())
        # Disputed in between, it is the bank's to decide, and asked for again once the dispute is won.
        run.result = {"refunded": purchase.status is PurchaseStatus.REFUNDED}
    return None


@job("money.deliver_test_payment")
def deliver_test_payment(run: JobContext, *, purchase_id: UUID, kind: str, times: int) -> dict[str, Any] | None:
    """Answer late, as the local test provider was told to."""
    provider = run.resources.payments
    if not isinstance(provider, LocalPayments):
        return {"delivered": False}
    with run.transaction(last=True) as session:
        purchase = session.get_one(Purchase, purchase_id)
        body, signature = provider.tell(
            EventKind(kind),
            purchase_id=purchase.id,
            amount_minor=purchase.price_minor,
            currency=purchase.currency,
            now=run.now(),
        )
        for _ in range(min(max(times, 1), 2)):
            outcome = payments.receive(
                session,
                provider=provider,
                body=body,
                signature=signature,
                policy=policy.from_settings(run.settings),
                now=run.now(),
            )
        run.result = {"delivered": outcome.value}
    return None


@job("money.expire_purchases")
def expire_purchases(run: JobContext) -> dict[str, Any] | None:
    """Close what nobody paid in time, and forget links that are over."""
    closed = 0
    for _ in range(_MOST_BATCHES):
        with run.transaction() as session:
            found = purchases.expire(session, now=run.now())
        closed += found
        if not found:
            break
    with run.transaction(last=True) as session:
        run.result = {"closed": closed, "links": downloads.sweep_links(session, now=run.now())}
    return None


@job("money.release_earnings", queue="bulk", timeout=1800)
def release_earnings(run: JobContext) -> dict[str, Any]:
    """Make available what was held for long enough."""
    released = 0
    for _ in range(_MOST_BATCHES):
        with run.transaction() as session:
            found = purchases.release_due(session, now=run.now())
        released += found
        if not found:
            break
        run.progress("Releasing earnings", 50)
    return {"released": released}


@job("money.pay_out", timeout=120)
def pay_out(run: JobContext, *, payout_id: UUID) -> dict[str, Any] | None:
    """Carry out one payout: begun, asked of the provider under the payout's own key, settled."""
    run.progress("Asking the payment provider", 10)
    with run.transaction() as session:
        provider = run.resources.payments.name
        told = payouts.begin(session, payout_id=payout_id, provider=provider, now=run.now())
    if told is None:
        return {"paid": False}
    try:
        made = run.resources.payments.pay_out(
            payout_id=told.payout_id,
            destination=told.destination,
            amount_minor=told.amount_minor,
            currency=told.currency,
        )
    except ProviderError as error:
        if error.is_transient:
            raise
        with run.transaction(last=True) as session:
            payouts.fail(session, payout_id=payout_id, reason=str(error), now=run.now())
            run.result = {"paid": False}
        return None
    with run.transaction(last=True) as session:
        payouts.settle(session, payout_id=payout_id, reference=made.reference, now=run.now())
        run.result = {"paid": True}
    return None


@job("money.close_month", queue="bulk", timeout=7200)
def close_month(run: JobContext) -> dict[str, Any]:
    """Close every month that is over and is not closed, the oldest first."""
    closed = 0
    for _ in range(_MOST_MONTHS):
        with run.transaction() as session:
            period = statements.next_to_close(session, now=run.now())
            if period is not None:
                statements.seal(session, period=period, now=run.now())
        if period is None:
            break
        run.progress("Making statements", 20)
        with run.transaction() as session:
            statements.close(
                session, period=period, now=run.now(), on_progress=lambda _done: run.progress("Making statements", 50)
            )
        closed += 1
    return {"closed": closed}


@job("money.check_money", queue="bulk", timeout=1800)
def check_money(run: JobContext) -> dict[str, Any] | None:
    """Bring balances forward and check all money anew; what is found alarms staff. What waited for a day is put before them."""
    for _ in range(_MOST_BATCHES):
        with run.transaction() as session:
            if not ledger.bring_forward(session, now=run.now()):
                break
        run.progress("Bringing balances forward", 10)
    for _ in range(_MOST_BATCHES):
        with run.transaction() as session:
            if not payments.question_waiting(session, now=run.now()):
                break
    with run.transaction(last=True) as session:
        found = invariants.check(session, now=run.now())
        run.result = {"checked": found.transaction_count, "findings": found.finding_count}
    return None
