"""Payouts to creators, where they go, the closed statements of what creators earned, and what the checks of money found."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, RowVersioned, Timestamped, at_most, refers_to, stored

DESTINATION_LENGTH = 200


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HELD = "held"


OPEN_PAYOUTS = (PayoutStatus.PENDING, PayoutStatus.PROCESSING, PayoutStatus.HELD)
"""The statuses of a payout that is not over."""


class PayoutAccount(Timestamped, RowVersioned, Base):
    """Where a creator's money goes: the provider's own name for their account, never a card or a bank account."""

    __tablename__ = "payout_accounts"
    __table_args__ = (at_most("destination", DESTINATION_LENGTH),)

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="RESTRICT"), primary_key=True)
    provider: Mapped[str]
    destination: Mapped[str]


class Payout(Identified, Timestamped, RowVersioned, Base):
    """Money on its way to one creator in one currency."""

    __tablename__ = "payouts"
    __table_args__ = (
        # A batch pays a creator once in each currency, however often it is made.
        sa.UniqueConstraint("batch_key", "creator_id", "currency", name="uq_payouts_batch_key_creator_id_currency"),
        # Nobody has two payouts of one currency under way.
        sa.Index(
            "uq_payouts_creator_id_currency_open",
            "creator_id",
            "currency",
            unique=True,
            postgresql_where=sa.text("status IN ('pending', 'processing', 'held')"),
        ),
        sa.UniqueConstraint("provider", "provider_reference", name="uq_payouts_provider_provider_reference"),
        sa.CheckConstraint("amount_minor > 0", name="amount_is_positive"),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_iso_4217"),
        sa.CheckConstraint("(status = 'paid') = (paid_at IS NOT NULL)", name="paid_goes_with_paid_at"),
        sa.CheckConstraint("status <> 'paid' OR provider_reference IS NOT NULL", name="paid_has_a_reference"),
        sa.CheckConstraint(
            "(status IN ('failed', 'cancelled')) = (ended_at IS NOT NULL)", name="ended_goes_with_ended_at"
        ),
        sa.CheckConstraint(
            "status NOT IN ('processing', 'paid') OR started_at IS NOT NULL", name="processing_goes_with_started_at"
        ),
        sa.CheckConstraint("status <> 'pending' OR send_at IS NOT NULL", name="pending_has_its_moment"),
        # Until that moment it can be called off.
        sa.CheckConstraint("started_at >= send_at", name="sent_after_its_moment"),
        at_most("reason", 500),
        sa.Index("ix_payouts_creator_id_created_at_id", "creator_id", "created_at", "id"),
        sa.Index("ix_payouts_created_at_id", "created_at", "id"),
        sa.Index("ix_payouts_status_created_at", "status", "created_at"),
    )

    batch_key: Mapped[str]
    creator_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    amount_minor: Mapped[int] = mapped_column(sa.BigInteger)
    status: Mapped[PayoutStatus] = mapped_column(stored(PayoutStatus, "status"), default=PayoutStatus.PENDING)
    provider: Mapped[str]
    destination: Mapped[str] = mapped_column(default="", server_default="")
    provider_reference: Mapped[str | None]
    made_by_id: Mapped[UUID | None] = refers_to("users.id", ondelete="RESTRICT")
    send_at: Mapped[datetime | None]
    """When it is sent; it can be held and called off until then."""
    started_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="", server_default="")


class CreatorEarnings(Identified, Base):
    """A closed statement: what one creator earned with one character in one month and currency, and its hash.

    PostgreSQL refuses to change it: what turns out wrong is corrected in a later period.
    """

    __tablename__ = "creator_earnings"
    __table_args__ = (
        # A month is closed once.
        sa.UniqueConstraint(
            "creator_id",
            "period_start",
            "currency",
            "character_id",
            name="uq_creator_earnings_creator_id_period_currency_character",
        ),
        sa.CheckConstraint("period_start < period_end", name="period_begins_before_it_ends"),
        sa.CheckConstraint("net_minor = gross_minor - fee_minor", name="net_is_gross_less_fee"),
        sa.CheckConstraint("downloads >= 0 AND line_count > 0", name="counts_are_counts"),
        sa.CheckConstraint("content_hash ~ '^[0-9a-f]{64}$'", name="hash_is_sha256"),
        sa.Index("ix_creator_earnings_character_id", "character_id"),
        sa.Index("ix_creator_earnings_period_start_id", "period_start", "id"),
    )

    creator_id: Mapped[UUID] = refers_to("users.id", ondelete="RESTRICT", index=False)
    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="RESTRICT", index=False)
    character_name: Mapped[str]
    creator_name: Mapped[str]
    period_start: Mapped[date]
    period_end: Mapped[date]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    downloads: Mapped[int] = mapped_column(sa.BigInteger)
    line_count: Mapped[int] = mapped_column(sa.BigInteger)
    gross_minor: Mapped[int] = mapped_column(sa.BigInteger)
    fee_minor: Mapped[int] = mapped_column(sa.BigInteger)
    net_minor: Mapped[int] = mapped_column(sa.BigInteger)
    content_hash: Mapped[str]
    closed_at: Mapped[datetime]


class ClosedPeriod(Base):
    """A month into which nothing can be posted any more (a trigger refuses it), and whether its statements are made."""

    __tablename__ = "closed_periods"
    __table_args__ = (
        sa.CheckConstraint("period_start < period_end", name="period_begins_before_it_ends"),
        sa.CheckConstraint("(closed_at IS NULL) = (statement_count IS NULL)", name="closed_has_its_count"),
        sa.CheckConstraint("closed_at IS NULL OR closed_at >= sealed_at", name="closed_after_it_was_sealed"),
    )

    period_start: Mapped[date] = mapped_column(primary_key=True)
    period_end: Mapped[date]
    sealed_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    statement_count: Mapped[int | None] = mapped_column(sa.BigInteger)


class MoneyCheck(Identified, Base):
    """What one run of the checks over all money found; with findings it raises the alarm on staff's page."""

    __tablename__ = "money_checks"
    __table_args__ = (sa.Index("ix_money_checks_checked_at_id", "checked_at", "id"),)

    checked_at: Mapped[datetime]
    transaction_count: Mapped[int] = mapped_column(sa.BigInteger)
    finding_count: Mapped[int] = mapped_column(sa.BigInteger)
    # [{"check": "unbalanced", "about": "…", "message": "…"}], the first hundred.
    findings: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
