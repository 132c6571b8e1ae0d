"""Cover: what a payment provider holds, and what of it is free to be paid out.

Balances alone do not say it: corrections are in them and brought no money in, what is refunded after a payout takes
out what somebody else was promised, and what one provider took, test money above all, no other one can pay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from studio.market.models import (
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    Payout,
    PayoutStatus,
    Purchase,
)
from studio.market.money import ledger
from studio.market.money.bookkeeping import Account
from studio.market.money.ledger import TrialLine

# What is in transit is with the provider still, and is somebody's already.
_PROMISED = (AccountKind.PROVIDER, AccountKind.PAYOUTS_IN_TRANSIT)


def lock(session: Session) -> None:
    """Whoever promises or sends what the provider holds does so after the one before, until the end of the transaction."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("market.payouts", 0))))


def postings_elsewhere(provider: str) -> sa.Subquery:
    """Postings (`transaction_id`) of what was sold or paid out through another provider than this one, and which (`provider`).

    What belongs to no sale and no payout is everybody's. There are none in a studio that never changed its provider, and
    that is found in an index.
    """

    def through(what: type[Purchase | Payout], reference: InstrumentedAttribute[UUID | None]) -> sa.Select[UUID, str]:
        return (
            sa.select(LedgerTransaction.id.label("transaction_id"), what.provider.label("provider"))
            .join(what, what.id == reference)
            # Not `<>`, which no index answers.
            .where(sa.or_(what.provider < provider, what.provider > provider))
        )

    bought = through(Purchase, LedgerTransaction.purchase_id)
    paid = through(Payout, LedgerTransaction.payout_id)
    return sa.union_all(bought, paid).subquery("elsewhere")


def trial_by_provider(session: Session, *, provider: str) -> list[TrialLine]:
    """The trial balance, with a line of its own for what is with each other provider; `provider` is empty in the present one's."""
    elsewhere = postings_elsewhere(provider)
    amount = LedgerEntry.amount_minor
    rows = session.execute(
        sa.select(
            elsewhere.c.provider,
            LedgerAccount.kind,
            LedgerAccount.currency,
            -sa.func.coalesce(sa.func.sum(amount).filter(amount < 0), 0),
            sa.func.coalesce(sa.func.sum(amount).filter(amount > 0), 0),
        )
        .join(LedgerEntry, LedgerEntry.transaction_id == elsewhere.c.transaction_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .group_by(elsewhere.c.provider, LedgerAccount.kind, LedgerAccount.currency)
        .order_by(elsewhere.c.provider)
    )
    others = [
        TrialLine(kind, currency, int(debit), int(credit), provider=name)
        for name, kind, currency, debit, credit in rows
    ]
    told = []
    for line in ledger.trial_balance(session):
        apart = [one for one in others if (one.kind, one.currency) == (line.kind, line.currency)]
        own = replace(
            line,
            debit_minor=line.debit_minor - sum(one.debit_minor for one in apart),
            credit_minor=line.credit_minor - sum(one.credit_minor for one in apart),
        )
        told += [*([own] if own.debit_minor or own.credit_minor or not apart else []), *apart]
    return told


def room(session: Session, *, provider: str) -> Mapping[str, int]:
    """What the provider holds and nobody is being paid, by currency, in minor units; below zero it is overdrawn."""
    return room_in(trial_by_provider(session, provider=provider))


def room_in(trial: Iterable[TrialLine]) -> Mapping[str, int]:
    """As `room`, from a trial balance by provider that was read already."""
    free: dict[str, int] = {}
    for line in trial:
        if line.kind in _PROMISED and not line.provider:
            free[line.currency] = free.get(line.currency, 0) - line.balance_minor
    return free


def balance(session: Session, account: Account, *, provider: str) -> int:
    """What the account holds of what is with the provider, in minor units."""
    elsewhere = postings_elsewhere(provider)
    apart = sa.select(sa.func.coalesce(sa.func.sum(LedgerEntry.amount_minor), 0)).where(
        LedgerEntry.transaction_id == elsewhere.c.transaction_id, LedgerEntry.account_id == account.id
    )
    return ledger.balance(session, account) - int(session.scalar(apart) or 0)


def covers(session: Session, payout: Payout) -> bool:
    """Whether its provider holds enough for this payout after all that is on its way; what only waits takes no room."""
    others = sa.select(sa.func.coalesce(sa.func.sum(Payout.amount_minor), 0)).where(
        Payout.status == PayoutStatus.PROCESSING,
        Payout.currency == payout.currency,
        Payout.provider == payout.provider,
        Payout.id != payout.id,
    )
    held = -balance(session, Account(AccountKind.PROVIDER, payout.currency), provider=payout.provider)
    return held - int(session.scalar(others) or 0) >= payout.amount_minor
