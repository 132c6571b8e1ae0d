"""The drill's job, for our workers and for RQ's, and the processes that do it.

A job keeps a file under the hash of its content and notes that in a table without any constraint, so that what
happens twice is seen. Both programs use the same storage and the same statement: they differ in what carries the jobs.
"""

import hashlib
import logging
import os
import random
import sys
import time
from pathlib import Path

import psycopg
import sqlalchemy as sa

from jobs.registry import JobContext, job
from studio.providers.storage import LocalStorage, key_of

EFFECTS = sa.table("drill_effects", sa.column("number"), sa.column("attempt"), sa.column("sha256"))
CREATE = "CREATE TABLE drill_effects (number int, attempt int, sha256 text, at timestamptz DEFAULT clock_timestamp())"
_SIZE = 4_000


def content_of(number: int) -> bytes:
    """The bytes of one job's file: different for each, and the same at every attempt."""
    return random.Random(number).randbytes(_SIZE + number % 500)


def _work() -> None:
    time.sleep(random.uniform(0.004, 0.02))


@job("tests.drill", timeout=120)
def drill(run: JobContext, *, number: int) -> None:
    """Keep the file, and note it in the transaction that also notes the job's success."""
    data = content_of(number)
    sha256 = hashlib.sha256(data).hexdigest()
    run.resources.storage.put(key_of(sha256), data)
    _work()
    with run.transaction(last=True) as session:
        session.execute(sa.insert(EFFECTS).values(number=number, attempt=run.attempt, sha256=sha256))


def drill_plainly(number: int) -> None:
    """The same as a job of RQ's."""
    data = content_of(number)
    sha256 = hashlib.sha256(data).hexdigest()
    LocalStorage(Path(os.environ["DRILL_MEDIA"])).put(key_of(sha256), data)
    _work()
    with psycopg.connect(os.environ["DRILL_DATABASE"]) as connection:
        connection.execute("INSERT INTO drill_effects (number, attempt, sha256) VALUES (%s, 0, %s)", (number, sha256))


def main() -> None:
    """What each process runs."""
    kind = sys.argv[1]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    if kind == "plain":
        from redis import Redis
        from rq import Worker

        with Redis.from_url(os.environ["DRILL_REDIS"]) as client:
            Worker(["default"], connection=client).work(with_scheduler=True, logging_level="WARNING")
        return
    from jobs import schedule, worker
    from studio.settings import Settings

    {"worker": worker.run, "scheduler": schedule.run}[kind](Settings(_env_file=None))
