"""Bringing 1,000 cards in: as one bulk import, and one after another through the page for single cards; with what it costs in memory."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import psutil
import sqlalchemy as sa
from pydantic import SecretStr

from studio.kit.db import session_scope
from studio.settings import ROOT
from studio.work.models import JobRun, JobState
from studio.work.queries import OPEN
from tests.benchmarks.cards import card
from tests.benchmarks.harness import Context, Result, faster
from tests.benchmarks.rows import add_people
from tests.benchmarks.servers import Servers, servers, web_server
from tests.factories.accounts import PASSWORD
from tests.fakes.openai_server import OpenAIServer

GOAL = 5.0
FLAT = 1.15
_SLICE = 50
_PATIENCE = 1800.0
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def run(context: Context) -> list[Result]:
    """Cards a second of both ways, and the worker's peak with a tenth of the cards and with all of them."""
    count, sample = context.size(1_000, 60), context.size(100, 10)
    few = count // 10
    # The embeddings that follow an import are somebody else's work and somebody else's memory.
    with OpenAIServer(keep=False) as fake:
        changes = {"embeddings_provider": "openai", "embeddings_url": fake.url, "embeddings_key": SecretStr("no-key")}
        with servers(context.folder, **changes) as here:
            add_people(here, 5)
            environment = here.environment | {
                "STUDIO_EMBEDDINGS_PROVIDER": "openai",
                "STUDIO_EMBEDDINGS_URL": fake.url,
                "STUDIO_EMBEDDINGS_KEY": "no-key",
            }
            log = context.folder / "web.log"
            with web_server("wsgi:app", environment=environment, log=log, ready="/healthz") as port:
                before = _one_by_one(port, person=0, first=100_000, count=sample)
                with _worker(environment, context.folder / "worker.log") as worker:
                    # What a worker imports and keeps once, it has before anything is measured.
                    _in_bulk(here, port, person=4, first=300_000, count=few)
                    _settle(here)
                    with Peak(worker) as small:
                        _in_bulk(here, port, person=1, first=0, count=few)
                    _settle(here)
                    with context.step(f"{count:,} cards in one import"), Peak(worker) as large:
                        seconds = _in_bulk(here, port, person=2, first=10_000, count=count)
                    _settle(here)
                after = _one_by_one(port, person=3, first=200_000, count=sample)
            _must_be_there(here, 2 * few + count + 2 * sample)
    context.say(f"one by one: {sample / before:.1f} and {sample / after:.1f} cards/s")
    return [
        faster(
            f"import of {count:,} cards of 20 kB",
            ours=count / seconds,
            peer=2 * sample / (before + after),
            peer_name="one card at a time",
            goal=GOAL,
            unit="cards/s",
        ),
        Result(
            f"peak memory of the worker, {count:,} cards",
            "MB",
            large.megabytes,
            small.megabytes,
            f"{few} cards",
            ratio=large.megabytes / small.megabytes,
            goal=FLAT,
            at_most=True,
        ),
    ]


class Peak:
    """The most memory that one of a process' family held at a time while this was open."""

    def __init__(self, process: psutil.Process) -> None:
        self.megabytes = 0.0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        # Looking costs time that the import would have: four times a second is enough for a step of fifty cards.
        family = [self._process, *self._process.children(recursive=True)]
        while not self._ended.wait(0.25):
            try:
                held = max(one.memory_info().rss for one in family)
            except psutil.Error:
                continue
            self.megabytes = max(self.megabytes, held / 1e6)


def _client(port: int, person: int) -> tuple[httpx2.Client, str]:
    """A creator who is signed in, and the token that their forms carry."""
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0)
    token = _token(client.get("/sign-in").text)
    form = {"email": f"creator{person}@bench.example", "password": PASSWORD, "csrf_token": token}
    client.post("/sign-in", data=form)
    return client, _token(client.get("/imports/").text)


def _token(page: str) -> str:
    found = _TOKEN.search(page)
    if found is None:
        raise RuntimeError("The page has no token")
    return found[1]


def _one_by_one(port: int, *, person: int, first: int, count: int) -> float:
    """Seconds for that many cards through the page for single ones: uploaded, then confirmed."""
    client, token = _client(port, person)
    cards = [card(first + number) for number in range(count)]
    with closing(client):
        began = time.perf_counter()
        for number, data in enumerate(cards):
            answer = client.post("/imports/", data={"csrf_token": token}, files={"card": (f"{number}.json", data)})
            done = client.post(f"{answer.headers['location']}/confirm", data={"csrf_token": token})
            if done.status_code != 303:
                raise RuntimeError(f"A card was not taken: {done.status_code}")
        return time.perf_counter() - began


def _in_bulk(here: Servers, port: int, *, person: int, first: int, count: int) -> float:
    """Seconds from the first request to the job's success, sent as the page's script sends them."""
    client, token = _client(port, person)
    cards = [(f"folder/{number}.json", card(first + number)) for number in range(count)]
    with closing(client):
        began = time.perf_counter()
        address = client.post("/imports/batches/open", data={"csrf_token": token}).json()["address"]
        for start in range(0, count, _SLICE):
            files = [("card", (name, data)) for name, data in cards[start : start + _SLICE]]
            taken = client.post(f"{address}/files", data={"csrf_token": token}, files=files).json()["taken"]
            if taken != len(files):
                raise RuntimeError(f"{taken} of {len(files)} files were taken")
        client.post(f"{address}/start", data={"csrf_token": token})
        batch_id = address.rpartition("/")[2]
        while time.perf_counter() - began < _PATIENCE:
            with session_scope(here.engine) as session:
                job = session.scalars(
                    sa.select(JobRun).where(
                        JobRun.name == "authoring.import_cards", JobRun.arguments["batch_id"].astext == batch_id
                    )
                ).one()
            if job.state is JobState.SUCCEEDED:
                return time.perf_counter() - began
            if job.state in {JobState.FAILED, JobState.CANCELLED}:
                raise RuntimeError(f"The import ended as {job.state}: {job.error_message}")
            time.sleep(0.1)
    raise RuntimeError("The import did not end")


def _settle(here: Servers) -> None:
    """Wait until nothing of what follows an import is under way."""
    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends:
        with session_scope(here.engine) as session:
            if (
                session.scalar(sa.select(JobRun.id).where(JobRun.state.in_(OPEN), JobRun.queue == "bulk").limit(1))
                is None
            ):
                return
        time.sleep(0.1)


def _must_be_there(here: Servers, count: int) -> None:
    with here.engine.connect() as connection:
        kept = connection.scalar(sa.text("SELECT count(*) FROM characters"))
    if kept != count:
        raise RuntimeError(f"{kept} of {count} characters were made")


@contextmanager
def _worker(environment: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "studio", "worker", "--queues", "bulk"],
            cwd=ROOT,
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
