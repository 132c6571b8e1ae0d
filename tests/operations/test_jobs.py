"""Steering jobs, written down."""

import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.operations import jobs
from studio.work.models import JobState
from tests.factories.accounts import make_actor
from tests.factories.work import make_job


class TestCancelAndRetry:
    def test_are_written_down(self, session, now):
        staff, job = make_actor(session, RoleName.STAFF), make_job(session, now=now)
        jobs.cancel(session, actor=staff, job_id=job.id, now=now)
        jobs.retry(session, actor=staff, job_id=job.id, now=now)
        session.flush()
        assert job.state is JobState.QUEUED
        entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.resource_id == job.id)).all()
        assert {(entry.action, entry.actor_id) for entry in entries} == {
            ("job.cancel", staff.user_id),
            ("job.retry", staff.user_id),
        }
