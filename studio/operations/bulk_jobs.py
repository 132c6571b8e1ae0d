"""Work over everything that the studio has: what each kind would do, how long and how dear that is, and starting it.

A kind is one entry of `BULK_JOBS`. Its job stops at any step when it is paused, makes way for what people wait for, and
goes on where it was; `is_anew` has it do again what is done already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ConflictError, NotFoundError
from studio.media import regenerating
from studio.memory import embeddings
from studio.providers.embeddings.protocol import Described
from studio.providers.embeddings.texts import estimate_tokens
from studio.settings import Settings
from studio.work import budgets, figures
from studio.work.models import JobRun
from studio.work.queries import find_open

_SAMPLE = 200
_AT_LEAST = 20
"""Rows of an earlier run below which its speed says nothing."""


@dataclass(frozen=True)
class Means:
    """What the studio would do the work with."""

    settings: Settings
    embeddings: Described


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a dry run found: how many there are in all and to do, how long and how dear that is expected to be.

    `is_measured` says whether the time comes from an earlier run; else it is a guess.
    """

    total: int
    count: int
    seconds: float
    cost_micro: int
    is_measured: bool


@dataclass(frozen=True, slots=True)
class BulkJob:
    """One kind: its job, what is counted in the job's result, and rows a second before anything was measured."""

    name: str
    job: str
    counted: str
    guess: float
    count: Callable[[Session, Means, datetime | None], tuple[int, int, int]]
    """(all, to do, expected cost in millionths); with a time, what was made before it is to be done again."""
    measured_by: tuple[str, ...] = ()


class NothingToDoError(ConflictError):
    """Everything is done already."""

    def __init__(self) -> None:
        super().__init__("There is nothing left to do. To do everything again, choose so.")


class AlreadyUnderWayError(ConflictError):
    """The same work waits or runs."""

    def __init__(self) -> None:
        super().__init__("This work is already waiting or running; look at that job instead.")


def _count_embeddings(session: Session, means: Means, made_before: datetime | None) -> tuple[int, int, int]:
    provider = means.embeddings
    total = embeddings.count_characters(session)
    count = embeddings.count_to_look_at(session, provider=provider, made_before=made_before)
    price = Decimal(0) if provider.is_local else means.settings.embeddings_price
    if not count or not price:
        return total, count, 0
    ids = embeddings.ids_to_look_at(session, provider=provider, size=_SAMPLE, made_before=made_before)
    sample = embeddings.pending_of(session, provider=provider, character_ids=ids, made_before=made_before)
    tokens = sum(estimate_tokens(item.text) for item in sample)
    return total, count, int(tokens * price * count / max(len(ids), 1))


def _count_variants(session: Session, _means: Means, made_before: datetime | None) -> tuple[int, int, int]:
    return (
        regenerating.count_pictures(session),
        regenerating.count_to_make(session, made_before=made_before),
        0,
    )


BULK_JOBS: Mapping[str, BulkJob] = {
    kind.name: kind
    for kind in (
        BulkJob(
            "embeddings",
            "memory.embed_all",
            "embedded",
            60.0,
            _count_embeddings,
            measured_by=("memory.embed_all", "memory.embed_missing"),
        ),
        BulkJob("variants", "operations.remake_variants", "pictures", 8.0, _count_variants),
    )
}
"""Every kind by its name in addresses; `admin_views/bulk_jobs.py` has their words."""


def forecast(session: Session, *, actor: Actor, name: str, is_anew: bool, means: Means, now: datetime) -> Forecast:
    """What the work would be, without doing any of it. Raises ForbiddenError or NotFoundError."""
    actor.must(Permission.BULK_JOB_RUN)
    kind = _kind(name)
    total, count, cost = kind.count(session, means, now if is_anew else None)
    measured = figures.last_success(
        session, names=kind.measured_by or (kind.job,), at_least=_AT_LEAST, counted=kind.counted
    )
    rate = measured[0] / measured[1] if measured is not None else kind.guess
    return Forecast(total, count, count / rate, cost, is_measured=measured is not None)


def start(session: Session, *, actor: Actor, name: str, is_anew: bool, means: Means, now: datetime) -> JobRun:
    """The work is asked for, for the actor and on their budget: where that has no room, it waits and says so.

    Raises ForbiddenError, NotFoundError, NothingToDoError or AlreadyUnderWayError.
    """
    found = forecast(session, actor=actor, name=name, is_anew=is_anew, means=means, now=now)
    if not found.count:
        raise NothingToDoError
    kind = _kind(name)
    key = f"bulk-job:{name}"
    if find_open(session, dedupe_key=key) is not None:
        raise AlreadyUnderWayError
    job = work.ask(
        session,
        kind.job,
        actor=actor,
        queue="background",
        dedupe_key=key,
        estimate_micro=found.cost_micro,
        now=now,
        is_anew=is_anew,
    )
    audit.record(
        session,
        actor=actor,
        action="bulk_job.start",
        resource="job",
        resource_id=job.id,
        after={"name": kind.job, "is_anew": is_anew, "count": found.count, "cost_micro": found.cost_micro},
    )
    return job


def find_under_way(session: Session, *, name: str) -> JobRun | None:
    """The job of this kind that waits or runs, or None."""
    return find_open(session, dedupe_key=f"bulk-job:{name}")


def standing(session: Session, *, actor: Actor, settings: Settings, now: datetime) -> budgets.Standing | None:
    """How the actor's budget stands; None for the studio itself."""
    if actor.user_id is None:
        return None
    return budgets.standing(session, user_id=actor.user_id, default_micro=settings.budget_micro, now=now)


def _kind(name: str) -> BulkJob:
    kind = BULK_JOBS.get(name)
    if kind is None:
        raise NotFoundError
    return kind
