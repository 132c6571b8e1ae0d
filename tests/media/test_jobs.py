"""The jobs of media, run by the runtime that workers run: pictures from a prompt to the library, and the sweep."""

import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio import work
from studio.accounts.models import User
from studio.accounts.permissions import RoleName
from studio.authoring import portraits
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.media import generations, prompting, uploads
from studio.media.generations import Wanted
from studio.media.models import GeneratedPicture, GenerationState, ImageGeneration, MediaFile, MediaUpload
from studio.providers import images, own_server
from studio.providers.images import price_of
from studio.providers.storage import key_of
from studio.work import budgets, steering
from studio.work.models import Hold, JobRun, JobState, Spending
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.media import make_generation, make_portrait, picture
from tests.factories.work import make_failed_job, make_job, make_running_job
from tests.fakes.moderation_server import ModerationServer
from tests.fakes.openai_server import Status as ModelStatus
from tests.fakes.pictures_server import Bytes, PicturesServer, Status
from tests.providers.images.asking import look_often

WANTED = Wanted("a keeper of the tower", width=512, height=768, steps=20, guidance=7.0, seed=77, count=2, name="Mei")


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def server():
    with PicturesServer() as running:
        yield running


@pytest.fixture
def house(settings, committed_database, redis_client, server, monkeypatch):
    """A runtime in this process with a provider of the kind that is asked for."""
    look_often(monkeypatch)
    made = []

    def open_house(kind="webui", **changes):
        base = {
            "database_url": SecretStr(committed_database.url),
            "images_provider": kind,
            "images_url": server.url,
            "images_model": "drawer",
            "images_attempts": 1,
            "images_prices": {"drawer": Decimal("0.04")},
        }
        resources = Resources(settings.model_copy(update=base | changes))
        made.append(resources)
        return Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())

    yield open_house
    for resources in made:
        resources.close()


def ask(engine, runtime, wanted=WANTED):
    shared = runtime.resources
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)
        character = make_character(session, owner=owner, name="Mei")
        return portraits.ask_for_pictures(
            session,
            actor=owner,
            wanted=wanted,
            character_id=character.id,
            provider=shared.images,
            estimate_micro=price_of(shared.settings, provider=shared.images).micro(wanted.count),
            currency="USD",
            quota=0,
            now=utc_now(),
        )


def look(engine, generation):
    with session_scope(engine) as session:
        found = session.get_one(ImageGeneration, generation.id)
        pictures = session.scalars(
            sa.select(GeneratedPicture)
            .where(GeneratedPicture.generation_id == generation.id)
            .order_by(GeneratedPicture.position)
        ).all()
        job = session.get_one(JobRun, generation.job_id)
        session.expunge_all()
        return found, pictures, job


class TestGenerate:
    @pytest.mark.parametrize("kind", ["webui", "comfyui", "local"])
    def test_puts_pictures_into_the_library_with_how_they_were_made(self, engine, house, kind):
        runtime = house(kind)
        generation = ask(engine, runtime)
        runtime.perform(generation.job_id)
        found, pictures, job = look(engine, generation)
        assert (found.state, job.state) == (GenerationState.COMPLETED, JobState.SUCCEEDED)
        assert len(pictures) == 2
        assert pictures[0].seed == 77
        assert found.cost_micro == (0 if kind == "local" else 80_000)
        assert job.cost_micro == found.cost_micro
        assert (found.steps, found.seed) == (None if kind == "local" else 20, 77)
        with session_scope(engine) as session:
            files = session.scalars(sa.select(MediaFile).order_by(MediaFile.id)).all()
            assert {file.owner_id for file in files} == {generation.user_id}
            assert all(file.is_kept and file.alt_text for file in files)
            asked = session.scalars(sa.select(JobRun.name)).all()
            assert asked.count("media.make_variants") == 2
        # Doing it twice equals doing it once.
        with session_scope(engine) as session:
            assert generations.begin(session, generation_id=generation.id, now=utc_now()) is None

    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            (Status(402), "no credit left"),
            (Status(400, message="content_policy_violation"), "rules do not allow"),
            (Status(500), "failing just now"),
            (Bytes(b"<html>captive portal</html>"), "no picture"),
        ],
    )
    def test_keeps_why_nothing_came_in_plain_words(self, engine, house, server, answer, sentence):
        server.script(answer)
        runtime = house()
        generation = ask(engine, runtime)
        runtime.perform(generation.job_id)
        found, pictures, job = look(engine, generation)
        assert (found.state, job.state, pictures) == (GenerationState.FAILED, JobState.FAILED, [])
        assert sentence in (found.error_message % (found.details["error_params"] or {}))
        assert sentence in job.error_message
        assert len(server.requests) == 1
        # What was paid for in vain reads alike in the history, in the job, and in the month.
        assert (found.cost_micro or 0) == job.cost_micro
        assert bool(found.cost_micro) == isinstance(answer, Bytes)
        # Whoever asked may have it done again, and what came of it replaces the failure.
        with session_scope(engine) as session:
            actor = make_actor(session, RoleName.STAFF)
            steering.retry(session, actor=actor, job_id=generation.job_id, now=utc_now())
        runtime.perform(generation.job_id)
        assert look(engine, generation)[0].state is GenerationState.COMPLETED

    def test_holds_a_budget_though_the_model_has_no_price(self, engine, house, server, monkeypatch):
        # The server of the tests stands for one that is not the studio's own.
        monkeypatch.setattr(own_server, "is_own", lambda _url: False)
        runtime = house(images_prices={})
        generation = ask(engine, runtime)
        with session_scope(engine) as session:
            budgets.set_limit(session, user_id=generation.user_id, limit_micro=99_999, now=utc_now())
        runtime.perform(generation.job_id)
        found, _pictures, job = look(engine, generation)
        assert (found.state, job.held_for, server.requests) == (GenerationState.PENDING, Hold.BUDGET, [])
        with session_scope(engine) as session:
            budgets.set_limit(session, user_id=generation.user_id, limit_micro=100_000, now=utc_now())
            budgets.let_go(session, default_micro=0, now=utc_now())
        runtime.perform(generation.job_id)
        found, pictures, job = look(engine, generation)
        assert (len(pictures), found.cost_micro, job.cost_micro) == (2, 100_000, 100_000)
        assert found.details["is_cost_assumed"]

    @pytest.mark.parametrize("kind", ["webui", "comfyui"])
    def test_tells_its_progress_in_its_row_and_is_stopped_at_the_provider(self, engine, house, server, kind):
        server.seconds = 10.0
        runtime = house(kind)
        generation = ask(engine, runtime)
        thread = threading.Thread(target=runtime.perform, args=(generation.job_id,))
        thread.start()
        deadline = time.monotonic() + 15
        while look(engine, generation)[2].percent < 10 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert 10 <= look(engine, generation)[2].percent < 100
        with session_scope(engine) as session:
            actor = make_actor(session, RoleName.STAFF)
            steering.cancel(session, actor=actor, job_id=generation.job_id, now=utc_now())
        thread.join(15)
        assert not thread.is_alive()
        found, pictures, job = look(engine, generation)
        assert (job.state, pictures) == (JobState.CANCELLED, [])
        assert generations.state_of(found, job) is GenerationState.CANCELLED
        assert any(told["path"].endswith("interrupt") for told in server.interrupts)
        with session_scope(engine) as session:
            assert generations.settle(session, now=utc_now()) == 1
        settled = look(engine, generation)[0]
        assert settled.state is GenerationState.CANCELLED
        # The sweep may come by hours later.
        assert settled.finished_at == job.finished_at


class TestScreening:
    """What is not drawn, or not kept: said in plain words, in the history, and at no cost."""

    @pytest.fixture
    def model(self):
        flags = {"gallows": {"violence/graphic": 0.99}, "picture": {}}
        with ModerationServer(flags=flags) as running:
            yield running

    def settings(self, model):
        return {
            "moderation_provider": "openai",
            "moderation_url": model.url,
            "moderation_key": SecretStr("k"),
            "moderation_attempts": 1,
        }

    def assert_refused(self, engine, generation, words):
        found, pictures, job = look(engine, generation)
        assert (found.state, job.state, pictures) == (GenerationState.FAILED, JobState.FAILED, [])
        assert words in (found.error_message % (found.details["error_params"] or {}))
        assert found.details["is_refused"]
        assert job.cost_micro == 0

    def test_by_words_asks_no_provider(self, engine, house, server):
        runtime = house()
        generation = ask(engine, runtime, Wanted(prompt="a naked girl, 15 years old"))
        runtime.perform(generation.job_id)
        self.assert_refused(engine, generation, "words of young age beside sexual ones")
        assert not server.requests

    def test_by_words_lets_descriptions_be(self, engine, house):
        runtime = house()
        generation = ask(engine, runtime, Wanted(prompt="age: 15, sex: female, a fencer with a wooden sword"))
        runtime.perform(generation.job_id)
        assert look(engine, generation)[0].state is GenerationState.COMPLETED

    def test_of_the_prompt_by_the_model_asks_no_provider(self, engine, house, server, model):
        runtime = house(**self.settings(model))
        generation = ask(engine, runtime, Wanted(prompt="a gallows in the rain"))
        runtime.perform(generation.job_id)
        self.assert_refused(engine, generation, "refuses this prompt (violence/graphic)")
        assert not server.requests

    def test_of_the_picture_keeps_none_and_costs_nothing(self, engine, house, server, model):
        model.flags["picture"] = {"sexual": 0.9}
        runtime = house(**self.settings(model))
        generation = ask(engine, runtime)
        runtime.perform(generation.job_id)
        self.assert_refused(engine, generation, "refuses what was drawn (sexual)")
        with session_scope(engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(MediaFile)) == 0
            assert session.scalar(sa.select(sa.func.count()).select_from(Spending)) == 0
        # It was shown small, as a JPEG.
        assert {asked.media_type for asked in model.requests if asked.picture} == {"image/jpeg"}

    def test_says_who_looked(self, engine, house, model):
        runtime = house(**self.settings(model))
        generation = ask(engine, runtime)
        runtime.perform(generation.job_id)
        found, pictures, _job = look(engine, generation)
        assert (found.state, len(pictures)) == (GenerationState.COMPLETED, 2)
        assert "omni-moderation-latest" in found.details["screened_by"]

    def test_waits_where_the_model_is_busy_and_draws_nothing_unseen(self, engine, house, server, model):
        model.script(ModelStatus(503))
        runtime = house(**self.settings(model))
        generation = ask(engine, runtime)
        runtime.perform(generation.job_id)
        assert look(engine, generation)[2].state is JobState.QUEUED
        assert not server.requests

    def test_ends_after_twenty_refusals_a_day(self, engine, house, monkeypatch):
        monkeypatch.setattr(generations, "MOST_REFUSED", 1)
        runtime = house()
        generation = ask(engine, runtime, Wanted(prompt="a naked girl, 15 years old"))
        runtime.perform(generation.job_id)
        with session_scope(engine) as session, pytest.raises(InvalidError, match="were refused since yesterday"):
            generations.ask(
                session,
                actor=session.get_one(User, generation.user_id).actor,
                wanted=WANTED,
                character_id=None,
                provider=runtime.resources.images,
                estimate_micro=0,
                currency="USD",
                quota=0,
                now=utc_now(),
            )


class TestAsk:
    @pytest.fixture
    def provider(self, settings):
        return images.from_settings(settings)

    def ask(self, session, actor, provider, now, **changes):
        return portraits.ask_for_pictures(
            session,
            actor=actor,
            wanted=Wanted(**{"prompt": "x", **changes}),
            character_id=None,
            provider=provider,
            estimate_micro=None,
            currency="USD",
            quota=0,
            now=now,
        )

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"prompt": " "}, "prompt"),
            ({"prompt": "x" * 8_001}, "prompt"),
            ({"negative_prompt": "x" * 8_001}, "negative_prompt"),
            ({"width": 4096}, "width"),
            ({"steps": 0}, "steps"),
            ({"guidance": float("nan")}, "guidance"),
            ({"seed": -1}, "seed"),
            ({"count": 9}, "count"),
        ],
    )
    def test_says_which_field_is_wrong(self, session, creator, provider, now, changes, field):
        with pytest.raises(InvalidError) as refusal:
            self.ask(session, creator, provider, now, **changes)
        assert field in refusal.value.fields

    def test_keeps_nothing_that_the_provider_ignores(self, session, creator, provider, now):
        made = self.ask(session, creator, provider, now, steps=30, guidance=5.0, negative_prompt="text")
        assert (made.steps, made.guidance_scale, made.negative_prompt) == (None, None, "")
        assert made.details["ignored"] == ["guidance", "negative_prompt", "steps"]

    def test_is_for_creators_and_their_own_characters(self, session, creator, outsider, moderator, provider, now):
        with pytest.raises(ForbiddenError):
            self.ask(session, moderator, provider, now)
        character = make_character(session, owner=outsider)
        with pytest.raises(NotFoundError):
            portraits.draft_prompt(session, actor=creator, character_id=character.id)

    def test_has_an_end(self, session, creator, provider, now):
        for _ in range(generations.MOST_OPEN):
            self.ask(session, creator, provider, now)
        with pytest.raises(InvalidError, match="under way"):
            self.ask(session, creator, provider, now)


class TestDraft:
    def test_takes_looks_and_leaves_macros_and_markup(self):
        text = prompting.draft(
            name="Mei",
            tagline="x",
            description="<b>{{char}}</b> has *silver hair* and grey eyes. She hates mornings. {{user}} is late.",
            personality="Patient; dry.",
            tags=["wuxia", "sword"],
        )
        assert text == "Portrait of Mei, upper body, Mei has silver hair and grey eyes, Patient, wuxia, sword"

    def test_leaves_no_space_before_a_comma_where_a_mark_stood(self):
        text = prompting.draft(
            name="Juniper",
            tagline="",
            description="She flies the *Second Thought*, a dark airship.",
            personality="",
            tags=[],
        )
        assert text.endswith("the Second Thought, a dark airship")

    def test_speaks_the_language_of_the_card(self):
        text = prompting.draft(
            name="独孤求败", tagline="", description="白发老者，身披黑袍。他从未败过。", personality="", tags=[]
        )
        assert text == "独孤求败 的半身像，白发老者，身披黑袍"


def test_a_request_is_found_where_its_job_says_that_it_stands(session, now):
    """The list's filter and the badge beside it say the same, hours before the request itself is settled."""
    owner = make_actor(session, RoleName.CREATOR)
    stopped = make_job(session, now=now)
    steering.cancel(session, actor=make_actor(session, RoleName.STAFF), job_id=stopped.id, now=now)
    jobs = [None, make_job(session, now=now), make_running_job(session, now=now)[0]]
    jobs += [make_failed_job(session, now=now), stopped]
    rows = []
    for job in jobs:
        for state in GenerationState:
            row = make_generation(session, owner=owner)
            row.state, row.job_id = state, job and job.id
            rows.append((row, generations.state_of(row, job)))
    session.flush()
    for state in GenerationState:
        found = session.scalars(sa.select(ImageGeneration.id).where(generations.stands_at(state)))
        assert set(found) == {row.id for row, stands in rows if stands is state}


class TestSweep:
    def test_clears_away_uploads_files_and_objects(self, engine, house, tmp_path):
        runtime = house("local")
        storage = runtime.resources.storage
        with session_scope(engine) as session:
            owner = make_actor(session, RoleName.CREATOR)
            file = make_portrait(session, actor=owner, storage=storage)
            file.loose_since = utc_now() - timedelta(days=8)
            young = make_portrait(session, actor=owner, storage=storage, data=picture(color=(9, 90, 9)))
            young.created_at = utc_now() - timedelta(days=8)
            upload = uploads.begin(session, actor=owner, name="x", size=10, quota=0)
            upload.updated_at = utc_now() - timedelta(days=2)
            session.flush()
            job = work.ask(session, "media.sweep")
        storage.put(key_of("c" * 64), b"young")
        runtime.perform(job.id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, job.id).result == {"uploads": 1, "files": 1, "objects": 1}
            assert session.scalar(sa.select(sa.func.count()).select_from(MediaUpload)) == 0
            assert session.get_one(MediaFile, young.id).loose_since is not None
        assert not storage.exists(key_of(file.sha256))
        assert storage.exists(key_of("c" * 64))
