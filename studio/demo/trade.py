"""What happened on the demo's market: sales of two months, a closed statement, a report of two people, an appeal."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from studio import work
from studio.accounts.models import User
from studio.market.models import CharacterPublication, Purchase, ReportReason
from studio.market.money import payments, payouts, purchases, statements
from studio.market.money.policy import Policy
from studio.market.review import appeals, reports
from studio.providers.payments import EventKind, LocalPayments


@dataclass(frozen=True, slots=True)
class _Sale:
    """Somebody bought a listing: so many days ago, or so many days before this month began."""

    slug: str
    buyer: str
    days: int
    is_last_month: bool = False


_SALES = (
    _Sale("odile-marchetti", "reader@demo.example", 13, is_last_month=True),
    _Sale("odile-marchetti", "second@demo.example", 11, is_last_month=True),
    _Sale("sable-nine", "second@demo.example", 9, is_last_month=True),
    _Sale("lan-yue", "reader@demo.example", 4),
    _Sale("odile-marchetti", "moderator@demo.example", 3),
    _Sale("sable-nine", "reader@demo.example", 1),
)

_REPORTS = (
    ("reader@demo.example", "The listing promises three endings. I have played for two evenings and found one."),
    ("second@demo.example", "Says “long-term memory”, and the card has none."),
)
_REPORTED = "sable-nine"

_APPEALED = "mo-bai"
_APPEAL = "墨白的用处就是陪人写作：一句一句把故事续下去。“助手与教师”正是读者会找他的地方，请换一个人再看一次。"


def load(
    session: Session,
    *,
    users: Mapping[str, User],
    listings: Mapping[str, CharacterPublication],
    now: datetime,
    policy: Policy,
) -> None:
    """Listings were bought, the last month is closed, one listing is reported and one rejection appealed against.

    The money comes from the local test provider, whatever the studio is set to: none of it was real.
    """
    # Who signs and who checks is one object here, so that its secret need not outlive it.
    provider = LocalPayments(secrets.token_hex(16))
    begin_of_month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    dated = [
        ((begin_of_month if sale.is_last_month else now) - timedelta(days=sale.days), number, sale)
        for number, sale in enumerate(_SALES, 1)
    ]
    for moment, number, sale in sorted(dated, key=lambda one: one[0]):
        _buy(
            session,
            buyer=users[sale.buyer],
            listing=listings[sale.slug],
            key=f"demo {number}",
            provider=provider,
            policy=policy,
            now=moment,
        )
    _earn(session, earner=users["creator@demo.example"], provider=provider, now=now)
    for email, words in _REPORTS:
        reports.report(
            session,
            actor=users[email].actor,
            publication_id=listings[_REPORTED].id,
            reason=ReportReason.MISLEADING,
            comment=words,
            now=now - timedelta(hours=6),
        )
    appealed = listings[_APPEALED]
    appellant = next(user for user in users.values() if user.id == appealed.publisher_id)
    appeals.appeal(session, actor=appellant.actor, publication_id=appealed.id, text=_APPEAL, now=now)
    # The hour's check may run while this is not committed yet: "Money" would say "0 postings" until the next one.
    work.ask(session, "money.check_money", dedupe_key="money.check_money", queue="bulk", now=now)


def _buy(
    session: Session,
    *,
    buyer: User,
    listing: CharacterPublication,
    key: str,
    provider: LocalPayments,
    policy: Policy,
    now: datetime,
) -> Purchase:
    purchase = purchases.begin(
        session,
        actor=buyer.actor,
        publication_id=listing.id,
        idempotency_key=key,
        provider=provider.name,
        policy=policy,
        now=now,
    )
    if purchase.price_minor:
        body, signature = provider.tell(
            EventKind.PAID,
            purchase_id=purchase.id,
            amount_minor=purchase.price_minor,
            currency=purchase.currency,
            now=now,
        )
        payments.receive(session, provider=provider, body=body, signature=signature, policy=policy, now=now)
    return purchase


def _earn(session: Session, *, earner: User, provider: LocalPayments, now: datetime) -> None:
    """What the hold is over of is available, the month before this one is closed, and the earner said where money goes."""
    while purchases.release_due(session, now=now):
        pass
    payouts.set_destination(
        session,
        actor=earner.actor,
        provider=provider.name,
        text=f"Test account of {earner.name}",
        check=provider.checked_destination,
    )
    period = statements.next_to_close(session, now=now)
    # In the first hour of a month nothing can be closed yet; the job of the night does it then.
    if period is not None:
        statements.seal(session, period=period, now=now)
        statements.close(session, period=period, now=now)
