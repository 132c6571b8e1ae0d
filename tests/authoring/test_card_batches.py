"""Many cards at once: taken in slices, looked at first, each with its outcome, and whose they are."""

import io
import zipfile

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.authoring import (
    batch_forecast,
    batch_queries,
    batch_work,
    card_batches,
    queries,
)
from studio.authoring.errors import (
    BatchClosedError,
    StorageFullError,
    TooManyBatchesError,
    TooManyFilesError,
)
from studio.authoring.models import (
    Character,
    ItemState,
    OnDuplicate,
)
from studio.cards.errors import CardError
from studio.cards.reader import read_card
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.work.models import JobRun
from tests.authoring.batches import YAML, brought, items_of, opened, receive
from tests.factories.authoring import card_file, import_character, json_card
from tests.factories.media import picture


class TestReceive:
    def test_recognises_what_it_has_already(self, session, storage, creator, now):
        batch = opened(session, creator, now)
        first = receive(session, creator, storage, batch, [("a/x.json", json_card()), ("b.json", json_card(name="B"))])
        again = receive(session, creator, storage, batch, [("a/x.json", json_card()), ("c.json", json_card(name="C"))])
        assert (first.taken, first.known, again.taken, again.known) == (2, 0, 1, 1)
        hashes = [item.sha256 for item in items_of(session, batch).values()]
        assert set(card_batches.known(session, actor=creator, batch_id=batch.id, hashes=[*hashes, "0" * 64])) == set(
            hashes
        )

    def test_passes_over_what_systems_put_beside_files(self, session, storage, creator, now):
        batch = opened(session, creator, now)
        receive(
            session, creator, storage, batch, [("a/.DS_Store", b"x"), ("__MACOSX/a.json", b"x"), ("Thumbs.db", b"x")]
        )
        assert items_of(session, batch) == {}

    def test_takes_no_more_than_a_batch_may_hold(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "MOST_FILES", 2)
        batch = opened(session, creator, now)
        with pytest.raises(TooManyFilesError):
            receive(session, creator, storage, batch, [(f"{n}.json", json_card(name=str(n))) for n in range(3)])
        assert items_of(session, batch) == {}

    def test_stops_at_the_room_of_one_person(self, session, storage, creator, now, monkeypatch):
        batch = opened(session, creator, now)
        monkeypatch.setattr(card_batches, "MOST_KEPT_BYTES", 100)
        with pytest.raises(StorageFullError):
            receive(session, creator, storage, batch, [("a.json", json_card())])

    def test_is_closed_once_it_was_started(self, session, storage, creator, now):
        batch = opened(session, creator, now)
        receive(session, creator, storage, batch, [("a.json", json_card())])
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        with pytest.raises(BatchClosedError):
            receive(session, creator, storage, batch, [("b.json", json_card(name="B"))])

    def test_needs_a_file_to_start(self, session, creator, now):
        batch = opened(session, creator, now)
        with pytest.raises(InvalidError, match="No file has arrived"):
            card_batches.start(session, actor=creator, batch_id=batch.id, now=now)

    def test_lets_nobody_keep_too_many_open(self, session, creator, now):
        for _ in range(card_batches.MOST_UNFINISHED):
            opened(session, creator, now)
        with pytest.raises(TooManyBatchesError):
            opened(session, creator, now)


class TestForecast:
    def test_tells_what_would_happen_before_anything_does(self, session, creator, outsider, storage, now):
        mine = json_card(name="Brought before")
        import_character(session, actor=creator, storage=storage, data=mine, filename="before.json")
        batch = opened(session, creator, now)
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("one.json", json_card(name="Inside"))
        given = [
            ("new.json", json_card(name="New")),
            ("again/new.json", json_card(name="New")),
            ("before.json", mine),
            ("Chiharu.yaml", YAML),
            ("Chiharu.png", picture()),
            ("many.zip", zipped.getvalue()),
            ("letter.txt", b"Dear friend"),
            ("empty.json", b""),
        ]
        receive(session, creator, storage, batch, given)
        told = batch_forecast.forecast(session, actor=creator, batch_id=batch.id)
        assert (told.new, told.known, told.twice, told.pictures, told.archives, told.broken) == (2, 1, 1, 1, 1, 2)
        assert told.broken_names == ["letter.txt", "empty.json"]
        assert session.scalar(sa.select(sa.func.count()).select_from(Character)) == 1
        with pytest.raises(NotFoundError):
            batch_forecast.forecast(session, actor=outsider, batch_id=batch.id)


class TestOutcomes:
    def test_are_one_for_each_file_and_none_stops_the_others(self, session, storage, creator, now):
        items = brought(
            session,
            creator,
            storage,
            now,
            [
                ("good.png", card_file()),
                ("same.json", json_card()),
                ("nonsense.json", b"{"),
                ("empty.json", b""),
                ("long.json", json_card(name="Long", scenario="x" * 200_001)),
                ("picture.png", picture()),
                ("other.json", json_card(name="Other", character_book={"entries": [], "extensions": {}})),
            ],
        )
        states = {name: item.state.value for name, item in items.items()}
        assert states == {
            "good.png": "made",
            "same.json": "duplicate",
            "nonsense.json": "refused",
            "empty.json": "refused",
            "long.json": "refused",
            "picture.png": "refused",
            "other.json": "made",
        }
        assert items["same.json"].character_id == items["good.png"].character_id
        assert items["long.json"].params == {"field": "scenario"}
        assert all(item.message for item in items.values() if item.state is ItemState.REFUSED)

    def test_make_the_same_character_as_a_single_import(self, session, storage, creator, outsider, now):
        book = {"name": "b", "extensions": {}, "entries": [{"keys": ["a"], "content": "x", "enabled": True}]}
        data = card_file(character_book=book, odd={"kept": [1]})
        alone = import_character(session, actor=outsider, storage=storage, data=data)
        item = brought(session, creator, storage, now, [("one.png", data)])["one.png"]
        bulk = session.get_one(Character, item.character_id)
        for column in ("name", "description", "tags", "content_hash", "search_text", "bigrams", "language"):
            assert getattr(bulk, column) == getattr(alone, column), column
        assert queries.greetings_of(session, character_id=bulk.id) == queries.greetings_of(
            session, character_id=alone.id
        )
        assert queries.find_lorebook(session, character_id=bulk.id) is not None
        assert bulk.portrait_id is not None

    def test_know_a_character_that_is_there_already(self, session, storage, creator, now):
        character = import_character(session, actor=creator, storage=storage)
        items = brought(
            session, creator, storage, now, [("again.png", card_file()), ("said.json", json_card(creator_notes=""))]
        )
        assert {item.state for item in items.values()} == {ItemState.DUPLICATE}
        assert {item.character_id for item in items.values()} == {character.id}
        assert "same file" in items["again.png"].message

    def test_know_nothing_of_what_others_have(self, session, storage, creator, outsider, now):
        import_character(session, actor=outsider, storage=storage)
        assert brought(session, creator, storage, now, [("a.png", card_file())])["a.png"].state is ItemState.MADE

    def test_make_duplicates_where_that_is_wanted(self, session, storage, creator, now):
        given = [("a.json", json_card()), ("b.json", json_card())]
        items = brought(session, creator, storage, now, given, on_duplicate=OnDuplicate.IMPORT)
        assert len({item.character_id for item in items.values()}) == 2

    def test_give_a_yaml_card_the_picture_beside_it(self, session, storage, creator, now):
        given = [("a/Chiharu.png", picture()), ("a/Chiharu.yaml", YAML), ("b/Chiharu.png", picture(20, 20))]
        items = brought(session, creator, storage, now, given)
        assert {name: item.state.value for name, item in items.items()} == {
            "a/Chiharu.png": "portrait",
            "a/Chiharu.yaml": "made",
            "b/Chiharu.png": "refused",
        }
        assert session.get_one(Character, items["a/Chiharu.yaml"].character_id).portrait_id is not None

    def test_name_a_nameless_character_after_its_file(self, session, storage, creator, now):
        item = brought(session, creator, storage, now, [("x/小龙女.json", json_card(name=" "))])["x/小龙女.json"]
        assert session.get_one(Character, item.character_id).name == "小龙女"

    def test_ask_for_one_job_of_each_kind_however_many_cards_came(self, session, storage, creator, now):
        brought(session, creator, storage, now, [(f"{n}.png", card_file(name=f"N{n}")) for n in range(4)])
        names = sorted(session.scalars(sa.select(JobRun.name)))
        assert names == ["authoring.import_cards", "authoring.make_batch_variants", "memory.embed_missing"]
        # What people wait for goes before what the house does for itself.
        queues = dict(session.execute(sa.select(JobRun.name, JobRun.queue)).all())
        assert queues["memory.embed_missing"] == "background"
        assert len(session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "character.import")).all()) == 4

    def test_are_those_of_every_real_file(self, session, storage, creator, now, samples):
        given = [
            (str(path.relative_to(samples)), path.read_bytes())
            for path in sorted(samples.rglob("*"))
            if path.is_file() and path.suffix in {".png", ".json", ".yaml"}
        ]
        items = brought(session, creator, storage, now, given)
        assert len(items) == len(given)
        assert not {item.state for item in items.values()} & set(batch_queries.OPEN_ITEMS)
        for name, item in items.items():
            if item.state is ItemState.REFUSED:
                with pytest.raises(CardError) as refusal:
                    read_card((samples / name).read_bytes())
                assert item.message == refusal.value.msgid, name
            else:
                character = session.get_one(Character, item.character_id)
                assert character.content_hash == read_card((samples / name).read_bytes()).content_hash, name

    def test_cost_few_statements(self, session, storage, creator, now, statements):
        batch = opened(session, creator, now)
        receive(session, creator, storage, batch, [(f"{n}.json", json_card(name=f"N{n}")) for n in range(50)])
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        statements.clear()
        batch_work.take(session, storage=storage, batch_id=batch.id, now=now)
        assert len(statements) <= 40, f"{len(statements)} statements for 50 cards"


class TestScope:
    def test_hides_batches_from_outsiders(self, session, storage, creator, outsider, moderator, now):
        batch = opened(session, creator, now)
        for actor, error in ((outsider, NotFoundError), (moderator, ForbiddenError)):
            with pytest.raises(error):
                receive(session, actor, storage, batch, [("a.json", json_card())])
            for use_case in (card_batches.start, card_batches.stop, card_batches.retry, card_batches.undo):
                with pytest.raises(error):
                    use_case(session, actor=actor, batch_id=batch.id, now=now)
            with pytest.raises(error):
                card_batches.discard(session, actor=actor, batch_id=batch.id)
