"""Whether this studio lives, and whether it can do its work: database, queue, tables, workers and scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from studio.settings import ROOT, Settings
from studio.work import queries as work_queries
from studio.work.models import WorkerPulse


class Pinged(Protocol):
    """A client of the queue, as far as health goes."""

    def ping(self) -> Any:
        """Return something true, or raise."""


DOES_NOT_ANSWER = "does not answer (%(error)s)"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that must be so, and words without secrets on how it is: what is said, and the values in it."""

    ok: bool
    said: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def detail(self) -> str:
        """The words in English, with their values."""
        return self.said % self.values if self.values else self.said


@dataclass(frozen=True, slots=True)
class Readiness:
    """Everything that must be so, by name."""

    facts: Mapping[str, Fact]

    @property
    def ok(self) -> bool:
        """Whether all of it is so."""
        return all(fact.ok for fact in self.facts.values())

    def as_json(self) -> dict[str, Any]:
        """What `/readyz` answers."""
        return {"ok": self.ok} | {name: {"ok": fact.ok, "detail": fact.detail} for name, fact in self.facts.items()}


def live() -> dict[str, bool]:
    """What `/healthz` answers: the process runs. It asks nobody, so that an outage elsewhere restarts nothing here."""
    return {"ok": True}


def ready(session: Session, redis: Pinged, settings: Settings, now: datetime) -> Readiness:
    """Whether work can be done here just now; never raises.

    A worker or scheduler counts as there when it was seen within the lease of a job. Leaves the
    session unusable where the database does not answer; roll it back before using it.
    """
    facts = {"redis": _redis(redis)}
    try:
        session.execute(sa.select(1))
        facts["database"] = Fact(ok=True, said="it answers")
        facts["migrations"] = _migrations(session)
        if facts["migrations"].ok:
            for kind in ("worker", "scheduler"):
                facts[kind] = _process(session, kind, settings=settings, now=now)
            facts["jobs"] = _waiting(session, now=now)
    except SQLAlchemyError as error:
        original = getattr(error, "orig", None) or error
        facts["database"] = Fact(ok=False, said=DOES_NOT_ANSWER, values={"error": type(original).__name__})
    for name in ("migrations", "worker", "scheduler", "jobs"):
        facts.setdefault(name, Fact(ok=False, said="not known while the database is not ready"))
    order = ("database", "redis", "migrations", "worker", "scheduler", "jobs")
    return Readiness({name: facts[name] for name in order})


@lru_cache(maxsize=1)
def _head() -> str | None:
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def _redis(redis: Pinged) -> Fact:
    try:
        redis.ping()
    except Exception as error:  # noqa: BLE001 - Whatever the client raises, the fact is the same.
        return Fact(ok=False, said=DOES_NOT_ANSWER, values={"error": type(error).__name__})
    return Fact(ok=True, said="it answers")


def _migrations(session: Session) -> Fact:
    if session.scalar(sa.select(sa.func.to_regclass("alembic_version"))) is None:
        return Fact(ok=False, said="the database has no tables yet")
    found = session.scalar(sa.select(sa.column("version_num")).select_from(sa.table("alembic_version")))
    head = _head()
    if found != head:
        return Fact(ok=False, said="at %(found)s, this program needs %(head)s", values={"found": found, "head": head})
    return Fact(ok=True, said="at %(head)s", values={"head": head})


def _process(session: Session, kind: str, *, settings: Settings, now: datetime) -> Fact:
    seen = session.scalar(sa.select(sa.func.max(WorkerPulse.seen_at)).where(WorkerPulse.kind == kind))
    if seen is None:
        return Fact(ok=False, said="none has been seen")
    age = max((now - seen).total_seconds(), 0.0)
    return Fact(ok=age <= settings.job_lease, said="seen %(seconds)s s ago", values={"seconds": f"{age:.0f}"})


def _waiting(session: Session, *, now: datetime) -> Fact:
    """How long the oldest due job waits. Many jobs are no fault: it is a number to look at, and never unready."""
    oldest = work_queries.oldest_due(session, now=now)
    if oldest is None:
        return Fact(ok=True, said="none waits")
    waits = max((now - oldest).total_seconds(), 0.0)
    return Fact(ok=True, said="the oldest has waited %(seconds)s s", values={"seconds": f"{waits:.0f}"})
