"""The drill's job, for our workers and for RQ's, and the processes that do it.

A job asks a provider that counts what it is paid for, keeps what came as a file under its hash, and notes that in a table
without any constraint, so that what happens twice is seen. Both programs use the same provider, storage and
statement: they differ in what carries the jobs.
"""

import hashlib
import logging
import os
import random
import sys
import time
from pathlib import Path
from uuid import uuid4

import psycopg
import sqlalchemy as sa

from jobs.registry import JobContext, job
from studio.providers.storage import LocalStorage, key_of
from studio.work import paid

EFFECTS = sa.table("drill_effects", sa.column("number"), sa.column("attempt"), sa.column("sha256"))
CREATE = "CREATE TABLE drill_effects (number int, attempt int, sha256 text, at timestamptz DEFAULT clock_timestamp())"
_SIZE = 4_000


def content_of(number: int) -> bytes:
    """The bytes of one job's file: different for each, and the same at every attempt."""
    return random.Random(number).randbytes(_SIZE + number % 500)


def _ask_provider(number: int) -> bytes:
    """The bytes, after a while, and paid for: an empty file for each time, which a full disk does not refuse."""
    time.sleep(random.uniform(0.004, 0.02))
    (Path(os.environ["DRILL_PAID"]) / f"{number}.{uuid4().hex}").touch()
    return content_of(number)


@job("tests.drill", timeout=120)
def drill(run: JobContext, *, number: int) -> None:
    """Ask, hold what came, keep it, and note that in the transaction that also notes the job's success."""
    held = run.find_paid(run.job_id)
    if held is None:
        data = _ask_provider(number)
        run.hold_paid(run.job_id, facts={}, parts=[data], cost_micro=1, kind="images")
    else:
        data = held.parts[0]
    sha256 = hashlib.sha256(data).hexdigest()
    run.resources.storage.put(key_of(sha256), data)
    with run.transaction(last=True) as session:
        paid.drop(session, thing_id=run.job_id)
        session.execute(sa.insert(EFFECTS).values(number=number, attempt=run.attempt, sha256=sha256))


def drill_plainly(number: int) -> None:
    """The same as a job of RQ's."""
    data = _ask_provider(number)
    sha256 = hashlib.sha256(data).hexdigest()
    LocalStorage(Path(os.environ["DRILL_MEDIA"])).put(key_of(sha256), data)
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
