"""What staff see of the work: queues, throughput, failures, and what has failed for good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from studio.work.models import FINAL, Hold, JobRun, JobState
from studio.work.queries import is_ready, kind_of_error
from studio.work.rules import QUEUES

_MOST_DEAD = 10_000
"""Failed jobs that are grouped, the newest; they are kept for good."""

_MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue just now, and what it did in the last hour and day."""

    queue: str
    waiting: int = 0
    running: int = 0
    over_budget: int = 0
    paused: int = 0
    oldest_due: datetime | None = None
    done_in_hour: int = 0
    succeeded_in_day: int = 0
    failed_in_day: int = 0

    @property
    def failure_rate(self) -> float | None:
        """The share of what ended in the last day that failed for good; None where nothing ended."""
        ended = self.succeeded_in_day + self.failed_in_day
        return self.failed_in_day / ended if ended else None


@dataclass(frozen=True, slots=True)
class Hour:
    """What ended in one hour."""

    begins_at: datetime
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Jobs of one name that failed for good by one kind of error; the newest of them as an example.

    `kind` is what their messages have in common (see `queries.kind_of_error`).
    """

    name: str
    error_type: str
    kind: str
    count: int
    newest_at: datetime
    newest_id: UUID
    message: str


def of_queues(session: Session, *, now: datetime) -> Sequence[QueueFigures]:
    """The figures of every queue, in the order in which workers take from them."""
    is_open = sa.select(
        JobRun.queue,
        sa.func.count().filter(JobRun.state == JobState.QUEUED, JobRun.held_for.is_(None)),
        sa.func.count().filter(JobRun.state == JobState.RUNNING),
        sa.func.count().filter(JobRun.held_for == Hold.BUDGET),
        sa.func.count().filter(JobRun.held_for == Hold.PAUSE),
        sa.func.min(JobRun.run_after).filter(is_ready(now)),
    ).where(JobRun.state.in_((JobState.QUEUED, JobState.RUNNING)))
    ended = (
        sa.select(
            JobRun.queue,
            sa.func.count().filter(JobRun.finished_at > now - timedelta(hours=1)),
            sa.func.count().filter(JobRun.state == JobState.SUCCEEDED),
            sa.func.count().filter(JobRun.state == JobState.FAILED),
        )
        .where(JobRun.finished_at > now - timedelta(days=1), JobRun.state.in_(FINAL))
        .group_by(JobRun.queue)
    )
    now_open = {row[0]: row[1:] for row in session.execute(is_open.group_by(JobRun.queue))}
    then_ended = {row[0]: row[1:] for row in session.execute(ended)}
    return [
        _figures(queue, now_open.get(queue, (0, 0, 0, 0, None)), then_ended.get(queue, (0, 0, 0))) for queue in QUEUES
    ]


def _figures(queue: str, is_open: Sequence[Any], ended: Sequence[Any]) -> QueueFigures:
    waiting, running, over_budget, paused, oldest = is_open
    done, succeeded, failed = ended
    return QueueFigures(queue, waiting, running, over_budget, paused, oldest, done, succeeded, failed)


def by_hour(session: Session, *, now: datetime, hours: int = 24) -> Sequence[Hour]:
    """What ended in each of the last hours, the oldest first; hours in which nothing ended are there too."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    since = this_hour - timedelta(hours=hours - 1)
    hour = sa.func.date_trunc(sa.literal_column("'hour'"), JobRun.finished_at)
    rows = session.execute(
        sa.select(
            hour,
            sa.func.count().filter(JobRun.state == JobState.SUCCEEDED),
            sa.func.count().filter(JobRun.state == JobState.FAILED),
        )
        .where(JobRun.finished_at >= since)
        .group_by(hour)
    )
    found: Mapping[datetime, tuple[int, int]] = {row[0]: (row[1], row[2]) for row in rows}
    return [
        Hour(begins_at, *found.get(begins_at, (0, 0)))
        for begins_at in (since + timedelta(hours=number) for number in range(hours))
    ]


def dead_letters(session: Session) -> Sequence[DeadGroup]:
    """The newest ten thousand jobs that failed for good, grouped by what they are and by what went wrong; largest first."""
    newest = (
        sa.select(
            JobRun.id,
            JobRun.name,
            sa.func.coalesce(JobRun.error_type, "").label("error_type"),
            sa.func.coalesce(JobRun.error_message, "").label("error_message"),
            kind_of_error().label("kind"),
            JobRun.finished_at,
        )
        .where(JobRun.state == JobState.FAILED)
        .order_by(JobRun.created_at.desc())
        .limit(_MOST_DEAD)
        .subquery()
    )
    columns = newest.c
    ordered = sa.text("finished_at DESC, id DESC")
    rows = session.execute(
        sa.select(
            columns.name,
            columns.error_type,
            columns.kind,
            sa.func.count().label("jobs"),
            sa.func.max(columns.finished_at),
            sa.func.array_agg(aggregate_order_by(columns.id, ordered))[1],
            sa.func.array_agg(aggregate_order_by(columns.error_message, ordered))[1],
        )
        .group_by(columns.name, columns.error_type, columns.kind)
        .order_by(sa.desc("jobs"), columns.name, columns.error_type, columns.kind)
        .limit(_MOST_GROUPS)
    )
    return [DeadGroup(*row) for row in rows]


def last_runs(
    session: Session, *, names: Sequence[str], criterion: sa.ColumnElement[bool] | None = None
) -> Mapping[str, JobRun]:
    """The newest job of each name, where there is one, of those that meet the criterion."""
    wanted = sa.select(sa.func.unnest(sa.literal(list(names), sa.ARRAY(sa.Text))).label("name")).subquery()
    newest = (
        sa.select(JobRun.id)
        .where(JobRun.name == wanted.c.name, sa.true() if criterion is None else criterion)
        .order_by(JobRun.created_at.desc())
        .limit(1)
        .lateral("newest")
    )
    found = sa.select(newest.c.id).select_from(wanted).join(newest, sa.true())
    rows = session.scalars(sa.select(JobRun).where(JobRun.id.in_(found)))
    return {job.name: job for job in rows}


EARLIER = "_earlier"
"""In a result: how much of it was done before the job was last begun again. Not for screens."""


def earlier_of(count: int) -> dict[str, int]:
    """What a result keeps of how much was done before the job was last begun again; nothing where that is nothing."""
    return {EARLIER: count} if count else {}


def last_success(session: Session, *, names: Sequence[str], at_least: int, counted: str) -> tuple[int, float] | None:
    """How many rows the newest of the last runs of these jobs did that did `at_least` so many, and in how many seconds.

    `counted` is the number's name in the jobs' results.
    """
    rows = session.execute(
        sa.select(JobRun.result, JobRun.started_at, JobRun.finished_at)
        .where(JobRun.name.in_(names), JobRun.state == JobState.SUCCEEDED)
        .order_by(JobRun.created_at.desc())
        .limit(50)
    )
    for result, started_at, finished_at in rows:
        done = (result or {}).get(counted, 0)
        if isinstance(done, int):
            # The time since it was begun last says nothing of what was done before.
            done -= (result or {}).get(EARLIER, 0)
        if isinstance(done, int) and done >= at_least and started_at is not None and finished_at is not None:
            return done, max((finished_at - started_at).total_seconds(), 0.001)
    return None
