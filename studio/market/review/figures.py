"""The desk in figures: how long things wait, what is late, what is decided for which reason, and what an appeal overturned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.kit import paging
from studio.market.models import Appeal, AppealState, FieldComment, Outcome, ReviewCase, ReviewDecision, ReviewReason
from studio.market.review import beside, queries, queue

MOST_WAITING = 200_000
"""Cases that the ages are told of, those due first; beyond it the desk has other worries than a percentile."""

SENT_BACK = (Outcome.CHANGES_REQUESTED, Outcome.REJECTED)
"""Decisions that send a listing back to its creator; a takedown is counted for itself."""

_MOST_MODERATORS = 50


@dataclass(frozen=True, slots=True)
class Span:
    """A median, the ninetieth percentile, and of how many; None where there is nothing to tell of."""

    count: int
    p50: timedelta | None
    p90: timedelta | None


@dataclass(frozen=True, slots=True)
class Day:
    """What was decided on one day (UTC)."""

    day: date
    approved: int
    rejected: int
    taken_down: int = 0


@dataclass(frozen=True, slots=True)
class Appeals:
    """How appeals against the decisions of the time went."""

    made: int
    open: int
    overturned: int
    upheld: int

    @property
    def share(self) -> float | None:
        """The share of the answered appeals that changed the decision; None where none was answered."""
        answered = self.overturned + self.upheld
        return self.overturned / answered if answered else None


@dataclass(frozen=True, slots=True)
class Figures:
    """The desk over some days."""

    since: datetime
    waiting: Span
    """The age of what waits now: reviews, takedowns for a second person, appeals."""
    taken: Span
    """From submission to decision, of what was decided in the time."""
    overdue: int
    overdue_is_capped: bool
    decided_late: int
    approved: int
    rejected: int
    taken_down: int
    days: Sequence[Day]
    reasons: Sequence[tuple[ReviewReason, int]]
    """The rejections' reasons, the commonest first; one decision may have several."""
    moderators: Mapping[str, int]
    appeals: Appeals


def read(session: Session, *, actor: Actor, now: datetime, days: int = 30) -> Figures:
    """The figures of the last `days` days; raises ForbiddenError. Seven statements, each of a bounded cost."""
    actor.must(Permission.REVIEW_READ)
    since = now - timedelta(days=days)
    overdue, is_capped = count_overdue(session, actor=actor, now=now)
    taken, late, approved, rejected, taken_down = _decided(session, since=since)
    return Figures(
        since=since,
        waiting=_waiting(session, now=now),
        taken=taken,
        overdue=overdue,
        overdue_is_capped=is_capped,
        decided_late=late,
        approved=approved,
        rejected=rejected,
        taken_down=taken_down,
        days=_by_day(session, since=since, now=now),
        reasons=_by_reason(session, since=since),
        moderators=_by_moderator(session, since=since),
        appeals=_appeals(session, since=since),
    )


def count_overdue(session: Session, *, actor: Actor, now: datetime) -> tuple[int, bool]:
    """How much of what waits is late, reviews, takedowns for a second person and appeals; and whether there is more."""
    most = paging.COUNT_CAP + 1
    late = (
        sa.select(sa.literal(1)).where(queries.case_visible_to(actor), queue.is_queued(), ReviewCase.due_at < now),
        beside.proposed().where(ReviewCase.due_at < now).with_only_columns(sa.literal(1)),
        beside.appealed().where(Appeal.due_at < now).with_only_columns(sa.literal(1)),
    )
    count = sum(session.execute(sa.select(*(_count(one.limit(most)) for one in late))).one())
    return min(count, paging.COUNT_CAP), count > paging.COUNT_CAP


def _count(some: sa.Select[Any]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).select_from(some.subquery()).scalar_subquery()


def _waiting(session: Session, *, now: datetime) -> Span:
    def age(since: InstrumentedAttribute[datetime]) -> sa.Label[Any]:
        return sa.func.extract("epoch", sa.literal(now) - since).label("age")

    waiting = (
        sa.select(age(ReviewCase.opened_at)).where(queue.is_queued()).order_by(ReviewCase.due_at, ReviewCase.id),
        beside.proposed().with_only_columns(age(ReviewCase.opened_at)).order_by(ReviewCase.due_at),
        beside.appealed().with_only_columns(age(Appeal.created_at)).order_by(Appeal.due_at),
    )
    ages = sa.union_all(*(sa.select(one.limit(MOST_WAITING).subquery()) for one in waiting)).subquery()
    return _span(session.execute(sa.select(sa.func.count(), *_percentiles(ages.c.age))).one())


def _decided(session: Session, *, since: datetime) -> tuple[Span, int, int, int, int]:
    seconds = sa.func.extract("epoch", ReviewDecision.decided_at - ReviewCase.opened_at)
    row = session.execute(
        sa.select(
            sa.func.count(),
            *_percentiles(seconds),
            sa.func.count().filter(ReviewDecision.decided_at > ReviewCase.due_at),
            sa.func.count().filter(ReviewDecision.outcome == Outcome.APPROVED),
            sa.func.count().filter(ReviewDecision.outcome.in_(SENT_BACK)),
            sa.func.count().filter(ReviewDecision.outcome == Outcome.TAKEN_DOWN),
        )
        .select_from(ReviewDecision)
        .join(ReviewCase, ReviewCase.id == ReviewDecision.case_id)
        .where(ReviewDecision.decided_at >= since, ReviewDecision.effected_at.is_not(None))
    ).one()
    count, p50, p90, late, approved, rejected, taken_down = tuple[Any, ...](row)
    return _span((count, p50, p90)), late, approved, rejected, taken_down


def _by_day(session: Session, *, since: datetime, now: datetime) -> list[Day]:
    day = sa.cast(sa.func.timezone("UTC", ReviewDecision.decided_at), sa.Date)
    rows = session.execute(
        sa.select(
            day,
            sa.func.count().filter(ReviewDecision.outcome == Outcome.APPROVED),
            sa.func.count().filter(ReviewDecision.outcome.in_(SENT_BACK)),
            sa.func.count().filter(ReviewDecision.outcome == Outcome.TAKEN_DOWN),
        )
        .where(ReviewDecision.decided_at >= since, ReviewDecision.effected_at.is_not(None))
        .group_by(day)
    )
    counted = {moment: (approved, rejected, down) for moment, approved, rejected, down in rows}
    length = (now.date() - since.date()).days
    return [
        Day(one, *counted.get(one, (0, 0, 0))) for one in (since.date() + timedelta(days=n) for n in range(length + 1))
    ]


def _by_reason(session: Session, *, since: datetime) -> list[tuple[ReviewReason, int]]:
    decisions = sa.func.count(FieldComment.decision_id.distinct())
    rows = session.execute(
        sa.select(ReviewReason, decisions)
        .join(FieldComment, FieldComment.reason_id == ReviewReason.id)
        .join(ReviewDecision, ReviewDecision.id == FieldComment.decision_id)
        .where(ReviewDecision.decided_at >= since, ReviewDecision.effected_at.is_not(None))
        .group_by(ReviewReason.id)
        .order_by(decisions.desc(), ReviewReason.sort_order)
    )
    return [(reason, count) for reason, count in rows]


def _by_moderator(session: Session, *, since: datetime) -> dict[str, int]:
    count = sa.func.count()
    rows = session.execute(
        sa.select(User.name, count)
        .join(ReviewDecision, ReviewDecision.moderator_id == User.id)
        .where(ReviewDecision.decided_at >= since, ReviewDecision.effected_at.is_not(None))
        .group_by(User.id)
        .order_by(count.desc(), User.name)
        .limit(_MOST_MODERATORS)
    )
    return dict(rows.all())


def _appeals(session: Session, *, since: datetime) -> Appeals:
    def counted(state: AppealState) -> sa.ColumnElement[int]:
        return sa.func.count().filter(Appeal.state == state)

    made, still_open, right, wrong = session.execute(
        sa.select(
            sa.func.count(), counted(AppealState.OPEN), counted(AppealState.UPHELD), counted(AppealState.DISMISSED)
        )
        .select_from(Appeal)
        .join(ReviewDecision, ReviewDecision.id == Appeal.decision_id)
        .where(ReviewDecision.decided_at >= since, ReviewDecision.effected_at.is_not(None))
    ).one()
    # An appeal that is upheld overturns the decision; one that is dismissed leaves it standing.
    return Appeals(made=made, open=still_open, overturned=right, upheld=wrong)


def _percentiles(seconds: sa.ColumnElement[Any]) -> list[sa.ColumnElement[float]]:
    return [sa.func.percentile_cont(share).within_group(seconds) for share in (0.5, 0.9)]


def _span(row: Sequence[Any]) -> Span:
    count, p50, p90 = row
    return Span(
        int(count or 0),
        None if p50 is None else timedelta(seconds=float(p50)),
        None if p90 is None else timedelta(seconds=float(p90)),
    )
