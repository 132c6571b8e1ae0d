"""Statements: a month is sealed, its lines are read from the ledger as a stream, and what they come to is kept with a hash.

A statement holds no lines of its own: the ledger has them and cannot change. Whoever asks for the lines gets them from
there, and they must give the hash that the statement was closed with.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts import audit
from studio.accounts.models import User
from studio.accounts.permissions import SYSTEM, Actor
from studio.authoring.models import Character
from studio.kit.errors import NotFoundError
from studio.kit.orm import lock_one
from studio.market.models import (
    CREATOR_ACCOUNTS,
    AccountKind,
    CharacterDownload,
    ClosedPeriod,
    CreatorEarnings,
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    PostingKind,
)
from studio.market.money import ledger, queries
from studio.market.money.errors import PeriodNotOverError, StatementBrokenError

EARNING = (
    PostingKind.SALE,
    PostingKind.REFUND,
    PostingKind.DISPUTE,
    PostingKind.DISPUTE_REVERSAL,
    PostingKind.CORRECTION,
)
"""The postings by which a creator earns or gives back; releases and payouts move what was earned."""

SETTLES_AFTER = timedelta(hours=1)
"""A month is closed no sooner after its end: what was begun in it is committed by then."""

_ROWS_AT_A_TIME = 2_000
_STATEMENTS_AT_A_TIME = 200
_FIRST_LINE = "greenroom statement 1"


@dataclass(frozen=True, slots=True)
class Period:
    """One calendar month, UTC."""

    start: date
    end: date

    @classmethod
    def of(cls, day: date) -> "Period":
        """The month in which a day lies."""
        start = day.replace(day=1)
        return cls(start, (start + timedelta(days=32)).replace(day=1))

    @property
    def begins_at(self) -> datetime:
        """The first moment of it."""
        return datetime(self.start.year, self.start.month, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return datetime(self.end.year, self.end.month, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One posting as a creator reads it."""

    creator_id: UUID
    currency: str
    character_id: UUID
    occurred_at: datetime
    transaction_id: UUID
    kind: PostingKind
    fee_minor: int
    net_minor: int

    @property
    def gross_minor(self) -> int:
        """What the buyer paid, or got back; of a correction, what the creator gained or gave."""
        return self.net_minor + self.fee_minor


def seal(session: Session, *, period: Period, now: datetime) -> None:
    """Nothing is posted into the month, or before it, any more. Doing it twice changes nothing.

    Waits for the postings under way, and is short: what takes long comes after it, in a transaction of its own.
    Raises PeriodNotOverError. That it is over, PostgreSQL's clock has to say too: a month that a wrong clock sealed would
    take no posting any more, and nothing opens it again.
    """
    if ledger.earlier(session, now) < period.ends_at + SETTLES_AFTER:
        raise PeriodNotOverError
    session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('ledger.periods'))"))
    session.execute(
        insert(ClosedPeriod)
        .values(period_start=period.start, period_end=period.end, sealed_at=now)
        .on_conflict_do_nothing()
    )


def close(session: Session, *, period: Period, now: datetime, on_progress: Callable[[int], None] | None = None) -> int:
    """Every creator has a statement for each character and currency that earned in the sealed month; returns how many.

    Lines are read by a server-side cursor, so a month of a million sales takes no more memory than a small one.
    Closing again changes nothing. `on_progress` is told the number of statements every now and then.
    """
    closed = lock_one(session, ClosedPeriod, period.start, key_share=False)
    if closed.closed_at is not None:
        return int(closed.statement_count or 0)
    count = 0
    waiting: list[dict[str, Any]] = []
    for (creator_id, currency, character_id), lines in groupby(
        stream_lines(session, period=period), key=lambda line: (line.creator_id, line.currency, line.character_id)
    ):
        total = summed(lines, creator_id=creator_id, character_id=character_id, currency=currency, period=period)
        waiting.append({"creator_id": creator_id, "character_id": character_id, "currency": currency, **total})
        count += 1
        if len(waiting) == _STATEMENTS_AT_A_TIME:
            _keep(session, waiting, period=period, now=now)
            waiting = []
            if on_progress is not None:
                on_progress(count)
    _keep(session, waiting, period=period, now=now)
    closed.closed_at, closed.statement_count = now, count
    session.flush()
    audit.record(
        session,
        actor=SYSTEM,
        action="period.close",
        resource="period",
        resource_id=None,
        after={"period": period.start.isoformat(), "statements": count},
    )
    return count


def next_to_close(session: Session, *, now: datetime) -> Period | None:
    """The oldest month that is over, has postings at or after it, and is not closed; None where all are."""
    unfinished = session.scalar(
        sa.select(ClosedPeriod.period_start).where(ClosedPeriod.closed_at.is_(None)).order_by(ClosedPeriod.period_start)
    )
    if unfinished is not None:
        return Period.of(unfinished)
    last_end = session.scalar(sa.select(sa.func.max(ClosedPeriod.period_end)))
    first = session.scalar(sa.select(sa.func.min(LedgerTransaction.occurred_at)))
    if first is None:
        return None
    period = Period.of(last_end if last_end is not None else first.astimezone(UTC).date())
    return period if ledger.earlier(session, now) >= period.ends_at + SETTLES_AFTER else None


def stream_lines(
    session: Session,
    *,
    period: Period,
    creator_id: UUID | None = None,
    character_id: UUID | None = None,
    currency: str | None = None,
) -> Iterator[Line]:
    """The lines of a month, by creator, currency, character and time, as a stream; of one statement where it is named."""
    amount = LedgerEntry.amount_minor
    # What the platform bears of a correction is no fee: the creator gains it, or gives it, whole.
    is_fee = sa.and_(
        LedgerAccount.kind == AccountKind.PLATFORM_REVENUE, LedgerTransaction.kind != PostingKind.CORRECTION
    )
    fee = sa.func.coalesce(sa.func.sum(amount).filter(is_fee), 0)
    net = sa.func.coalesce(sa.func.sum(amount).filter(LedgerAccount.kind.in_(CREATOR_ACCOUNTS)), 0)
    posting = LedgerTransaction
    query = (
        sa.select(
            posting.creator_id,
            posting.currency,
            posting.character_id,
            posting.occurred_at,
            posting.id,
            posting.kind,
            sa.cast(fee, sa.BigInteger),
            sa.cast(net, sa.BigInteger),
        )
        .join(LedgerEntry, LedgerEntry.transaction_id == posting.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            posting.occurred_at >= period.begins_at,
            posting.occurred_at < period.ends_at,
            posting.kind.in_(EARNING),
            posting.character_id.is_not(None),
        )
        .group_by(posting.id)
        .order_by(posting.creator_id, posting.currency, posting.character_id, posting.occurred_at, posting.id)
        .execution_options(yield_per=_ROWS_AT_A_TIME)
    )
    if creator_id is not None:
        query = query.where(posting.creator_id == creator_id)
    if character_id is not None:
        query = query.where(posting.character_id == character_id)
    if currency is not None:
        query = query.where(posting.currency == currency)
    for row in session.execute(query):
        yield Line(*row)  # type: ignore[arg-type]  # Whose character it is, a CHECK says.


def summed(
    lines: Iterable[Line], *, creator_id: UUID, character_id: UUID, currency: str, period: Period
) -> dict[str, Any]:
    """What lines come to, and their hash: SHA-256 over a first line that names the statement and one line for each."""
    digest = hashlib.sha256(
        f"{_FIRST_LINE}|{creator_id}|{character_id}|{currency}|{period.start}|{period.end}\n".encode()
    )
    count = gross = fee = net = 0
    for line in lines:
        digest.update(hashed_line(line))
        count, gross, fee, net = count + 1, gross + line.gross_minor, fee + line.fee_minor, net + line.net_minor
    return {
        "line_count": count,
        "gross_minor": gross,
        "fee_minor": fee,
        "net_minor": net,
        "content_hash": digest.hexdigest(),
    }


def hashed_line(line: Line) -> bytes:
    """A line as the hash reads it."""
    at = line.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
    amounts = f"{line.gross_minor}|{line.fee_minor}|{line.net_minor}"
    return f"{at}|{line.transaction_id}|{line.kind}|{amounts}\n".encode()


def get_statement(session: Session, *, actor: Actor, statement_id: UUID) -> CreatorEarnings:
    """The statement, if the actor may see it; raises NotFoundError."""
    found = session.scalar(
        sa.select(CreatorEarnings).where(queries.statement_visible_to(actor), CreatorEarnings.id == statement_id)
    )
    if found is None:
        raise NotFoundError
    return found


def lines_of(session: Session, statement: CreatorEarnings) -> Iterator[Line]:
    """The lines of a closed statement, as a stream."""
    return stream_lines(
        session,
        period=Period(statement.period_start, statement.period_end),
        creator_id=statement.creator_id,
        character_id=statement.character_id,
        currency=statement.currency,
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """What a creator held in one currency, pending and available, over a month: of all their characters together."""

    before_minor: int
    """At its beginning; below zero it is what earlier refunds left to be made good."""
    after_minor: int
    """At its end, after all sales, refunds and payouts of the month."""


def carried(session: Session, statement: CreatorEarnings) -> Carried:
    """What was carried into a statement's month, and out of it."""
    period = Period(statement.period_start, statement.period_end)
    amount = LedgerEntry.amount_minor
    before = sa.func.sum(amount).filter(LedgerTransaction.occurred_at < period.begins_at)
    found = session.execute(
        sa.select(sa.func.coalesce(before, 0), sa.func.coalesce(sa.func.sum(amount), 0))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(
            LedgerAccount.owner_id == statement.creator_id,
            LedgerAccount.currency == statement.currency,
            LedgerTransaction.occurred_at < period.ends_at,
        )
    ).one()
    return Carried(int(found[0]), int(found[1]))


def verify(session: Session, statement: CreatorEarnings) -> None:
    """Return where the ledger's lines give what the statement was closed with; raises StatementBrokenError."""
    total = summed(
        lines_of(session, statement),
        creator_id=statement.creator_id,
        character_id=statement.character_id,
        currency=statement.currency,
        period=Period(statement.period_start, statement.period_end),
    )
    if any(getattr(statement, name) != value for name, value in total.items()):
        raise StatementBrokenError


def _keep(session: Session, statements: list[dict[str, Any]], *, period: Period, now: datetime) -> None:
    if not statements:
        return
    characters = [one["character_id"] for one in statements]
    names = dict(session.execute(sa.select(Character.id, Character.name).where(Character.id.in_(characters))).all())
    creators = {one["creator_id"] for one in statements}
    people = dict(session.execute(sa.select(User.id, User.name).where(User.id.in_(creators))).all())
    fetched: dict[tuple[UUID, str], int] = {
        (character_id, currency): count
        for character_id, currency, count in session.execute(
            sa.select(CharacterDownload.character_id, CharacterDownload.currency, sa.func.count())
            .where(
                CharacterDownload.character_id.in_(characters),
                CharacterDownload.downloaded_at >= period.begins_at,
                CharacterDownload.downloaded_at < period.ends_at,
            )
            .group_by(CharacterDownload.character_id, CharacterDownload.currency)
        )
    }
    session.execute(
        insert(CreatorEarnings).on_conflict_do_nothing(),
        [
            {
                "id": uuid7(),
                "period_start": period.start,
                "period_end": period.end,
                "character_name": names.get(one["character_id"], ""),
                "creator_name": people.get(one["creator_id"], ""),
                "downloads": fetched.get((one["character_id"], one["currency"]), 0),
                "closed_at": now,
                **one,
            }
            for one in statements
        ],
    )
