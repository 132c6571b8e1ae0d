"""Lorebooks with many entries: changed at once, listed and filtered, brought from files."""

import pytest
import sqlalchemy as sa

from studio.authoring import (
    lorebook_bulk,
    lorebook_edits,
    lorebook_imports,
    lorebook_lists,
    lorebook_states,
    lorebooks,
)
from studio.authoring.lorebook_bulk import Act, Order
from studio.authoring.lorebook_imports import Fate, Way
from studio.authoring.lorebook_lists import Wanted
from studio.authoring.models import LorebookState
from studio.cards.errors import CardError
from studio.cards.lore_files import write_lorebook
from studio.kit.errors import ConflictError, InvalidError, StaleError
from tests.authoring.lore import bulk, entries_of, names_of
from tests.factories.lorebooks import entry_document, make_lorebook


class TestManyAtOnce:
    @pytest.mark.parametrize(
        ("act", "needs", "expected"),
        [
            (Act.DISABLE, {}, {"is_enabled": False}),
            (Act.CONSTANT, {}, {"is_constant": True}),
            (Act.PLACE, {"place": "at_depth", "depth": 2, "role": "user"}, {"place": "at_depth:2:user"}),
            (Act.ADD_KEY, {"key": " dragon "}, {"keys": ["key1", "topic 1", "dragon"]}),
            (Act.REMOVE_KEY, {"key": "KEY1"}, {"keys": ["topic 1"]}),
        ],
    )
    def test_the_chosen_change_and_the_others_stay(self, session, creator, now, act, needs, expected):
        lorebook = make_lorebook(session, owner=creator)
        first, second, _ = entries_of(session, lorebook)
        before = dict(first.document)
        done = bulk(session, creator, lorebook, now, act, ids=[second.id], **needs)
        assert (done.chosen, done.changed, first.document) == (1, 1, before)
        assert {name: getattr(second, name) for name in expected} == expected

    def test_all_that_match_are_changed_and_can_be_taken_back(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator, entries=30)
        done = bulk(session, creator, lorebook, now, Act.DISABLE, wanted=Wanted(search="key2"))
        assert (done.chosen, done.changed) == (11, 11)
        again = bulk(session, creator, lorebook, now, Act.DISABLE, wanted=Wanted(search="key2"))
        assert again.changed == 0
        (state,) = lorebook_states.list_states(session, lorebook_id=lorebook.id)
        lorebook_edits.bring_back(
            session,
            actor=creator,
            character_id=lorebook.character_id,
            state_id=state.id,
            row_version=lorebook.row_version,
            now=now,
        )
        assert all(entry.is_enabled for entry in entries_of(session, lorebook))

    def test_renumbering_keeps_the_sequence(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator, entries=5)
        bulk(session, creator, lorebook, now, Act.RENUMBER, first=100, step=10)
        assert [entry.insertion_order for entry in entries_of(session, lorebook)] == [100, 110, 120, 130, 140]

    def test_a_stale_page_changes_nothing(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        with pytest.raises(StaleError):
            lorebook_bulk.change_many(
                session,
                actor=creator,
                character_id=lorebook.character_id,
                row_version=lorebook.row_version - 1,
                entry_ids=None,
                order=Order(Act.DELETE),
                now=now,
            )
        assert len(entries_of(session, lorebook)) == 3

    def test_no_more_than_eight_states_are_kept(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        for number in range(10):
            bulk(session, creator, lorebook, now, Act.ADD_KEY, key=f"new {number}")
        count = sa.select(sa.func.count()).select_from(LorebookState)
        assert session.scalar(count.where(LorebookState.lorebook_id == lorebook.id)) == 8

    @pytest.mark.parametrize(
        ("act", "needs"), [(Act.ADD_KEY, {"key": " "}), (Act.PLACE, {"place": "x"}), (Act.RENUMBER, {"first": 2e9})]
    )
    def test_what_an_act_needs_is_asked_for(self, session, creator, now, act, needs):
        lorebook = make_lorebook(session, owner=creator)
        with pytest.raises(InvalidError):
            bulk(session, creator, lorebook, now, act, **needs)


class TestLists:
    @pytest.mark.parametrize("order", lorebook_lists.ORDERS)
    def test_pages_follow_each_other_without_gap_or_double(self, session, creator, order):
        entries = [entry_document(number, insertion_order=number % 3, name=f"n{number % 4}") for number in range(23)]
        lorebook = make_lorebook(session, owner=creator, entries=entries)
        seen, cursor = [], None
        while True:
            page = lorebook_lists.list_entries(
                session, lorebook_id=lorebook.id, wanted=Wanted(order=order), cursor=cursor, limit=5
            )
            seen += [row.id for row in page.rows]
            cursor = page.after
            if cursor is None:
                break
        assert (len(seen), len(set(seen)), page.count) == (23, 23, 23)

    def test_words_and_states_are_found(self, session, creator):
        entries = [
            entry_document(0, content="100% 龙"),
            entry_document(1, is_enabled=False),
            entry_document(2, keys=[], is_constant=True),
            entry_document(3, keys=["/a/"], may_be_pattern=True, content=""),
            entry_document(4, keys=[]),
        ]
        lorebook = make_lorebook(session, owner=creator, entries=entries)

        def found(**wanted):
            page = lorebook_lists.list_entries(session, lorebook_id=lorebook.id, wanted=Wanted(**wanted))
            return [row.position for row in page.rows]

        assert (found(search="100% 龙"), found(search="KEY1"), found(search="%%")) == ([0], [1], [])
        assert [found(state=state) for state in lorebook_lists.STATE_NAMES] == [[0, 2, 3, 4], [1], [2], [3], [4], [3]]


class TestImports:
    def file(self, *entries) -> bytes:
        return write_lorebook({"entries": list(entries), "extensions": {}, "name": "File"}, to="lorebook_v3").data

    def bring(self, session, creator, lorebook, data, way, now):
        return lorebook_imports.bring(
            session,
            actor=creator,
            character_id=lorebook.character_id,
            row_version=lorebook.row_version,
            data=data,
            filename="a.json",
            way=way,
            now=now,
        )

    def test_a_dry_run_says_what_is_new_the_same_changed_and_gone(self, session, creator):
        lorebook = make_lorebook(session, owner=creator)
        data = self.file(entry_document(0), entry_document(1, content="other"), entry_document(7))
        present = lorebooks.whole_book(session, lorebook)
        appended = lorebook_imports.plan(present, data, way=Way.APPEND)
        assert appended.counts == {Fate.NEW: 1, Fate.SAME: 1, Fate.CHANGED: 1, Fate.GONE: 0}
        assert [(step.fate, step.title) for step in appended.steps] == [
            (Fate.CHANGED, "Entry 1"),
            (Fate.NEW, "Entry 7"),
        ]
        assert appended.steps[0].changed == ("content",)
        replaced = lorebook_imports.plan(present, data, way=Way.REPLACE)
        assert replaced.counts == {Fate.NEW: 1, Fate.SAME: 1, Fate.CHANGED: 1, Fate.GONE: 1}

    @pytest.mark.parametrize(
        ("way", "names"),
        [(Way.APPEND, ["Entry 0", "Entry 1", "Entry 2", "Entry 7"]), (Way.REPLACE, ["Entry 7", "Entry 1"])],
    )
    def test_what_was_planned_is_done_and_can_be_taken_back(self, session, creator, now, way, names):
        lorebook = make_lorebook(session, owner=creator)
        before = lorebooks.whole_book(session, lorebook)
        self.bring(session, creator, lorebook, self.file(entry_document(7), entry_document(1)), way, now)
        assert names_of(session, lorebook) == names
        (state,) = lorebook_states.list_states(session, lorebook_id=lorebook.id)
        lorebook_edits.bring_back(
            session,
            actor=creator,
            character_id=lorebook.character_id,
            state_id=state.id,
            row_version=lorebook.row_version,
            now=now,
        )
        assert lorebooks.whole_book(session, lorebook) == before

    def test_bringing_the_same_again_changes_nothing(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        data = self.file(entry_document(7))
        self.bring(session, creator, lorebook, data, Way.APPEND, now)
        version = lorebook.row_version
        self.bring(session, creator, lorebook, data, Way.APPEND, now)
        assert lorebook.row_version == version

    def test_too_many_too_long_and_no_lorebook_are_refused(self, session, creator, now):
        lorebook = make_lorebook(session, owner=creator)
        with pytest.raises(ConflictError):
            self.bring(
                session, creator, lorebook, self.file(*(entry_document(n) for n in range(3, 2002))), Way.APPEND, now
            )
        with pytest.raises(InvalidError):
            self.bring(session, creator, lorebook, self.file(entry_document(0, content="x" * 200_001)), Way.APPEND, now)
        with pytest.raises(CardError):
            self.bring(session, creator, lorebook, b"{}", Way.APPEND, now)
        assert len(entries_of(session, lorebook)) == 3
