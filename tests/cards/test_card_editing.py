"""Editing a stored card touches what was edited and nothing else."""

from datetime import UTC, datetime

import pytest

from studio.cards.documents import copy_json
from studio.cards.editing import EDITABLE_KEYS, apply_edits, editable
from studio.cards.errors import CardError, TooLargeError
from studio.cards.normalise import normalise
from studio.cards.reader import read_card
from studio.cards.writer import write_card
from tests.cards import builders as make

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class TestEditable:
    def test_shows_every_key_and_none_for_absent_ones(self):
        shown = editable(make.v1_document())
        assert tuple(shown) == EDITABLE_KEYS
        assert shown["alternate_greetings"] == []
        assert shown["character_book"] is None

    def test_gives_a_copy(self):
        document = make.v2_document()
        editable(document)["tags"].append("x")
        assert document == make.v2_document()


class TestApplyEdits:
    @pytest.mark.parametrize("document", [make.v1_document(avatar="a"), make.v2_document(odd=1), make.v3_document()])
    def test_changes_nothing_where_nothing_changed(self, document):
        assert apply_edits(document, editable(document)) == document
        assert list(apply_edits(document, editable(document))) == list(document)

    def test_sets_only_the_edited_key_and_its_mirror(self):
        document = {"name": "苏晚", "fav": True, **make.v2_document(tags="odd but kept")}
        edited = apply_edits(document, {"name": "晚", "scenario": "Elsewhere."})
        expected = copy_json(document)
        expected["name"] = expected["data"]["name"] = "晚"
        expected["data"]["scenario"] = "Elsewhere."
        assert edited == expected
        assert list(edited["data"]) == list(document["data"])
        assert document["name"] == "苏晚"

    def test_removes_optional_keys(self):
        edited = apply_edits(make.v3_document(), {"nickname": None, "character_book": None})
        assert not {"nickname", "character_book"} & edited["data"].keys()

    def test_edits_v1_at_its_root(self):
        edited = apply_edits(make.v1_document(chat="x"), {"name": "A", "tags": ["t"]})
        assert (edited["name"], edited["chat"]) == ("A", "x")
        assert normalise(edited).card["data"]["tags"] == ["t"]

    def test_brings_a_foreign_format_into_v3(self):
        edited = apply_edits({"char_name": "A", "char_persona": "B", "char_greeting": "C"}, {"nickname": "D"})
        assert edited["spec"] == "chara_card_v3"
        assert edited["data"]["first_mes"] == "C"
        assert edited["data"]["nickname"] == "D"

    def test_does_not_hide_texts_that_stand_at_the_root(self):
        document = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {}, **make.v1_document()}
        edited = normalise(apply_edits(document, {"scenario": "New."})).card["data"]
        assert (edited["name"], edited["scenario"]) == ("苏晚", "New.")

    def test_loses_nothing_that_a_v2_export_kept_aside(self):
        stored = read_card(write_card(make.v3_document(), to="v2", as_="json", now=NOW).data).raw
        edited = normalise(apply_edits(stored, {"extensions": {"mine": 1}, "nickname": None})).card["data"]
        assert edited["extensions"] == {"mine": 1}
        assert "nickname" not in edited
        assert edited["group_only_greetings"] == ["All of you!"]

    def test_makes_edits_storable(self):
        edited = apply_edits(make.v2_document(), {"name": "A\0\ud800"})
        assert edited["data"]["name"] == "A\ufffd"

    @pytest.mark.parametrize(
        ("edits", "field"),
        [
            ({"name": None}, "name"),
            ({"name": 3}, "name"),
            ({"tags": "a"}, "tags"),
            ({"tags": [1]}, "tags"),
            ({"extensions": []}, "extensions"),
            ({"assets": ["x"]}, "assets"),
            ({"source": ["x"]}, "source"),
            ({"spec": "x"}, "spec"),
        ],
    )
    def test_refuses_and_names_the_field(self, edits, field):
        with pytest.raises(CardError) as refused:
            apply_edits(make.v2_document(), edits)
        assert set(refused.value.fields) == {field}

    def test_keeps_the_limits(self):
        with pytest.raises(TooLargeError):
            apply_edits(make.v2_document(), {"tags": ["t"] * 2_001})
        deep: dict = {}
        for _ in range(5_000):
            deep = {"a": deep}
        with pytest.raises(TooLargeError):
            apply_edits(make.v2_document(), {"extensions": deep})
