"""The jobs behind what is done to very many rows, and behind long exports, on a database of their own."""

import csv
from uuid import uuid4

import pytest
import sqlalchemy as sa

from admin_views.export import Lists
from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio.accounts import people
from studio.accounts.permissions import SYSTEM, RoleName
from studio.app import create_app
from studio.authoring.models import Character, CharacterStatus
from studio.kit.db import session_scope
from studio.kit.errors import NotFoundError
from studio.operations import bulk, exports
from studio.operations.models import BulkItem, BulkOutcome, BulkRun, BulkState, ListExport
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_user
from tests.jobs.stage import settings_for

COUNT = 130


@pytest.fixture
def house(committed_database, redis_url, redis_client, tmp_path):
    settings = settings_for(committed_database.url, redis_url, tmp_path / "var")
    resources = Resources(settings)
    yield resources
    resources.close()


@pytest.fixture
def runtime(house):
    return Runtime(house, Pulse(house, name="here", kind="worker"), registry.load())


@pytest.fixture
def owner(house):
    with session_scope(house.engine) as session:
        return make_user(session, RoleName.CREATOR).actor


def fill(house, owner, count):
    with session_scope(house.engine) as session:
        session.execute(
            sa.text(
                "INSERT INTO characters (id, origin, owner_id, status, name, tagline) SELECT gen_random_uuid(), 'creator',"
                " :owner, 'draft', 'Luna ' || n, '=HYPERLINK(\"x\")' FROM generate_series(1, :count) AS n"
            ),
            {"owner": owner.user_id, "count": count},
        )


@pytest.fixture
def asked(house, owner, now):
    fill(house, owner, COUNT)
    query = sa.select(sa.cast(Character.id, sa.Text), Character.row_version).where(Character.owner_id == owner.user_id)
    with session_scope(house.engine) as session:
        return bulk.ask(session, actor=owner, action="characters.archive", argument="", chosen=query, now=now).id


def perform(house, runtime, name):
    with session_scope(house.engine) as session:
        job_id = session.scalars(sa.select(JobRun.id).where(JobRun.name == name, JobRun.state == JobState.QUEUED)).one()
    runtime.perform(job_id)
    with session_scope(house.engine) as session:
        return session.get_one(JobRun, job_id)


def look(house, run_id):
    with session_scope(house.engine) as session:
        return session.get_one(BulkRun, run_id)


def archived(house):
    with session_scope(house.engine) as session:
        return session.scalar(sa.select(sa.func.count()).where(Character.status == CharacterStatus.ARCHIVED))


def use(house, use_case, **arguments):
    with session_scope(house.engine) as session:
        return use_case(session, **arguments)


class TestBulkJobs:
    def test_try_first_then_do_then_undo(self, house, runtime, owner, asked, now):
        with session_scope(house.engine) as session:
            one = session.scalars(sa.select(Character).limit(1)).one()
            one.status = CharacterStatus.PUBLISHED
            session.execute(sa.update(BulkItem).where(BulkItem.row_id == str(one.id)).values(row_version=2))
        assert perform(house, runtime, "operations.preview_bulk").state is JobState.SUCCEEDED
        run = look(house, asked)
        assert run.state is BulkState.PREVIEWED
        with session_scope(house.engine) as session:
            expected = bulk.forecast(session, run=run)
            (refused,) = bulk.samples(session, run=run, outcome=BulkOutcome.REFUSED)
        assert expected == {BulkOutcome.CHANGED: COUNT - 1, BulkOutcome.UNCHANGED: 0, BulkOutcome.REFUSED: 1}
        assert refused.row_title == one.name
        assert archived(house) == 0
        use(house, bulk.confirm, actor=owner, run_id=asked, now=now)
        assert perform(house, runtime, "operations.run_bulk").result == {"changed": COUNT - 1, "refused": 1}
        run = look(house, asked)
        assert (run.state, run.changed, run.refused) == (BulkState.FINISHED, COUNT - 1, 1)
        assert archived(house) == COUNT - 1
        back = use(house, bulk.undo, actor=owner, run_id=asked, now=now)
        assert back.state is BulkState.RUNNING
        perform(house, runtime, "operations.run_bulk")
        assert look(house, back.id).changed == COUNT - 1
        assert archived(house) == 0

    def test_stop_for_a_suspended_actor(self, house, runtime, owner, asked, now):
        perform(house, runtime, "operations.preview_bulk")
        use(house, bulk.confirm, actor=owner, run_id=asked, now=now)
        use(house, bulk.do_some, run_id=asked, now=now, limit=10)
        use(house, people.suspend, actor=SYSTEM, user_id=owner.user_id, reason="Spam.", now=now)
        perform(house, runtime, "operations.run_bulk")
        run = look(house, asked)
        assert (run.state, run.changed) == (BulkState.STOPPED, 10)
        assert run.stopped_because
        assert archived(house) == 10

    def test_stop_for_an_actor_who_lost_the_role(self, house, runtime, owner, asked, now):
        perform(house, runtime, "operations.preview_bulk")
        use(house, bulk.confirm, actor=owner, run_id=asked, now=now)
        use(house, people.set_roles, actor=SYSTEM, user_id=owner.user_id, roles={RoleName.MODERATOR})
        perform(house, runtime, "operations.run_bulk")
        assert look(house, asked).state is BulkState.STOPPED
        assert archived(house) == 0

    def test_end_where_the_run_was_stopped_and_what_was_done_can_be_undone(self, house, runtime, owner, asked, now):
        perform(house, runtime, "operations.preview_bulk")
        use(house, bulk.confirm, actor=owner, run_id=asked, now=now)
        use(house, bulk.do_some, run_id=asked, now=now, limit=10)
        use(house, bulk.stop, actor=owner, run_id=asked, now=now)
        assert use(house, bulk.do_some, run_id=asked, now=now) == 0
        assert use(house, bulk.undo, actor=owner, run_id=asked, now=now).changed == 10
        assert archived(house) == 0

    def test_go_on_where_an_earlier_attempt_ended(self, house, runtime, owner, asked, now):
        perform(house, runtime, "operations.preview_bulk")
        use(house, bulk.confirm, actor=owner, run_id=asked, now=now)
        use(house, bulk.do_some, run_id=asked, now=now, limit=10)
        perform(house, runtime, "operations.run_bulk")
        assert look(house, asked).changed == COUNT


class TestLongExports:
    @pytest.fixture
    def source(self, house):
        app = create_app(house.settings)
        exports.set_source(lambda: Lists(app))
        yield app
        exports.set_source(None)
        with app.app_context():
            app.db.session.remove()
            for engine in app.db.engines.values():
                engine.dispose()
        app.extensions["studio"].redis.close()

    def ask(self, house, owner, now, arguments="sort=name&desc=0", list_name="characters", locale="zh_Hans"):
        return use(house, exports.ask, actor=owner, list_name=list_name, arguments=arguments, locale=locale, now=now).id

    def test_hold_more_rows_than_are_streamed(self, house, runtime, owner, source, now):
        fill(house, owner, 50_050)
        stranger = use(house, make_user).actor
        fill(house, stranger, 5)
        export_id = self.ask(house, owner, now)
        assert perform(house, runtime, "operations.write_export").state is JobState.SUCCEEDED
        with session_scope(house.engine) as session:
            made, key = exports.file_of(session, actor=owner, export_id=export_id, now=now)
        assert made.rows == 50_050
        text = b"".join(house.storage.stream(key))
        assert len(text) == made.size_bytes
        lines = list(csv.reader(text.decode("utf-8-sig").splitlines()))
        assert len(lines) == 50_051
        assert lines[0][0] == "名称"
        assert lines[1][0] == "Luna 1"
        assert lines[1][2].startswith("'=")

    def test_are_those_that_the_filter_leaves(self, house, runtime, owner, source, now):
        fill(house, owner, 20)
        export_id = self.ask(house, owner, now, arguments="q=Luna+1&status=archived")
        perform(house, runtime, "operations.write_export")
        with session_scope(house.engine) as session:
            assert session.get_one(ListExport, export_id).rows == 0

    def test_are_refused_to_whom_may_not_see_the_list_any_more(self, house, runtime, owner, source, now):
        export_id = self.ask(house, owner, now, list_name="audit")
        assert perform(house, runtime, "operations.write_export").state is JobState.FAILED
        with session_scope(house.engine) as session:
            assert session.get_one(ListExport, export_id).sha256 is None

    def test_are_for_whoever_asked_and_expire(self, house, runtime, owner, source, now):
        fill(house, owner, 3)
        export_id = self.ask(house, owner, now)
        perform(house, runtime, "operations.write_export")
        staff = use(house, lambda session: make_user(session, RoleName.STAFF)).actor
        with session_scope(house.engine) as session:
            made, key = exports.file_of(session, actor=owner, export_id=export_id, now=now)
            finished = made.finished_at
            with pytest.raises(NotFoundError):
                exports.file_of(session, actor=staff, export_id=export_id, now=now)
            with pytest.raises(exports.ExpiredError):
                exports.file_of(session, actor=owner, export_id=export_id, now=finished + exports.KEPT)
        with session_scope(house.engine) as session:
            count, hashes = exports.sweep(session, now=finished + exports.KEPT)
            assert (count, exports.drop_unused(session, storage=house.storage, hashes=hashes)) == (1, 1)
        assert not house.storage.exists(key)

    def test_are_not_asked_for_without_end(self, house, owner, now):
        for _number in range(exports.MOST_OPEN):
            self.ask(house, owner, now)
        with pytest.raises(exports.InvalidError):
            self.ask(house, owner, now)

    def test_of_a_deleted_export_end_with_nothing(self, house, runtime, owner, source, now):
        export_id = self.ask(house, owner, now)
        use(house, exports.delete, actor=owner, export_id=export_id)
        assert perform(house, runtime, "operations.write_export").state is JobState.SUCCEEDED


class TestUnknownRows:
    def test_of_no_run_are_not_found(self, house, owner, now):
        for use_case in (bulk.confirm, bulk.stop, bulk.undo, bulk.go_on):
            with pytest.raises(NotFoundError):
                use(house, use_case, actor=owner, run_id=uuid4(), now=now)
