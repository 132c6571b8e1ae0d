"""Entries as people edit them, and edited books set in the card that they came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.cards.documents import copy_json, dump_document
from studio.cards.editing import apply_edits
from studio.cards.lore_values import FIELDS, blank, values_of, with_values
from studio.cards.normalise import normalise
from tests.cards.builders import v2_document
from tests.cards.lore import entry


def odd_entry(**changes) -> dict:
    return {
        "keys": ["a"],
        "odd": {"x": 1},
        "content": "c",
        "extensions": {"position": 4, "depth": 2, "role": 1, "probability": 30, "agnai": {"y": [None]}},
        "enabled": True,
        "insertion_order": 5,
        "position": "after_char",
        "comment": "title",
        "name": "title",
        **changes,
    }


def test_every_value_can_be_set_and_is_read_back():
    wanted = {
        "name": "Dragons",
        "keys": ["dragon"],
        "secondary_keys": ["fire"],
        "logic": "not_any",
        "content": "Big.",
        "insertion_order": 7.5,
        "priority": 3,
        "place": "at_depth",
        "depth": 1,
        "role": "assistant",
        "is_enabled": False,
        "is_constant": True,
        "is_exact": True,
        "is_whole": False,
        "may_be_pattern": True,
        "chance": 40,
        "scan_depth": 9,
    }
    assert wanted.keys() == set(FIELDS)
    assert values_of(with_values(blank(), wanted)) == wanted


@given(st.sampled_from(FIELDS), st.sampled_from([blank(), odd_entry(), entry(["x"], selective=True)]))
def test_setting_what_stands_there_changes_nothing(name, document):
    assert with_values(document, {name: values_of(document)[name]}) == document


def test_what_nobody_edits_survives_an_edit():
    made = with_values(odd_entry(), {"name": "Other", "place": "before_char", "chance": 100})
    assert (made["odd"], made["extensions"]["agnai"], made["name"], made["comment"]) == (
        {"x": 1},
        {"y": [None]},
        "Other",
        "Other",
    )
    assert (made["position"], made["extensions"]["position"], made["extensions"]["depth"]) == ("before_char", 0, 2)


class TestPatching:
    def document(self) -> dict:
        document = v2_document()
        document["data"]["character_book"] = {
            "odd": 1,
            "entries": [
                odd_entry(id=1),
                {"keys": "b", "content": None, "insertion_order": "7", "position": 0, "id": 2},
                {"content": "third", "keys": ["c"], "enabled": 1, "extensions": {}},
            ],
            "name": None,
        }
        return document

    def test_an_unedited_book_stays_letter_by_letter(self):
        document = self.document()
        book = normalise(document).card["data"]["character_book"]
        assert dump_document(apply_edits(document, {"character_book": copy_json(book)})) == dump_document(document)

    def test_an_edit_touches_the_keys_of_its_entry_and_nothing_else(self):
        document = self.document()
        book = copy_json(normalise(document).card["data"]["character_book"])
        book["entries"][0] = with_values(book["entries"][0], {"content": "new", "keys": ["a", "z"]})
        made = apply_edits(document, {"character_book": book})["data"]["character_book"]
        was = document["data"]["character_book"]
        assert made["entries"][0] == was["entries"][0] | {"content": "new", "keys": ["a", "z"]}
        assert list(made["entries"][0]) == list(was["entries"][0])
        assert made["entries"][1:] == was["entries"][1:]
        assert (made["odd"], made["name"]) == (1, None)

    def test_deleted_moved_and_new_entries_leave_the_others_as_they_were_written(self):
        document = self.document()
        book = copy_json(normalise(document).card["data"]["character_book"])
        book["entries"] = [book["entries"][2], with_values(blank(), {"content": "new"}), book["entries"][1]]
        book["scan_depth"] = 3
        made = apply_edits(document, {"character_book": book})["data"]["character_book"]
        was = document["data"]["character_book"]["entries"]
        # Its order was that of its place.
        assert made["entries"][0] == was[2] | {"insertion_order": 2}
        assert (made["entries"][2], made["scan_depth"]) == (was[1], 3)
        assert made["entries"][1]["content"] == "new"

    @given(
        st.lists(
            st.integers(0, 2) | st.sampled_from(["new"]),
            max_size=5,
            unique_by=lambda item: item if isinstance(item, int) else object(),
        ),
        st.booleans(),
    )
    def test_the_card_says_what_the_book_says_whatever_was_done(self, order, is_edited):
        document = self.document()
        entries = normalise(document).card["data"]["character_book"]["entries"]
        chosen = [with_values(blank(), {"content": "n"}) if one == "new" else entries[one] for one in order]
        if is_edited and chosen:
            chosen[0] = with_values(chosen[0], {"content": "edited", "place": "at_depth"})
        wanted = copy_json(normalise(document).card["data"]["character_book"]) | {"entries": copy_json(chosen)}
        made = apply_edits(document, {"character_book": wanted})
        assert normalise(made).card["data"]["character_book"] == wanted

    @pytest.mark.parametrize("written", [[{"keys": ["a"], "content": "x"}], {"entries": {"0": {"key": ["a"]}}}])
    def test_a_book_in_another_form_becomes_a_plain_one(self, written):
        document = v2_document()
        document["data"]["character_book"] = written
        wanted = copy_json(normalise(document).card["data"]["character_book"])
        wanted["entries"][0] = with_values(wanted["entries"][0], {"content": "new"})
        made = apply_edits(document, {"character_book": wanted})
        assert normalise(made).card["data"]["character_book"] == wanted
