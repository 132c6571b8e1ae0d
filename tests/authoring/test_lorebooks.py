"""Lorebooks that people edit: rows and card say the same, nothing is overwritten, and what goes can come back."""

import json

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.accounts.models import AuditEntry
from studio.authoring import (
    characters,
    documents,
    exports,
    lorebook_bulk,
    lorebook_edits,
    lorebook_rules,
    lorebook_states,
    lorebooks,
    queries,
    versions,
)
from studio.authoring.errors import ArchivedCharacterError, StaleEntryError
from studio.authoring.lorebook_bulk import Act, Order
from studio.authoring.models import Character, LorebookEntry
from studio.cards.documents import dump_document
from studio.kit.errors import ConflictError, InvalidError, NotFoundError, StaleError
from tests.authoring.lore import bulk, entries_of, names_of
from tests.cards.builders import v2_document
from tests.factories.authoring import import_character, make_character
from tests.factories.lorebooks import entry_document, make_lorebook


class TestCard:
    def test_an_unedited_book_is_exported_letter_by_letter(self, session, creator, storage, now):
        data = dump_document(v2_document())
        character = import_character(session, actor=creator, storage=storage, data=data, filename="a.json")
        assert dump_document(documents.document_of(session, character)) == data

    def test_an_edit_shows_in_exports_versions_and_hash_and_touches_nothing_else(self, session, creator, storage, now):
        document = v2_document()
        character = import_character(
            session, actor=creator, storage=storage, data=dump_document(document), filename="a.json"
        )
        lorebook = queries.find_lorebook(session, character_id=character.id)
        entry = entries_of(session, lorebook)[0]
        hash_before, version_before, book_version = character.content_hash, character.row_version, lorebook.row_version
        lorebook_edits.update_entry(
            session,
            actor=creator,
            character_id=character.id,
            entry_id=entry.id,
            base=lorebook_rules.fingerprint(entry.document),
            row_version=lorebook.row_version,
            changes={"content": "Edited here."},
            now=now,
        )
        was = document["data"]["character_book"]
        made = documents.document_of(session, character)
        assert made["data"]["character_book"]["entries"][0] == was["entries"][0] | {"content": "Edited here."}
        made["data"]["character_book"] = was
        assert json.dumps(made) == json.dumps(document)
        version = versions.make(session, actor=creator, character_id=character.id, now=now)
        assert version.card["data"]["character_book"]["entries"][0]["content"] == "Edited here."
        exported = exports.export_card(
            session, actor=creator, storage=storage, character_id=character.id, to="v3", as_="json", now=now
        )
        assert b"Edited here." in exported.data
        session.expire_all()
        assert character.content_hash != hash_before
        assert (character.updated_at, character.row_version) == (now, version_before)
        assert lorebook.row_version > book_version

    def test_a_book_can_be_begun_where_there_was_none(self, session, creator, now):
        character = make_character(session, owner=creator)
        entry = lorebook_edits.add_entry(
            session, actor=creator, character_id=character.id, values={"keys": ["龙"], "content": "大"}, now=now
        )
        book = documents.card_of(session, character)["data"]["character_book"]
        assert (book["entries"][0]["keys"], entry.tokens, entry.place) == (["龙"], 1, "before_char")

    def test_writing_another_cards_book_replaces_what_there_is(self, session, creator):
        lorebook = make_lorebook(session, owner=creator, entries=5, name="Old")
        character = session.get(Character, lorebook.character_id)
        lorebooks.write(
            session, character, {"data": {"character_book": {"entries": [entry_document(9)], "extensions": {}}}}
        )
        assert (names_of(session, lorebook), lorebook.name) == (["Entry 9"], "")
        lorebooks.write(session, character, {"data": {}})
        assert queries.find_lorebook(session, character_id=character.id) is None

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
    @given(
        st.dictionaries(st.sampled_from(["odd", "scan_depth", "name", "token_budget"]), st.integers(1, 9), max_size=3),
        st.lists(st.text(max_size=5), max_size=3),
    )
    def test_rows_say_the_book_that_was_written(self, session, creator, book, contents):
        character = make_character(session, owner=creator)
        if "name" in book:
            book["name"] = str(book["name"])
        clean = [text.replace("\0", "") for text in contents if text.isprintable()]
        whole = {
            "extensions": {"x": {"y": 1.5}},
            **book,
            "entries": [entry_document(0, content=text) for text in clean],
        }
        lorebooks.replace(session, character, whole)
        session.expire_all()
        assert lorebooks.book_of(session, character_id=character.id) == whole


class TestWho:
    def test_outsiders_find_nothing_and_moderators_change_nothing(self, session, creator, outsider, moderator, now):
        lorebook = make_lorebook(session, owner=creator)
        entry = entries_of(session, lorebook)[0]
        about = {"character_id": lorebook.character_id, "now": now}
        for actor in (outsider, moderator):
            for act in (
                lambda actor: lorebook_edits.add_entry(session, actor=actor, values={}, **about),
                lambda actor: lorebook_edits.update_entry(
                    session, actor=actor, entry_id=entry.id, base="", row_version=1, changes={}, **about
                ),
                lambda actor: lorebook_edits.set_flag(
                    session, actor=actor, entry_id=entry.id, base="", flag="is_enabled", value=False, **about
                ),
                lambda actor: lorebook_edits.delete_entries(
                    session, actor=actor, entry_ids=[entry.id], row_version=1, **about
                ),
                lambda actor: lorebook_bulk.change_many(
                    session, actor=actor, row_version=1, entry_ids=None, order=Order(Act.DISABLE), **about
                ),
            ):
                with pytest.raises(NotFoundError):
                    act(actor)

    def test_an_entry_of_another_book_is_not_found(self, session, creator, now):
        mine, other = make_lorebook(session, owner=creator), make_lorebook(session, owner=creator)
        foreign = entries_of(session, other)[0]
        with pytest.raises(NotFoundError):
            lorebook_edits.duplicate_entry(
                session, actor=creator, character_id=mine.character_id, entry_id=foreign.id, now=now
            )
        assert bulk_counts(session, creator, mine, now, foreign) == (3, 3)

    def test_an_archived_character_keeps_its_book(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        characters.archive(session, actor=creator, character_id=lorebook.character_id, now=now)
        with pytest.raises(ArchivedCharacterError):
            bulk(session, creator, lorebook, now, Act.DISABLE)


def bulk_counts(session, creator, mine, now, foreign) -> tuple[int, int]:
    with pytest.raises(InvalidError):
        bulk(session, creator, mine, now, Act.DELETE, ids=[foreign.id])
    count = sa.select(sa.func.count()).select_from(LorebookEntry)
    return tuple(
        session.scalar(count.where(LorebookEntry.lorebook_id == one)) for one in (mine.id, foreign.lorebook_id)
    )


class TestEntries:
    def update(self, session, creator, lorebook, entry, base, now, row_version=None, **changes):
        return lorebook_edits.update_entry(
            session,
            actor=creator,
            character_id=lorebook.character_id,
            entry_id=entry.id,
            base=base,
            row_version=row_version or lorebook.row_version,
            changes=changes,
            now=now,
        )

    def test_two_people_edit_different_entries_without_a_conflict(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        first, second, _ = entries_of(session, lorebook)
        bases = [lorebook_rules.fingerprint(one.document) for one in (first, second)]
        self.update(session, creator, lorebook, first, bases[0], now, content="one")
        self.update(session, creator, lorebook, second, bases[1], now, content="two")
        assert (first.content, second.content) == ("one", "two")

    def test_a_stale_save_of_one_entry_shows_both_texts_and_overwrites_nothing(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        entry = entries_of(session, lorebook)[0]
        base = lorebook_rules.fingerprint(entry.document)
        self.update(session, creator, lorebook, entry, base, now, content="theirs")
        with pytest.raises(StaleEntryError) as raised:
            self.update(session, creator, lorebook, entry, base, now, content="mine")
        (difference,) = raised.value.differences
        assert (difference.field, difference.theirs, difference.mine) == ("content", "theirs", "mine")
        assert entry.content == "theirs"
        self.update(session, creator, lorebook, entry, raised.value.base, now, content="mine")
        self.update(session, creator, lorebook, entry, base, now, content="mine")  # The second click.
        assert entry.content == "mine"

    @staticmethod
    def move(session, lorebook, **about):
        with pytest.raises(StaleError):
            lorebook_edits.move_entry(session, row_version=lorebook.row_version + 1, **about)
        lorebook_edits.move_entry(session, row_version=lorebook.row_version, **about)

    def test_a_stale_save_knows_where_both_started(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        entry = entries_of(session, lorebook)[0]
        base, opened, was = lorebook_rules.fingerprint(entry.document), lorebook.row_version, entry.content
        self.update(session, creator, lorebook, entry, base, now, content="theirs")
        bulk(session, creator, lorebook, now, Act.ADD_KEY, ids=[entry.id], key="added")
        token = lorebook_rules.grid_token(entry)
        lorebook_edits.set_flag(
            session,
            actor=creator,
            character_id=lorebook.character_id,
            entry_id=entry.id,
            base=token,
            flag="is_constant",
            value=True,
            now=now,
        )
        with pytest.raises(StaleEntryError) as raised:
            self.update(session, creator, lorebook, entry, base, now, row_version=opened, content="mine")
        start, theirs = raised.value.start, raised.value.theirs
        assert (start["content"], start["keys"], start["is_constant"]) == (was, ["key0", "topic 0"], False)
        assert (theirs["content"], theirs["keys"][-1], theirs["is_constant"]) == ("theirs", "added", True)

    def test_what_cannot_be_kept_is_said_by_field(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        entry = entries_of(session, lorebook)[0]
        with pytest.raises(InvalidError) as raised:
            self.update(
                session,
                creator,
                lorebook,
                entry,
                "",
                now,
                keys=["k" * 1001],
                chance=101,
                place="nowhere",
                depth=-1,
                insertion_order=None,
                content="x" * 200_001,
                logic="or",
            )
        assert raised.value.fields.keys() == {
            "keys",
            "chance",
            "place",
            "depth",
            "insertion_order",
            "content",
            "logic",
        }

    def test_entries_are_copied_moved_switched_and_deleted(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        first, second, third = entries_of(session, lorebook)
        about = {"actor": creator, "character_id": lorebook.character_id, "now": now}
        copy = lorebook_edits.duplicate_entry(session, entry_id=first.id, **about)
        assert names_of(session, lorebook) == ["Entry 0", "Entry 0", "Entry 1", "Entry 2"]
        self.move(session, lorebook, entry_id=third.id, way="first", **about)
        self.move(session, lorebook, entry_id=copy.id, way="last", **about)
        self.move(session, lorebook, entry_id=copy.id, way="down", **about)
        self.move(session, lorebook, entry_id=first.id, way="down", **about)
        self.move(session, lorebook, entry_id=first.id, way="up", **about)
        session.expire_all()
        assert names_of(session, lorebook) == ["Entry 2", "Entry 0", "Entry 1", "Entry 0"]
        token = lorebook_rules.grid_token(second)
        lorebook_edits.set_flag(session, entry_id=second.id, base=token, flag="is_constant", value=True, **about)
        with pytest.raises(StaleError):
            lorebook_edits.set_flag(session, entry_id=second.id, base=token, flag="is_enabled", value=False, **about)
        assert (second.is_constant, second.document["constant"]) == (True, True)
        lorebook_edits.delete_entries(session, entry_ids=[first.id, copy.id], row_version=lorebook.row_version, **about)
        assert names_of(session, lorebook) == ["Entry 2", "Entry 1"]
        (state,) = lorebook_states.list_states(session, lorebook_id=lorebook.id)
        assert state.row_version == lorebook.row_version
        lorebook_edits.bring_back(session, state_id=state.id, row_version=lorebook.row_version, **about)
        assert names_of(session, lorebook) == ["Entry 2", "Entry 0", "Entry 1", "Entry 0"]
        actions = set(session.scalars(sa.select(AuditEntry.action).where(AuditEntry.action.like("lorebook.%"))))
        assert actions == {
            "lorebook.add_entry",
            "lorebook.move_entry",
            "lorebook.update_entry",
            "lorebook.delete_entries",
            "lorebook.bring_back",
        }

    def test_a_full_book_takes_no_more(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator, entries=[{**entry_document(0)}] * 2000)
        with pytest.raises(ConflictError):
            lorebook_edits.add_entry(session, actor=creator, character_id=lorebook.character_id, values={}, now=now)

    def test_settings_are_saved_and_a_stale_save_is_shown(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator, odd=1)
        about = {"actor": creator, "character_id": lorebook.character_id, "now": now}
        version = lorebook.row_version
        given = {"name": "N", "description": "", "scan_depth": 4, "token_budget": None, "recursive_scanning": True}
        lorebook_edits.save_settings(session, row_version=version, changes=given, **about)
        assert (lorebook.document["odd"], lorebook.scan_depth, lorebook.is_recursive) == (1, 4, True)
        assert "description" not in lorebook.document
        with pytest.raises(StaleEntryError) as raised:
            lorebook_edits.save_settings(session, row_version=version, changes=given | {"scan_depth": 5}, **about)
        assert [one.field for one in raised.value.differences] == ["scan_depth"]
        assert (raised.value.start["scan_depth"], raised.value.theirs["scan_depth"]) == (None, 4)
        # Entries that were changed meanwhile are no matter.
        opened = lorebook.row_version
        lorebook_edits.add_entry(session, values={"keys": ["k"]}, **about)
        lorebook_edits.save_settings(session, row_version=opened, changes=given | {"scan_depth": 6}, **about)
        assert lorebook.scan_depth == 6
        with pytest.raises(InvalidError):
            lorebook_edits.save_settings(
                session, row_version=lorebook.row_version, changes={"scan_depth": 2.5e9}, **about
            )
