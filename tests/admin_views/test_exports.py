"""Asking for a long export, and fetching it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.operations.models import ListExport
from studio.providers.storage import LocalStorage, key_of
from studio.work.models import JobRun
from tests.factories.accounts import make_user
from tests.factories.authoring import make_character


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def browser(session, owner, browser_of, monkeypatch):
    monkeypatch.setattr("admin_views.operations.csv_lists.MOST_ROWS", 2)
    for number in range(3):
        make_character(session, owner=owner.actor, name=f"Luna {number}", tags=["night"])
    return browser_of(owner)


@pytest.fixture
def made(session, browser, post):
    post(browser, "/characters/export.csv?tag=night")
    return session.scalars(sa.select(ListExport)).one()


class TestALongList:
    def test_is_offered_to_be_written_and_nothing_happens_yet(self, session, browser):
        page = browser.get("/characters/export.csv?tag=night").text
        assert 'action="/characters/export.csv?tag=night"' in page
        assert session.scalar(sa.select(sa.func.count()).select_from(ListExport)) == 0

    def test_is_written_by_a_job_that_keeps_the_question(self, session, made):
        assert (made.list_name, made.arguments) == ("characters", "tag=night")
        assert session.scalar(sa.select(JobRun.name).where(JobRun.about_id == made.id)) == "operations.write_export"

    def test_says_how_far_it_is(self, browser, made, statements):
        for url in ("/exports/", f"/exports/{made.id}", f"/exports/{made.id}/live"):
            statements.clear()
            assert browser.get(url).status_code == 200
            assert len(statements) <= 8, statements
        assert browser.get(f"/exports/{made.id}/file").status_code == 409

    def test_is_streamed_where_it_is_short(self, session, browser_of, owner):
        make_character(session, owner=owner.actor, name="=Luna", tags=["a", "b"])
        answer = browser_of(owner).get("/characters/export.csv")
        assert answer.mimetype == "text/csv"
        assert "'=Luna" in answer.text


class TestTheFile:
    @pytest.fixture
    def ready(self, session, app, made, settings):
        data = "\ufeffName\r\nLuna\r\n".encode()
        made.sha256, made.size_bytes, made.rows = "ab" * 32, len(data), 1
        made.finished_at, made.expires_at = utc_now(), utc_now() + timedelta(days=7)
        session.flush()
        LocalStorage(settings.media_folder).put(key_of(made.sha256), data)
        return made

    def test_is_for_whoever_asked(self, session, browser, browser_of, ready):
        answer = browser.get(f"/exports/{ready.id}/file")
        assert answer.text.endswith("Luna\r\n")
        assert answer.headers["Content-Disposition"] == "attachment; filename=characters.csv"
        assert browser_of(make_user(session, *RoleName)).get(f"/exports/{ready.id}/file").status_code == 404

    def test_is_not_for_who_lost_the_list(self, session, browser, ready):
        ready.list_name = "audit"
        session.flush()
        assert browser.get(f"/exports/{ready.id}/file").status_code == 403

    def test_is_gone_after_its_time(self, session, browser, ready):
        ready.expires_at = utc_now() - timedelta(seconds=1)
        session.flush()
        answer = browser.get(f"/exports/{ready.id}/file")
        assert answer.status_code == 404
        assert "expired" in answer.text

    def test_can_be_deleted(self, session, browser, ready, post, settings):
        assert post(browser, f"/exports/{ready.id}/delete").status_code == 303
        assert session.scalar(sa.select(sa.func.count()).select_from(ListExport)) == 0
        assert not LocalStorage(settings.media_folder).exists(key_of("ab" * 32))
