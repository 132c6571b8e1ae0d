"""Embedding many characters: our one job, and one RQ job for each text, against the same slow embeddings server."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import openai
import sqlalchemy as sa
from pydantic import SecretStr
from redis import Redis
from rq import Queue, Worker

from jobs import queue
from studio import work
from studio.kit.db import make_engine, session_scope
from studio.settings import ROOT
from studio.work.models import JobRun, JobState
from tests.benchmarks.harness import Context, Result, faster
from tests.benchmarks.rows import add_characters, add_people, character_ids
from tests.benchmarks.servers import Servers, servers
from tests.fakes.openai_server import OpenAIServer

LATENCY = 0.04
"""Seconds that the embeddings server takes for a request, whatever its size."""

GOAL = 20.0
_PATIENCE = 1800.0
_PEER_URL = "BENCH_PEER_REDIS_URL"


def run(context: Context) -> list[Result]:
    """Texts a second of both, and the calls of a second run."""
    count, sample = context.size(20_000, 200), context.size(100, 10)
    # RQ's own server is the same one, in another numbered database.
    with OpenAIServer(latency=LATENCY, keep=False) as fake:
        changes = {
            "embeddings_provider": "openai",
            "embeddings_url": fake.url,
            "embeddings_key": SecretStr("no-key"),
        }
        with servers(context.folder, **changes) as here:
            _staff, creators = add_people(here, 20)
            with context.step(f"{count:,} characters"):
                add_characters(here, count, owners=creators)
            ids = character_ids(here)
            environment = here.environment | {
                "STUDIO_EMBEDDINGS_PROVIDER": "openai",
                "STUDIO_EMBEDDINGS_URL": fake.url,
                "STUDIO_EMBEDDINGS_KEY": "no-key",
            }
            before = _plain(here, ids[:sample], environment)
            with _process(environment, context.folder / "worker.log", "ours"), _nudging(here):
                # The worker is up and has imported what it needs; there is nothing to fetch yet for this job.
                _ours(here, "memory.ensure_indexes")
                fake.reset()
                with context.step("our job"):
                    seconds = _ours(here, "memory.embed_missing")
                calls = fake.calls
                fake.reset()
                again = _ours(here, "memory.embed_missing")
                calls_again = fake.calls
            after = _plain(here, ids[sample : 2 * sample], environment)
            context.say(f"{calls} calls; the second run took {again:.2f} s and {calls_again} calls")
            _must_be_embedded(here, count)
    return [
        faster(
            f"embedding {count:,} texts",
            ours=count / seconds,
            peer=2 * sample / (before + after),
            peer_name="one RQ job for each text",
            goal=GOAL,
            unit="texts/s",
        ),
        Result("embedding again what is unchanged", "calls", calls_again, goal=0, at_most=True),
    ]


def _ours(here: Servers, name: str) -> float:
    """Ask for the job and return the seconds until its row says that it succeeded."""
    began = time.perf_counter()
    with session_scope(here.engine) as session:
        job_id = work.ask(session, name, queue="bulk").id
    while time.perf_counter() - began < _PATIENCE:
        with session_scope(here.engine) as session:
            state, step = session.execute(sa.select(JobRun.state, JobRun.step).where(JobRun.id == job_id)).one()
        if state is JobState.SUCCEEDED:
            return time.perf_counter() - began
        if state in {JobState.FAILED, JobState.CANCELLED}:
            raise RuntimeError(f"{name} ended as {state} at “{step}”")
        time.sleep(0.02)
    raise RuntimeError(f"{name} did not end")


def _plain(here: Servers, ids: list[UUID], environment: Mapping[str, str]) -> float:
    """Seconds that plain RQ takes for these characters: one job each, one worker, from the first start to the last end."""
    address = here.redis_url.removesuffix("/0") + "/1"
    with Redis.from_url(address) as client:
        plain = Queue("plain", connection=client)
        name = "tests.benchmarks.embedding_job.embed_plainly"
        plain.enqueue_many([Queue.prepare_data(name, args=[str(identity)], result_ttl=3600) for identity in ids])
        log = here.settings.data.parent / "plain.log"
        finished = plain.finished_job_registry
        done_before = finished.count
        with _process(dict(environment) | {_PEER_URL: address}, log, "plain"):
            while finished.count == done_before:
                _look_for_failures(plain, log)
            began, done = time.perf_counter(), finished.count - done_before
            while finished.count - done_before < len(ids):
                _look_for_failures(plain, log)
            spent = time.perf_counter() - began
    # The first jobs' time holds the worker's start; the others are measured and stand for all.
    return spent * len(ids) / max(1, len(ids) - done)


def _look_for_failures(plain: Queue, log: Path) -> None:
    if plain.failed_job_registry.count:
        raise RuntimeError(f"A job of the peer failed:\n{log.read_text()[-2000:]}")
    time.sleep(0.01)


def embed_plainly(character_id: str) -> None:
    """What the peer's job does: read the text, ask for its vector by OpenAI's own client, keep it."""
    # RQ forks for each job: connections can't be shared between them.
    engine = make_engine(os.environ["STUDIO_DATABASE_URL"], pool=1)
    client = openai.OpenAI(base_url=os.environ["STUDIO_EMBEDDINGS_URL"], api_key="no-key")
    with engine.begin() as connection:
        row = connection.execute(
            sa.text("SELECT name, description FROM characters WHERE id = :id"), {"id": character_id}
        ).one()
        answer = client.embeddings.create(
            input=[f"{row.name}\n{row.description}"], model="text-embedding-3-small", dimensions=1536
        )
        connection.execute(
            sa.text("INSERT INTO plain_embeddings VALUES (:id, :vector) ON CONFLICT DO NOTHING"),
            {"id": character_id, "vector": str(answer.data[0].embedding)},
        )


def _must_be_embedded(here: Servers, count: int) -> None:
    with here.engine.connect() as connection:
        kept = connection.scalar(sa.text("SELECT count(*) FROM character_embeddings"))
    if kept != count:
        raise RuntimeError(f"{kept} of {count} characters were embedded")


@contextmanager
def _nudging(here: Servers) -> Iterator[None]:
    client = queue.connect(here.settings)
    work.set_nudge(queue.nudge(client))
    try:
        yield
    finally:
        work.set_nudge(None)
        client.close()


@contextmanager
def _process(environment: Mapping[str, str], log: Path, kind: str) -> Iterator[None]:
    command = [sys.executable, "-m", "studio", "worker"]
    if kind == "plain":
        command = [sys.executable, "-m", "tests.benchmarks.embedding_job"]
    with log.open("a") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _work_plainly() -> None:
    """The peer's worker process: everything is imported before it forks, which is to its good."""
    engine = make_engine(os.environ["STUDIO_DATABASE_URL"], pool=1)
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE IF NOT EXISTS plain_embeddings (id uuid PRIMARY KEY, vector vector(1536))")
        )
    engine.dispose()
    Worker(["plain"], connection=Redis.from_url(os.environ[_PEER_URL])).work(logging_level="WARNING")


if __name__ == "__main__":
    _work_plainly()
