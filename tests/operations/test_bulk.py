"""Doing one thing to many rows at once, within the request that asks for it, and taking it back."""

import pytest
import sqlalchemy as sa

from admin_views.operations.bulk_labels import BULK_LABELS
from studio.accounts.models import AuditEntry
from studio.accounts.permissions import RoleName
from studio.authoring import characters
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.operations import bulk
from studio.operations.bulk import CannotUndoError, HasEndedError, NotPreviewedError
from studio.operations.bulk_actions import BULK_ACTIONS, Asks
from studio.operations.models import BulkItem, BulkOutcome, BulkState
from studio.work.models import JobRun, JobState
from tests.factories.accounts import make_actor
from tests.factories.authoring import make_character
from tests.factories.work import make_job


@pytest.fixture
def owner(session):
    return make_actor(session, RoleName.CREATOR)


@pytest.fixture
def three(session, owner):
    found = [make_character(session, owner=owner, name=f"Ada {number}", tags=["old"]) for number in range(3)]
    session.flush()
    return found


def chosen(rows):
    return [(str(row.id), row.row_version) for row in rows]


@pytest.fixture
def do(session, owner, now):
    """Have the owner do something to rows at once."""

    def act(action, rows, argument="", actor=owner):
        run = bulk.do_at_once(session, actor=actor, action=action, argument=argument, rows=chosen(rows), now=now)
        session.expire_all()
        return run

    return act


def outcomes(session, run):
    query = sa.select(BulkItem.outcome).where(BulkItem.run_id == run.id).order_by(BulkItem.position)
    return list(session.scalars(query))


class TestDoAtOnce:
    def test_changes_each_row_and_says_so(self, session, do, three):
        run = do("characters.add_tag", three, "new")
        assert run.state is BulkState.FINISHED
        assert (run.total, run.changed, run.unchanged, run.refused) == (3, 3, 0, 0)
        assert all(row.tags == ["old", "new"] for row in three)
        entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "character.update")).all()
        assert {entry.resource_id for entry in entries} >= {row.id for row in three}

    def test_leaves_what_is_so_already(self, session, do, three):
        do("characters.archive", three[:1])
        run = do("characters.archive", three)
        assert outcomes(session, run) == [BulkOutcome.UNCHANGED, BulkOutcome.CHANGED, BulkOutcome.CHANGED]

    def test_refuses_a_row_by_itself_with_its_sentence(self, session, do, three):
        three[1].status = CharacterStatus.PUBLISHED
        session.flush()
        run = do("characters.archive", three)
        assert outcomes(session, run) == [BulkOutcome.CHANGED, BulkOutcome.REFUSED, BulkOutcome.CHANGED]
        (refused,) = bulk.samples(session, run=run, outcome=BulkOutcome.REFUSED)
        assert refused.sentence
        assert refused.position == 1
        assert three[1].status is CharacterStatus.PUBLISHED

    def test_writes_over_nobody_who_saved_since_the_list_was_read(self, session, owner, three, now):
        seen = chosen(three)
        characters.update(
            session,
            actor=owner,
            character_id=three[0].id,
            row_version=three[0].row_version,
            changes={"tags": ["mine"]},
            now=now,
        )
        run = bulk.do_at_once(session, actor=owner, action="characters.add_tag", argument="new", rows=seen, now=now)
        assert (run.changed, run.refused) == (2, 1)
        assert three[0].tags == ["mine"]

    def test_does_not_know_the_rows_of_others(self, session, do, three):
        stranger = make_actor(session, RoleName.CREATOR)
        run = do("characters.archive", three, actor=stranger)
        assert run.refused == 3
        assert all(row.status is CharacterStatus.DRAFT for row in three)
        (first, *_) = bulk.samples(session, run=run, outcome=BulkOutcome.REFUSED)
        assert first.sentence == str(NotFoundError())
        assert not first.row_title

    def test_says_the_same_of_what_does_not_exist(self, session, owner, now):
        rows = [("01a2154f-0fb4-74d1-a2e6-2c5ff70bc0be", 1), ("no id", None)]
        run = bulk.do_at_once(session, actor=owner, action="characters.archive", argument="", rows=rows, now=now)
        assert run.refused == 2

    def test_is_refused_to_whom_it_is_not_offered(self, session, three, now):
        moderator = make_actor(session, RoleName.MODERATOR)
        with pytest.raises(ForbiddenError):
            bulk.do_at_once(
                session, actor=moderator, action="characters.archive", argument="", rows=chosen(three), now=now
            )

    @pytest.mark.parametrize(
        ("action", "argument"),
        [
            ("characters.add_tag", " "),
            ("characters.set_rating", "none"),
            ("characters.explode", ""),
        ],
    )
    def test_refuses_what_it_cannot_use(self, session, owner, three, now, action, argument):
        with pytest.raises(InvalidError):
            bulk.do_at_once(session, actor=owner, action=action, argument=argument, rows=chosen(three), now=now)

    def test_wants_some_rows_and_not_too_many(self, session, owner, now):
        for rows in ([], [("x", None)] * 101):
            with pytest.raises(InvalidError):
                bulk.do_at_once(session, actor=owner, action="characters.archive", argument="", rows=rows, now=now)


class TestUndo:
    def test_puts_back_what_was(self, session, owner, do, three, now):
        three[0].content_rating = "teen"
        session.flush()
        run = do("characters.set_rating", three, "mature")
        back = bulk.undo(session, actor=owner, run_id=run.id, now=now)
        session.expire_all()
        assert (back.changed, back.refused) == (3, 0)
        assert [row.content_rating.value for row in three] == ["teen", "unrated", "unrated"]

    def test_leaves_what_was_changed_since(self, session, owner, do, three, now):
        run = do("characters.add_tag", three, "new")
        characters.update(
            session,
            actor=owner,
            character_id=three[1].id,
            row_version=three[1].row_version,
            changes={"tagline": "Written since."},
            now=now,
        )
        back = bulk.undo(session, actor=owner, run_id=run.id, now=now)
        session.expire_all()
        assert outcomes(session, back) == [BulkOutcome.CHANGED, BulkOutcome.REFUSED, BulkOutcome.CHANGED]
        assert three[1].tags == ["old", "new"]

    def test_is_done_once(self, session, owner, do, three, now):
        run = do("characters.archive", three)
        bulk.undo(session, actor=owner, run_id=run.id, now=now)
        with pytest.raises(CannotUndoError):
            bulk.undo(session, actor=owner, run_id=run.id, now=now)

    def test_is_not_offered_where_nothing_changed(self, session, owner, do, three, now):
        do("characters.archive", three)
        run = do("characters.archive", three)
        with pytest.raises(CannotUndoError):
            bulk.undo(session, actor=owner, run_id=run.id, now=now)

    def test_is_for_whoever_did_it(self, session, do, three, now):
        run = do("characters.archive", three)
        with pytest.raises(NotFoundError):
            bulk.undo(session, actor=make_actor(session, RoleName.CREATOR), run_id=run.id, now=now)
        with pytest.raises(ForbiddenError):
            bulk.undo(session, actor=make_actor(session, RoleName.STAFF), run_id=run.id, now=now)

    def test_is_not_there_for_jobs(self, session, owner, now):
        job = make_job(session, now=now, actor=owner)
        run = bulk.do_at_once(
            session, actor=owner, action="jobs.cancel", argument="", rows=[(str(job.id), None)], now=now
        )
        assert run.changed == 1
        assert session.get_one(JobRun, job.id).state is JobState.CANCELLED
        assert not bulk.may_be_undone(session, run)


class TestAsk:
    @pytest.fixture
    def asked(self, session, owner, three, now):
        query = sa.select(sa.cast(Character.id, sa.Text), Character.row_version).where(
            Character.owner_id == owner.user_id
        )
        return bulk.ask(session, actor=owner, action="characters.archive", argument="", chosen=query, now=now)

    def test_writes_the_rows_down_and_asks_for_a_job(self, session, asked, three):
        assert (asked.state, asked.total) == (BulkState.PREVIEWING, 3)
        items = session.scalars(sa.select(BulkItem).where(BulkItem.run_id == asked.id)).all()
        assert {item.row_id for item in items} == {str(row.id) for row in three}
        assert session.scalar(sa.select(JobRun.name).where(JobRun.about_id == asked.id)) == "operations.preview_bulk"

    def test_changes_nothing_before_somebody_confirms(self, session, owner, asked, three, now):
        with pytest.raises(NotPreviewedError):
            bulk.confirm(session, actor=owner, run_id=asked.id, now=now)
        assert bulk.do_some(session, run_id=asked.id, now=now) == 0
        assert all(row.status is CharacterStatus.DRAFT for row in three)

    def test_can_be_stopped_with_its_job(self, session, owner, asked, now):
        bulk.stop(session, actor=owner, run_id=asked.id, now=now)
        job = session.scalars(sa.select(JobRun).where(JobRun.about_id == asked.id)).one()
        assert (asked.state, job.state) == (BulkState.STOPPED, JobState.CANCELLED)
        with pytest.raises(HasEndedError):
            bulk.stop(session, actor=owner, run_id=asked.id, now=now)

    def test_wants_a_row_and_not_too_many(self, session, owner, three, now, monkeypatch):
        query = sa.select(sa.cast(Character.id, sa.Text), Character.row_version)
        monkeypatch.setattr(bulk, "MOST_ROWS", 2)
        for criterion in (sa.false(), Character.owner_id == owner.user_id):
            with pytest.raises(InvalidError), session.begin_nested():
                bulk.ask(
                    session,
                    actor=owner,
                    action="characters.archive",
                    argument="",
                    chosen=query.where(criterion),
                    now=now,
                )

    def test_old_runs_are_forgotten(self, session, asked, now):
        assert bulk.forget_old(session, now=now) == 0
        assert bulk.forget_old(session, now=now + bulk.KEPT * 2) == 1


class TestEveryAction:
    @pytest.mark.parametrize("action", BULK_ACTIONS.values(), ids=lambda action: action.name)
    def test_keeps_the_contract(self, app_views, action):
        assert action.name in BULK_LABELS
        assert action.permissions
        (view,) = [view for view in app_views if action.name in view.bulk_actions]
        assert view.model is action.model
        assert action.name.startswith(f"{view.endpoint}.")
        assert isinstance(action.asks, Asks)

    @pytest.fixture
    def app_views(self, settings, session, redis_client):
        from admin_views.base import StudioModelView
        from studio.app import create_app

        app = create_app(settings, connection=session.connection())
        yield [view for view in app.extensions["admin"][0]._views if isinstance(view, StudioModelView)]
        with app.app_context():
            for engine in app.db.engines.values():
                engine.dispose()
        app.extensions["studio"].redis.close()
