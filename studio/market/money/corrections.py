"""Corrections: staff put right what a sale brought its creator, by a posting of its own; what stands in the ledger stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError, InvalidError
from studio.kit.text import one_line, storable
from studio.market.models import AccountKind, LedgerAccount, LedgerEntry, LedgerTransaction, PostingKind, Purchase
from studio.market.money import bookkeeping, ledger, purchases, queries

REASON_LENGTH = 300
_TOGETHER = "With the corrections that were posted before, this comes to more than the price of the sale. Write a smaller amount."


class OwnCorrectionError(ForbiddenError):
    """Nobody gives themselves money."""

    def __init__(self) -> None:
        super().__init__("This is a sale of your own: somebody else has to correct it.")


class CorrectionInvalidError(InvalidError):
    """An amount or a reason that cannot be."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(next(iter(fields.values())), fields=fields)


@dataclass(frozen=True, slots=True)
class Correction:
    """One correction as its creator reads it; below zero they gave."""

    at: datetime
    currency: str
    amount_minor: int
    reason: str


def make(
    session: Session, *, actor: Actor, purchase_id: UUID, key: str, amount_minor: int, reason: str, now: datetime
) -> UUID | None:
    """The sale's creator has `amount_minor` more (below zero: less) at once, and the platform bears it; returns the posting.

    It counts in the month of `now`, and the creator reads the reason. All corrections of a sale come together to no more
    than its price, in either direction. The same `key` again posts nothing more. Raises ForbiddenError, NotFoundError,
    OwnCorrectionError for a sale of the actor's own, OtherPostingError where the key stands for another amount, or
    CorrectionInvalidError.
    """
    reason = storable(reason).strip()
    purchase = check(session, actor=actor, purchase_id=purchase_id, key=key, amount_minor=amount_minor, reason=reason)
    posting = bookkeeping.correction(
        key=f"{purchase.id}:{key}",
        creator_id=purchase.creator_id,
        character_id=purchase.character_id,
        purchase_id=purchase.id,
        currency=purchase.currency,
        amount_minor=amount_minor,
        note=reason,
        at=now,
    )
    is_known = session.scalar(sa.select(sa.exists().where(LedgerTransaction.key == posting.key)))
    made = ledger.post(session, posting)
    if not is_known:
        audit.record(
            session,
            actor=actor,
            action="purchase.correct",
            resource=purchases.RESOURCE,
            resource_id=purchase.id,
            after={"amount_minor": amount_minor, "currency": purchase.currency},
            reason=reason,
        )
    return made


def check(session: Session, *, actor: Actor, purchase_id: UUID, key: str, amount_minor: int, reason: str) -> Purchase:
    """The sale, locked, where `make` would post this correction; raises what that would raise, but for OtherPostingError."""
    actor.must(Permission.MONEY_CORRECT)
    seen = queries.get_purchase(session, actor=actor, purchase_id=purchase_id)
    purchase = purchases.locked(session, seen.id)
    if purchase.creator_id == actor.user_id:
        raise OwnCorrectionError
    problems = {}
    if purchase.paid_at is None or not purchase.price_minor:
        problems["amount"] = "No money moved with this sale, so there is nothing to correct."
    elif not 0 < abs(amount_minor) <= purchase.price_minor:
        problems["amount"] = "Write an amount above zero and not above the price of the sale."
    elif abs(_net(session, purchase_id=purchase.id, but=f"correction:{purchase.id}:{key}") + amount_minor) > (
        purchase.price_minor
    ):
        problems["amount"] = _TOGETHER
    if not one_line(storable(reason)):
        problems["reason"] = "Say why in a sentence; the creator reads it."
    elif len(reason) > REASON_LENGTH:
        problems["reason"] = "Shorten the reason to 300 characters."
    if problems:
        raise CorrectionInvalidError(problems)
    return purchase


def _net(session: Session, *, purchase_id: UUID, but: str) -> int:
    """What a sale's corrections come to for its creator, without the one under the key `but`; the sale is locked."""
    net = (
        sa.select(sa.func.coalesce(sa.func.sum(LedgerEntry.amount_minor), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTransaction.purchase_id == purchase_id,
            LedgerTransaction.kind == PostingKind.CORRECTION,
            LedgerTransaction.key != but,
            LedgerAccount.kind == AccountKind.CREATOR_AVAILABLE,
        )
    )
    return int(session.scalar(net) or 0)


def newest(session: Session, *, creator_id: UUID, limit: int) -> Sequence[Correction]:
    """A creator's newest corrections, whatever their currency."""
    rows = session.execute(
        sa.select(
            LedgerTransaction.occurred_at, LedgerTransaction.currency, LedgerEntry.amount_minor, LedgerTransaction.note
        )
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerTransaction.creator_id == creator_id,
            LedgerTransaction.kind == PostingKind.CORRECTION,
            LedgerAccount.kind == AccountKind.CREATOR_AVAILABLE,
        )
        .order_by(LedgerTransaction.occurred_at.desc(), LedgerTransaction.id.desc())
        .limit(limit)
    )
    return [Correction(*row) for row in rows]
