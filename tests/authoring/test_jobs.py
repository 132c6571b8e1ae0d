"""The jobs of authoring and media, done by the real runtime on a real queue's rows."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio import work
from studio.accounts.permissions import RoleName
from studio.authoring import card_imports, dormancy
from studio.authoring.models import CardDocument, Character, CharacterStatus
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.media.models import MediaFile, MediaPurpose
from studio.providers.storage import key_of
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.authoring import card_file, import_character, make_character
from tests.jobs.stage import settings_for


@pytest.fixture
def resources(committed_database, redis_url, tmp_path):
    """What the jobs of a process share, on a database of the test's own."""
    made = Resources(settings_for(committed_database.url, redis_url, tmp_path / "var"))
    yield made
    made.close()


@pytest.fixture
def runtime(resources):
    """A runtime in this process."""
    return Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())


@pytest.fixture
def writer(resources):
    with session_scope(resources.engine) as session:
        return make_actor(session, RoleName.CREATOR)


def done(resources, runtime, name) -> JobRun:
    """The only job of that name, after the runtime did it."""
    with Session(resources.engine) as session:
        job_id = session.scalars(sa.select(JobRun.id).where(JobRun.name == name)).one()
    runtime.perform(job_id)
    with Session(resources.engine, expire_on_commit=False) as session:
        return session.get_one(JobRun, job_id)


class TestMakeVariants:
    def test_makes_the_sizes_of_an_imported_portrait(self, resources, runtime, writer):
        with session_scope(resources.engine) as session:
            import_character(session, actor=writer, storage=resources.storage)
        job = done(resources, runtime, "media.make_variants")
        assert (job.state, job.result) == (JobState.SUCCEEDED, {"made": 3})
        with Session(resources.engine) as session:
            made = session.scalars(sa.select(MediaFile).where(MediaFile.purpose == MediaPurpose.VARIANT)).all()
        assert len(made) == 3
        assert all(resources.storage.exists(key_of(file.sha256)) for file in made)


class TestSweepPreviews:
    def test_clears_away_old_previews_with_their_bytes(self, resources, runtime, writer):
        with session_scope(resources.engine) as session:
            document = card_imports.preview(
                session,
                actor=writer,
                storage=resources.storage,
                data=card_file(),
                filename="a.png",
                now=utc_now() - timedelta(days=8),
            )
            keys = [key_of(file.sha256) for file in session.scalars(sa.select(MediaFile))]
            assert document.portrait_id is not None
        with session_scope(resources.engine) as session:
            work.ask(session, "authoring.sweep_previews")
        job = done(resources, runtime, "authoring.sweep_previews")
        assert (job.state, job.result) == (JobState.SUCCEEDED, {"imports": 1, "objects": 2})
        assert not any(resources.storage.exists(key) for key in keys)
        with Session(resources.engine) as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(CardDocument)) == 0


class TestArchiveDormant:
    def test_tells_first_and_archives_what_was_told_of(self, resources, runtime, writer):
        now = utc_now()
        with session_scope(resources.engine) as session:
            fresh = make_character(session, owner=writer, now=now).id
            sleepy = make_character(session, owner=writer, now=now - timedelta(days=340)).id
            asleep = make_character(session, owner=writer, now=now - timedelta(days=400)).id
            dormancy.tell(session, now=now - timedelta(days=31))
            work.ask(session, "authoring.archive_dormant")
        job = done(resources, runtime, "authoring.archive_dormant")
        assert (job.state, job.result) == (JobState.SUCCEEDED, {"told": 1, "archived": 1})
        with Session(resources.engine) as session:
            states = {one: session.get_one(Character, one).status for one in (fresh, sleepy, asleep)}
        assert states == {
            fresh: CharacterStatus.DRAFT,
            sleepy: CharacterStatus.DRAFT,
            asleep: CharacterStatus.ARCHIVED,
        }
