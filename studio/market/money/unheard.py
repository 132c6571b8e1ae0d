"""What former payment providers tell that nobody can check, since their settings are gone: staff read that there is something."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import SYSTEM
from studio.market.models import EventOutcome, PaymentEvent, Purchase
from studio.market.money.purchases import RESOURCE

KIND = "unheard"
UNHEARD = (
    "A former payment provider tells something about its sales, perhaps a refund or a dispute, and its settings are gone, so nobody "
    "can check it. Set its key and its webhook secret again; then it tells again what it told in the last days."
)
_QUIET_FOR = timedelta(days=1)


def note(session: Session, *, provider: str, now: datetime) -> bool:
    """Staff read that a provider which sold something here cannot be heard; returns whether it sold anything.

    Anybody can say that they are a provider: there is one row for each, written once a day at most, and nothing of what
    was said is kept.
    """
    if not session.scalar(sa.select(sa.exists().where(Purchase.provider == provider))):
        return False
    told = {"outcome": EventOutcome.PROBLEM, "problem": UNHEARD, "received_at": now, "settled_at": None}
    written = session.scalar(
        insert(PaymentEvent)
        .values(provider=provider, event_id=KIND, kind=KIND, occurred_at=now, **told)
        .on_conflict_do_update(
            index_elements=[PaymentEvent.provider, PaymentEvent.event_id],
            set_=told,
            where=PaymentEvent.received_at < now - _QUIET_FOR,
        )
        .returning(PaymentEvent.event_id)
    )
    if written is not None:
        audit.record(
            session,
            actor=SYSTEM,
            action="payment.question",
            resource=RESOURCE,
            resource_id=None,
            after={"provider": provider},
            reason=UNHEARD,
        )
    return True
