"""The scheduler: looks after the jobs every few seconds, and asks for the periodic ones."""

import logging
import signal
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import FrameType

import sqlalchemy as sa
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from jobs import queue, registry
from jobs.pulse import Pulse
from jobs.resources import Resources, prepare_tables
from jobs.worker import new_name
from studio import work
from studio.kit import db
from studio.kit.clock import utc_now
from studio.settings import Settings
from studio.work import budgets, sweeping
from studio.work.models import JobRun
from studio.work.queries import OPEN
from studio.work.rules import QUEUES
from studio.work.schedules import PERIODIC

log = logging.getLogger(__name__)

_QUIET = timedelta(seconds=60)
"""A job whose hint waits in a queue is not hinted at again for so long."""

_IMPATIENCE = timedelta(seconds=4)
"""The same for a job that had begun already: its worker is gone, or its attempt failed."""

_PULSES_ARE_KEPT = timedelta(minutes=15)


def run(settings: Settings) -> None:
    """Sweep and ask until SIGTERM or SIGINT; any number of schedulers may run at once.

    To be called from the main thread of a process of its own. `settings` name the
    database and Redis (`studio.embedded.attach` fills them in). Redis and PostgreSQL may be away in between.
    """
    ended = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    name = new_name("scheduler")
    resources = Resources(settings)
    pulse = Pulse(resources, name=name, kind="scheduler")
    work.set_nudge(queue.nudge(resources.redis))
    prepare_tables()
    known = registry.load()
    pulse.start()
    log.info("scheduler %s is up", name)
    asked: dict[str, int] = {}
    try:
        while not ended.is_set():
            tick(resources, known=known, asked=asked)
            ended.wait(settings.job_sweep)
    finally:
        pulse.close()
        work.set_nudge(None)
        resources.close()
        log.info("scheduler %s has ended", name)


def tick(resources: Resources, *, known: registry.Jobs, asked: dict[str, int], now: datetime | None = None) -> None:
    """One look: take back what is lost, hint at what is due, ask for what is periodic. Never raises for an outage.

    `asked` remembers, from look to look, in which period each periodic job was asked for.
    """
    moment = now or utc_now()
    try:
        with db.session_scope(resources.engine) as session:
            take_back(session, lease=timedelta(seconds=resources.settings.job_lease), now=moment)
        if any(asked.get(periodic.name) != periodic.period(moment) for periodic in PERIODIC):
            with db.session_scope(resources.engine) as session:
                now_asked = ask_periodic(session, known=known, asked=asked, now=moment)
            asked.update(now_asked)
        with db.session_scope(resources.engine) as session:
            budgets.let_go(session, default_micro=resources.settings.budget_micro, now=moment)
        with db.session_scope(resources.engine) as session:
            _nudge_due(session, resources, moment)
    except SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        log.warning("the database does not answer (%s); looking again soon", kind)


def take_back(session: Session, *, lease: timedelta, now: datetime) -> None:
    """Take back the jobs whose worker is gone, and forget the workers that are."""
    lost = sweeping.take_back_lost(session, lease=lease, now=now)
    if lost:
        log.warning("took back %d jobs whose worker is gone", len(lost))
    sweeping.forget_pulses(session, before=now - _PULSES_ARE_KEPT)


def _nudge_due(session: Session, resources: Resources, now: datetime) -> None:
    try:
        quiet, room = _quiet(resources.redis, sweep=timedelta(seconds=resources.settings.job_sweep))
    except (RedisError, OSError) as error:
        log.warning("Redis does not answer (%s); jobs wait", type(error).__name__)
        return
    sweeping.nudge_begun(session, quiet=_IMPATIENCE, now=now)
    if room > 0:
        sweeping.nudge_due(session, quiet=quiet, now=now, limit=room)


def _quiet(redis: "Redis", *, sweep: timedelta) -> tuple[dict[str, timedelta], int]:
    """How long a hint is trusted in each queue, and how many hints have room.

    An empty queue holds no hint: whatever is due was lost on its way, or is being claimed
    this moment. A queue that was full before Redis forgot everything is such a queue.
    """
    if queue.has_forgotten(redis):
        log.warning("Redis had forgotten the queue; it is filled again from the database")
        return dict.fromkeys(QUEUES, timedelta(0)), queue.FULL
    lengths = {name: queue.length(redis, name) for name in QUEUES}
    quiet = {name: _QUIET if length else sweep for name, length in lengths.items()}
    return quiet, queue.FULL - max(lengths.values())


def ask_periodic(
    session: Session, *, known: registry.Jobs, asked: Mapping[str, int], now: datetime
) -> Mapping[str, int]:
    """Ask for each periodic job that was not asked for in this period, and return the periods that are settled.

    Schedulers take turns by a lock; whose turn it is not settles nothing and looks again.
    """
    if not session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended("jobs.schedule", 0)))):
        return {}
    settled: dict[str, int] = {}
    for periodic in PERIODIC:
        period = periodic.period(now)
        entry = known.get(periodic.name)
        if entry is None or asked.get(periodic.name) == period:
            continue
        key = f"period:{periodic.name}:{period}"
        is_known = session.scalar(
            sa.select(
                sa.exists().where(
                    JobRun.name == periodic.name,
                    sa.or_(
                        sa.and_(JobRun.created_at >= now - periodic.every, JobRun.dedupe_key == key),
                        # What takes longer than its period does not pile up; what somebody paused stops nothing else.
                        sa.and_(JobRun.state.in_(OPEN), JobRun.held_for.is_(None)),
                    ),
                )
            )
        )
        if not is_known:
            work.ask(
                session, periodic.name, dedupe_key=key, queue=entry.queue, max_attempts=entry.max_attempts or 3, now=now
            )
        settled[periodic.name] = period
    return settled
