"""The six lorebook formats: one contract for all, and the oddities of each."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.cards import decorators, lore_formats
from studio.cards.documents import dump_document
from studio.cards.errors import CardError, ExportError, NotACardError
from studio.cards.lore_files import FROM_CARD, read_lorebook, write_lorebook
from tests.cards.builders import SAMPLES, v2_document
from tests.cards.lore import book, entry

KINDS = [kind.key for kind in lore_formats.FORMATS]
ENTRIES = {"Konosuba.json": 14, "sillytavern-worldinfo.json": 2}

_TEXT = st.text("ab c龙\n'\"", max_size=12)
_KEY = st.text("abc龙 ", min_size=1, max_size=8).map(str.strip).filter(bool)
_ENTRY = st.builds(
    entry,
    st.lists(_KEY, min_size=1, max_size=3, unique=True),
    _TEXT,
    name=_TEXT.map(str.strip),
    enabled=st.booleans(),
    constant=st.booleans(),
    insertion_order=st.integers(-100, 1000),
)
_BOOK = st.lists(_ENTRY, max_size=5).map(lambda entries: book(*entries))


def meaning(a_book: dict) -> list[tuple]:
    """What every one of the formats can say."""
    return [
        (
            one["keys"],
            one["content"],
            one.get("name") or one.get("comment") or "",
            one["enabled"],
            bool(one.get("constant")),
            one["insertion_order"],
        )
        for one in a_book["entries"]
    ]


@pytest.mark.parametrize("kind", KINDS)
class TestContract:
    @given(a_book=_BOOK)
    def test_what_is_written_is_known_and_reads_back_the_same(self, kind, a_book):
        made = write_lorebook(a_book, to=kind)
        if not a_book["entries"] and kind == "character_book":
            return
        reading = read_lorebook(made.data)
        assert (reading.kind, meaning(reading.book)) == (kind, meaning(a_book))
        assert write_lorebook(reading.book, to=kind).data == write_lorebook(reading.book, to=kind).data

    def test_writing_again_what_was_read_changes_nothing(self, kind):
        full = book(
            entry(["a"], "x", name="n", insertion_order=3, extensions={"depth": 2, "position": 4, "probability": 20}),
            entry(["b"], "y", enabled=False, constant=True, selective=True, secondary_keys=["c"]),
        )
        first = write_lorebook(full, to=kind).data
        again = write_lorebook(read_lorebook(first).book, to=kind)
        assert json.loads(again.data) == json.loads(first)

    def test_the_writer_leaves_its_book_alone(self, kind):
        a_book = book(entry(["a"], extensions={"novelai": {"x": 1}, "risuai": {"mode": "normal"}}))
        before = json.dumps(a_book)
        write_lorebook(a_book, to=kind)
        assert json.dumps(a_book) == before

    def test_a_title_is_given(self, kind):
        assert lore_formats.BY_KEY[kind].title


class TestLosses:
    def codes(self, kind, *entries, **settings) -> set[str]:
        return {note.code for note in write_lorebook(book(*entries, **settings), to=kind).losses}

    def test_our_own_forms_lose_nothing(self):
        full = entry(["/a/"], use_regex=True, priority=1, extensions={"x": 1}, selective=True, secondary_keys=["b"])
        assert self.codes("character_book", full, scan_depth=3) == self.codes("lorebook_v3", full) == set()

    def test_each_loss_is_named_with_its_count(self):
        full = entry(
            ["/a/", "b,c"],
            use_regex=True,
            priority=1,
            extensions={"sticky": 1, "selectiveLogic": 2},
            selective=True,
            secondary_keys=["b"],
            position="after_char",
        )
        assert self.codes("world_info", full, scan_depth=3) == {"settings_left", "priority_left"}
        assert self.codes("risu", full) == {"patterns_left", "priority_left", "logic_left", "extensions_left"}
        assert self.codes("agnai_memory", full) == {"patterns_literal", "extensions_left"}
        assert self.codes("novelai", full) == {"secondary_left", "priority_left", "place_left", "extensions_left"}
        notes = write_lorebook(book(full, full), to="novelai").losses
        assert {note.params["count"] for note in notes} == {2}


class TestReading:
    def test_world_info_keys_are_patterns_where_they_are_written_so(self):
        document = {
            "entries": {"1": {"uid": 1, "key": ["/a/i"], "content": "x", "order": 5, "position": 4, "depth": 2}}
        }
        reading = read_lorebook(dump_document(document))
        (one,) = reading.book["entries"]
        assert (reading.kind, one["use_regex"], one["extensions"]["position"]) == ("world_info", True, 4)
        assert (one["insertion_order"], one["position"]) == (5, "after_char")

    def test_risus_texts_of_keys_are_split_and_its_own_values_come_back(self):
        given = {
            "key": "a, b",
            "secondkey": "c",
            "comment": "t",
            "content": "@@dont_activate\nx",
            "insertorder": 4,
            "selective": True,
            "alwaysActive": False,
            "activationPercent": 30,
            "mode": "folder",
            "folder": "f1",
        }
        reading = read_lorebook(dump_document({"type": "risu", "ver": 1, "data": [given]}))
        (one,) = reading.book["entries"]
        assert (one["keys"], one["secondary_keys"], one["enabled"], one["content"]) == (["a", "b"], ["c"], False, "x")
        assert one["extensions"]["probability"] == 30
        assert json.loads(write_lorebook(reading.book, to="risu").data)["data"] == [given]

    def test_what_only_novelai_knows_comes_back(self):
        given = {
            "text": "x",
            "keys": ["a"],
            "displayName": "t",
            "enabled": True,
            "forceActivation": False,
            "searchRange": 77,
            "contextConfig": {"prefix": "P", "budgetPriority": 12},
            "category": "c1",
        }
        document = {"lorebookVersion": 5, "entries": [given], "settings": {"s": 1}, "categories": [{"id": "c1"}]}
        reading = read_lorebook(dump_document(document))
        assert reading.book["entries"][0]["insertion_order"] == 12
        assert json.loads(write_lorebook(reading.book, to="novelai").data) == document

    def test_a_card_gives_its_book_and_one_without_is_refused(self):
        reading = read_lorebook(dump_document(v2_document()))
        assert (reading.kind, bool(reading.book["entries"])) == (FROM_CARD, True)
        document = v2_document()
        del document["data"]["character_book"]
        with pytest.raises(NotACardError):
            read_lorebook(dump_document(document))

    @pytest.mark.parametrize(
        "data", [b"", b"nothing", b"[1]", b"{}", b'{"entries": 3}', b"\x89PNG", b'{"type":"risu"}']
    )
    def test_other_files_are_refused_with_a_sentence(self, data):
        with pytest.raises(CardError):
            read_lorebook(data)

    @pytest.mark.parametrize(
        "document",
        [
            {"lorebookVersion": 5},
            {"lorebookVersion": 5, "entries": [1, {"contextConfig": 3, "keys": "k"}]},
            {"kind": "memory", "entries": {"a": {"keywords": 3, "entry": 4}}},
            {"type": "risu", "data": [None, {"key": 1, "content": None}]},
            {"spec": "lorebook_v3", "data": {"entries": [{"keys": None}]}},
            {"entries": {"x": {"key": None, "extensions": []}}},
        ],
    )
    def test_odd_values_become_something_right(self, document):
        reading = read_lorebook(dump_document(document))
        for kind in KINDS:
            write_lorebook(reading.book, to=kind)

    def test_no_other_form_is_written(self):
        with pytest.raises(ExportError):
            write_lorebook(book(), to="xml")

    @pytest.mark.parametrize("name", ENTRIES)
    def test_real_files_read_whole_and_go_round_in_every_format(self, name):
        found = sorted(SAMPLES.rglob(name))
        if not found:
            pytest.skip("the real cards are not here")
        reading = read_lorebook(Path(found[0]).read_bytes(), filename=name)
        assert len(reading.book["entries"]) >= ENTRIES[name]
        for kind in KINDS:
            again = read_lorebook(write_lorebook(reading.book, to=kind).data)
            # Risu says by decorators what it has no key for.
            texts = [decorators.read(one["content"])[1] for one in again.book["entries"]]
            assert texts == [one["content"] for one in reading.book["entries"]]
