"""Bulk jobs that really run, and failed jobs that are done again by their error."""

from uuid import uuid4

import pytest
import sqlalchemy as sa

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.media.models import MediaFile, VariantKind
from studio.memory.models import CharacterEmbedding
from studio.operations import bulk_jobs, queues
from studio.operations.bulk_jobs import Means, NothingToDoError
from studio.providers.storage import key_of
from studio.work import figures
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character
from tests.factories.media import make_portrait, picture
from tests.factories.work import make_failed_job


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def resources(settings, committed_database):
    from pydantic import SecretStr

    settings = settings.model_copy(update={"database_url": SecretStr(committed_database.url)})
    made = Resources(settings)
    yield made
    made.close()


@pytest.fixture
def runtime(resources):
    return Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())


@pytest.fixture
def staff(engine):
    with session_scope(engine) as session:
        return make_user(session, RoleName.STAFF).actor


def start(engine, resources, staff, name, *, is_anew):
    means = Means(resources.settings, resources.embeddings)
    with session_scope(engine) as session:
        return bulk_jobs.start(session, actor=staff, name=name, is_anew=is_anew, means=means, now=utc_now())


def job(engine, asked):
    with session_scope(engine) as session:
        return session.get_one(JobRun, asked.id)


class TestEmbedAll:
    def test_makes_what_is_missing_then_finds_nothing_then_makes_all_anew(self, engine, resources, runtime, staff):
        with session_scope(engine) as session:
            writer = make_user(session, RoleName.CREATOR).actor
            for number in range(3):
                make_character(session, owner=writer, name=f"Ada {number}")
            # Nobody does these here, and the long job would make way for them.
            session.execute(sa.delete(JobRun))
        first = start(engine, resources, staff, "embeddings", is_anew=False)
        assert runtime.perform(first.id)
        done = job(engine, first)
        assert (done.state, done.error_message) == (JobState.SUCCEEDED, None)
        assert done.result["embedded"] == 3
        with pytest.raises(NothingToDoError):
            start(engine, resources, staff, "embeddings", is_anew=False)
        again = start(engine, resources, staff, "embeddings", is_anew=True)
        assert runtime.perform(again.id)
        assert (job(engine, again).state, job(engine, again).result["embedded"]) == (JobState.SUCCEEDED, 3)
        with session_scope(engine) as session:
            oldest = session.scalar(sa.select(sa.func.min(CharacterEmbedding.updated_at)))
        assert oldest >= again.created_at


class TestRemakeVariants:
    def test_makes_every_size_anew_and_leaves_the_picture(self, engine, resources, runtime, staff):
        with session_scope(engine) as session:
            made = make_portrait(session, actor=staff, storage=resources.storage)
        for is_anew in (False, True):
            asked = start(engine, resources, staff, "variants", is_anew=is_anew)
            assert runtime.perform(asked.id)
            assert job(engine, asked).result == {"pictures": 1, "failed": 0}
        with session_scope(engine) as session:
            sizes = session.scalars(sa.select(MediaFile).where(MediaFile.source_id == made.id)).all()
            assert {size.variant for size in sizes} == set(VariantKind)
            assert all(size.created_at >= asked.created_at for size in sizes)
            assert session.get(MediaFile, made.id) is not None

    def test_passes_over_a_picture_whose_bytes_are_gone_and_names_it(self, engine, resources, runtime, staff):
        with session_scope(engine) as session:
            lost, _whole = (
                make_portrait(session, actor=staff, storage=resources.storage, data=picture(color=color))
                for color in ((10, 20, 30), (90, 80, 70))
            )
            resources.storage.delete(key_of(lost.sha256))
        asked = start(engine, resources, staff, "variants", is_anew=True)
        assert runtime.perform(asked.id)
        done = job(engine, asked)
        assert done.state is JobState.SUCCEEDED
        assert done.result == {"pictures": 1, "failed": 0, "lost": 1, "lost_files": [str(lost.id)]}


class TestRequeue:
    def test_does_one_group_again_and_leaves_the_others(self, engine, runtime, staff):
        now = utc_now()
        with session_scope(engine) as session:
            mine = [make_failed_job(session, "media.make_variants", now=now) for _ in range(3)]
            twin = [make_failed_job(session, "media.make_variants", now=now, dedupe_key="x") for _ in range(2)]
            other = make_failed_job(session, "media.drop_bytes", now=now)
            key = make_failed_job(session, "media.make_variants", now=now, message="The key is wrong (HTTP 401).")
        with session_scope(engine) as session:
            groups = {(group.name, group.kind): group.count for group in figures.dead_letters(session)}
            assert groups == {
                ("media.make_variants", "It did not work."): 5,
                ("media.make_variants", "The key is wrong (HTTP 401)."): 1,
                ("media.drop_bytes", "It did not work."): 1,
            }
            asked = queues.requeue(
                session,
                actor=staff,
                name="media.make_variants",
                error_type="ValueError",
                kind="It did not work.",
                now=utc_now(),
            )
        assert runtime.perform(asked.id)
        assert job(engine, asked).result == {"again": 4}
        assert {job(engine, one).state for one in mine} == {JobState.QUEUED}
        assert sorted(job(engine, one).state for one in twin) == [JobState.FAILED, JobState.QUEUED]
        assert {job(engine, one).state for one in (other, key)} == {JobState.FAILED}

    def test_takes_errors_that_differ_by_ids_alone_for_one_kind(self, engine):
        now = utc_now()
        with session_scope(engine) as session:
            for _ in range(3):
                make_failed_job(session, now=now, message=f"The picture {uuid4()} is gone after 123456 tries.")
        with session_scope(engine) as session:
            (group,) = figures.dead_letters(session)
            assert (group.kind, group.count) == ("The picture … is gone after … tries.", 3)
