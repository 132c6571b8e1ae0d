"""What was earned over time and with which character, for creators about themselves and for staff about the platform."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import Character
from studio.market.models import (
    CREATOR_ACCOUNTS,
    AccountKind,
    CharacterDownload,
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    PaymentEvent,
    Payout,
    PayoutStatus,
    PostingKind,
    Purchase,
)
from studio.market.money import queries
from studio.market.money.statements import EARNING

_MOST_MONTHS = 36
_MOST_EXCEPTIONS = 100
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Month:
    """What one month brought in one currency."""

    begins_at: datetime
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CharacterEarnings:
    """What one character brought in one currency."""

    character_id: UUID
    name: str
    sales: int
    refunds: int
    disputes: int
    """Disputes that were not won."""
    gross_minor: int
    fee_minor: int
    """The platform's share of the sales; corrections are beside it."""
    corrected_minor: int
    net_minor: int
    """Sales less the fee, with corrections."""
    downloads: int


@dataclass(frozen=True, slots=True)
class Flow:
    """What the platform took in one currency since a moment."""

    currency: str
    gross_minor: int
    revenue_minor: int
    dispute_fees_minor: int


def by_month(session: Session, *, creator_id: UUID, currency: str, since: datetime) -> list[Month]:
    """A creator's net earnings by month, UTC, oldest first; months without any are left out."""
    month = sa.func.date_trunc("month", LedgerTransaction.occurred_at, "UTC")
    rows = session.execute(
        sa.select(month, sa.func.sum(LedgerEntry.amount_minor))
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTransaction.creator_id == creator_id,
            LedgerTransaction.currency == currency,
            LedgerTransaction.kind.in_(EARNING),
            LedgerTransaction.occurred_at >= since,
            LedgerAccount.kind.in_(CREATOR_ACCOUNTS),
        )
        .group_by(month)
        .order_by(month)
        .limit(_MOST_MONTHS)
    )
    return [Month(at, int(amount)) for at, amount in rows]


def by_character(
    session: Session, *, creator_id: UUID, currency: str, since: datetime, limit: int = 50
) -> list[CharacterEarnings]:
    """What each of a creator's characters brought since a moment, most first."""
    amount = LedgerEntry.amount_minor
    net = sa.func.coalesce(sa.func.sum(amount).filter(LedgerAccount.kind.in_(CREATOR_ACCOUNTS)), 0)
    is_correction = LedgerTransaction.kind == PostingKind.CORRECTION
    is_fee = sa.and_(LedgerAccount.kind == AccountKind.PLATFORM_REVENUE, ~is_correction)
    fee = sa.func.coalesce(sa.func.sum(amount).filter(is_fee), 0)
    # The platform bears a correction: what its creator gained, its revenue lost.
    is_corrected = sa.and_(LedgerAccount.kind.in_(CREATOR_ACCOUNTS), is_correction)
    corrected = sa.func.coalesce(sa.func.sum(amount).filter(is_corrected), 0)

    def counted(kind: PostingKind) -> sa.ColumnElement[int]:
        return sa.func.count(sa.distinct(LedgerTransaction.id)).filter(LedgerTransaction.kind == kind)

    disputes = counted(PostingKind.DISPUTE) - counted(PostingKind.DISPUTE_REVERSAL)
    counts = (counted(PostingKind.SALE), counted(PostingKind.REFUND), disputes)
    fetched = (
        sa.select(sa.func.count())
        .where(
            CharacterDownload.character_id == Character.id,
            CharacterDownload.currency == currency,
            CharacterDownload.downloaded_at >= since,
        )
        .correlate(Character)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Character.id, Character.name, *counts, fee, corrected, net, fetched)
        .join(LedgerTransaction, LedgerTransaction.character_id == Character.id)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTransaction.creator_id == creator_id,
            LedgerTransaction.currency == currency,
            LedgerTransaction.kind.in_(EARNING),
            LedgerTransaction.occurred_at >= since,
        )
        .group_by(Character.id)
        .order_by(net.desc(), Character.id)
        .limit(limit)
    )
    return [
        CharacterEarnings(
            character_id=character_id,
            name=name,
            sales=sales,
            refunds=refunds,
            disputes=disputed,
            gross_minor=int(net_) - int(corrected_) + int(fee_),
            fee_minor=int(fee_),
            corrected_minor=int(corrected_),
            net_minor=int(net_),
            downloads=downloads,
        )
        for character_id, name, sales, refunds, disputed, fee_, corrected_, net_, downloads in rows
    ]


def flows(session: Session, *, actor: Actor, since: datetime) -> list[Flow]:
    """What was sold, and what the platform kept and paid for disputes, by currency since a moment."""
    actor.must(Permission.MONEY_READ_ANY)
    amount = LedgerEntry.amount_minor

    def of(kind: AccountKind, kinds: Sequence[PostingKind]) -> sa.ColumnElement[int]:
        chosen = sa.and_(LedgerAccount.kind == kind, LedgerTransaction.kind.in_(kinds))
        return sa.func.coalesce(sa.func.sum(amount).filter(chosen), 0)

    rows = session.execute(
        sa.select(
            LedgerTransaction.currency,
            -of(AccountKind.PROVIDER, EARNING),
            of(AccountKind.PLATFORM_REVENUE, EARNING),
            -of(AccountKind.PROVIDER_FEES, [PostingKind.DISPUTE_FEE]),
        )
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(LedgerTransaction.occurred_at >= since)
        .group_by(LedgerTransaction.currency)
        .order_by(LedgerTransaction.currency)
    )
    return [Flow(currency, int(gross), int(revenue), int(fees)) for currency, gross, revenue, fees in rows]


def revenue_by_month(session: Session, *, actor: Actor, currency: str, since: datetime) -> list[Month]:
    """The platform's revenue by month, UTC, oldest first."""
    actor.must(Permission.MONEY_READ_ANY)
    month = sa.func.date_trunc("month", LedgerTransaction.occurred_at, "UTC")
    rows = session.execute(
        sa.select(month, sa.func.sum(LedgerEntry.amount_minor))
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTransaction.currency == currency,
            LedgerTransaction.occurred_at >= since,
            LedgerAccount.kind == AccountKind.PLATFORM_REVENUE,
        )
        .group_by(month)
        .order_by(month)
        .limit(_MOST_MONTHS)
    )
    return [Month(at, int(amount)) for at, amount in rows]


def payouts_by_status(session: Session, *, actor: Actor, since: datetime) -> list[tuple[PayoutStatus, str, int, int]]:
    """How many payouts stand where, by currency, and what they come to; those over before `since` are left out."""
    actor.must(Permission.MONEY_READ_ANY)
    rows = session.execute(
        sa.select(Payout.status, Payout.currency, sa.func.count(), sa.func.sum(Payout.amount_minor))
        .where(Payout.created_at >= since)
        .group_by(Payout.status, Payout.currency)
        .order_by(Payout.status, Payout.currency)
    )
    return [(status, currency, count, int(amount)) for status, currency, count, amount in rows]


def count_exceptions(session: Session, *, actor: Actor, stuck_before: datetime) -> int:
    """How much of money needs a person: payouts in trouble, open disputes, refunds that do not come, and what providers asked."""
    actor.must(Permission.MONEY_READ_ANY)
    listed = (
        sa.select(Payout.id).where(_is_troubled(stuck_before)).limit(_MOST_EXCEPTIONS),
        queries.disputed().with_only_columns(Purchase.id).limit(_MOST_EXCEPTIONS),
        queries.questions().with_only_columns(PaymentEvent.event_id).limit(_MOST_EXCEPTIONS),
        queries.stuck_refunds(stuck_before).with_only_columns(Purchase.id).limit(_MOST_EXCEPTIONS),
    )
    counts = (sa.select(sa.func.count()).select_from(one.subquery()).scalar_subquery() for one in listed)
    return sum(session.execute(sa.select(*counts)).one())


def troubled_payouts(session: Session, *, actor: Actor, stuck_before: datetime, limit: int = 20) -> list[Payout]:
    """Payouts that a person must look at: held, failed of late and not paid since, or waiting or on their way for too long."""
    actor.must(Permission.MONEY_READ_ANY)
    newest_first = (Payout.created_at.desc(), Payout.id.desc())
    query = sa.select(Payout).where(_is_troubled(stuck_before)).order_by(*newest_first).limit(limit)
    return list(session.scalars(query))


def _is_troubled(stuck_before: datetime) -> sa.ColumnElement[bool]:
    is_stuck = sa.or_(
        sa.and_(Payout.status == PayoutStatus.PENDING, Payout.created_at < stuck_before),
        sa.and_(Payout.status == PayoutStatus.PROCESSING, Payout.started_at < stuck_before),
    )
    later = aliased(Payout)
    # What failed is available again, and a later batch pays it with the rest.
    was_paid_since = sa.exists().where(
        later.creator_id == Payout.creator_id,
        later.currency == Payout.currency,
        later.created_at >= Payout.created_at,
        later.status == PayoutStatus.PAID,
    )
    is_fresh_failure = sa.and_(
        Payout.status == PayoutStatus.FAILED, Payout.ended_at > stuck_before - _WEEK, ~was_paid_since
    )
    return sa.or_(Payout.status == PayoutStatus.HELD, is_stuck, is_fresh_failure)
