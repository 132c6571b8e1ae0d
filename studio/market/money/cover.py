"""Cover: what the payment provider holds, and what of it is free to be paid out.

Balances alone do not say it: corrections are in them and brought no money in, and what is refunded after a payout takes
out what somebody else was promised.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.market.models import AccountKind, LedgerAccount, LedgerEntry, Payout, PayoutStatus
from studio.market.money import ledger
from studio.market.money.bookkeeping import Account
from studio.market.money.ledger import TrialLine

# What is in transit is with the provider still, and is somebody's already.
_PROMISED = (AccountKind.PROVIDER, AccountKind.PAYOUTS_IN_TRANSIT)


def lock(session: Session) -> None:
    """Whoever promises or sends what the provider holds does so after the one before, until the end of the transaction."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("market.payouts", 0))))


def room(session: Session) -> Mapping[str, int]:
    """What the provider holds and nobody is being paid, by currency, in minor units; below zero it is overdrawn."""
    rows = session.execute(
        sa.select(LedgerAccount.currency, -sa.func.sum(LedgerEntry.amount_minor))
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .where(LedgerAccount.kind.in_(_PROMISED))
        .group_by(LedgerAccount.currency)
    )
    return {currency: int(amount) for currency, amount in rows}


def room_in(trial: Iterable[TrialLine]) -> Mapping[str, int]:
    """As `room`, from a trial balance that was read already."""
    free: dict[str, int] = {}
    for line in trial:
        if line.kind in _PROMISED:
            free[line.currency] = free.get(line.currency, 0) - line.balance_minor
    return free


def covers(session: Session, *, payout_id: UUID, amount_minor: int, currency: str) -> bool:
    """Whether the provider holds enough for this payout after all that is on its way; what only waits takes no room."""
    others = sa.select(sa.func.coalesce(sa.func.sum(Payout.amount_minor), 0)).where(
        Payout.status == PayoutStatus.PROCESSING, Payout.currency == currency, Payout.id != payout_id
    )
    held = -ledger.balance(session, Account(AccountKind.PROVIDER, currency))
    return held - int(session.scalar(others) or 0) >= amount_minor
