"""The error log and the health page: for those who keep the studio running, and nobody else."""

import pytest
from pydantic import SecretStr

from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.operations import error_log
from studio.operations.models import ErrorGroup, ErrorSource
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_user


@pytest.fixture
def reference(session):
    """An error that somebody met twice; the reference of the second time."""
    told = ""
    for _ in range(2):
        try:
            raise ZeroDivisionError("a division that nobody expected")
        except ZeroDivisionError as error:
            told = error_log.record(
                session, error=error, source=ErrorSource.REQUEST, place="characters.edit_view", now=utc_now()
            )
    session.flush()
    return told


@pytest.fixture
def staff(session, browser_of):
    return browser_of(make_user(session, RoleName.STAFF))


class TestErrors:
    def test_are_grouped_and_counted_within_the_budget(self, session, staff, statements, reference):
        statements.clear()
        page = staff.get("/errors/")
        assert page.text.count("<strong>ZeroDivisionError</strong>") == 1
        assert len(statements) <= 8, "\n".join(statements)
        session.expire_all()
        assert session.query(ErrorGroup).one().count == 2

    def test_are_found_by_the_reference_that_the_person_saw(self, staff, reference):
        page = staff.get(f"/errors/find?reference={reference.lower()}", follow_redirects=True).text
        assert reference in page
        assert "characters.edit_view" in page

    def test_say_so_where_there_is_none_with_that_reference(self, staff):
        assert "no error with this reference" in staff.get("/errors/find?reference=XXXX", follow_redirects=True).text

    def test_are_hidden_from_creators_and_moderators(self, session, browser_of, reference):
        for role in (RoleName.CREATOR, RoleName.MODERATOR):
            assert browser_of(make_user(session, role)).get("/errors/").status_code == 403

    def test_can_be_marked_as_dealt_with_and_opened_again(self, session, staff, post, reference):
        group = session.query(ErrorGroup).one()
        assert post(staff, f"/errors/{group.fingerprint}/resolve").status_code == 303
        session.expire_all()
        assert group.resolved_at is not None
        assert post(staff, f"/errors/{group.fingerprint}/reopen").status_code == 303
        session.expire_all()
        assert group.resolved_at is None


class TestHealth:
    def test_names_what_is_missing_and_the_local_model(self, staff):
        page = staff.get("/health/").text
        assert "no text leaves this machine" in page
        assert "No worker has ever been seen" in page
        assert "none has been seen" in page
        in_chinese = staff.get("/health/", headers={"Accept-Language": "zh-CN"}).text
        assert "none has been seen" not in in_chinese
        assert "从未见到" in in_chinese

    def test_says_where_files_lie_and_who_draws_and_speaks(self, staff):
        assert 'hx-get="/health/files"' in staff.get("/health/").text
        part = staff.get("/health/files", headers={"HX-Request": "true"}).text
        assert part.lstrip().startswith('<section class="box" id="health-files">')
        assert "in order" in part
        assert "A folder on this machine" in part
        assert "placeholders, drawn on this machine" in part
        assert "Local voice (espeak-ng)" in part
        # By itself without JavaScript.
        assert "<title>" in staff.get("/health/files").text

    def test_says_that_a_bucket_cannot_be_reached(self, settings, make_app, sign_in, session):
        away = {"storage_provider": "s3", "storage_bucket": "cards", "storage_url": "http://127.0.0.1:9"}
        keys = {"storage_key_id": SecretStr("k"), "storage_key": SecretStr("s"), "storage_timeout": 0.5}
        app = make_app(settings.model_copy(update=away | keys))
        staff = sign_in(app.test_client(), make_user(session, RoleName.STAFF))
        part = staff.get("/health/files", headers={"HX-Request": "true"}).text
        assert "The bucket cards, at 127.0.0.1" in part
        assert "The storage could not be looked through." in part

    def test_tells_of_a_provider_that_fails_until_a_job_of_its_succeeds(self, session, staff):
        now = utc_now()
        job = JobRun(
            name="memory.embed_character",
            arguments={},
            attempts=1,
            error_type="studio.providers.errors.ProviderBusyError",
            error_message="The embeddings server does not answer.",
            created_at=now,
            run_after=now,
            started_at=now,
        )
        session.add(job)
        session.flush()
        page = staff.get("/health/").text
        assert "The embeddings server does not answer." in page
        job.state, job.finished_at = JobState.SUCCEEDED, now
        session.flush()
        assert "embeddings server does not answer" not in staff.get("/health/").text
