"""Many cards at once: taken in slices, worked through in any number of attempts, undone."""

import io
import zipfile
from datetime import timedelta

import pytest
import sqlalchemy as sa

from studio.accounts.models import AuditEntry
from studio.authoring import (
    batch_archives,
    batch_endings,
    batch_forecast,
    batch_queries,
    batch_work,
    card_batches,
    characters,
    queries,
)
from studio.authoring.errors import (
    BatchClosedError,
    BatchUnfinishedError,
    StorageFullError,
    TooManyBatchesError,
    TooManyFilesError,
)
from studio.authoring.models import (
    BatchState,
    CardBatch,
    CardBatchItem,
    CardBatchPart,
    Character,
    CharacterStatus,
    ItemState,
    OnDuplicate,
)
from studio.cards import limits
from studio.cards.errors import CardError
from studio.cards.reader import read_card
from studio.kit.errors import ForbiddenError, InvalidError, NotFoundError
from studio.media import files
from studio.media.models import MediaFile
from studio.work.models import JobRun
from tests.factories.authoring import card_file, import_character, json_card
from tests.factories.media import picture

YAML = b"name: Chiharu\ncontext: Chiharu builds computers.\ngreeting: Hello!\n"


def opened(session, actor, now, *, on_duplicate=OnDuplicate.SKIP) -> CardBatch:
    return card_batches.open_batch(session, actor=actor, on_duplicate=on_duplicate, now=now)


def receive(session, actor, storage, batch, given):
    return card_batches.receive(session, actor=actor, storage=storage, batch_id=batch.id, given=given)


def work_through(session, storage, batch, now) -> None:
    """What the job does, in this transaction."""
    while (archive := batch_archives.next_archive(session, batch_id=batch.id)) is not None:
        problem, is_card = None, False
        try:
            with batch_archives.opened(storage, archive) as file:
                is_card = not batch_archives.is_pack(file)
                for members in () if is_card else batch_archives.groups(file):
                    batch_archives.keep(session, storage=storage, archive=archive, members=members)
        except (CardError, TooManyFilesError) as error:
            problem = error
        batch_archives.close(session, archive=archive, problem=problem, is_card=is_card, now=now)
    while batch_work.take(session, storage=storage, batch_id=batch.id, now=now).settled:
        pass
    batch_work.finish(session, batch_id=batch.id, now=now)


def brought(session, actor, storage, now, given, **options) -> dict[str, CardBatchItem]:
    """The files by name after the whole import."""
    batch = opened(session, actor, now, **options)
    receive(session, actor, storage, batch, given)
    card_batches.start(session, actor=actor, batch_id=batch.id, now=now)
    work_through(session, storage, batch, now)
    return items_of(session, batch)


def items_of(session, batch) -> dict[str, CardBatchItem]:
    rows = session.scalars(sa.select(CardBatchItem).where(CardBatchItem.batch_id == batch.id)).all()
    return {item.name: item for item in rows}


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def count(session, table) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table))


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


class TestParts:
    def send(self, session, storage, actor, batch, name, data, numbers=None):
        total = -(-len(data) // card_batches.PART_BYTES)
        for number in numbers if numbers is not None else range(total):
            start = number * card_batches.PART_BYTES
            card_batches.receive_part(
                session,
                actor=actor,
                storage=storage,
                batch_id=batch.id,
                path=name,
                size=len(data),
                number=number,
                total=total,
                data=data[start : start + card_batches.PART_BYTES],
            )

    def test_make_an_archive_that_is_unpacked_whatever_its_size(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "PART_BYTES", 1_000)
        data = packed({f"{n}.json": json_card(name=f"Number {n}") for n in range(30)})
        batch = opened(session, creator, now)
        self.send(session, storage, creator, batch, "all.zip", data, [3, 0, 0])
        assert card_batches.arriving(session, actor=creator, batch_id=batch.id) == {"all.zip": [3, 0]}
        self.send(session, storage, creator, batch, "all.zip", data)
        assert card_batches.arriving(session, actor=creator, batch_id=batch.id) == {}
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        work_through(session, storage, batch, now)
        items = items_of(session, batch)
        assert items["all.zip"].state is ItemState.UNPACKED
        assert {items[f"all.zip/{n}.json"].state for n in range(30)} == {ItemState.MADE}
        assert count(session, CardBatchPart) == 0

    def test_make_a_large_card_that_is_read_as_one(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "PART_BYTES", 1_000)
        data = card_file("charx")
        batch = opened(session, creator, now)
        self.send(session, storage, creator, batch, "big.charx", data)
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        work_through(session, storage, batch, now)
        item = items_of(session, batch)["big.charx"]
        assert (item.state, item.format) == (ItemState.MADE, "charx_v3")

    def test_that_never_came_are_told(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "PART_BYTES", 1_000)
        batch = opened(session, creator, now)
        self.send(session, storage, creator, batch, "all.zip", bytes(5_000), [0])
        card_batches.start(session, actor=creator, batch_id=batch.id, now=now)
        assert "did not arrive whole" in items_of(session, batch)["all.zip"].message

    def test_that_do_not_fit_are_refused(self, session, storage, creator, now):
        batch = opened(session, creator, now)
        with pytest.raises(InvalidError, match="do not fit"):
            card_batches.receive_part(
                session,
                actor=creator,
                storage=storage,
                batch_id=batch.id,
                path="a.zip",
                size=10,
                number=1,
                total=1,
                data=b"x",
            )


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


class TestArchives:
    def test_bring_their_files_with_their_paths(self, session, storage, creator, now):
        data = packed({"a/x.json": json_card(), "b/y.png": card_file(name="Y"), "__MACOSX/x.json": b"?"})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert {name: item.state.value for name, item in items.items()} == {
            "all.zip": "unpacked",
            "all.zip/a/x.json": "made",
            "all.zip/b/y.png": "made",
        }
        assert items["all.zip/a/x.json"].parent_id == items["all.zip"].id

    def test_hold_cards_that_are_archives_themselves_but_no_archives_of_cards(self, session, storage, creator, now):
        data = packed({"a.charx": card_file("charx"), "inner.zip": packed({"b.json": json_card(name="B")})})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert items["all.zip/a.charx"].state is ItemState.MADE
        assert items["all.zip/inner.zip"].state is ItemState.REFUSED
        assert count(session, Character) == 1

    @pytest.mark.parametrize("path", ["../a.json", "/etc/a.json", "C:/a.json"])
    def test_with_paths_that_lead_out_are_refused_whole(self, session, storage, creator, now, path):
        data = packed({"good.json": json_card(), path: json_card(name="Evil")})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert [item.state for item in items.values()] == [ItemState.REFUSED]
        assert "leads out" in items["all.zip"].message

    def test_with_bombs_give_the_other_files(self, session, storage, creator, now):
        data = packed({"bomb.json": bytes(30_000_000), "good.json": json_card()})
        items = brought(session, creator, storage, now, [("all.zip", data)])
        assert items["all.zip/bomb.json"].state is ItemState.REFUSED
        assert items["all.zip/good.json"].state is ItemState.MADE

    def test_that_are_encrypted_say_so_for_each_file(self, session, storage, creator, now):
        data = bytearray(packed({"a.json": json_card()}))
        data[6] |= 1
        data[data.rfind(b"PK\x01\x02") + 8] |= 1
        items = brought(session, creator, storage, now, [("all.zip", bytes(data))])
        assert "encrypted" in items["all.zip/a.json"].message

    def test_that_are_cut_off_are_refused(self, session, storage, creator, now):
        data = packed({"a.json": json_card()})[:-30]
        assert "cut off" in brought(session, creator, storage, now, [("all.zip", data)])["all.zip"].message

    def test_count_what_they_hold(self, session, storage, creator, now, monkeypatch):
        monkeypatch.setattr(card_batches, "MOST_FILES", 3)
        data = packed({f"{n}.json": json_card(name=str(n)) for n in range(5)})
        item = brought(session, creator, storage, now, [("all.zip", data)])["all.zip"]
        assert (item.state, item.params) == (
            ItemState.REFUSED,
            {"files": 3, "megabytes": card_batches.MOST_BYTES // limits.MB},
        )


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
