"""The list of jobs and a job's page: what they show, and to whom."""

from datetime import timedelta

import pytest

from studio import work
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_user


@pytest.fixture
def owner(session):
    return make_user(session, RoleName.CREATOR)


@pytest.fixture
def job(session, owner):
    """A job that its owner waits for."""
    asked = work.ask(session, "memory.embed_missing", actor=owner.actor)
    session.flush()
    return asked


@pytest.fixture
def failed(session, owner):
    """A job that failed for good."""
    now = utc_now()
    row = JobRun(
        name="media.make_variants",
        arguments={},
        state=JobState.FAILED,
        asked_by_id=owner.id,
        attempts=5,
        max_attempts=5,
        error_type="PIL.UnidentifiedImageError",
        error_message="The picture cannot be read.",
        error_reference="7K2M9QXW",
        created_at=now - timedelta(minutes=5),
        run_after=now - timedelta(minutes=5),
        started_at=now - timedelta(minutes=4),
        finished_at=now - timedelta(minutes=3),
    )
    session.add(row)
    session.flush()
    return row


class TestList:
    def test_shows_staff_every_job_within_its_budget(self, session, browser_of, statements, job, failed):
        staff = browser_of(make_user(session, RoleName.STAFF))
        statements.clear()
        page = staff.get("/jobs/")
        assert page.status_code == 200
        assert "Embed what is missing" in page.text
        assert "UnidentifiedImageError" in page.text
        # person and roles, the page of rows, the count, the tray; and the preferences of the person.
        assert len(statements) <= 8, "\n".join(statements)

    def test_shows_others_only_what_they_asked_for(self, session, browser_of, job):
        stranger = browser_of(make_user(session, RoleName.CREATOR))
        assert str(job.id) not in stranger.get("/jobs/").text
        assert stranger.get(f"/jobs/{job.id}").status_code == 404

    def test_is_filtered_by_state(self, session, browser_of, owner, job, failed):
        page = browser_of(owner).get("/jobs/?state=failed").text
        assert str(failed.id) in page
        assert str(job.id) not in page

    def test_is_filtered_by_what_the_job_does(self, browser_of, owner, job, failed):
        page = browser_of(owner).get("/jobs/?name=media.make_variants").text
        assert str(failed.id) in page
        assert str(job.id) not in page


class TestJob:
    def test_says_why_it_waits_and_asks_again_by_itself(self, browser_of, owner, job):
        page = browser_of(owner).get(f"/jobs/{job.id}").text
        assert "free worker" in page
        assert f"/jobs/{job.id}/live" in page

    def test_gives_the_part_that_changes_by_itself(self, browser_of, owner, job):
        part = browser_of(owner).get(f"/jobs/{job.id}/live")
        assert part.status_code == 200
        assert "<html" not in part.text
        assert "every 2s" in part.text

    def test_keeps_the_error_and_stops_asking_once_it_has_ended(self, browser_of, owner, failed):
        page = browser_of(owner).get(f"/jobs/{failed.id}").text
        assert "The picture cannot be read." in page
        assert "7K2M9QXW" in page
        assert "hx-trigger" not in page.split('id="job-live"')[1].split("</section>")[0]
        # Its page is whole again at the end: what can be done now stands in its head.
        assert browser_of(owner).get(f"/jobs/{failed.id}/live").headers["HX-Refresh"] == "true"


class TestCancel:
    def test_stops_a_waiting_job_at_once(self, session, browser_of, post, owner, job):
        answer = post(browser_of(owner), f"/jobs/{job.id}/cancel")
        assert answer.status_code == 303
        session.expire_all()
        assert job.state is JobState.CANCELLED

    def test_tells_a_second_press_that_it_has_ended(self, browser_of, post, owner, failed):
        assert post(browser_of(owner), f"/jobs/{failed.id}/cancel").status_code == 409

    def test_does_not_find_a_strangers_job(self, session, browser_of, post, job):
        assert post(browser_of(make_user(session, RoleName.CREATOR)), f"/jobs/{job.id}/cancel").status_code == 404


class TestRetry:
    def test_gives_a_failed_job_all_its_attempts_again(self, session, browser_of, post, owner, failed):
        assert post(browser_of(owner), f"/jobs/{failed.id}/retry").status_code == 303
        session.expire_all()
        assert (failed.state, failed.attempts) == (JobState.QUEUED, 0)
