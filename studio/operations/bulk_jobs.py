"""Work over everything that somebody may see: what each kind would do, how long and how dear that is, and starting it.

A kind is one entry of `BULK_JOBS`; staff do it to all that the studio has, and creators, where a kind is for them too,
to what is theirs. Its job stops at any step when it is paused, makes way for what people wait for, and
goes on where it was; `is_anew` has it do again what is done already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ConflictError, NotFoundError
from studio.media import regenerating
from studio.memory import embeddings
from studio.providers.embeddings.protocol import Described
from studio.providers.embeddings.texts import estimate_tokens
from studio.providers.speech import SpeechProvider
from studio.settings import Settings
from studio.voices import greetings, speaking
from studio.voices import queries as voices
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
    speech: Mapping[str, SpeechProvider] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are in all and to do, and what that is expected to cost (millionths).

    `left_out` can not be done here, `unpriced` have no price, and count as assumed. With `is_guess` a part of all was looked at.
    `over_today` is by how many signs of speech it is more than the actor may have made today, and `voiceless` counts characters with greetings that no voice speaks.
    """

    total: int
    count: int
    cost_micro: int = 0
    left_out: int = 0
    unpriced: int = 0
    is_guess: bool = False
    over_today: int = 0
    voiceless: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a dry run found, and how long that is expected to take.

    `is_measured` says whether the time comes from an earlier run; else it is a guess.
    """

    found: Count
    seconds: float
    is_measured: bool

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do for sure."""
        return not self.found.count and not self.found.is_guess


@dataclass(frozen=True, slots=True)
class BulkJob:
    """One kind: its job, what is counted in the job's result, and rows a second before anything was measured."""

    name: str
    job: str
    counted: str
    guess: float
    count: Callable[[Session, Actor, Means, datetime | None, datetime], Count]
    """What there is now; with a first time, what was made before it is to be done again."""
    has_anew: bool = True
    """Whether what is done already can be done again; what is found by a hash of all that changes it cannot."""
    measured_by: tuple[str, ...] = ()
    permission: Permission = Permission.BULK_JOB_RUN

    def offered_to(self, actor: Actor) -> bool:
        """Whether the actor may have it done, to everything or to what is theirs."""
        return actor.may(self.permission)


class NothingToDoError(ConflictError):
    """Everything is done already."""

    def __init__(self) -> None:
        super().__init__("There is nothing left to do. To do everything again, choose so.")


class AlreadyUnderWayError(ConflictError):
    """The same work waits or runs."""

    def __init__(self) -> None:
        super().__init__("This work is already waiting or running; look at that job instead.")


def _count_embeddings(
    session: Session, _actor: Actor, means: Means, made_before: datetime | None, _now: datetime
) -> Count:
    provider = means.embeddings
    total = embeddings.count_characters(session)
    count = embeddings.count_to_look_at(session, provider=provider, made_before=made_before)
    price = Decimal(0) if provider.is_local else means.settings.embeddings_price
    if not count or not price:
        return Count(total, count)
    ids = embeddings.ids_to_look_at(session, provider=provider, size=_SAMPLE, made_before=made_before)
    sample = embeddings.pending_of(session, provider=provider, character_ids=ids, made_before=made_before)
    tokens = sum(estimate_tokens(item.text) for item in sample)
    return Count(total, count, int(tokens * price * count / max(len(ids), 1)))


def _count_variants(
    session: Session, _actor: Actor, _means: Means, made_before: datetime | None, _now: datetime
) -> Count:
    return Count(regenerating.count_pictures(session), regenerating.count_to_make(session, made_before=made_before))


def _count_greetings(
    session: Session, actor: Actor, means: Means, _made_before: datetime | None, now: datetime
) -> Count:
    terms = speaking.terms_from(means.settings, means.speech)
    found = greetings.forecast(
        session,
        actor=actor,
        terms=terms,
        is_usable=lambda name: name in means.speech and means.speech[name].is_configured,
    )
    over = 0
    if found.characters and terms.daily_characters and actor.user_id is not None:
        used = voices.characters_today(session, user_id=actor.user_id, now=now)
        over = max(0, used + found.characters - terms.daily_characters)
    return Count(
        total=found.total,
        count=found.count,
        cost_micro=found.cost_micro,
        left_out=found.left_out,
        unpriced=found.unpriced,
        is_guess=found.is_guess,
        over_today=over,
        voiceless=greetings.count_voiceless(session, actor=actor),
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
        BulkJob(
            "greetings",
            "voices.speak_greetings",
            "spoken",
            1.5,
            _count_greetings,
            has_anew=False,
            permission=Permission.SPEECH_MAKE,
        ),
    )
}
"""Every kind by its name in addresses; `admin_views/work/everything.py` has their words."""


def offered_to(actor: Actor) -> list[BulkJob]:
    """The kinds that the actor may have done."""
    return [kind for kind in BULK_JOBS.values() if kind.offered_to(actor)]


def forecast(session: Session, *, actor: Actor, name: str, is_anew: bool, means: Means, now: datetime) -> Forecast:
    """What the work would be, without doing any of it. Raises ForbiddenError or NotFoundError."""
    kind = _kind(name, actor)
    found = kind.count(session, actor, means, now if is_anew and kind.has_anew else None, now)
    measured = figures.last_success(
        session, names=kind.measured_by or (kind.job,), at_least=_AT_LEAST, counted=kind.counted
    )
    rate = measured[0] / measured[1] if measured is not None else kind.guess
    return Forecast(found, found.count / rate, is_measured=measured is not None)


def start(session: Session, *, actor: Actor, name: str, is_anew: bool, means: Means, now: datetime) -> JobRun:
    """The work is asked for, for the actor and on their budget: where that has no room, it waits and says so.

    Raises ForbiddenError, NotFoundError, NothingToDoError or AlreadyUnderWayError.
    """
    kind = _kind(name, actor)
    found = forecast(session, actor=actor, name=name, is_anew=is_anew, means=means, now=now)
    if found.is_idle:
        raise NothingToDoError
    key = _key(kind, actor)
    if find_open(session, dedupe_key=key) is not None:
        raise AlreadyUnderWayError
    choices: dict[str, Any] = {"is_anew": is_anew} if kind.has_anew else {}
    job = work.ask(
        session,
        kind.job,
        actor=actor,
        queue="background",
        dedupe_key=key,
        estimate_micro=found.found.cost_micro,
        # It begins with what there is room for, and stops where there is no more.
        pays_by_step=True,
        now=now,
        **choices,
    )
    audit.record(
        session,
        actor=actor,
        action="bulk_job.start",
        resource="job",
        resource_id=job.id,
        after={"name": kind.job, **choices, "count": found.found.count, "cost_micro": found.found.cost_micro},
    )
    return job


def find_under_way(session: Session, *, actor: Actor, name: str) -> JobRun | None:
    """The actor's job of this kind that waits or runs, or None."""
    return find_open(session, dedupe_key=_key(_kind(name, actor), actor))


def standing(session: Session, *, actor: Actor, settings: Settings, now: datetime) -> budgets.Standing | None:
    """How the actor's budget stands; None for the studio itself."""
    if actor.user_id is None:
        return None
    return budgets.standing(session, user_id=actor.user_id, default_micro=settings.budget_micro, now=now)


def _kind(name: str, actor: Actor) -> BulkJob:
    kind = BULK_JOBS.get(name)
    if kind is None:
        raise NotFoundError
    actor.must(kind.permission)
    return kind


def _key(kind: BulkJob, actor: Actor) -> str:
    """What staff do to everything is under way once; what a creator does to their own, once for each of them."""
    key = f"bulk-job:{kind.name}"
    return key if actor.may(Permission.BULK_JOB_RUN) else f"{key}:{actor.user_id}"
