"""The ledger: posting once under a key, and what accounts hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session
from uuid_utils.compat import uuid7

from studio.market.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTransaction
from studio.market.money.bookkeeping import Account, Posting
from studio.market.money.errors import OtherPostingError

_SETTLED_AFTER = timedelta(minutes=15)
"""What is this old and was not posted yet is hardly posted any more; what is, PostgreSQL adds to its balance one by one."""
_MOST_FORWARD = 20_000


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


def standing(*account_id: UUID | InstrumentedAttribute[UUID]) -> sa.TableValuedAlias:
    """What all accounts, or one, gave and gained (`account_id`, `debit_minor`, `credit_minor`), by `provider`.

    PostgreSQL adds what was posted lately to what it has brought forward, in one snapshot: however long the ledger, it is
    quick. The provider is that of the sale or the payout; what belongs to neither has none, and is everybody's.
    """
    columns = (
        sa.column("account_id", sa.Uuid()),
        sa.column("provider", sa.Text()),
        sa.column("debit_minor", sa.BigInteger()),
        sa.column("credit_minor", sa.BigInteger()),
    )
    asked = [sa.cast(one, sa.Uuid()) for one in account_id]
    return sa.func.ledger_standing(*asked).table_valued(*columns, name="standing", joins_implicitly=bool(asked))


def gained(of: sa.TableValuedAlias) -> sa.ColumnElement[int]:
    """What rows of `standing` come to, a credit above zero; nothing is zero."""
    return sa.func.coalesce(sa.func.sum(of.c.credit_minor - of.c.debit_minor), 0)


def is_with(of: sa.TableValuedAlias, provider: str) -> sa.ColumnElement[bool]:
    """Whether a row of `standing` counts as the provider's."""
    return of.c.provider.in_([provider, ""])


def balance(session: Session, account: Account, *, provider: str | None = None) -> int:
    """What the account holds, in minor units; a credit is above zero. Of what is with one provider, where it is named."""
    held = standing(account.id)
    query = sa.select(gained(held))
    return int(session.scalar(query if provider is None else query.where(is_with(held, provider))) or 0)


def bring_forward(session: Session, *, now: datetime) -> bool:
    """What was posted up to a quarter of an hour ago is in the balances, or a batch of it: whether there is more.

    Balances are right before and after; those that are brought forward are quicker to read. Whoever posts meanwhile waits.
    """
    target = earlier(session, now) - _SETTLED_AFTER
    reached = session.scalars(
        sa.select(sa.func.bring_ledger_forward(target, _MOST_FORWARD, type_=sa.TIMESTAMP(timezone=True)))
    ).one()
    return bool(reached < target)


def earlier(session: Session, now: datetime) -> datetime:
    """The present by the caller's clock or PostgreSQL's, whichever is behind."""
    by_postgres = sa.func.clock_timestamp(type_=sa.TIMESTAMP(timezone=True))
    return min(now, session.scalars(sa.select(by_postgres)).one())


def balances_of(session: Session, *, creator_id: UUID) -> Mapping[str, "Held"]:
    """What one creator holds, by currency."""
    held_by = standing(LedgerAccount.id)
    rows = session.execute(
        sa.select(LedgerAccount.currency, LedgerAccount.kind, gained(held_by))
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


def trial_balance(session: Session, *, provider: str | None = None) -> list[TrialLine]:
    """Debits and credits of each kind of account by currency; in each currency the two sums are equal.

    Where the present `provider` is named, what is with each other one has a line of its own, after the present one's.
    """
    held = standing()
    whose = sa.literal("") if provider is None else sa.case((is_with(held, provider), ""), else_=held.c.provider)
    name = whose.label("name")
    rows = session.execute(
        sa.select(
            LedgerAccount.kind,
            LedgerAccount.currency,
            sa.func.sum(held.c.debit_minor),
            sa.func.sum(held.c.credit_minor),
            name,
        )
        .join(held, held.c.account_id == LedgerAccount.id)
        .group_by(LedgerAccount.currency, LedgerAccount.kind, name)
        .order_by(LedgerAccount.currency, LedgerAccount.kind, name)
    )
    return [TrialLine(kind, currency, int(debit), int(credit), of) for kind, currency, debit, credit, of in rows]


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
