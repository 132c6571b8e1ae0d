"""The rules of bookkeeping: which entries each event of a purchase or a payout makes. Pure; `docs/how-to/money.md` has the chart.

An amount above zero is a credit (the account owes or earned it), below zero a debit. Every posting sums to zero.
The platform's fee is a share in basis points, rounded down to a whole minor unit; the remainder is the creator's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID, uuid5

from studio.kit.money import Money
from studio.market.models import CREATOR_ACCOUNTS, AccountKind, PostingKind

_ACCOUNTS = UUID("6d1c7b1e-6f2f-5d0c-9d55-6f6d6f6e6579")
"""The namespace of the ids of accounts."""

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Account:
    """One account: its kind, its currency, and the creator where it is a creator's."""

    kind: AccountKind
    currency: str
    owner_id: UUID | None = None

    def __post_init__(self) -> None:
        if (self.kind in CREATOR_ACCOUNTS) != (self.owner_id is not None):
            raise ValueError("A creator's account has an owner, the platform's own have none.")

    @property
    def id(self) -> UUID:
        """The account's id, the same wherever it is reckoned."""
        return _account_id(f"{self.kind.value}:{self.currency}:{self.owner_id or ''}")


@lru_cache(maxsize=4_096)
def _account_id(name: str) -> UUID:
    return uuid5(_ACCOUNTS, name)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one account gains (above zero) or gives (below zero)."""

    account: Account
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Posting:
    """Why money moves, about what, and what each account gains or gives: balanced, in one currency."""

    key: str
    kind: PostingKind
    entries: tuple[Entry, ...]
    occurred_at: datetime
    creator_id: UUID | None = None
    character_id: UUID | None = None
    purchase_id: UUID | None = None
    payout_id: UUID | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if sum(entry.amount_minor for entry in self.entries) != 0:
            raise ValueError(f"The posting {self.key} does not balance.")
        if len({entry.account.currency for entry in self.entries}) != 1:
            raise ValueError(f"The posting {self.key} mixes currencies.")

    @property
    def currency(self) -> str:
        """The one currency of all entries."""
        return self.entries[0].account.currency


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed at a sale: the bookkeeping of everything that follows starts from it."""

    purchase_id: UUID
    creator_id: UUID
    character_id: UUID
    currency: str
    price_minor: int
    fee_minor: int

    def __post_init__(self) -> None:
        if not 0 <= self.fee_minor <= self.price_minor:
            raise ValueError("A fee is part of its price.")

    @property
    def net_minor(self) -> int:
        """What the creator gets."""
        return self.price_minor - self.fee_minor


def fee_of(price_minor: int, *, fee_bps: int) -> int:
    """The platform's share of a price, rounded down: of 1 cent at 15 % it is nothing, and the creator gets the cent."""
    if price_minor < 0 or not 0 <= fee_bps <= BASIS_POINTS:
        raise ValueError("A price is not negative, and a fee is between nothing and all of it.")
    return price_minor * fee_bps // BASIS_POINTS


def sale(terms: Terms, *, at: datetime) -> Posting | None:
    """The provider holds the price; the creator's part waits for the end of the hold, the fee is revenue. Free moves nothing."""
    return _of_purchase(PostingKind.SALE, terms, _shares(terms, AccountKind.CREATOR_PENDING), at=at)


def release(terms: Terms, *, at: datetime) -> Posting | None:
    """The hold is over: the creator's part can be paid out."""
    moved = {_pending(terms): -terms.net_minor, _available(terms): terms.net_minor}
    return _of_purchase(PostingKind.RELEASE, terms, moved, at=at)


def refund(terms: Terms, *, is_released: bool, at: datetime) -> Posting | None:
    """The buyer has the price back; the creator's part and the fee go with it, below zero where it was paid out already."""
    return _of_purchase(PostingKind.REFUND, terms, _negated(_shares(terms, _where(is_released))), at=at)


def dispute(terms: Terms, *, is_released: bool, at: datetime, times: int = 1) -> Posting | None:
    """The buyer's bank took the price back for as long as it looks; entries as of a refund."""
    shares = _negated(_shares(terms, _where(is_released)))
    return _of_purchase(PostingKind.DISPUTE, terms, shares, at=at, times=times)


def dispute_reversal(terms: Terms, *, is_released: bool, at: datetime, times: int = 1) -> Posting | None:
    """The dispute was won: everything is where it was before it."""
    return _of_purchase(PostingKind.DISPUTE_REVERSAL, terms, _shares(terms, _where(is_released)), at=at, times=times)


def dispute_fee(terms: Terms, *, fee: Money, at: datetime, times: int = 1) -> Posting | None:
    """What the provider charged for the dispute, in the currency it charged; the platform bears it, not the creator."""
    moved = {
        Account(AccountKind.PROVIDER, fee.currency): fee.minor,
        Account(AccountKind.PROVIDER_FEES, fee.currency): -fee.minor,
    }
    return _of_purchase(PostingKind.DISPUTE_FEE, terms, moved, at=at, times=times)


def payout(*, payout_id: UUID, creator_id: UUID, currency: str, amount_minor: int, at: datetime) -> Posting:
    """What was available is on its way."""
    moved = {
        Account(AccountKind.CREATOR_AVAILABLE, currency, creator_id): -amount_minor,
        Account(AccountKind.PAYOUTS_IN_TRANSIT, currency): amount_minor,
    }
    return _of_payout(PostingKind.PAYOUT, moved, payout_id=payout_id, creator_id=creator_id, at=at)


def payout_settlement(*, payout_id: UUID, creator_id: UUID, currency: str, amount_minor: int, at: datetime) -> Posting:
    """The creator has the money: the provider holds that much less."""
    moved = {
        Account(AccountKind.PAYOUTS_IN_TRANSIT, currency): -amount_minor,
        Account(AccountKind.PROVIDER, currency): amount_minor,
    }
    return _of_payout(PostingKind.PAYOUT_SETTLEMENT, moved, payout_id=payout_id, creator_id=creator_id, at=at)


def payout_reversal(*, payout_id: UUID, creator_id: UUID, currency: str, amount_minor: int, at: datetime) -> Posting:
    """The payout failed or was cancelled: the money is available again."""
    moved = {
        Account(AccountKind.PAYOUTS_IN_TRANSIT, currency): -amount_minor,
        Account(AccountKind.CREATOR_AVAILABLE, currency, creator_id): amount_minor,
    }
    return _of_payout(PostingKind.PAYOUT_REVERSAL, moved, payout_id=payout_id, creator_id=creator_id, at=at)


def correction(
    *,
    key: str,
    creator_id: UUID,
    character_id: UUID | None,
    currency: str,
    amount_minor: int,
    note: str,
    at: datetime,
    purchase_id: UUID | None = None,
) -> Posting:
    """Staff put something right: the creator gains `amount_minor` (or gives, below zero), the platform bears it."""
    return Posting(
        key=f"correction:{key}",
        kind=PostingKind.CORRECTION,
        entries=_entries(
            {
                Account(AccountKind.PLATFORM_REVENUE, currency): -amount_minor,
                Account(AccountKind.CREATOR_AVAILABLE, currency, creator_id): amount_minor,
            }
        ),
        occurred_at=at,
        creator_id=creator_id,
        character_id=character_id,
        purchase_id=purchase_id,
        note=note,
    )


def _of_purchase(
    kind: PostingKind, terms: Terms, moved: dict[Account, int], *, at: datetime, times: int = 1
) -> Posting | None:
    entries = _entries(moved)
    if not entries:
        return None
    # A purchase is sold, released and refunded once; only disputes may come again.
    again = f":{times}" if times > 1 else ""
    return Posting(
        key=f"{kind.value}:{terms.purchase_id}{again}",
        kind=kind,
        entries=entries,
        occurred_at=at,
        creator_id=terms.creator_id,
        character_id=terms.character_id,
        purchase_id=terms.purchase_id,
    )


def _of_payout(
    kind: PostingKind, moved: dict[Account, int], *, payout_id: UUID, creator_id: UUID, at: datetime
) -> Posting:
    return Posting(
        key=f"{kind.value}:{payout_id}",
        kind=kind,
        entries=_entries(moved),
        occurred_at=at,
        creator_id=creator_id,
        payout_id=payout_id,
    )


def _shares(terms: Terms, creator_account: AccountKind) -> dict[Account, int]:
    return {
        Account(AccountKind.PROVIDER, terms.currency): -terms.price_minor,
        Account(creator_account, terms.currency, terms.creator_id): terms.net_minor,
        Account(AccountKind.PLATFORM_REVENUE, terms.currency): terms.fee_minor,
    }


def _where(is_released: bool) -> AccountKind:  # noqa: FBT001 - Read at its two calls with its name.
    return AccountKind.CREATOR_AVAILABLE if is_released else AccountKind.CREATOR_PENDING


def _pending(terms: Terms) -> Account:
    return Account(AccountKind.CREATOR_PENDING, terms.currency, terms.creator_id)


def _available(terms: Terms) -> Account:
    return Account(AccountKind.CREATOR_AVAILABLE, terms.currency, terms.creator_id)


def _negated(moved: dict[Account, int]) -> dict[Account, int]:
    return {account: -amount for account, amount in moved.items()}


def _entries(moved: dict[Account, int]) -> tuple[Entry, ...]:
    return tuple(Entry(account, amount) for account, amount in moved.items() if amount)


def balances(postings: Iterable[Posting]) -> dict[Account, int]:
    """What each account holds after `postings`: the naive way, for tests and checks."""
    held: dict[Account, int] = {}
    for posting in postings:
        for entry in posting.entries:
            held[entry.account] = held.get(entry.account, 0) + entry.amount_minor
    return held
