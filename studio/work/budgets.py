"""What a person's jobs may cost in a month, what they have cost, and whether there is room for one more.

Amounts are whole millionths of the currency of all prices (`STUDIO_LANGUAGE_CURRENCY`); months are calendar months in
UTC. `default_micro` is `settings.budget_micro`, the limit of whoever has none of their own; 0 is no limit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from studio.work import asking
from studio.work.errors import OverBudgetError
from studio.work.models import Hold, HouseSpending, JobRun, JobState, PersonBudget, Spending
from studio.work.rules import month_of, told

_LONGEST_KIND = 40
_PEOPLE_AT_A_TIME = 200
_JOBS_AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands in a month; `limit_micro` is None where there is no limit."""

    limit_micro: int | None
    spent_micro: int
    reserved_micro: int

    @property
    def left_micro(self) -> int | None:
        """What may still be spent, beside what running jobs are expected to cost; None where there is no limit."""
        if self.limit_micro is None:
            return None
        return max(self.limit_micro - self.spent_micro - self.reserved_micro, 0)

    def has_room(self, micro: int) -> bool:
        """Whether something that costs `micro` fits in."""
        left = self.left_micro
        return left is None or micro <= left

    def never_has_room(self, micro: int) -> bool:
        """Whether something that costs `micro` is more than a whole month has."""
        return self.limit_micro is not None and micro > self.limit_micro


def standing(session: Session, *, user_id: UUID, default_micro: int, now: datetime) -> Standing:
    """How the person stands in the present month; reads two rows, and locks nothing."""
    row = session.execute(
        sa.select(PersonBudget.limit_micro, PersonBudget.month, PersonBudget.spent_micro).where(
            PersonBudget.user_id == user_id
        )
    ).one_or_none()
    limit, spent = _read(row[0], row[1], row[2], now) if row is not None else (None, 0)
    return Standing(_limit(limit, default_micro), spent, _reserved(session, user_id=user_id))


def require(
    session: Session, *, user_id: UUID, estimate_micro: int, default_micro: int, currency: str, now: datetime
) -> None:
    """Return where something that is done at once, and not in a job, has room; raises OverBudgetError otherwise.

    The person's budget stays locked until the transaction ends, so that two requests never take the same room.
    """
    if estimate_micro <= 0:
        return
    stands = _locked(session, user_id=user_id, default_micro=default_micro, now=now)
    if not stands.has_room(estimate_micro):
        raise OverBudgetError(needed=told(estimate_micro, currency), left=told(stands.left_micro or 0, currency))


def has_room(
    session: Session,
    *,
    user_id: UUID,
    estimate_micro: int,
    default_micro: int,
    now: datetime,
    but_job: UUID | None = None,
) -> bool:
    """Whether the person's budget has room for `estimate_micro`, beside their running jobs without `but_job`.

    The budget stays locked until the transaction ends: of two jobs for which there is room once, one gets it.
    """
    if estimate_micro <= 0:
        return True
    stands = _locked(session, user_id=user_id, default_micro=default_micro, now=now, but_job=but_job)
    return stands.has_room(estimate_micro)


def record(session: Session, *, user_id: UUID, kind: str, cost_micro: int, now: datetime, requests: int = 1) -> None:
    """Add what something cost to the person's month; `kind` is language, embeddings, images or speech.

    What was spent counts even where it is more than the budget: it has been spent.
    """
    if cost_micro <= 0:
        return
    month = month_of(now)
    _ensure(session, user_id=user_id, now=now)
    # A month that has begun for one process has begun for all: a clock that is behind never takes it back.
    counted_in = session.scalars(
        sa.update(PersonBudget)
        .where(PersonBudget.user_id == user_id)
        .values(
            spent_micro=sa.case((PersonBudget.month < month, 0), else_=PersonBudget.spent_micro) + cost_micro,
            month=sa.func.greatest(PersonBudget.month, month),
        )
        .returning(PersonBudget.month)
        .execution_options(synchronize_session=False)
    ).one()
    row = insert(Spending).values(
        user_id=user_id, month=counted_in, kind=kind[:_LONGEST_KIND], spent_micro=cost_micro, requests=requests
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Spending.user_id, Spending.month, Spending.kind],
            set_={
                "spent_micro": Spending.spent_micro + row.excluded.spent_micro,
                "requests": Spending.requests + row.excluded.requests,
            },
        )
    )


def record_of_house(session: Session, *, kind: str, cost_micro: int, now: datetime, requests: int = 1) -> None:
    """Add what the studio itself asked of a provider to its month; it has no limit.

    `kind` as for `record`, and moderation and judge for what the screening asks. Requests count where they cost nothing too.
    """
    if cost_micro <= 0 and requests <= 0:
        return
    row = insert(HouseSpending).values(
        month=month_of(now), kind=kind[:_LONGEST_KIND], spent_micro=max(cost_micro, 0), requests=requests
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=[HouseSpending.month, HouseSpending.kind],
            set_={
                "spent_micro": HouseSpending.spent_micro + row.excluded.spent_micro,
                "requests": HouseSpending.requests + row.excluded.requests,
            },
        )
    )


def record_of_job(
    session: Session, *, job_id: UUID, kind: str, cost_micro: int, now: datetime, requests: int = 1
) -> None:
    """Add what one step of a job cost to the job and to its person's month, or to the studio's where nobody asked for it.

    Counts even where another process has the job by now: the provider was paid.
    """
    if cost_micro <= 0:
        return
    owner = session.scalar(
        sa.update(JobRun)
        .where(JobRun.id == job_id)
        .values(
            cost_micro=JobRun.cost_micro + cost_micro,
            needs_micro=sa.func.greatest(JobRun.needs_micro - cost_micro, 0),
        )
        .returning(JobRun.asked_by_id)
        .execution_options(synchronize_session=False)
    )
    if owner is None:
        record_of_house(session, kind=kind, cost_micro=cost_micro, requests=requests, now=now)
    else:
        record(session, user_id=owner, kind=kind, cost_micro=cost_micro, requests=requests, now=now)


def give_back_of_job(session: Session, *, job_id: UUID, kind: str, cost_micro: int, spent_at: datetime) -> None:
    """What was counted then for the job and its person is the studio's cost after all: of it nothing was given to them."""
    if cost_micro <= 0:
        return
    owner = session.scalar(
        sa.update(JobRun)
        .where(JobRun.id == job_id)
        .values(cost_micro=sa.func.greatest(JobRun.cost_micro - cost_micro, 0))
        .returning(JobRun.asked_by_id)
        .execution_options(synchronize_session=False)
    )
    if owner is None:
        return
    month = month_of(spent_at)
    session.execute(
        sa.update(PersonBudget)
        .where(PersonBudget.user_id == owner, PersonBudget.month == month)
        .values(spent_micro=sa.func.greatest(PersonBudget.spent_micro - cost_micro, 0))
        .execution_options(synchronize_session=False)
    )
    own = sa.and_(Spending.user_id == owner, Spending.month == month, Spending.kind == kind[:_LONGEST_KIND])
    session.execute(
        sa.update(Spending)
        .where(own)
        .values(spent_micro=sa.func.greatest(Spending.spent_micro - cost_micro, 0))
        .execution_options(synchronize_session=False)
    )
    session.execute(
        sa.delete(Spending).where(own, Spending.spent_micro == 0).execution_options(synchronize_session=False)
    )
    record_of_house(session, kind=kind, cost_micro=cost_micro, requests=0, now=spent_at)


def reserve(session: Session, *, job_id: UUID, needs_micro: int) -> None:
    """The running job is about to spend this: others of its person's do not take the same room. May be repeated."""
    session.execute(
        sa.update(JobRun)
        .where(JobRun.id == job_id)
        .values(
            needs_micro=needs_micro,
            estimate_micro=sa.func.greatest(JobRun.estimate_micro, JobRun.cost_micro + needs_micro),
        )
        .execution_options(synchronize_session=False)
    )


def set_limit(session: Session, *, user_id: UUID, limit_micro: int | None, now: datetime) -> PersonBudget:
    """The person has this limit from now on, or, with None, the studio's. `operations.budgets` asks and writes it down."""
    _ensure(session, user_id=user_id, now=now)
    budget = session.scalars(
        sa.select(PersonBudget)
        .where(PersonBudget.user_id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()
    budget.limit_micro = limit_micro
    if budget.month < month_of(now):
        budget.month, budget.spent_micro = month_of(now), 0
    session.flush()
    return budget


def let_go(session: Session, *, default_micro: int, now: datetime) -> Sequence[UUID]:
    """Let the jobs go on for which there is room again: the month has turned, or somebody got more; their ids.

    The oldest of each person come first. May be repeated, and done by any number of schedulers at once.
    """
    people = session.scalars(
        sa.select(JobRun.asked_by_id).where(JobRun.held_for == Hold.BUDGET).distinct().limit(_PEOPLE_AT_A_TIME)
    ).all()
    gone: list[UUID] = []
    for user_id in people:
        held = session.scalars(
            sa.select(JobRun)
            .where(JobRun.held_for == Hold.BUDGET, JobRun.asked_by_id == user_id)
            .order_by(JobRun.created_at, JobRun.id)
            .limit(_JOBS_AT_A_TIME)
            .with_for_update(skip_locked=True, key_share=True)
            .execution_options(populate_existing=True)
        ).all()
        if user_id is None:
            # Whose person is gone has nobody's budget to wait for.
            fitting = list(held)
        else:
            stands = standing(session, user_id=user_id, default_micro=default_micro, now=now)
            fitting, taken = [], 0
            for job in held:
                needs = job.needs_micro
                if stands.never_has_room(needs):
                    # It waits for a raised budget, and nothing behind it has to.
                    continue
                if not stands.has_room(taken + max(needs, 1)):
                    break
                taken += needs
                fitting.append(job)
        for job in fitting:
            job.held_for = None
            job.nudged_at = now
            asking.nudge_after_commit(session, job.queue, [job.id])
            gone.append(job.id)
    session.flush()
    return gone


def is_too_dear(session: Session, job: JobRun, *, default_micro: int, now: datetime) -> bool:
    """Whether the job waits for more than a whole month of its person's budget: only a higher one lets it go on."""
    if job.held_for is not Hold.BUDGET or job.asked_by_id is None:
        return False
    stands = standing(session, user_id=job.asked_by_id, default_micro=default_micro, now=now)
    return stands.never_has_room(job.needs_micro)


def history(session: Session, *, user_id: UUID, months: int = 12) -> Sequence[Spending]:
    """What the person's jobs cost by month and kind, the newest month first."""
    return session.scalars(
        sa.select(Spending)
        .where(Spending.user_id == user_id)
        .order_by(Spending.month.desc(), Spending.kind)
        .limit(months * 8)
    ).all()


def of_house(session: Session, *, kinds: Collection[str], now: datetime) -> Mapping[str, HouseSpending]:
    """What these kinds of providers cost the studio itself in the present month, by kind; one that was not asked is not there."""
    query = sa.select(HouseSpending).where(HouseSpending.month == month_of(now), HouseSpending.kind.in_(kinds))
    return {row.kind: row for row in session.scalars(query)}


def _ensure(session: Session, *, user_id: UUID, now: datetime) -> None:
    session.execute(
        insert(PersonBudget).values(user_id=user_id, month=month_of(now), spent_micro=0).on_conflict_do_nothing()
    )


def _locked(
    session: Session, *, user_id: UUID, default_micro: int, now: datetime, but_job: UUID | None = None
) -> Standing:
    _ensure(session, user_id=user_id, now=now)
    row = session.execute(
        sa.select(PersonBudget.limit_micro, PersonBudget.month, PersonBudget.spent_micro)
        .where(PersonBudget.user_id == user_id)
        .with_for_update(key_share=True)
    ).one()
    limit, spent = _read(row[0], row[1], row[2], now)
    return Standing(_limit(limit, default_micro), spent, _reserved(session, user_id=user_id, but_job=but_job))


def _read(limit: int | None, month: date, spent: int, now: datetime) -> tuple[int | None, int]:
    return limit, spent if month >= month_of(now) else 0


def _limit(own: int | None, default_micro: int) -> int | None:
    """A limit of one's own counts, even nothing at all; the studio's is none where it is 0."""
    return own if own is not None else (default_micro or None)


def _reserved(session: Session, *, user_id: UUID, but_job: UUID | None = None) -> int:
    """What the person's running jobs are still expected to cost."""
    query = sa.select(sa.func.coalesce(sa.func.sum(JobRun.needs_micro), 0)).where(
        JobRun.asked_by_id == user_id, JobRun.state == JobState.RUNNING, JobRun.needs_micro > 0
    )
    if but_job is not None:
        query = query.where(JobRun.id != but_job)
    return int(session.scalar(query) or 0)
