"""An export is there to be fetched whoever clears away at the same moment."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.operations import exports
from studio.operations.models import ListExport
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor


class _Interrupted:
    """A storage after whose first `put_file` something happens."""

    def __init__(self, inner, then):
        self._inner, self._then = inner, [then]

    def put_file(self, key, path):
        self._inner.put_file(key, path)
        while self._then:
            self._then.pop()()

    def __getattr__(self, name):
        return getattr(self._inner, name)


class _Lists:
    """A studio with one short list."""

    @contextmanager
    def open(self, **_asked):
        yield iter([("Name",), ("Luna",)])


@pytest.fixture
def runtime(settings, committed_database, redis_client):
    exports.set_source(_Lists)
    resources = Resources(settings.model_copy(update={"database_url": SecretStr(committed_database.url)}))
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()
    exports.set_source(None)


def test_keeps_its_bytes_though_an_older_one_with_the_same_is_cleared_away(committed_database, runtime):
    engine = committed_database.engine
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)

    def export():
        with session_scope(engine) as session:
            given = {"list_name": "characters", "arguments": "", "locale": "en", "now": utc_now()}
            asked = exports.ask(session, actor=owner, **given)
            session.flush()
            job_id = session.scalar(sa.select(JobRun.id).where(JobRun.about_id == asked.id))
        runtime.perform(job_id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, job_id).state is JobState.SUCCEEDED
            return session.get_one(ListExport, asked.id)

    first = export()

    def clear_away():
        with session_scope(engine) as session:
            session.execute(
                sa.update(ListExport).where(ListExport.id == first.id).values(expires_at=utc_now() - timedelta(1))
            )
            _count, hashes = exports.sweep(session, now=utc_now())
        with session_scope(engine) as session:
            assert exports.drop_unused(session, storage=storage, hashes=hashes) == 1

    storage = runtime.resources.storage
    runtime.resources.__dict__["storage"] = _Interrupted(storage, clear_away)
    second = export()
    assert second.sha256 == first.sha256
    with session_scope(engine) as session:
        _, key = exports.file_of(session, actor=owner, export_id=second.id, now=utc_now())
    assert storage.exists(key)
