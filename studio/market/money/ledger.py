"""The ledger: posting once under a key, and what accounts hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.market.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTransaction
from studio.market.money.bookkeeping import Account, Posting
from studio.market.money.errors import OtherPostingError


def post(session: Session, posting: Posting | None) -> UUID | None:
    """The posting stands in the ledger, once: its id, or that of the equal one that stood there under its key.

    One round trip. None is posted as nothing (a free sale moves no money). Raises OtherPostingError where the key
    stands for something else: a key is never given twice.
    """
    if posting is None:
        return None
    session.flush()
    made = uuid7()
    # How many entries were written says whether the posting is new: no rows have to come back.
    written = session.connection().exec_driver_sql(_POST, _values(made, posting)).rowcount
    return made if written else _found(session, posting)


def balance(session: Session, account: Account) -> int:
    """What the account holds, in minor units; a credit is above zero."""
    held = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(LedgerEntry.amount_minor), 0)).where(
            LedgerEntry.account_id == account.id
        )
    )
    return int(held or 0)


def balances_of(session: Session, *, creator_id: UUID) -> Mapping[str, "Held"]:
    """What one creator holds, by currency."""
    rows = session.execute(
        sa.select(LedgerAccount.currency, LedgerAccount.kind, sa.func.sum(LedgerEntry.amount_minor))
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .where(LedgerAccount.owner_id == creator_id)
        .group_by(LedgerAccount.currency, LedgerAccount.kind)
        .order_by(LedgerAccount.currency)
    )
    held: dict[str, dict[AccountKind, int]] = {}
    for currency, kind, amount in rows:
        held.setdefault(currency, {})[kind] = int(amount)
    return {
        currency: Held(of.get(AccountKind.CREATOR_PENDING, 0), of.get(AccountKind.CREATOR_AVAILABLE, 0))
        for currency, of in held.items()
    }


@dataclass(frozen=True, slots=True)
class Held:
    """What a creator holds in one currency."""

    pending_minor: int
    available_minor: int


@dataclass(frozen=True, slots=True)
class TrialLine:
    """All accounts of one kind in one currency."""

    kind: AccountKind
    currency: str
    debit_minor: int
    credit_minor: int
    provider: str = ""
    """Of which other payment provider than the present one, where that is told apart."""

    @property
    def balance_minor(self) -> int:
        """Credits less debits."""
        return self.credit_minor - self.debit_minor


def entries_of(session: Session, transaction_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[tuple[AccountKind, int]]]:
    """Each posting's entries, debits first and the highest first: the kind of account, the amount (a credit above zero)."""
    amount = LedgerEntry.amount_minor
    rows = session.execute(
        sa.select(LedgerEntry.transaction_id, LedgerAccount.kind, amount)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(LedgerEntry.transaction_id.in_(transaction_ids))
        .order_by(LedgerEntry.transaction_id, amount > 0, sa.func.abs(amount).desc(), LedgerEntry.ordinal)
    )
    entries: dict[UUID, list[tuple[AccountKind, int]]] = {}
    for transaction_id, kind, minor in rows:
        entries.setdefault(transaction_id, []).append((kind, minor))
    return entries


def trial_balance(session: Session) -> list[TrialLine]:
    """Debits and credits of each kind of account by currency; in each currency the two sums are equal."""
    rows = session.execute(
        sa.select(
            LedgerAccount.currency,
            LedgerAccount.kind,
            -sa.func.coalesce(sa.func.sum(LedgerEntry.amount_minor).filter(LedgerEntry.amount_minor < 0), 0),
            sa.func.coalesce(sa.func.sum(LedgerEntry.amount_minor).filter(LedgerEntry.amount_minor > 0), 0),
        )
        .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
        .group_by(LedgerAccount.currency, LedgerAccount.kind)
        .order_by(LedgerAccount.currency, LedgerAccount.kind)
    )
    return [TrialLine(kind, currency, int(debit), int(credit)) for currency, kind, debit, credit in rows]


_POST = """
WITH given AS MATERIALIZED (
    SELECT (place - 1)::smallint AS ordinal, account_id, kind, owner_id, amount_minor
    FROM unnest(%(accounts)s::uuid[], %(kinds)s::text[], %(owners)s::uuid[], %(amounts)s::bigint[])
        WITH ORDINALITY AS entries (account_id, kind, owner_id, amount_minor, place)
), accounts AS (
    -- Nearly always they are all there; of two who miss the same one, one makes it.
    INSERT INTO ledger_accounts (id, kind, owner_id, currency)
    SELECT account_id, kind, owner_id, %(currency)s FROM given
    WHERE NOT EXISTS (SELECT FROM ledger_accounts known WHERE known.id = given.account_id)
    ON CONFLICT DO NOTHING
), posting AS (
    INSERT INTO ledger_transactions
        (id, key, kind, currency, entry_count, occurred_at, creator_id, character_id, purchase_id, payout_id, note)
    VALUES (%(id)s, %(key)s, %(kind)s, %(currency)s, cardinality(%(accounts)s::uuid[]), %(occurred_at)s,
        %(creator_id)s::uuid, %(character_id)s::uuid, %(purchase_id)s::uuid, %(payout_id)s::uuid, %(note)s)
    ON CONFLICT (key) DO NOTHING RETURNING id
)
INSERT INTO ledger_entries (transaction_id, ordinal, account_id, amount_minor)
SELECT posting.id, given.ordinal, given.account_id, given.amount_minor FROM posting, given
"""
"""Accounts that are new, the posting unless its key stands, its entries. As the driver takes it: prepared once on each
connection, and not put together and looked through anew for every posting."""


def _values(made: UUID, posting: Posting) -> dict[str, Any]:
    # In one order everywhere: two postings that both make accounts never wait for each other.
    entries = sorted([(entry.account.id, entry) for entry in posting.entries], key=itemgetter(0))
    accounts = [entry.account for _, entry in entries]
    return {
        "id": made,
        "key": posting.key,
        "kind": posting.kind.value,
        "currency": posting.currency,
        "occurred_at": posting.occurred_at,
        "creator_id": posting.creator_id,
        "character_id": posting.character_id,
        "purchase_id": posting.purchase_id,
        "payout_id": posting.payout_id,
        "note": posting.note,
        "accounts": _array([str(account_id) for account_id, _ in entries]),
        "kinds": _array([account.kind.value for account in accounts]),
        "owners": _array([str(account.owner_id) if account.owner_id else "NULL" for account in accounts]),
        "amounts": _array([str(entry.amount_minor) for _, entry in entries]),
    }


def _array(values: Iterable[str]) -> str:
    """Ids, kinds or amounts, in which nothing has to be quoted, as PostgreSQL writes an array."""
    return "{" + ",".join(values) + "}"


def _found(session: Session, posting: Posting) -> UUID:
    """The posting under this key, where it is the same one."""
    rows = session.execute(
        sa.select(LedgerTransaction.id, LedgerTransaction.kind, LedgerEntry.account_id, LedgerEntry.amount_minor)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(LedgerTransaction.key == posting.key)
    ).all()
    if _said((kind, account_id, amount) for _, kind, account_id, amount in rows) != _said(
        (posting.kind, entry.account.id, entry.amount_minor) for entry in posting.entries
    ):
        raise OtherPostingError
    found: UUID = rows[0][0]
    return found


def _said(lines: Iterable[tuple[Any, UUID, int]]) -> set[tuple[str, UUID, int]]:
    return {(str(kind), account_id, amount) for kind, account_id, amount in lines}
