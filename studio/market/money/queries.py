"""Reads of purchases, downloads, payouts and statements, and who may see which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import NotFoundError
from studio.market.models import (
    CLOSED,
    HELD,
    CharacterDownload,
    CharacterPublication,
    CreatorEarnings,
    EventOutcome,
    LicenseType,
    MoneyCheck,
    PaymentEvent,
    Payout,
    Purchase,
    PurchaseStatus,
)
from studio.providers.payments import EventKind
from studio.work.models import JobRun
from studio.work.queries import OPEN

REFUND_JOB = "money.refund_purchase"
"""The job that has the provider give the money of one purchase back."""
_MOST_VERSIONS = 50
_MOST_PENDING = 50
_MOST_QUESTIONS = 20


def purchase_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff see every purchase; anybody else what they bought themselves (a creator sees sales without their buyers)."""
    if actor.may(Permission.MONEY_READ_ANY):
        return sa.true()
    return purchase_of(actor)


def purchase_of(actor: Actor) -> sa.ColumnElement[bool]:
    """What the actor bought."""
    if not actor.may(Permission.PURCHASE_READ_OWN) or actor.user_id is None:
        return sa.false()
    return Purchase.buyer_id == actor.user_id


def statement_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff see every statement; a creator their own."""
    if actor.may(Permission.MONEY_READ_ANY):
        return sa.true()
    if not actor.may(Permission.EARNINGS_READ_OWN) or actor.user_id is None:
        return sa.false()
    return CreatorEarnings.creator_id == actor.user_id


def payout_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Staff see every payout; a creator their own."""
    if actor.may(Permission.MONEY_READ_ANY):
        return sa.true()
    if not actor.may(Permission.EARNINGS_READ_OWN) or actor.user_id is None:
        return sa.false()
    return Payout.creator_id == actor.user_id


def get_purchase(session: Session, *, actor: Actor, purchase_id: UUID) -> Purchase:
    """The purchase, if the actor may see it; raises NotFoundError."""
    return _one(session, purchase_visible_to(actor), purchase_id, lock=False)


def get_own_purchase(session: Session, *, actor: Actor, purchase_id: UUID, lock: bool = False) -> Purchase:
    """The purchase, if the actor is its buyer, locked where asked; raises NotFoundError."""
    return _one(session, purchase_of(actor), purchase_id, lock=lock)


def find_held(session: Session, *, actor: Actor, character_id: UUID) -> Purchase | None:
    """The purchase by which the actor holds, or is getting, a licence for a character."""
    return session.scalar(
        sa.select(Purchase).where(
            purchase_of(actor),
            Purchase.character_id == character_id,
            Purchase.status.in_([PurchaseStatus.PENDING, *HELD]),
        )
    )


class Taken(StrEnum):
    """How somebody else has what another person cannot buy for that."""

    RESERVED = "reserved"
    """They are paying for it just now; if they don't, it is free again within half an hour."""
    SOLD = "sold"
    """They have it, and keep it."""


def taken(session: Session, publication: CharacterPublication, *, buyer_id: UUID | None, now: datetime) -> Taken | None:
    """Whether somebody else's purchase keeps the buyer from this offer, as `begin` would find. Nothing is locked."""
    is_open = sa.and_(Purchase.status == PurchaseStatus.PENDING, Purchase.expires_at > now)
    query = sa.select(Purchase.status, Purchase.license_type).where(
        Purchase.character_id == publication.character_id,
        Purchase.buyer_id != buyer_id,
        sa.or_(Purchase.status.in_(HELD), is_open),
    )
    if publication.license_type is not LicenseType.EXCLUSIVE:
        query = query.where(Purchase.license_type == LicenseType.EXCLUSIVE)
    # What is held before what only waits.
    found = session.execute(query.order_by(Purchase.status == PurchaseStatus.PENDING).limit(1)).first()
    if found is None:
        return None
    return Taken.RESERVED if found.status is PurchaseStatus.PENDING else Taken.SOLD


def is_sold_exclusively(session: Session, *, character_id: UUID) -> bool:
    """Whether one person has the character alone, so that it can be offered to nobody else."""
    held = sa.select(sa.literal(1)).where(
        Purchase.character_id == character_id,
        Purchase.license_type == LicenseType.EXCLUSIVE,
        Purchase.status.in_(HELD),
    )
    return session.scalar(held.limit(1)) is not None


def list_versions_held(session: Session, *, purchase: Purchase) -> Sequence[tuple[int, datetime]]:
    """Versions that a licence covers, newest first, and when each went live: the newest fifty, and always the one bought."""
    newest = _versions_held(purchase).order_by(CharacterPublication.version_number.desc()).limit(_MOST_VERSIONS)
    found = [(number, at) for number, at in session.execute(newest) if at is not None]
    if purchase.version_number not in dict(found):
        bought = _versions_held(purchase).where(CharacterPublication.version_number == purchase.version_number)
        found += [(number, at) for number, at in session.execute(bought) if at is not None]
    return found


def is_version_held(session: Session, *, purchase: Purchase, version_number: int) -> bool:
    """Whether a licence covers the version: all that ever were on the market, however many came after it."""
    one = _versions_held(purchase).where(CharacterPublication.version_number == version_number)
    return session.execute(one).first() is not None


def _versions_held(purchase: Purchase) -> sa.Select[int, datetime | None]:
    return (
        sa.select(CharacterPublication.version_number, sa.func.max(CharacterPublication.published_at))
        .where(
            CharacterPublication.character_id == purchase.character_id, CharacterPublication.published_at.is_not(None)
        )
        .group_by(CharacterPublication.version_number)
    )


def list_downloads(session: Session, *, purchase: Purchase) -> list[CharacterDownload]:
    """The proof of each version of a purchase's character that its buyer fetched, under it or one before it."""
    newest = (
        sa.select(CharacterDownload)
        .where(
            CharacterDownload.character_id == purchase.character_id,
            CharacterDownload.user_id == purchase.buyer_id,
        )
        .order_by(CharacterDownload.version_number.desc())
        .limit(_MOST_VERSIONS + 1)
    )
    return list(session.scalars(newest))


@dataclass(frozen=True, slots=True)
class Pending:
    """What becomes available at the end of one day, in one currency."""

    available_at: datetime
    currency: str
    net_minor: int
    sales: int


def list_pending(session: Session, *, creator_id: UUID, currency: str) -> list[Pending]:
    """What a creator's holds keep back in one currency, by the day on which it becomes available."""
    day = sa.func.date_trunc("day", Purchase.available_at, "UTC")
    rows = session.execute(
        sa.select(day, Purchase.currency, sa.func.sum(Purchase.price_minor - Purchase.fee_minor), sa.func.count())
        .where(
            Purchase.creator_id == creator_id,
            Purchase.currency == currency,
            Purchase.status == PurchaseStatus.PAID,
            Purchase.released_at.is_(None),
            Purchase.price_minor > 0,
        )
        .group_by(day, Purchase.currency)
        .order_by(day)
        .limit(_MOST_PENDING)
    )
    return [Pending(at, currency, int(net), sales) for at, currency, net, sales in rows]


def last_check(session: Session) -> MoneyCheck | None:
    """What the checks of all money found last."""
    return session.scalar(sa.select(MoneyCheck).order_by(MoneyCheck.checked_at.desc(), MoneyCheck.id.desc()).limit(1))


def list_questions(session: Session, *, limit: int = 50) -> list[PaymentEvent]:
    """What providers told that a person must look at, newest first."""
    newest_first = (PaymentEvent.received_at.desc(), PaymentEvent.event_id)
    return list(session.scalars(questions().order_by(*newest_first).limit(limit)))


def questions() -> sa.Select[PaymentEvent]:
    """What providers told that a person must look at, until staff settled it; what came too late goes when it is given back."""
    # Of another amount than the price, nobody knows what was given back.
    given_back = sa.and_(
        PaymentEvent.kind == EventKind.PAID.value,
        Purchase.status == PurchaseStatus.REFUNDED,
        PaymentEvent.facts["amount_minor"].as_integer() == Purchase.price_minor,
    )
    return (
        sa.select(PaymentEvent)
        .outerjoin(Purchase, Purchase.id == PaymentEvent.purchase_id)
        .where(
            PaymentEvent.outcome == EventOutcome.PROBLEM,
            PaymentEvent.settled_at.is_(None),
            given_back.is_not(True),
        )
    )


def questions_of(session: Session, *, purchase_id: UUID) -> Sequence[PaymentEvent]:
    """What a provider told of one purchase that a person had to look at, settled or not, newest first."""
    return session.scalars(
        sa.select(PaymentEvent)
        .where(PaymentEvent.purchase_id == purchase_id, PaymentEvent.outcome == EventOutcome.PROBLEM)
        .order_by(PaymentEvent.received_at.desc(), PaymentEvent.event_id)
        .limit(_MOST_QUESTIONS)
    ).all()


def list_disputes(session: Session, *, limit: int = 50) -> list[Purchase]:
    """Purchases that a bank is looking into, the oldest first: somebody must answer it."""
    return list(session.scalars(disputed().order_by(Purchase.disputed_at, Purchase.id).limit(limit)))


def disputed() -> sa.Select[Purchase]:
    """Purchases that a bank is looking into."""
    return sa.select(Purchase).where(Purchase.status == PurchaseStatus.DISPUTED)


def list_stuck_refunds(session: Session, *, stuck_before: datetime, limit: int = 50) -> list[Purchase]:
    """Purchases whose refund was asked for and does not come: nobody asks the provider any more, or for too long already."""
    oldest_first = (Purchase.refund_asked_at, Purchase.id)
    return list(session.scalars(stuck_refunds(stuck_before).order_by(*oldest_first).limit(limit)))


def stuck_refunds(stuck_before: datetime) -> sa.Select[Purchase]:
    """As `list_stuck_refunds`, all of them."""
    is_asked = sa.exists().where(
        JobRun.dedupe_key == sa.literal(f"{REFUND_JOB}:") + sa.cast(Purchase.id, sa.Text), JobRun.state.in_(OPEN)
    )
    return sa.select(Purchase).where(
        Purchase.refund_asked_at.is_not(None),
        Purchase.refunded_at.is_(None),
        Purchase.status.in_([PurchaseStatus.PAID, *CLOSED]),
        sa.or_(Purchase.refund_asked_at < stuck_before, ~is_asked),
    )


def last_refund_job(session: Session, *, purchase_id: UUID) -> JobRun | None:
    """The newest job that asked, or asks, a provider for the money of a purchase."""
    return session.scalar(
        sa.select(JobRun)
        .where(JobRun.about_type == "purchase", JobRun.about_id == purchase_id, JobRun.name == REFUND_JOB)
        .order_by(JobRun.created_at.desc(), JobRun.id.desc())
        .limit(1)
    )


def _one(session: Session, scope: sa.ColumnElement[bool], purchase_id: UUID, *, lock: bool) -> Purchase:
    query = sa.select(Purchase).where(scope, Purchase.id == purchase_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    purchase = session.scalar(query)
    if purchase is None:
        raise NotFoundError
    return purchase
