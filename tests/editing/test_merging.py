"""The merge of two saves: what one side changed stands, what both changed alike stands, and nothing vanishes unsaid."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.editing.rules import UNKNOWN, MergedField, Outcome, merge, plain, revived

PIECES = st.sampled_from(["One.", " Two.", "\n", "Three!\n", "他来了。", "他走了。\n", "four", "x" * 50, " "])
TEXTS = st.lists(PIECES, max_size=12).map("".join)
ITEMS = st.lists(st.sampled_from("abcdefgh"), max_size=8, unique=True)


@dataclass(frozen=True)
class Reply:
    content: str
    weight: int = 1


@dataclass(frozen=True)
class Words:
    first: str
    others: tuple[str, ...] = ()


def merged(base, theirs, mine) -> MergedField:
    return merge({"it": base}, {"it": theirs}, {"it": mine})[0]


class TestTexts:
    @given(TEXTS, TEXTS)
    def test_one_side_unchanged_gives_the_other(self, base, changed):
        assert merged(base, changed, base).value == changed
        assert merged(base, base, changed).value == changed

    @given(TEXTS, TEXTS)
    def test_the_same_change_gives_it_once(self, base, changed):
        found = merged(base, changed, changed)
        assert (found.outcome, found.value) == (Outcome.SAME, changed)

    @given(TEXTS, TEXTS, TEXTS)
    def test_it_does_not_matter_who_came_first(self, base, one, other):
        first, second = merged(base, one, other), merged(base, other, one)
        assert (first.outcome is Outcome.CONFLICT) == (second.outcome is Outcome.CONFLICT)
        if first.outcome is Outcome.MERGED:
            assert first.value == second.value

    @given(st.lists(st.sampled_from("abcdefgh"), max_size=6), st.data())
    def test_what_either_side_wrote_is_in_it_or_chosen(self, lines, data):
        base = "".join(f"{line}.\n" for line in lines)
        sides = []
        for name in ("theirs", "mine"):
            place = data.draw(st.integers(0, len(lines)))
            new = [*lines[:place], f"{name} wrote", *lines[place:]]
            gone = data.draw(st.sets(st.integers(0, len(new) - 1), max_size=2))
            sides.append("".join(f"{line}.\n" for i, line in enumerate(new) if i not in gone or "wrote" in line))
        found = merged(base, *sides)
        if found.outcome is not Outcome.CONFLICT:
            assert "theirs wrote." in found.value
            assert "mine wrote." in found.value

    def test_sentences_of_one_line_are_merged(self):
        base = "She keeps a light. She hums. She waits for ships."
        found = merged(base, "She keeps a lamp. She hums. She waits for ships.", base.replace("ships", "letters"))
        assert found.outcome is Outcome.MERGED
        assert found.value == "She keeps a lamp. She hums. She waits for letters."

    def test_chinese_sentences_of_one_line_are_merged(self):
        found = merged(
            "他是剑客。他住在山里。他养雕。", "他是刀客。他住在山里。他养雕。", "他是剑客。他住在山里。他养鹤。"
        )
        assert found.value == "他是刀客。他住在山里。他养鹤。"

    def test_two_changes_of_one_sentence_are_chosen(self):
        found = merged("She hums.", "She sings.", "She whistles.")
        assert (found.outcome, found.value) == (Outcome.CONFLICT, "She whistles.")

    def test_long_texts_that_match_everywhere_stay_cheap(self):
        found = merged("a.\n" * 15_000, "a.\n" * 14_999 + "b.\n", "c.\n" + "a.\n" * 15_000)
        assert found.outcome in {Outcome.MERGED, Outcome.CONFLICT}


class TestWithoutAStart:
    @given(TEXTS, TEXTS)
    def test_whatever_differs_is_chosen(self, theirs, mine):
        found = merge(None, {"it": theirs}, {"it": mine})[0]
        assert found.outcome is (Outcome.SAME if theirs == mine else Outcome.CONFLICT)
        assert found.base is UNKNOWN

    def test_a_field_whose_start_is_lost_is_chosen_alone(self):
        fields = merge({"a": 1}, {"a": 1, "b": 2}, {"a": 3, "b": 4})
        assert [one.outcome for one in fields] == [Outcome.MINE, Outcome.CONFLICT]


class TestLists:
    @given(ITEMS, ITEMS, ITEMS)
    def test_what_either_added_is_in_and_what_either_took_out_is_gone(self, base, theirs, mine):
        found = merged(base, theirs, mine)
        if found.outcome is Outcome.CONFLICT:
            return
        added = (set(theirs) | set(mine)) - set(base)
        dropped = (set(base) - set(theirs)) | (set(base) - set(mine))
        assert set(found.value) == (set(base) | added) - dropped
        assert len(found.value) == len(set(found.value))

    def test_tags_of_both_are_kept(self):
        assert merged(["a", "b"], ["a", "b", "theirs"], ["a", "b", "mine"]).value == ["a", "b", "theirs", "mine"]
        assert merged(["a", "b", "c"], ["b", "c"], ["a", "b"]).value == ["b"]

    def test_edits_of_different_items_meet_in_the_list(self):
        base = [Reply("Hello."), Reply("Bye.")]
        found = merged(base, [Reply("Hello.", 5), Reply("Bye.")], [Reply("Hello."), Reply("Farewell.")])
        assert found.value == [Reply("Hello.", 5), Reply("Farewell.")]

    def test_edits_of_one_item_meet_in_its_fields(self):
        found = merged([Reply("Hello.")], [Reply("Hello.", 5)], [Reply("Hello there.")])
        assert found.value == [Reply("Hello there.", 5)]

    def test_two_edits_of_one_text_are_chosen(self):
        assert merged([Reply("A.")], [Reply("B.")], [Reply("C.")]).outcome is Outcome.CONFLICT


class TestParts:
    def test_fields_of_a_part_are_merged_each(self):
        found = merged(Words("Hi.", ("a",)), Words("Hello.", ("a",)), Words("Hi.", ("a", "b")))
        assert found.value == Words("Hello.", ("a", "b"))

    def test_keys_of_a_mapping_are_merged_each(self):
        assert merged({"a": 1, "b": 2}, {"a": 9, "b": 2}, {"a": 1, "c": 3}).value == {"a": 9, "c": 3}

    def test_numbers_are_chosen(self):
        assert merged(1, 2, 3).outcome is Outcome.CONFLICT
        assert merged(1, 2, 1).value == 2


class TestPlain:
    @pytest.mark.parametrize(
        "value",
        [Words("x", ("y", "z")), [Reply("a"), Reply("b", 3)], Outcome.MINE, {"a": [1, None, True]}, "text", 1.5],
    )
    def test_comes_back_as_it_was(self, value):
        assert revived(plain(value), value) == value

    def test_what_has_another_shape_now_is_not_known(self):
        assert revived({"first": "x", "gone": 1}, Words("x")) is UNKNOWN
        assert revived("nowhere", Outcome.MINE) is UNKNOWN
