"""Who sees which jobs."""

from datetime import timedelta
from uuid import uuid4

import pytest

from studio.accounts.permissions import NOBODY, RoleName
from studio.kit.errors import NotFoundError
from studio.work import queries
from studio.work.models import Hold, JobState
from tests.factories.accounts import make_actor
from tests.factories.work import make_failed_job, make_job, make_running_job


class TestGetJob:
    @pytest.mark.parametrize(
        ("role", "sees"),
        [(RoleName.STAFF, True), (RoleName.ADMIN, True), (RoleName.CREATOR, False), (RoleName.MODERATOR, False)],
    )
    def test_shows_the_jobs_of_others_to_those_who_run_the_studio(self, session, now, role, sees):
        job = make_job(session, now=now, actor=make_actor(session, RoleName.CREATOR))
        actor = make_actor(session, role)
        if sees:
            assert queries.get_job(session, actor=actor, job_id=job.id) is job
        else:
            with pytest.raises(NotFoundError):
                queries.get_job(session, actor=actor, job_id=job.id)

    def test_shows_nothing_to_nobody(self, session, now):
        with pytest.raises(NotFoundError):
            queries.get_job(session, actor=NOBODY, job_id=make_job(session, now=now).id)


class TestListTray:
    def test_shows_what_runs_and_what_has_just_ended(self, session, now):
        creator = make_actor(session, RoleName.CREATOR)
        running, _ = make_running_job(session, now=now, actor=creator)
        ended = make_failed_job(session, now=now - timedelta(seconds=30), actor=creator)
        make_failed_job(session, now=now - timedelta(hours=1), actor=creator)
        make_job(session, now=now)
        assert queries.list_tray(session, actor=creator, now=now) == [running, ended]

    def test_shows_what_is_held_however_long_it_has_been(self, session, now):
        creator = make_actor(session, RoleName.CREATOR)
        held = make_job(session, now=now - timedelta(days=90), actor=creator)
        held.held_for = Hold.BUDGET
        session.flush()
        assert queries.list_tray(session, actor=creator, now=now) == [held]

    def test_is_empty_for_nobody(self, session, now):
        make_job(session, now=now)
        assert queries.list_tray(session, actor=NOBODY, now=now) == []


class TestListJobsAbout:
    def test_shows_the_newest_first_and_within_scope(self, session, now):
        creator, other = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.CREATOR)
        about = ("character", uuid4())
        first = make_job(session, now=now - timedelta(minutes=1), about=about, actor=creator)
        second = make_job(session, now=now, about=about, actor=creator)
        make_job(session, now=now, about=("character", uuid4()), actor=creator)
        assert queries.list_jobs_about(session, actor=creator, about=about) == [second, first]
        assert queries.list_jobs_about(session, actor=other, about=about) == []


class TestCountByState:
    def test_counts_every_state(self, session, now):
        staff = make_actor(session, RoleName.STAFF)
        make_job(session, now=now)
        make_failed_job(session, now=now)
        counts = queries.count_by_state(session, actor=staff, since=now - timedelta(hours=1))
        assert counts[JobState.QUEUED] == counts[JobState.FAILED] == 1
        assert set(counts) == set(JobState)


class TestOldestDue:
    def test_looks_only_at_what_could_run(self, session, now):
        make_job(session, now=now, run_after=now + timedelta(hours=1))
        assert queries.oldest_due(session, now=now) is None
        job = make_job(session, now=now - timedelta(seconds=9))
        assert queries.oldest_due(session, now=now) == job.run_after
