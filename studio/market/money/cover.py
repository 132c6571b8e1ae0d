"""Cover: what a payment provider holds, and what of it is free to be paid out.

Balances alone do not say it: corrections are in them and brought no money in, what is refunded after a payout takes
out what somebody else was promised, and what one provider took, test money above all, no other one can pay.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import AccountKind, Payout, PayoutStatus
from studio.market.money import ledger
from studio.market.money.bookkeeping import Account
from studio.market.money.ledger import TrialLine

# What is in transit is with the provider still, and is somebody's already.
_PROMISED = (AccountKind.PROVIDER, AccountKind.PAYOUTS_IN_TRANSIT)


def lock(session: Session) -> None:
    """Whoever promises or sends what the provider holds does so after the one before, until the end of the transaction."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("market.payouts", 0))))


def room(session: Session, *, provider: str) -> Mapping[str, int]:
    """What the provider holds and nobody is being paid, by currency, in minor units; below zero it is overdrawn."""
    return room_in(ledger.trial_balance(session, provider=provider))


def room_in(trial: Iterable[TrialLine]) -> Mapping[str, int]:
    """As `room`, from a trial balance by provider that was read already."""
    free: dict[str, int] = {}
    for line in trial:
        if line.kind in _PROMISED and not line.provider:
            free[line.currency] = free.get(line.currency, 0) - line.balance_minor
    return free


def covers(session: Session, payout: Payout) -> bool:
    """Whether its provider holds enough for this payout after all that is on its way; what only waits takes no room."""
    others = sa.select(sa.func.coalesce(sa.func.sum(Payout.amount_minor), 0)).where(
        Payout.status == PayoutStatus.PROCESSING,
        Payout.currency == payout.currency,
        Payout.provider == payout.provider,
        Payout.id != payout.id,
    )
    held = -ledger.balance(session, Account(AccountKind.PROVIDER, payout.currency), provider=payout.provider)
    return held - int(session.scalar(others) or 0) >= payout.amount_minor
