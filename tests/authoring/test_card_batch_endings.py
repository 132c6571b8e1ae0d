"""Many cards at once: broken off and gone on with, undone, swept away."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.authoring import (
    batch_endings,
    batch_work,
    card_batches,
    characters,
)
from studio.authoring.errors import (
    BatchUnfinishedError,
)
from studio.authoring.models import (
    BatchState,
    CardBatch,
    CardBatchItem,
    Character,
    CharacterStatus,
    ItemState,
)
from studio.kit.errors import ForbiddenError
from studio.media import files
from studio.media.models import MediaFile
from studio.work.models import JobRun
from tests.authoring.batches import brought, count, opened, receive, work_through
from tests.factories.authoring import json_card


class TestInterruptions:
    def test_leave_what_is_settled_and_go_on_with_the_rest(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(batch_work, "AT_ONCE", 2)
        batch = opened(session, creator, now)
        receive(session, creator, storage, batch, [(f"{n}.json", json_card(name=f"N{n}")) for n in range(5)])
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        step = batch_work.take(session, storage=storage, batch_id=batch.id, now=now)
        assert (step.settled, step.done, step.total) == (2, 2, 5)
        card_batches.stop(session, actor=creator, batch_id=batch.id, now=now)
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        work_through(session, storage, batch, now)
        assert count(session, Character) == 5
        assert batch.state is BatchState.FINISHED
        assert batch_work.take(session, storage=storage, batch_id=batch.id, now=now).settled == 0

    def test_by_one_card_that_cannot_be_stored_cost_the_others_nothing(
        self, session, storage, creator, now, monkeypatch
    ):
        from studio.authoring import card_imports

        write = card_imports.write_parts

        def failing(session, made):
            write(session, made)
            if any(character.name == "N1" for character, _ in made):
                session.execute(sa.text("SELECT 1 / 0"))

        monkeypatch.setattr(card_imports, "write_parts", failing)
        items = brought(session, creator, storage, now, [(f"{n}.json", json_card(name=f"N{n}")) for n in range(3)])
        assert [items[f"{n}.json"].state.value for n in range(3)] == ["made", "refused", "made"]
        monkeypatch.undo()
        batch = session.scalars(sa.select(CardBatch)).one()
        card_batches.retry(session, actor=creator, batch_id=batch.id, now=now)
        work_through(session, storage, batch, now)
        assert count(session, Character) == 3

    def test_end_where_the_owner_may_not_import_any_more(self, session, storage, creator, now):
        from studio.accounts.models import User

        batch = opened(session, creator, now)
        receive(session, creator, storage, batch, [("a.json", json_card())])
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        session.get_one(User, creator.user_id).roles = []
        session.flush()
        with pytest.raises(ForbiddenError):
            batch_work.take(session, storage=storage, batch_id=batch.id, now=now)


class TestUndo:
    def undo(self, session, actor, batch, now):
        card_batches.undo(session, actor=actor, batch_id=batch.id, now=now)
        after = None
        while True:
            after, _ = batch_endings.undo_some(session, batch_id=batch.id, after=after, now=now)
            if after is None:
                return

    def test_archives_what_nobody_touched(self, session, storage, creator, now):
        items = brought(session, creator, storage, now, [(f"{n}.json", json_card(name=f"N{n}")) for n in range(3)])
        edited = session.get_one(Character, items["1.json"].character_id)
        characters.update(
            session,
            actor=creator,
            character_id=edited.id,
            row_version=edited.row_version,
            changes={"tagline": "mine now"},
            now=now + timedelta(minutes=1),
        )
        batch = session.scalars(sa.select(CardBatch)).one()
        session.get_one(JobRun, batch.job_id).state = "succeeded"
        session.get_one(JobRun, batch.job_id).finished_at = now
        session.flush()
        self.undo(session, creator, batch, now)
        states = {character.name: character.status for character in session.scalars(sa.select(Character))}
        assert states == {
            "N0": CharacterStatus.ARCHIVED,
            "N1": CharacterStatus.DRAFT,
            "N2": CharacterStatus.ARCHIVED,
        }
        assert batch.state is BatchState.UNDONE
        assert [items[f"{n}.json"].state.value for n in range(3)] == ["undone", "made", "undone"]

    def test_makes_room_for_bringing_them_again(self, session, storage, creator, now):
        brought(session, creator, storage, now, [("a.json", json_card())])
        batch = session.scalars(sa.select(CardBatch)).one()
        batch.job_id = None
        self.undo(session, creator, batch, now)
        assert brought(session, creator, storage, now, [("a.json", json_card())])["a.json"].state is ItemState.MADE

    def test_is_not_for_what_has_not_ended(self, session, creator, now):
        batch = opened(session, creator, now)
        for use_case in (card_batches.undo, card_batches.retry):
            with pytest.raises(BatchUnfinishedError):
                use_case(session, actor=creator, batch_id=batch.id, now=now)


class TestSweep:
    def test_deletes_what_was_discarded_with_its_files(self, session, storage, creator, now):
        batch = opened(session, creator, now)
        receive(session, creator, storage, batch, [("a.json", json_card())])
        card_batches.discard(session, actor=creator, batch_id=batch.id)
        hashes = self.swept(session, now)
        assert files.drop_unused(session, storage=storage, hashes=hashes) == 1
        assert count(session, CardBatch) == count(session, MediaFile) == 0

    def test_keeps_the_sources_of_characters_and_lets_go_of_the_rest(self, session, storage, creator, now):
        brought(session, creator, storage, now, [("a.json", json_card()), ("b.json", b"{}")])
        assert self.swept(session, now) == []
        assert len(self.swept(session, now + batch_endings.KEPT + timedelta(seconds=1))) == 1
        assert count(session, MediaFile) == 1
        assert count(session, CardBatchItem) == 2

    def swept(self, session, now) -> list[str]:
        hashes: list[str] = []
        while True:
            looked_at, more = batch_endings.sweep(session, now=now)
            hashes += more
            if not looked_at:
                return hashes
