"""The jobs of chats, run by the runtime that workers run: test prompts on two sides, and the sweep."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio import work
from studio.accounts.permissions import SYSTEM, RoleName
from studio.authoring import versions
from studio.chat import runs, test_prompts
from studio.chat.models import AnswerState, ChatSession, PromptRun, PromptRunAnswer, Side, UsageStat
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.operations.models import ErrorLog
from studio.settings import ModelPrice
from studio.work import steering
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.chat import make_chat, make_talker
from tests.fakes import language_server as fake


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def runtime(settings, committed_database, redis_client, server):
    own = settings.model_copy(
        update={
            "database_url": SecretStr(committed_database.url),
            "language_provider": "openai",
            "language_url": server.url,
            "language_attempts": 1,
            "language_prices": {"gpt-4.1-mini": ModelPrice(input=1000, output=1000)},
        }
    )
    resources = Resources(own)
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()


@pytest.fixture
def run(engine):
    """A run of two prompts on a version and the draft, which was changed since."""
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)
        character = make_talker(session, owner=owner)
        for text in ("Who are you?", "你是谁？"):
            test_prompts.save(session, actor=owner, character_id=character.id, text=text, now=utc_now())
        version = versions.make(session, actor=owner, character_id=character.id, now=utc_now())
        character.description = "Changed since, and much longer than it was before."
        return runs.start(session, actor=owner, character_id=character.id, left=version.id, right=None, now=utc_now())


def answers(engine, run):
    with session_scope(engine) as session:
        rows = session.scalars(
            sa.select(PromptRunAnswer)
            .where(PromptRunAnswer.run_id == run.id)
            .order_by(PromptRunAnswer.position, PromptRunAnswer.side)
        ).all()
        session.expunge_all()
        return rows


def job(engine, run):
    with session_scope(engine) as session:
        return session.get_one(JobRun, run.job_id)


class TestRunTestPrompts:
    def test_answers_every_prompt_on_both_sides_and_tells_the_cost(self, engine, runtime, run, server):
        assert runtime.perform(run.job_id)
        done = job(engine, run)
        assert (done.state, done.result) == (JobState.SUCCEEDED, {"answers": 4})
        assert done.cost_micro > 0
        found = answers(engine, run)
        assert [(one.position, one.side) for one in found] == [
            (0, Side.LEFT),
            (0, Side.RIGHT),
            (1, Side.LEFT),
            (1, Side.RIGHT),
        ]
        assert {one.state for one in found} == {AnswerState.COMPLETE}
        assert found[0].content == "You said: Who are you?"
        assert found[1].prompt_tokens > found[0].prompt_tokens
        assert [("Changed since" in asked.text) for asked in server.requests] == [False, True, False, True]
        with session_scope(engine) as session:
            assert session.scalars(sa.select(PromptRun.finished_at)).one() is not None
            assert session.scalars(sa.select(UsageStat.requests)).one() == 4

    def test_goes_on_after_a_failure_with_the_fallback_and_the_reason(self, engine, runtime, run, server):
        server.script(fake.Dies(after=1))
        runtime.perform(run.job_id)
        first, *others = answers(engine, run)
        assert (first.state, first.content) == (AnswerState.FALLBACK, "The wind takes my words.")
        assert "broke off" in first.failure["msgid"]
        assert {one.state for one in others} == {AnswerState.COMPLETE}
        with session_scope(engine) as session:
            assert session.scalars(sa.select(ErrorLog.reference)).one() == first.error_reference

    def test_asks_for_nothing_twice(self, engine, runtime, run, server):
        runtime.perform(run.job_id)
        with session_scope(engine) as session:
            work.ask(session, "chat.run_test_prompts", dedupe_key="again", run_id=run.id)
            again = session.scalars(sa.select(JobRun.id).where(JobRun.dedupe_key == "again")).one()
        runtime.perform(again)
        assert len(server.requests) == 4

    def test_stops_at_once_when_it_is_cancelled_before(self, engine, runtime, run, server):
        with session_scope(engine) as session:
            steering.cancel(session, actor=SYSTEM, job_id=run.job_id, now=utc_now())
        runtime.perform(run.job_id)
        assert not server.requests

    def test_does_nothing_for_who_may_no_longer_read_the_character(self, engine, runtime, run, server):
        with session_scope(engine) as session:
            session.execute(sa.text("DELETE FROM user_roles"))
        runtime.perform(run.job_id)
        assert not server.requests


class TestSweep:
    def test_deletes_old_chats(self, engine, runtime):
        with session_scope(engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            chat = make_chat(session, owner=owner)
            kept = make_chat(session, owner=owner).id
            session.execute(
                sa.update(ChatSession)
                .where(ChatSession.id == chat.id)
                .values(updated_at=utc_now() - timedelta(days=91))
            )
            session.execute(sa.update(ChatSession).where(ChatSession.id == kept).values(updated_at=utc_now()))
            asked = work.ask(session, "chat.sweep").id
        runtime.perform(asked)
        with session_scope(engine) as session:
            assert list(session.scalars(sa.select(ChatSession.id))) == [kept]
