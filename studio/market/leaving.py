"""Leaving the market for good: what keeps a person from it, and taking all that they offer off it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.kit.money import Money
from studio.market.catalogue import listings, publishing, transitions
from studio.market.catalogue.transitions import Step
from studio.market.models import (
    OPEN_PAYOUTS,
    CharacterPublication,
    Payout,
    PayoutAccount,
    Purchase,
    PurchaseStatus,
    UndoneReason,
)
from studio.market.money import ledger
from studio.market.money.policy import Policy


@dataclass(frozen=True, slots=True)
class Blocker:
    """What keeps a person from leaving, as a sentence with its values that says what to do next.

    `is_small` is what an admin may decide to let be.
    """

    sentence: str
    params: Mapping[str, object] = field(default_factory=dict)
    is_small: bool = False


def blockers_of(session: Session, *, user_id: UUID, policy: Policy) -> list[Blocker]:
    """Everything about money that is not over for this person, as a creator and as a buyer; none where all is."""
    return [
        *_payouts(session, user_id),
        *_sales(session, user_id),
        *_earnings(session, user_id, policy),
        *_purchases(session, user_id),
    ]


def take_all_off(session: Session, *, actor: Actor, user_id: UUID, now: datetime) -> int:
    """Nothing of the person's is on the market or on its way there; returns how many listings that were. May be repeated.

    Whoever begins to buy one at this moment was first, and `blockers_of` then says so, or finds it gone.
    """
    offered = (
        *transitions.STEPS[Step.UNLIST],
        *transitions.STEPS[Step.WITHDRAW],
    )
    found = session.execute(
        sa.select(CharacterPublication.id, CharacterPublication.character_id)
        .where(CharacterPublication.publisher_id == user_id, CharacterPublication.status.in_(offered))
        # The order in which others lock characters, so that nobody waits in a circle.
        .order_by(CharacterPublication.character_id, CharacterPublication.id)
    ).all()
    gone = 0
    for publication_id, character_id in found:
        listings.lock_character(session, character_id)
        publication = listings.lock(session, publication_id)
        before = publication.status.value
        if transitions.can(publication, Step.UNLIST):
            transitions.apply(publication, Step.UNLIST, now=now)
            session.flush()
            publishing.show_character(session, character_id=character_id, live=None)
            listings.audit_status(session, actor=actor, action="listing.unlist", publication=publication, before=before)
        elif transitions.can(publication, Step.WITHDRAW):
            listings.take_back(session, publication, why=UndoneReason.WITHDRAWN, by_id=actor.user_id, now=now)
            listings.audit_status(
                session, actor=actor, action="listing.withdraw", publication=publication, before=before
            )
        else:
            continue
        gone += 1
    session.flush()
    return gone


def forget_destination(session: Session, *, user_id: UUID) -> None:
    """Where the person's payouts went is known by the payouts alone. May be repeated."""
    session.execute(sa.delete(PayoutAccount).where(PayoutAccount.user_id == user_id))


def _payouts(session: Session, user_id: UUID) -> Sequence[Blocker]:
    rows = session.execute(
        sa.select(Payout.amount_minor, Payout.currency)
        .where(Payout.creator_id == user_id, Payout.status.in_(OPEN_PAYOUTS))
        .order_by(Payout.id)
        .limit(20)
    )
    sentence = "A payout of %(amount)s is under way. Wait until it has arrived, or until staff have called it off."
    return [Blocker(sentence, {"amount": _told(amount, currency)}) for amount, currency in rows]


def _sales(session: Session, user_id: UUID) -> Sequence[Blocker]:
    open_, disputed, refunding = session.execute(
        sa.select(
            sa.func.count().filter(Purchase.status == PurchaseStatus.PENDING),
            sa.func.count().filter(Purchase.status == PurchaseStatus.DISPUTED),
            sa.func.count().filter(_is_being_refunded()),
        ).where(Purchase.creator_id == user_id)
    ).one()
    found = []
    if open_:
        found.append(Blocker("Somebody is paying for one of the characters at this moment. Try again in an hour."))
    if disputed:
        found.append(
            Blocker(
                "Buyers dispute their payments (%(count)s). Wait until that is decided.",
                {"count": disputed},
            )
        )
    if refunding:
        found.append(Blocker("Refunds to buyers are under way (%(count)s). Try again later.", {"count": refunding}))
    return found


def _earnings(session: Session, user_id: UUID, policy: Policy) -> Sequence[Blocker]:
    found = []
    for currency, held in ledger.balances_of(session, creator_id=user_id).items():
        if held.pending_minor:
            found.append(
                Blocker(
                    "%(amount)s of earnings are still held back, in case buyers want their money again. Wait until they are "
                    "free, and have them paid out.",
                    {"amount": _told(held.pending_minor, currency)},
                )
            )
        least = policy.minimum(currency)
        if held.available_minor >= least:
            found.append(
                Blocker(
                    "%(amount)s of earnings are not paid out. Say under “Earnings” where payouts go, and ask the staff for "
                    "the payout.",
                    {"amount": _told(held.available_minor, currency)},
                )
            )
        elif held.available_minor > 0:
            found.append(
                Blocker(
                    "%(amount)s of earnings are not paid out: that is less than the least payout of %(least)s. An admin can "
                    "close the account all the same; the money then stays in the studio's books.",
                    {"amount": _told(held.available_minor, currency), "least": _told(least, currency)},
                    is_small=True,
                )
            )
        elif held.available_minor < 0:
            found.append(
                Blocker(
                    "Refunds took %(amount)s more than there were earnings. Settle that with the staff; an admin can then "
                    "close the account.",
                    {"amount": _told(-held.available_minor, currency)},
                    is_small=True,
                )
            )
    return found


def _purchases(session: Session, user_id: UUID) -> Sequence[Blocker]:
    open_, disputed, refunding = session.execute(
        sa.select(
            sa.func.count().filter(Purchase.status == PurchaseStatus.PENDING),
            sa.func.count().filter(Purchase.status == PurchaseStatus.DISPUTED),
            sa.func.count().filter(_is_being_refunded()),
        ).where(Purchase.buyer_id == user_id)
    ).one()
    found = []
    if open_:
        found.append(
            Blocker("A purchase is not paid yet. Cancel it under “Purchases”, or wait an hour until it ends by itself.")
        )
    if disputed:
        found.append(Blocker("A payment of this person's is disputed. Wait until that is decided."))
    if refunding:
        found.append(Blocker("A refund to this person is under way. Wait until it has arrived."))
    return found


def _is_being_refunded() -> sa.ColumnElement[bool]:
    return sa.and_(Purchase.status == PurchaseStatus.PAID, Purchase.refund_asked_at.is_not(None))


def _told(minor: int, currency: str) -> Money:
    return Money(minor, currency)
