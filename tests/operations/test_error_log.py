"""The error log."""

import json
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.embedded.postgres import free_port
from studio.kit import db
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.operations import error_log, errors, queries
from studio.operations.models import ErrorGroup, ErrorLog, ErrorSource
from tests.factories.accounts import make_actor


def caught(kind=ValueError, message="It did not work.") -> BaseException:
    with pytest.raises(kind) as info:
        raise kind(message)
    return info.value


def record(session, now, **options) -> str:
    values = {"error": caught(), "source": ErrorSource.REQUEST, "place": "GET /characters"} | options
    return errors.record(session, now=now, **values)


@pytest.fixture
def staff(session):
    return make_actor(session, RoleName.STAFF)


class TestRecord:
    def test_keeps_the_error_under_the_reference_that_a_person_quotes(self, session, now, staff):
        reference = record(session, now, user_id=staff.user_id, request_id="r-1")
        error = queries.find_error(session, actor=staff, reference=reference.lower().replace("-", " "))
        assert (error.error_type, error.message, error.place) == ("ValueError", "It did not work.", "GET /characters")
        assert (error.user_id, error.request_id, error.created_at) == (staff.user_id, "r-1", now)

    def test_counts_errors_of_one_kind_in_one_group(self, session, now):
        for minutes in range(3):
            record(session, now + timedelta(minutes=minutes), error=caught(message=f"number {minutes}"))
        record(session, now, error=caught(KeyError))
        groups = {group.error_type: group for group in session.scalars(sa.select(ErrorGroup))}
        assert (groups["ValueError"].count, groups["KeyError"].count) == (3, 1)
        assert groups["ValueError"].first_seen_at == now
        assert groups["ValueError"].last_seen_at == now + timedelta(minutes=2)

    def test_opens_a_resolved_group_again(self, session, now, staff):
        record(session, now)
        group = session.scalars(sa.select(ErrorGroup)).one()
        error_log.resolve(session, actor=staff, fingerprint=group.fingerprint, now=now)
        session.flush()
        record(session, now)
        session.refresh(group)
        assert group.resolved_at is None

    def test_counts_a_flood_without_keeping_all_of_it(self, session, now):
        references = [record(session, now) for _ in range(130)]
        assert session.scalar(sa.select(sa.func.count()).select_from(ErrorLog)) == 100
        assert session.scalar(sa.select(ErrorGroup.count)) == 130
        # What a person quotes leads somewhere all the same.
        assert set(references) == set(session.scalars(sa.select(ErrorLog.reference)))

    def test_counts_right_from_many_processes(self, committed_database, now):
        def one():
            for _ in range(5):
                with db.session_scope(committed_database.engine) as session:
                    record(session, now)

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with Session(committed_database.engine) as session:
            assert session.scalar(sa.select(ErrorGroup.count)) == 20


class TestReport:
    def test_keeps_the_error_in_a_transaction_of_its_own(self, committed_database, settings, now):
        options = {"data": settings.data, "source": ErrorSource.COMMAND, "place": "migrate", "now": now}
        reference = error_log.report(committed_database.engine, error=caught(), **options)
        with Session(committed_database.engine) as session:
            assert session.scalar(sa.select(ErrorLog.reference)) == reference

    def test_goes_to_a_file_while_the_database_is_away_and_is_collected_later(self, session, settings, now):
        nowhere = db.make_engine(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing", pool=1)
        options = {"data": settings.data, "source": ErrorSource.JOB, "place": "tests.fail", "now": now}
        reference = error_log.report(nowhere, error=caught(message="password=hunter22"), **options)
        nowhere.dispose()
        file = settings.data / "logs" / error_log.FILE
        assert file.stat().st_mode & 0o077 == 0
        assert json.loads(file.read_text())["reference"] == reference
        assert "hunter22" not in file.read_text()
        with file.open("a") as broken:
            broken.write('{"reference": "half a li')
        assert error_log.collect_files(session, data=settings.data, now=now) == 1
        assert session.scalars(sa.select(ErrorLog.reference)).all() == [reference]
        # The file goes after the commit; until then it may be collected again.
        assert error_log.collect_files(session, data=settings.data, now=now) == 0


class TestResolve:
    def test_is_written_down(self, session, now, staff):
        record(session, now)
        fingerprint = session.scalar(sa.select(ErrorGroup.fingerprint))
        group = error_log.resolve(session, actor=staff, fingerprint=fingerprint, now=now)
        error_log.resolve(session, actor=staff, fingerprint=fingerprint, now=now)
        assert (group.resolved_at, group.resolved_by_id) == (now, staff.user_id)
        error_log.reopen(session, actor=staff, fingerprint=fingerprint)
        session.flush()
        actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.resource == "error")).all()
        assert sorted(actions) == ["error.reopen", "error.resolve"]

    def test_is_for_staff(self, session, now, staff):
        with pytest.raises(ForbiddenError):
            error_log.resolve(session, actor=make_actor(session, RoleName.CREATOR), fingerprint="x", now=now)
        with pytest.raises(NotFoundError):
            error_log.resolve(session, actor=staff, fingerprint="x", now=now)


class TestPrune:
    def test_deletes_what_is_old_and_groups_that_were_not_seen_since(self, session, now):
        record(session, now - timedelta(days=100), error=caught(KeyError))
        record(session, now - timedelta(days=100))
        record(session, now)
        assert error_log.prune(session, before=now - timedelta(days=90)) == 2
        assert session.scalars(sa.select(ErrorGroup.error_type)).all() == ["ValueError"]


class TestQueries:
    def test_show_errors_to_staff_only(self, session, now, staff):
        reference = record(session, now)
        creator = make_actor(session, RoleName.CREATOR)
        assert queries.find_error(session, actor=creator, reference=reference) is None
        assert queries.list_groups(session, actor=creator) == []
        (group,) = queries.list_groups(session, actor=staff)
        assert queries.get_group(session, actor=staff, fingerprint=group.fingerprint) is group
        with pytest.raises(NotFoundError):
            queries.get_group(session, actor=creator, fingerprint=group.fingerprint)

    def test_page_through_a_group(self, session, now, staff):
        for minute in range(3):
            record(session, now + timedelta(minutes=minute))
        (group,) = queries.list_groups(session, actor=staff, open_only=True)
        first = queries.list_errors(session, actor=staff, fingerprint=group.fingerprint, limit=2)
        before = (first[-1].created_at, first[-1].id)
        rest = queries.list_errors(session, actor=staff, fingerprint=group.fingerprint, before=before)
        assert [error.created_at.minute for error in [*first, *rest]] == [32, 31, 30]

    def test_count_by_hour(self, session, now, staff):
        record(session, now)
        record(session, now - timedelta(hours=2))
        counts = queries.count_by_hour(session, actor=staff, now=now, hours=3)
        assert [count for _, count in counts] == [1, 0, 1]
