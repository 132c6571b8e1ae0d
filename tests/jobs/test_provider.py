"""A job that needs the embeddings server, while that one is down, busy or refuses the key; the server is a real one."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts.permissions import RoleName
from studio.kit import db
from studio.kit.clock import utc_now
from studio.memory.models import CharacterEmbedding
from studio.operations.models import ErrorLog
from studio.providers.breaker import MOST_FAILURES
from studio.work.models import JobRun, JobState, ProviderCircuit
from studio.work.rules import OUTAGE_PATIENCE
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.fakes.openai_server import OpenAIServer, Status

BUSY = Status(429, headers={"retry-after": "90"})
BAD_KEY = Status(401, message="Incorrect API key provided: sk-secret-of-ours.")


@pytest.fixture
def server():
    with OpenAIServer(dimensions=64) as running:
        yield running


@pytest.fixture
def worker(house, server):
    """A runtime that asks `server`, trying each request once: what follows is the job's own patience."""
    settings = house.settings.model_copy(
        update={
            "embeddings_provider": "openai",
            "embeddings_url": server.url,
            "embeddings_key": SecretStr("sk-secret-of-ours"),
            "embeddings_dimensions": server.dimensions,
            "embeddings_attempts": 1,
        }
    )
    resources = Resources(settings)
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()


@pytest.fixture
def embedding(house):
    """The job that embeds a new character, asked for by creating it."""
    with db.session_scope(house.engine) as session:
        make_character(session, owner=make_actor(session, RoleName.CREATOR), description="A swordsman. 一位剑客。")
    with db.session_scope(house.engine) as session:
        return session.scalars(sa.select(JobRun).where(JobRun.name == "memory.embed_character")).one()


def count(house, model):
    with house.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(model))


def make_due(house):
    house.change(lambda session: session.execute(sa.update(JobRun).values(run_after=utc_now())))


def end_rest(house, worker):
    """Have the rest of every provider be over, for this process too."""
    house.change(lambda session: session.execute(sa.update(ProviderCircuit).values(open_until=utc_now())))
    worker.resources.embeddings._breaker._until = 0.0


class TestEmbedCharacter:
    def test_waits_out_a_server_that_is_down(self, house, worker, server, embedding):
        down = embedding.max_attempts + 2
        server.script(*[Status(503)] * MOST_FAILURES)
        for _ in range(down):
            assert worker.perform(embedding.id)
            assert house.job(embedding).state is JobState.QUEUED
            assert house.job(embedding).run_after > utc_now()
            make_due(house)
        # After some failures in a row it is left alone for a while.
        assert server.calls == MOST_FAILURES
        end_rest(house, worker)
        assert worker.perform(embedding.id)
        assert (house.job(embedding).state, house.job(embedding).attempts) == (JobState.SUCCEEDED, down + 1)
        assert count(house, CharacterEmbedding) == 1
        assert count(house, ErrorLog) == 0

    def test_waits_out_a_server_that_is_not_there(self, house, worker, server, embedding):
        address = server._server.server_port
        server.__exit__(None, None, None)
        assert worker.perform(embedding.id)
        assert house.job(embedding).error_type == "ProviderBusyError"
        make_due(house)
        with OpenAIServer(dimensions=server.dimensions, port=address):
            assert worker.perform(embedding.id)
        assert house.job(embedding).state is JobState.SUCCEEDED

    def test_comes_back_no_sooner_than_the_server_asked(self, house, worker, server, embedding):
        server.script(BUSY)
        before = utc_now()
        worker.perform(embedding.id)
        assert house.job(embedding).run_after >= before + timedelta(seconds=90)
        assert not worker.perform(embedding.id)
        assert server.calls == 1

    def test_does_not_wait_for_ever(self, house, worker, server, embedding):
        server.script(*[Status(503)] * embedding.max_attempts)
        house.change(
            lambda session: session.execute(sa.update(JobRun).values(outage_since=utc_now() - OUTAGE_PATIENCE))
        )
        for _ in range(embedding.max_attempts):
            make_due(house)
            worker.perform(embedding.id)
        assert house.job(embedding).state is JobState.FAILED

    def test_ends_at_once_where_the_key_is_refused(self, house, worker, server, embedding):
        server.script(BAD_KEY)
        worker.perform(embedding.id)
        kept = house.job(embedding)
        assert (kept.state, kept.attempts, server.calls) == (JobState.FAILED, 1, 1)
        assert kept.error_message == "The embeddings server does not accept the key. Check STUDIO_EMBEDDINGS_KEY."
        assert count(house, ErrorLog) == 0

    def test_ends_at_once_where_the_server_answers_nonsense(self, house, worker, server, embedding):
        server.script(Status(400, message="no"))
        worker.perform(embedding.id)
        assert (house.job(embedding).state, server.calls) == (JobState.FAILED, 1)
        assert count(house, CharacterEmbedding) == 0
