"""What was paid for is kept: a provider of pictures is asked once through a full disk and a lost database, and never past the budget."""

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts.permissions import SYSTEM, RoleName
from studio.authoring import portraits
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.media import generations
from studio.media.models import GeneratedPicture, GenerationState, ImageGeneration
from studio.providers.images import price_of
from studio.work import budgets, paid, steering
from studio.work.models import Hold, HouseSpending, JobRun, JobState, PaidAnswer, PersonBudget
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.fakes.moderation_server import ModerationServer
from tests.fakes.openai_server import Status
from tests.fakes.pictures_server import Bytes, PicturesServer
from tests.fakes.storage_in_trouble import StorageInTrouble

COST = 80_000
"""Two pictures at 0.04."""

WANTED = generations.Wanted("a keeper of the tower", width=512, height=768, count=2, name="Mei")


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def server():
    with PicturesServer() as running:
        yield running


@pytest.fixture
def runtime(settings, committed_database, redis_client, server):
    """A runtime in this process, whose people may spend 0.10 in a month."""
    changes = {
        "database_url": SecretStr(committed_database.url),
        "images_provider": "webui",
        "images_url": server.url,
        "images_model": "drawer",
        "images_attempts": 1,
        "images_prices": {"drawer": Decimal("0.04")},
        "budget_monthly": Decimal("0.10"),
    }
    resources = Resources(settings.model_copy(update=changes))
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()


@pytest.fixture
def asked(engine, runtime):
    """A request for two pictures, and its owner."""
    shared = runtime.resources
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)
        character = make_character(session, owner=owner, name="Mei")
        return portraits.ask_for_pictures(
            session,
            actor=owner,
            wanted=WANTED,
            character_id=character.id,
            provider=shared.images,
            estimate_micro=price_of(shared.settings, provider=shared.images).micro(2),
            currency="USD",
            quota=0,
            now=utc_now(),
        )


def attempt(engine, runtime, generation):
    """One attempt, as soon as it may be; the job as it stands then."""
    with session_scope(engine) as session:
        session.execute(
            sa.update(JobRun).where(JobRun.id == generation.job_id).values(run_after=utc_now() - timedelta(seconds=1))
        )
    runtime.perform(generation.job_id)
    with session_scope(engine) as session:
        return session.get_one(JobRun, generation.job_id)


def again(engine, generation):
    with session_scope(engine) as session:
        steering.retry(session, actor=SYSTEM, job_id=generation.job_id, now=utc_now())


def stands(engine, generation):
    """(state, cost of the generation, spent by the person, pictures, answers that are held)"""
    with session_scope(engine) as session:
        row = session.get_one(ImageGeneration, generation.id)
        spent = session.scalar(sa.select(PersonBudget.spent_micro).where(PersonBudget.user_id == generation.user_id))
        pictures = session.scalar(sa.select(sa.func.count()).select_from(GeneratedPicture))
        held = session.scalar(sa.select(sa.func.count()).select_from(PaidAnswer))
        return row.state, row.cost_micro, spent, pictures, held


def in_trouble(runtime, writes, trouble=None):
    runtime.resources.__dict__["storage"] = StorageInTrouble(runtime.resources.storage, writes=writes, trouble=trouble)


class TestOnePayment:
    def test_outlasts_a_full_disk(self, engine, runtime, server, asked):
        in_trouble(runtime, writes=3)
        for _ in range(3):
            assert attempt(engine, runtime, asked).state is JobState.QUEUED
        job = attempt(engine, runtime, asked)
        assert (job.state, job.cost_micro) == (JobState.SUCCEEDED, COST)
        assert len(server.requests) == 1
        assert stands(engine, asked) == (GenerationState.COMPLETED, COST, COST, 2, 0)

    def test_outlasts_a_database_that_goes_while_the_pictures_are_kept(self, engine, runtime, server, asked):
        def restart():
            with engine.connect() as connection:
                others = sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                connection.execute(others)

        in_trouble(runtime, writes=2, trouble=restart)
        states = [attempt(engine, runtime, asked).state for _ in range(3)]
        assert states == [JobState.QUEUED, JobState.QUEUED, JobState.SUCCEEDED]
        assert len(server.requests) == 1
        assert stands(engine, asked) == (GenerationState.COMPLETED, COST, COST, 2, 0)

    def test_outlasts_a_model_that_cannot_look_at_what_was_drawn(self, engine, runtime, server, asked):
        with ModerationServer() as model:
            changes = {
                "moderation_provider": "openai",
                "moderation_url": model.url,
                "moderation_key": SecretStr("k"),
                "moderation_attempts": 1,
            }
            shared = Resources(runtime.resources.settings.model_copy(update=changes))
            shared.__dict__["images"] = _ThenBusy(shared.images, model)
            looked_at = Runtime(shared, runtime.pulse, registry.load())
            assert attempt(engine, looked_at, asked).state is JobState.QUEUED
            assert stands(engine, asked)[-1] == 1
            assert attempt(engine, looked_at, asked).state is JobState.SUCCEEDED
            shared.close()
        assert len(server.requests) == 1
        assert stands(engine, asked) == (GenerationState.COMPLETED, COST, COST, 2, 0)

    def test_of_what_is_refused_is_the_studios(self, engine, runtime, asked):
        with ModerationServer(flags={"picture": {"sexual": 0.9}}) as model:
            changes = {"moderation_provider": "openai", "moderation_url": model.url, "moderation_key": SecretStr("k")}
            shared = Resources(runtime.resources.settings.model_copy(update=changes))
            job = attempt(engine, Runtime(shared, runtime.pulse, registry.load()), asked)
            shared.close()
        assert (job.state, job.cost_micro) == (JobState.FAILED, 0)
        assert stands(engine, asked) == (GenerationState.FAILED, None, 0, 0, 0)
        with session_scope(engine) as session:
            assert session.scalars(sa.select(HouseSpending.spent_micro)).all() == [COST]

    def test_is_held_for_a_week_and_no_longer(self, engine, runtime, asked):
        in_trouble(runtime, writes=1)
        attempt(engine, runtime, asked)
        with session_scope(engine) as session:
            assert paid.forget_old(session, before=utc_now() - timedelta(days=7)) == 0
            assert paid.forget_old(session, before=utc_now()) == 1


class _ThenBusy:
    """A provider after whose answer the moderation model is busy once."""

    def __init__(self, inner, model):
        self._inner, self._model = inner, model

    def make(self, request, *, watch):
        made = self._inner.make(request, watch=watch)
        self._model.script(Status(503))
        return made

    def __getattr__(self, name):
        return getattr(self._inner, name)


class TestDoneAgain:
    def test_waits_for_budget_where_the_month_is_full(self, engine, runtime, server, asked):
        server.script(Bytes(b"<html>captive portal</html>"))
        assert attempt(engine, runtime, asked).state is JobState.FAILED
        for _ in range(2):
            job = attempt(engine, runtime, asked)
            if job.state is JobState.FAILED:
                again(engine, asked)
        job = attempt(engine, runtime, asked)
        assert (job.state, job.held_for, job.cost_micro) == (JobState.QUEUED, Hold.BUDGET, COST)
        assert len(server.requests) == 1
        # It goes on when there is room for it, and not before.
        with session_scope(engine) as session:
            default = runtime.resources.settings.budget_micro
            assert budgets.let_go(session, default_micro=default, now=utc_now()) == []
            budgets.set_limit(session, user_id=asked.user_id, limit_micro=2 * COST, now=utc_now())
            assert budgets.let_go(session, default_micro=default, now=utc_now()) == [asked.job_id]
        assert attempt(engine, runtime, asked).state is JobState.SUCCEEDED
        assert stands(engine, asked) == (GenerationState.COMPLETED, 2 * COST, 2 * COST, 2, 0)
