"""The worker: one process that takes hints from the queue and does one job at a time, until it is told to end."""

import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.timeouts import BaseDeathPenalty
from uuid_utils.compat import uuid7

from jobs import queue, registry, runtime
from jobs.pulse import Pulse
from jobs.resources import Resources, prepare_tables
from studio import work
from studio.kit import db
from studio.kit.errors import InvalidError
from studio.providers import breaker
from studio.settings import Settings
from studio.work.circuits import SharedCircuits
from studio.work.rules import QUEUES

log = logging.getLogger(__name__)

_BETWEEN_LOOKS = 15
"""Seconds that one wait for a hint may last; Redis closes nothing that is used so often."""


def run(settings: Settings, *, queues: Sequence[str] = QUEUES) -> None:
    """Do jobs of `queues` until SIGTERM or SIGINT; the job under way is given a few seconds, and goes back after that.

    A job of an earlier queue comes before one of a later.

    To be called from the main thread of a process of its own. `settings` name the
    database and Redis (`studio.embedded.attach` fills them in). Redis and PostgreSQL may be away in between.
    """
    logging.getLogger("rq").setLevel(logging.WARNING)
    name = new_name("worker")
    resources = Resources(settings)
    pulse = Pulse(resources, name=name, kind="worker")
    _heed_signals(pulse)
    work.set_nudge(queue.nudge(resources.redis))
    breaker.share(SharedCircuits(lambda: db.session_scope(resources.side_engine)))
    # What the first job would import and set up is there before it comes.
    prepare_tables()
    runtime.install(runtime.Runtime(resources, pulse, registry.load(), queues))
    pulse.start()
    log.info("worker %s is up, for the jobs of %s", name, " and ".join(queues))
    try:
        _listen(settings, pulse, name, queues)
    finally:
        pulse.close()
        runtime.install(None)
        work.set_nudge(None)
        breaker.share(None)
        resources.close()
        log.info("worker %s has ended", name)


def queues_from(text: str) -> tuple[str, ...]:
    """The queues that `text` names, between commas, each once. Raises InvalidError for one that there is not, or none."""
    named = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in named if name not in QUEUES]
    if unknown or not named:
        known = ", ".join(QUEUES)
        raise InvalidError("There is no queue %(name)s. Choose from: %(known)s.", name=", ".join(unknown), known=known)
    return named


def new_name(kind: str) -> str:
    """A name for this process: what it is, on which machine, and which one it is."""
    host = socket.gethostname().split(".", 1)[0].replace(":", "-")[:40]
    return f"{kind}-{host}-{os.getpid()}-{uuid7().hex[-6:]}"


def _listen(settings: Settings, pulse: Pulse, name: str, queues: Sequence[str]) -> None:
    """Take hints until told to stop; RQ's loop ends when Redis does not answer, ours begins it again."""
    wait = 0.2
    number = 0
    while not pulse.is_stop_requested:
        number += 1
        began = time.monotonic()
        try:
            with queue.connect(settings) as redis:
                worker = _Worker(pulse, redis, f"{name}-{number}", queues)
                worker.work(logging_level="WARNING")
        except StopRequested:
            # The signal came before or after the loop that knows it.
            return
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer (%s); jobs wait", type(error).__name__)
        finally:
            _heed_signals(pulse)
        wait = 0.2 if time.monotonic() - began > 10 else min(wait * 2, 3.0)  # noqa: PLR2004 - It had worked for a while.
        time.sleep(wait)


def _heed_signals(pulse: Pulse) -> None:
    """Have SIGTERM and SIGINT end this process in order, while RQ's own handlers are not in place."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        pulse.request_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


class _NoDeathPenalty(BaseDeathPenalty):
    """RQ's limits are off: `jobs.runtime` knows how long each job may take."""

    def setup_death_penalty(self) -> None:
        """Nothing is set up."""

    def cancel_death_penalty(self) -> None:
        """Nothing was set up."""


class _Worker(SimpleWorker):
    """RQ's worker without a fork per job, with our way of ending (decision 0003)."""

    death_penalty_class = _NoDeathPenalty
    # RQ would wait for up to a minute; Redis on this machine is back in a second.
    max_connection_wait_time = 2.0

    def __init__(self, pulse: Pulse, redis: "Redis", name: str, queues: Sequence[str]) -> None:
        super().__init__(
            [queue.open_queue(redis, each) for each in queues],
            name=name,
            connection=redis,
            serializer=queue.SERIALIZER,
            default_result_ttl=0,
            worker_ttl=_BETWEEN_LOOKS + 15,
            log_job_description=False,
        )
        self._pulse = pulse

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - RQ gives it.
        """End now where no job is under way, else after it; asked twice it is the same."""
        self._stop_requested = True
        self._pulse.request_stop()
        if not self._pulse.is_busy:
            raise StopRequested

    def handle_exception(self, job: Any, *exc_info: Any) -> None:
        """A hint could not be followed (the database was away): one line, since the sweep hints again."""
        kind = exc_info[0].__name__ if exc_info and exc_info[0] else "unknown"
        log.warning("hint %s could not be followed (%s)", job.id, kind)
