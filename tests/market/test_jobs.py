"""The market's jobs, run by the runtime that workers run."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from jobs import registry
from jobs.pulse import Pulse
from jobs.resources import Resources
from jobs.runtime import Runtime
from studio import work
from studio.accounts.permissions import RoleName
from studio.kit.clock import utc_now
from studio.kit.db import session_scope
from studio.market.models import (
    CaseState,
    CharacterPublication,
    PublicationStatus,
    ReviewCase,
    ScreeningResult,
    Severity,
)
from studio.market.review import decisions, effects, queue
from studio.market.review.rules import UNDO
from studio.market.screening import screening
from studio.market.screening.checks import CHECKS
from studio.operations.models import ErrorLog
from studio.work import budgets
from studio.work.models import JobRun, JobState, Spending
from tests.factories.accounts import make_actor
from tests.factories.market import case_of, make_card, make_claimed_case, make_listing
from tests.fakes.moderation_server import ModerationServer
from tests.fakes.openai_server import Status


@pytest.fixture
def engine(committed_database):
    return committed_database.engine


@pytest.fixture
def runtime(settings, committed_database, redis_client):
    own = settings.model_copy(update={"database_url": SecretStr(committed_database.url)})
    resources = Resources(own)
    yield Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
    resources.close()


@pytest.fixture
def case_id(engine):
    """A case under screening."""
    with session_scope(engine) as session:
        owner = make_actor(session, RoleName.CREATOR)
        character = make_card(session, owner=owner, now=utc_now(), description="See https://a.example " * 5)
        return case_of(session, make_listing(session, owner=owner, now=utc_now(), character=character)).id


def job_named(engine, name):
    with session_scope(engine) as session:
        return session.scalars(sa.select(JobRun).where(JobRun.name == name)).one()


class TestScreenListing:
    def test_puts_the_case_into_the_queue_and_says_what_it_found(self, engine, runtime, case_id):
        assert runtime.perform(job_named(engine, "market.screen_listing").id)
        job = job_named(engine, "market.screen_listing")
        assert job.state is JobState.SUCCEEDED
        assert job.result["screened"]
        assert job.result["warning"] >= 1
        with session_scope(engine) as session:
            assert session.get_one(ReviewCase, case_id).state is CaseState.WAITING
            assert session.scalar(sa.select(sa.func.count()).select_from(ScreeningResult)) == len(CHECKS)

    def test_goes_on_where_a_check_breaks_and_tells_a_person(self, engine, runtime, case_id, monkeypatch):
        def break_down(_submission):
            message = "no such thing"
            raise LookupError(message)

        checks = [replace(check, look=break_down) if check.name == "scripts" else check for check in CHECKS]
        monkeypatch.setattr(screening, "CHECKS", checks)
        assert runtime.perform(job_named(engine, "market.screen_listing").id)
        job = job_named(engine, "market.screen_listing")
        assert (job.state, job.result["unscreened"]) == (JobState.SUCCEEDED, 1)
        with session_scope(engine) as session:
            assert session.get_one(ReviewCase, case_id).state is CaseState.WAITING
            rows = {row.check_name: row for row in session.scalars(sa.select(ScreeningResult))}
            assert rows.keys() == {check.name for check in CHECKS}
            assert [name for name, row in rows.items() if row.is_failed] == ["scripts"]
            kept = session.scalars(sa.select(ErrorLog)).one()
            assert (kept.reference, kept.job_id) == (rows["scripts"].evidence[0]["excerpt"], job.id)
            # No model is asked for what broke on this machine.
            session.execute(sa.text("UPDATE screening_results SET checked_at = now() - interval '1 hour'"))
            assert screening.list_unscreened(session, now=utc_now(), limit=9) == []

    def test_ends_well_for_a_case_that_is_gone(self, engine, runtime, case_id):
        with session_scope(engine) as session:
            job_id = work.ask(session, "market.screen_listing", case_id=uuid4()).id
        assert runtime.perform(job_id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, job_id).result == {"screened": False}


class TestTendDesk:
    def test_has_a_model_asked_again_that_could_not_look(self, engine, settings, committed_database, redis_client):
        with ModerationServer(flags={"BOMB": {"illicit/violent": 0.9}}) as server:
            given = {
                "database_url": SecretStr(committed_database.url),
                "moderation_provider": "openai",
                "moderation_url": server.url,
                "moderation_attempts": 1,
            }
            resources = Resources(settings.model_copy(update=given))
            runtime = Runtime(resources, Pulse(resources, name="here", kind="worker"), registry.load())
            with session_scope(engine) as session:
                owner = make_actor(session, RoleName.CREATOR)
                character = make_card(session, owner=owner, now=utc_now(), description="He keeps a BOMB in the cellar.")
                case_id = case_of(session, make_listing(session, owner=owner, now=utc_now(), character=character)).id
            server.script(Status(500))
            assert runtime.perform(job_named(engine, "market.screen_listing").id)
            with session_scope(engine) as session:
                assert session.get_one(ReviewCase, case_id).state is CaseState.WAITING
                assert session.scalar(sa.select(ScreeningResult).where(ScreeningResult.is_failed)) is not None
                session.execute(sa.text("UPDATE screening_results SET checked_at = now() - interval '1 hour'"))
                job_id = work.ask(session, "market.tend_desk").id
            assert runtime.perform(job_id)
            with session_scope(engine) as session:
                assert session.get_one(JobRun, job_id).result == {"compared": 0, "remembered": 0, "asked_again": 1}
            assert runtime.perform(job_named(engine, "market.screen_by_models").id)
            with session_scope(engine) as session:
                row = session.scalars(
                    sa.select(ScreeningResult).where(ScreeningResult.check_name == "moderation")
                ).one()
                assert (row.is_failed, row.severity) == (False, Severity.SEVERE)
                # Both times the studio asked, and nobody's budget knows of it.
                spent = budgets.of_house(session, kinds=["moderation", "judge"], now=utc_now())
                assert {kind: row.requests > 1 for kind, row in spent.items()} == {"moderation": True}
                assert session.scalar(sa.select(sa.func.count()).select_from(Spending)) == 0
            resources.moderation.close()
            resources.close()


class TestReleaseStuckScreenings:
    def test_lets_a_case_reach_the_queue_whose_screening_failed_for_good(self, engine, runtime, case_id):
        with session_scope(engine) as session:
            session.execute(
                sa.update(JobRun)
                .where(JobRun.name == "market.screen_listing")
                .values(state=JobState.FAILED, finished_at=utc_now())
            )
            session.execute(sa.text("UPDATE review_cases SET opened_at = now() - interval '1 hour'"))
            job_id = work.ask(session, "market.release_stuck_screenings").id
        assert runtime.perform(job_id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, job_id).result == {"released": 1}
            assert session.get_one(ReviewCase, case_id).state is CaseState.WAITING
            [found] = session.scalars(sa.select(ScreeningResult)).all()
            assert found.check_name == screening.FAILED


class TestReleaseClaims:
    def test_frees_what_a_person_held(self, engine, runtime):
        with session_scope(engine) as session:
            owner, moderator = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.MODERATOR)
            case_id = make_claimed_case(session, owner=owner, moderator=moderator, now=utc_now()).id
            job_id = work.ask(session, "market.release_claims", user_id=moderator.user_id).id
        assert runtime.perform(job_id)
        with session_scope(engine) as session:
            case = session.get_one(ReviewCase, case_id)
            assert case.state is CaseState.WAITING
            assert [row.case.id for row in queue.page(session, actor=moderator, now=utc_now()).rows] == [case_id]


class TestDecisionsAndTimes:
    def test_take_effect_by_their_jobs_and_are_not_done_twice_by_the_sweep(self, engine, runtime):
        moment = utc_now() - timedelta(minutes=1)
        with session_scope(engine) as session:
            owner, moderator = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.MODERATOR)
            case = make_claimed_case(
                session, owner=owner, moderator=moderator, now=moment, publish_at=moment + timedelta(seconds=30)
            )
            publication_id = case.publication_id
            seen = session.get_one(CharacterPublication, publication_id).content_hash
            decisions.approve(session, actor=moderator, case_id=case.id, content_hash=seen, now=moment)
        with session_scope(engine) as session:
            # As if it had taken effect in time, while the time to publish was still to come.
            effects.release_due(session, now=moment + UNDO)
        assert runtime.perform(job_named(engine, "market.let_decision_take_effect").id)
        assert job_named(engine, "market.let_decision_take_effect").result == {"in_effect": False}
        assert runtime.perform(job_named(engine, "market.publish_listing").id)
        with session_scope(engine) as session:
            assert session.get_one(CharacterPublication, publication_id).status is PublicationStatus.APPROVED
            job_id = work.ask(session, "market.look_after_listings").id
        assert runtime.perform(job_id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, job_id).result == {
                "in_effect": 0,
                "published": 0,
                "withdrawn": 0,
                "featured_no_more": 0,
            }

    def test_are_done_by_the_sweep_where_redis_and_the_jobs_were_lost(self, engine, runtime):
        moment = utc_now() - timedelta(minutes=1)
        with session_scope(engine) as session:
            owner, moderator = make_actor(session, RoleName.CREATOR), make_actor(session, RoleName.MODERATOR)
            case = make_claimed_case(session, owner=owner, moderator=moderator, now=moment)
            seen = session.get_one(CharacterPublication, case.publication_id).content_hash
            decisions.approve(session, actor=moderator, case_id=case.id, content_hash=seen, now=moment)
            session.execute(sa.delete(JobRun))
            job_id = work.ask(session, "market.look_after_listings").id
        assert runtime.perform(job_id)
        with session_scope(engine) as session:
            assert session.get_one(JobRun, job_id).result == {
                "in_effect": 1,
                "published": 0,
                "withdrawn": 0,
                "featured_no_more": 0,
            }
