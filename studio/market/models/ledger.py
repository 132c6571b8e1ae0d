"""The ledger: accounts, postings and their entries, in whole minor units, append-only, each posting summing to zero."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, refers_to, stored

KEY_LENGTH = 200


class AccountKind(StrEnum):
    """Whose money an account counts. What it owes or earned is a credit (above zero), what it holds or spent a debit."""

    PROVIDER = "provider"
    """What the payment provider holds for the studio: a debit balance."""
    PROVIDER_FEES = "provider_fees"
    """What the provider kept for disputes: a debit balance."""
    PLATFORM_REVENUE = "platform_revenue"
    """The platform's fees: a credit balance."""
    CREATOR_PENDING = "creator_pending"
    """What a creator earned and the hold still keeps back: a credit balance."""
    CREATOR_AVAILABLE = "creator_available"
    """What a creator can be paid: a credit balance, below zero where refunds followed a payout."""
    PAYOUTS_IN_TRANSIT = "payouts_in_transit"
    """What is on its way to creators: a credit balance."""


CREATOR_ACCOUNTS = frozenset({AccountKind.CREATOR_PENDING, AccountKind.CREATOR_AVAILABLE})
"""The accounts that belong to one person."""


class PostingKind(StrEnum):
    """Why money moved."""

    SALE = "sale"
    RELEASE = "release"
    REFUND = "refund"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    DISPUTE_FEE = "dispute_fee"
    PAYOUT = "payout"
    PAYOUT_REVERSAL = "payout_reversal"
    PAYOUT_SETTLEMENT = "payout_settlement"
    CORRECTION = "correction"


class LedgerAccount(Base):
    """One account in one currency; its id is reckoned from the three, so that nobody has to look for it."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_iso_4217"),
        # A creator's account has a creator, the platform's own have none.
        sa.CheckConstraint(
            "(kind IN ('creator_pending', 'creator_available')) = (owner_id IS NOT NULL)", name="creators_have_owners"
        ),
        # There is one account of a kind for each person and currency.
        sa.UniqueConstraint(
            "owner_id",
            "kind",
            "currency",
            name="uq_ledger_accounts_owner_id_kind_currency",
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[AccountKind] = mapped_column(stored(AccountKind, "kind"))
    owner_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT", index=False)
    currency: Mapped[str] = mapped_column(sa.CHAR(3))


class LedgerTransaction(Identified, Base):
    """One posting: why money moved, when, about what. Made complete in one statement and never changed."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        # What is posted twice under one key is posted once.
        sa.UniqueConstraint("key", name="uq_ledger_transactions_key"),
        sa.CheckConstraint(f"char_length(key) BETWEEN 1 AND {KEY_LENGTH}", name="key_length"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_iso_4217"),
        # Money comes from somewhere and goes somewhere.
        sa.CheckConstraint("entry_count BETWEEN 2 AND 20", name="has_two_entries_or_more"),
        # A character's posting is a creator's.
        sa.CheckConstraint("character_id IS NULL OR creator_id IS NOT NULL", name="character_goes_with_creator"),
        sa.Index("ix_ledger_transactions_creator_id_occurred_at", "creator_id", "occurred_at", "id"),
        sa.Index("ix_ledger_transactions_occurred_at_id", "occurred_at", "id"),
        sa.Index(
            "ix_ledger_transactions_purchase_id", "purchase_id", postgresql_where=sa.text("purchase_id IS NOT NULL")
        ),
        sa.Index("ix_ledger_transactions_payout_id", "payout_id", postgresql_where=sa.text("payout_id IS NOT NULL")),
        sa.Index(
            "ix_ledger_transactions_character_id", "character_id", postgresql_where=sa.text("character_id IS NOT NULL")
        ),
    )

    key: Mapped[str]
    kind: Mapped[PostingKind] = mapped_column(stored(PostingKind, "kind"))
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    entry_count: Mapped[int] = mapped_column(sa.SmallInteger)
    occurred_at: Mapped[datetime]
    creator_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT", index=False)
    character_id: Mapped[UUID | None] = refers_to("characters.id", ondelete="RESTRICT", index=False)
    purchase_id: Mapped[UUID | None] = refers_to("transactions.id", ondelete="RESTRICT", index=False)
    payout_id: Mapped[UUID | None] = refers_to("payouts.id", ondelete="RESTRICT", index=False)
    note: Mapped[str] = mapped_column(default="", server_default="")
    posted_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class LedgerEntry(Base):
    """What one account gains (above zero, a credit) or gives (below zero, a debit) in one posting."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        # An entry that moves nothing says nothing, and no single one moves more than a bank does.
        sa.CheckConstraint(
            "amount_minor <> 0 AND abs(amount_minor) <= 1000000000000000", name="amount_moves_something"
        ),
        sa.Index("ix_ledger_entries_account_id", "account_id", postgresql_include=["amount_minor"]),
    )

    transaction_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("ledger_transactions.id", ondelete="RESTRICT"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    account_id: Mapped[UUID] = refers_to("ledger_accounts.id", ondelete="RESTRICT", index=False)
    amount_minor: Mapped[int] = mapped_column(sa.BigInteger)


class LedgerBalance(Base):
    """What one account had up to `LedgerBroughtForward.until`, by the payment provider whose sales and payouts it came from.

    PostgreSQL alone writes it: `bring_ledger_forward` adds what became old enough, `check_entries` what comes too late.
    `ledger_standing` adds what was posted since.
    """

    __tablename__ = "ledger_balances"
    __table_args__ = (sa.CheckConstraint("debit_minor >= 0 AND credit_minor >= 0", name="sums_are_not_negative"),)

    account_id: Mapped[UUID] = refers_to("ledger_accounts.id", ondelete="RESTRICT", index=False, primary_key=True)
    # Empty for what belongs to no sale and no payout.
    provider: Mapped[str] = mapped_column(primary_key=True)
    debit_minor: Mapped[int] = mapped_column(sa.BigInteger)
    credit_minor: Mapped[int] = mapped_column(sa.BigInteger)


class LedgerBroughtForward(Base):
    """The one row that says up to when (exclusively) postings are in `LedgerBalance`."""

    __tablename__ = "ledger_brought_forward"
    __table_args__ = (sa.CheckConstraint("is_the_only_one", name="there_is_one"),)

    is_the_only_one: Mapped[bool] = mapped_column(primary_key=True, default=True)
    until: Mapped[datetime]
