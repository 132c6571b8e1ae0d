"""Batches of payouts that can still be called off, as staff's pages show them."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import ngettext
from sqlalchemy.orm import Session

from admin_views.money.labels import amount, seconds_left
from studio.accounts.permissions import Actor, Permission
from studio.market.money import payouts


@dataclass(frozen=True, slots=True)
class Waiting:
    """One batch in one currency, in the reader's words."""

    batch_key: str
    said: str
    seconds: int


def waiting(session: Session, *, actor: Actor, now: datetime) -> tuple[Waiting, ...]:
    """The batches that are not sent yet, what is sent first before the rest; for others than staff there are none."""
    if not actor.may(Permission.MONEY_READ_ANY):
        return ()
    return tuple(
        Waiting(
            one.batch_key,
            ngettext(
                "%(num)d payout of %(sum)s waits to be sent.",
                "%(num)d payouts of %(sum)s in all wait to be sent.",
                one.count,
                sum=amount(one.amount_minor, one.currency),
            ),
            seconds_left(one.send_at, now=now),
        )
        for one in payouts.list_leaving(session, actor=actor, now=now)
    )
