"""The queue that carries job ids to the workers: RQ on Redis, in JSON, holding nothing that may not be lost."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.queue import EnqueueData
from rq.serializers import JSONSerializer

from studio.settings import Settings
from studio.work.asking import Nudge, Urgent

SERIALIZER = JSONSerializer
"""Pickle, RQ's default, would let whoever can write to Redis run code."""

PERFORM = "jobs.runtime.perform"

FULL = 1_000
"""A queue this long needs no more hints: the sweep hands out the rest as it empties."""

_CHUNK = 250
_HINT_SECONDS = 3600
_SILENCE = 5.0
"""Seconds for which Redis is left alone after it did not answer; the sweep hints at what was asked for meanwhile."""

_MEMORY = "greenroom:queue-memory"


def connect(settings: Settings) -> "Redis":
    """A client for hints and looks: it gives up within seconds, since nothing may wait for the queue.

    Raises ValueError where no address was given; `studio.embedded` fills it for the servers of this machine.
    """
    if settings.redis_url is None:
        raise ValueError("The settings name no Redis.")
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_connect_timeout=1.5,
        socket_timeout=3.0,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1),
    )


def open_queue(redis: "Redis", name: str) -> Queue:
    """RQ's queue of that name; a job in it keeps nothing once it was run."""
    return Queue(name, connection=redis, serializer=SERIALIZER)


def nudge(redis: "Redis") -> Nudge:
    """What `work.set_nudge` wants: puts job ids on their queues.

    Ten thousand ids cost no more than the first thousand; the sweep nudges the
    others as the queue empties. Raises what Redis raises; for some seconds after that
    nothing is told, so that a Redis which hangs holds up one request and not every one.
    """
    silent_until = 0.0

    def tell(ids_by_queue: Mapping[str, Sequence[UUID]]) -> None:
        nonlocal silent_until
        if time.monotonic() < silent_until:
            return
        is_urgent = isinstance(ids_by_queue, Urgent)
        try:
            for name, ids in ids_by_queue.items():
                queue = open_queue(redis, name)
                wanted = list(dict.fromkeys(ids))[:FULL]
                for start in range(0, len(wanted), _CHUNK):
                    queue.enqueue_many([_hint(job_id, at_front=is_urgent) for job_id in wanted[start : start + _CHUNK]])
        except (RedisError, OSError):
            silent_until = time.monotonic() + _SILENCE
            raise

    return tell


def length(redis: "Redis", name: str) -> int:
    """How many hints wait in the queue."""
    return int(open_queue(redis, name).count)


def has_forgotten(redis: "Redis") -> bool:
    """Whether Redis lost what it held (FLUSHALL, a restart without its file) since this was asked last.

    The first call on an empty Redis says yes.
    """
    return bool(redis.set(_MEMORY, "1", nx=True))


def _hint(job_id: UUID, *, at_front: bool) -> EnqueueData:
    return Queue.prepare_data(
        PERFORM,
        at_front=at_front,
        args=[str(job_id)],
        # The runtime limits the time; RQ's bookkeeping of results and failures would only repeat the row.
        timeout=-1,
        result_ttl=0,
        failure_ttl=60,
        ttl=_HINT_SECONDS,
        description=f"job {job_id}",
    )
