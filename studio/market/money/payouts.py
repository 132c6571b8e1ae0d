"""Payouts: a batch of them made by staff, each carried out once however often its job runs.

What is paid out leaves the creator's available balance the moment the payout is made, so that nobody can be paid the
same money twice; a payout that fails or is called off gives it back. It is sent some seconds after it was made, and
only if the provider still holds enough: until then it can be called off.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.models import User, UserStatus
from studio.accounts.permissions import SYSTEM, Actor, Permission
from studio.kit.errors import NotFoundError
from studio.kit.orm import lock_row
from studio.kit.text import excerpt
from studio.market.models import (
    AccountKind,
    Payout,
    PayoutAccount,
    PayoutStatus,
)
from studio.market.money import bookkeeping, cover, dues, ledger, queries
from studio.market.money.bookkeeping import Account
from studio.market.money.dues import Due
from studio.market.money.errors import NothingToPayError, PayoutOverError
from studio.market.money.policy import GRACE, Policy

RESOURCE = "payout"
MOST_IN_A_BATCH = 1_000
_MOST_LEAVING = 10
_NOT_BEGUN = frozenset({PayoutStatus.PENDING, PayoutStatus.HELD})
NO_DESTINATION = "The creator has not said where payouts go."
NOT_ACTIVE = "The creator's account is suspended."
TOO_LITTLE = "The payment provider holds too little for what is due. No payout was made; what is due stays due."
BY_STAFF = "Staff hold it until they let it go."
OTHER_PROVIDER = (
    "It was made for another payment provider than the studio uses now. It was not sent; call it off, or let it go once the "
    "studio uses that one again."
)
NOT_COVERED = (
    "The payment provider does not hold enough for it any more. It was not sent; let it go once there is enough."
)


@dataclass(frozen=True, slots=True)
class Leaving:
    """What of one batch is sent in a moment, in one currency."""

    batch_key: str
    currency: str
    count: int
    amount_minor: int
    send_at: datetime


def list_leaving(session: Session, *, actor: Actor, now: datetime) -> list[Leaving]:
    """The batches that are not sent yet and can still be called off, what is sent first before the rest."""
    actor.must(Permission.MONEY_READ_ANY)
    send_at = sa.func.min(Payout.send_at)
    rows = session.execute(
        sa.select(Payout.batch_key, Payout.currency, sa.func.count(), sa.func.sum(Payout.amount_minor), send_at)
        .where(Payout.status == PayoutStatus.PENDING, Payout.send_at > now)
        .group_by(Payout.batch_key, Payout.currency)
        .order_by(send_at, Payout.batch_key, Payout.currency)
        .limit(_MOST_LEAVING)
    )
    return [Leaving(key, currency, count, int(amount), at) for key, currency, count, amount, at in rows if at]


def make_batch(
    session: Session,
    *,
    actor: Actor,
    batch_key: str,
    provider: str,
    policy: Policy,
    now: datetime,
    grace: timedelta = GRACE,
) -> list[Payout]:
    """Everybody whose available balance reaches the minimum is being paid all of it, as far as the provider holds it.

    What was sold through another provider is not in it: this one has no money for that, or that was test money.
    Nothing is sent before `grace` is over. Who does not fit into what the provider holds any more gets no payout now,
    and stays due. A creator who said no destination, or is suspended, has their payout held. The same `batch_key` again
    makes no payout more. Raises ForbiddenError, or NothingToPayError where there was nobody to pay or nobody fits.
    """
    actor.must(Permission.PAYOUT_MAKE)
    cover.lock(session)
    earlier = session.scalars(_of_batch(batch_key)).all()
    if earlier:
        return list(earlier)
    made = []
    everybody = dues.list_due(session, actor=actor, provider=provider, policy=policy, limit=MOST_IN_A_BATCH)
    for due in everybody:
        if not due.is_covered:
            continue
        # A refund may have come since the list was read: what is paid is what is there.
        account = Account(AccountKind.CREATOR_AVAILABLE, due.currency, due.creator_id)
        amount = min(due.available_minor, ledger.balance(session, account, provider=provider))
        if amount >= policy.minimum(due.currency):
            parts = replace(due, available_minor=amount)
            payout = _make(session, actor=actor, due=parts, batch_key=batch_key, provider=provider, now=now)
            made.append(payout)
            if payout.status is PayoutStatus.PENDING:
                _send_after(session, payout, grace, actor=actor, now=now)
    if not made:
        if all(due.is_covered for due in everybody):
            raise NothingToPayError
        raise NothingToPayError(TOO_LITTLE)
    return made


def call_off_batch(session: Session, *, actor: Actor, batch_key: str, reason: str, now: datetime) -> list[Payout]:
    """All of a batch that was not begun is off, held or not, and the money is available again. Doing it twice is once.

    Returns what is off. Raises ForbiddenError, NotFoundError where there is no such batch, or PayoutOverError where
    all of it is on its way or over otherwise.
    """
    actor.must(Permission.PAYOUT_MAKE)
    in_order = _of_batch(batch_key).with_for_update(key_share=True).execution_options(populate_existing=True)
    batch = session.scalars(in_order).all()
    if not batch:
        raise NotFoundError
    for payout in batch:
        if payout.status in _NOT_BEGUN:
            _cancel(session, payout, actor=actor, reason=reason, now=now)
    off = [payout for payout in batch if payout.status is PayoutStatus.CANCELLED]
    if not off:
        raise PayoutOverError
    return off


def let_go(
    session: Session, *, actor: Actor, payout_id: UUID, provider: str, now: datetime, grace: timedelta = GRACE
) -> Payout:
    """A held payout goes on, now that its creator has a destination and the provider enough; else it stays held.

    So does one that was made for another provider than the present one.

    It is sent after `grace`. One that is on its way and was given up by its job is tried again; the provider knows it
    by its key. Raises ForbiddenError, NotFoundError or PayoutOverError.
    """
    actor.must(Permission.PAYOUT_MAKE)
    cover.lock(session)
    payout = get_payout(session, actor=actor, payout_id=payout_id, lock=True)
    if payout.status in {PayoutStatus.PENDING, PayoutStatus.PROCESSING}:
        _ask(session, payout, actor=actor, now=now)
        return payout
    if payout.status is not PayoutStatus.HELD:
        raise PayoutOverError
    destination, reason = _destination(session, payout.creator_id, provider=payout.provider)
    if payout.provider != provider:
        reason = OTHER_PROVIDER
    if not reason and not cover.covers(session, payout):
        reason = NOT_COVERED
    payout.destination, payout.reason = destination, reason
    if not reason:
        _send_after(session, payout, grace, actor=actor, now=now)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="payout.let_go",
        resource=RESOURCE,
        resource_id=payout.id,
        before={"status": "held"},
        after={"status": payout.status.value},
        reason=reason or None,
    )
    return payout


def hold(session: Session, *, actor: Actor, payout_id: UUID) -> Payout:
    """A payout that was not begun waits until staff let it go. Holding it twice changes nothing.

    Raises ForbiddenError, NotFoundError, or PayoutOverError once it is on its way.
    """
    actor.must(Permission.PAYOUT_MAKE)
    payout = get_payout(session, actor=actor, payout_id=payout_id, lock=True)
    if payout.status is PayoutStatus.HELD:
        return payout
    if payout.status is not PayoutStatus.PENDING:
        raise PayoutOverError
    _hold(session, payout, actor=actor, reason=BY_STAFF)
    return payout


def cancel(session: Session, *, actor: Actor, payout_id: UUID, reason: str, now: datetime) -> Payout:
    """A payout that was not begun is off, and the money is available again. Doing it twice changes nothing.

    Raises ForbiddenError, NotFoundError, or PayoutOverError once it is on its way.
    """
    actor.must(Permission.PAYOUT_MAKE)
    payout = get_payout(session, actor=actor, payout_id=payout_id, lock=True)
    if payout.status is PayoutStatus.CANCELLED:
        return payout
    if payout.status not in _NOT_BEGUN:
        raise PayoutOverError
    _cancel(session, payout, actor=actor, reason=reason, now=now)
    return payout


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the provider is to be told of one payout, in a transaction of its own."""

    payout_id: UUID
    destination: str
    amount_minor: int
    currency: str


def begin(session: Session, *, payout_id: UUID, provider: str, now: datetime) -> Instruction | None:
    """The payout is on its way; None where it is paid, over or held, or its time has not come.

    One that the provider does not hold enough for any more, or that was made for another provider, is held instead, and
    says so; what that other one may have paid already waits for it. Begun again after a crash, it
    goes on as it was: the provider may have paid it.
    """
    cover.lock(session)
    payout = _locked(session, payout_id)
    if payout is None or payout.status not in {PayoutStatus.PENDING, PayoutStatus.PROCESSING}:
        return None
    if payout.status is PayoutStatus.PENDING:
        if payout.send_at is None or payout.send_at > now:
            return None
        if payout.provider != provider:
            _hold(session, payout, actor=SYSTEM, reason=OTHER_PROVIDER)
            return None
        if not cover.covers(session, payout):
            _hold(session, payout, actor=SYSTEM, reason=NOT_COVERED)
            return None
        payout.status = PayoutStatus.PROCESSING
        payout.started_at = now
        session.flush()
    elif payout.provider != provider:
        payout.reason = OTHER_PROVIDER
        session.flush()
        return None
    return Instruction(payout.id, payout.destination, payout.amount_minor, payout.currency)


def settle(session: Session, *, payout_id: UUID, reference: str, now: datetime) -> None:
    """The provider has paid it: once, whatever is told again."""
    payout = _locked(session, payout_id)
    if payout is None or payout.status is not PayoutStatus.PROCESSING:
        return
    payout.status = PayoutStatus.PAID
    payout.paid_at = now
    payout.provider_reference = reference
    payout.reason = ""
    session.flush()
    ledger.post(session, bookkeeping.payout_settlement(**_parts(payout), at=now))
    audit.record(
        session,
        actor=SYSTEM,
        action="payout.pay",
        resource=RESOURCE,
        resource_id=payout.id,
        after={"amount_minor": payout.amount_minor, "currency": payout.currency, "reference": reference},
    )


def fail(session: Session, *, payout_id: UUID, reason: str, now: datetime) -> None:
    """The provider refused it for good: the money is available again, and the creator and staff read why."""
    payout = _locked(session, payout_id)
    if payout is None or payout.status is not PayoutStatus.PROCESSING:
        return
    _give_back(session, payout, PayoutStatus.FAILED, reason=reason, now=now)
    audit.record(session, actor=SYSTEM, action="payout.fail", resource=RESOURCE, resource_id=payout.id, reason=reason)


def set_destination(
    session: Session, *, actor: Actor, provider: str, text: str, check: Callable[[str], str]
) -> PayoutAccount:
    """The actor's payouts go to what they typed, if the provider can pay there. Raises DestinationError."""
    actor.must(Permission.EARNINGS_READ_OWN)
    if actor.user_id is None:
        raise NotFoundError
    destination = check(text)
    session.execute(
        insert(PayoutAccount)
        .values(user_id=actor.user_id, provider=provider, destination=destination)
        .on_conflict_do_update(
            index_elements=[PayoutAccount.user_id],
            set_={
                "provider": provider,
                "destination": destination,
                "updated_at": sa.func.now(),
                "row_version": PayoutAccount.row_version + 1,
            },
        )
    )
    audit.record(
        session,
        actor=actor,
        action="payout_account.change",
        resource="payout_account",
        resource_id=actor.user_id,
        after={"provider": provider, "ending": destination[-4:]},
    )
    return session.get_one(PayoutAccount, actor.user_id, populate_existing=True)


def find_destination(session: Session, *, user_id: UUID) -> PayoutAccount | None:
    """Where a creator's payouts go."""
    return session.get(PayoutAccount, user_id)


def get_payout(session: Session, *, actor: Actor, payout_id: UUID, lock: bool = False) -> Payout:
    """The payout, if the actor may see it, locked where asked; raises NotFoundError."""
    query = sa.select(Payout).where(queries.payout_visible_to(actor), Payout.id == payout_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    payout = session.scalar(query)
    if payout is None:
        raise NotFoundError
    return payout


def _of_batch(batch_key: str) -> sa.Select[Payout]:
    return sa.select(Payout).where(Payout.batch_key == batch_key).order_by(Payout.id).limit(MOST_IN_A_BATCH)


def _make(session: Session, *, actor: Actor, due: Due, batch_key: str, provider: str, now: datetime) -> Payout:
    destination, reason = _destination(session, due.creator_id, provider=provider)
    payout = Payout(
        batch_key=batch_key,
        creator_id=due.creator_id,
        currency=due.currency,
        amount_minor=due.available_minor,
        status=PayoutStatus.HELD if reason else PayoutStatus.PENDING,
        provider=provider,
        destination=destination,
        made_by_id=actor.user_id,
        send_at=None if reason else now,
        reason=reason,
        created_at=now,
    )
    session.add(payout)
    session.flush()
    ledger.post(session, bookkeeping.payout(**_parts(payout), at=now))
    audit.record(
        session,
        actor=actor,
        action="payout.make",
        resource=RESOURCE,
        resource_id=payout.id,
        after={"amount_minor": payout.amount_minor, "currency": payout.currency, "status": payout.status.value},
    )
    return payout


def _send_after(session: Session, payout: Payout, grace: timedelta, *, actor: Actor, now: datetime) -> None:
    payout.status, payout.send_at = PayoutStatus.PENDING, now + grace
    session.flush()
    _ask(session, payout, actor=actor, now=now)


def _ask(session: Session, payout: Payout, *, actor: Actor, now: datetime) -> None:
    work.ask(
        session,
        "money.pay_out",
        actor=actor,
        about=("payout", payout.id),
        # Held and let go, it is sent at another time; the job for the former time finds nothing to do.
        dedupe_key=f"money.pay_out:{payout.id}:{payout.send_at:%Y%m%d%H%M%S%f}",
        run_after=payout.send_at,
        now=now,
        payout_id=payout.id,
    )


def _destination(session: Session, creator_id: UUID, *, provider: str) -> tuple[str, str]:
    """Where a creator's payout goes, and why it is held, if it is."""
    status = session.scalar(sa.select(User.status).where(User.id == creator_id))
    account = find_destination(session, user_id=creator_id)
    if status is not UserStatus.ACTIVE:
        return "", NOT_ACTIVE
    if account is None or account.provider != provider:
        return "", NO_DESTINATION
    return account.destination, ""


def _hold(session: Session, payout: Payout, *, actor: Actor, reason: str) -> None:
    payout.status, payout.reason = PayoutStatus.HELD, reason
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="payout.hold",
        resource=RESOURCE,
        resource_id=payout.id,
        before={"status": "pending"},
        after={"status": "held"},
        reason=reason,
    )


def _cancel(session: Session, payout: Payout, *, actor: Actor, reason: str, now: datetime) -> None:
    _give_back(session, payout, PayoutStatus.CANCELLED, reason=reason, now=now)
    audit.record(session, actor=actor, action="payout.cancel", resource=RESOURCE, resource_id=payout.id, reason=reason)


def _give_back(session: Session, payout: Payout, status: PayoutStatus, *, reason: str, now: datetime) -> None:
    payout.status = status
    payout.ended_at = now
    payout.reason = excerpt(reason, 300)
    session.flush()
    ledger.post(session, bookkeeping.payout_reversal(**_parts(payout), at=now))


def _locked(session: Session, payout_id: UUID) -> Payout | None:
    return lock_row(session, Payout, payout_id)


def _parts(payout: Payout) -> dict[str, Any]:
    return {
        "payout_id": payout.id,
        "creator_id": payout.creator_id,
        "currency": payout.currency,
        "amount_minor": payout.amount_minor,
    }
