"""Dues: whom a payment provider could pay, how much, whether it holds enough, and what only another one could pay."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.market.models import OPEN_PAYOUTS, AccountKind, LedgerAccount, Payout
from studio.market.money import cover, ledger
from studio.market.money.policy import Policy

_MOST_ELSEWHERE = 20


@dataclass(frozen=True, slots=True)
class Due:
    """What one creator could be paid in one currency."""

    creator_id: UUID
    name: str
    currency: str
    available_minor: int
    is_covered: bool = True
    """Whether the payment provider holds enough for it, after what is on its way and those before it."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What creators earned with sales through another payment provider, in one currency, and were not paid."""

    provider: str
    currency: str
    available_minor: int
    creators: int


def list_due(
    session: Session,
    *,
    actor: Actor,
    provider: str,
    policy: Policy,
    limit: int = 200,
    room: Mapping[str, int] | None = None,
) -> list[Due]:
    """Creators whose balance at the provider reaches the minimum and who have no payout under way, most first.

    `room` is what `cover.room` says, where it was read already.
    """
    actor.must(Permission.MONEY_READ_ANY)
    everybody = _due(session, provider=provider, policy=policy, limit=limit)
    if not everybody:
        return []
    free = dict(cover.room(session, provider=provider) if room is None else room)
    told = []
    for due in everybody:
        left = free.get(due.currency, 0) - due.available_minor
        if left >= 0:
            free[due.currency] = left
        told.append(replace(due, is_covered=left >= 0))
    return told


def list_elsewhere(session: Session, *, actor: Actor, provider: str) -> list[Elsewhere]:
    """What is available to creators of sales through other providers than this one, by provider and currency."""
    actor.must(Permission.MONEY_READ_ANY)
    held = ledger.standing()
    each = (
        sa.select(held.c.provider, LedgerAccount.currency, ledger.gained(held).label("amount"))
        .join(LedgerAccount, LedgerAccount.id == held.c.account_id)
        .where(LedgerAccount.kind == AccountKind.CREATOR_AVAILABLE, sa.not_(ledger.is_with(held, provider)))
        .group_by(held.c.provider, LedgerAccount.id)
        .having(ledger.gained(held) > 0)
        .subquery()
    )
    rows = session.execute(
        sa.select(each.c.provider, each.c.currency, sa.func.sum(each.c.amount), sa.func.count())
        .group_by(each.c.provider, each.c.currency)
        .order_by(each.c.provider, each.c.currency)
        .limit(_MOST_ELSEWHERE)
    )
    return [Elsewhere(name, currency, int(held), count) for name, currency, held, count in rows]


def _due(session: Session, *, provider: str, policy: Policy, limit: int) -> list[Due]:
    held = ledger.standing()
    available = ledger.gained(held)
    minimum = sa.case(
        {currency: policy.minimum(currency) for currency in policy.minimums},
        value=LedgerAccount.currency,
        else_=policy.minimum(""),
    )
    is_open = (
        sa.exists()
        .where(
            Payout.creator_id == LedgerAccount.owner_id,
            Payout.currency == LedgerAccount.currency,
            Payout.status.in_(OPEN_PAYOUTS),
        )
        .correlate(LedgerAccount)
    )
    rows = session.execute(
        sa.select(LedgerAccount.owner_id, User.name, LedgerAccount.currency, available)
        .join(held, held.c.account_id == LedgerAccount.id)
        .join(User, User.id == LedgerAccount.owner_id)
        .where(LedgerAccount.kind == AccountKind.CREATOR_AVAILABLE, ledger.is_with(held, provider), sa.not_(is_open))
        .group_by(LedgerAccount.id, User.name)
        .having(available >= minimum)
        .order_by(available.desc(), LedgerAccount.id)
        .limit(limit)
    )
    return [Due(owner_id, name, currency, int(amount)) for owner_id, name, currency, amount in rows if owner_id]
