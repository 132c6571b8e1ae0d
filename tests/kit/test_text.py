"""Text is cleaned, shortened and cut into what search needs, in Chinese and English alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.kit import text


class TestBigrams:
    def test_are_characters_and_pairs_of_neighbours(self):
        assert text.bigrams(["时空酒"]) == sorted({"时", "空", "酒", "时空", "空酒"})

    def test_hold_short_words_of_other_scripts_and_leave_long_ones_to_trigrams(self):
        assert text.bigrams(["Dr No meets AI助手"]) == sorted({"dr", "no", "ai", "助", "手", "助手"})

    @given(st.text(alphabet="时空酒馆老板娘", max_size=60))
    def test_of_a_part_are_among_those_of_the_whole(self, whole):
        part = whole[len(whole) // 3 : 2 * len(whole) // 3]
        assert set(text.bigrams([part])) <= set(text.bigrams([whole]))


class TestStorable:
    @given(st.text())
    def test_leaves_nothing_that_postgresql_refuses(self, anything):
        cleaned = text.storable(anything + "\x00\ud800")
        assert "\x00" not in cleaned
        assert cleaned.encode("utf-8").decode("utf-8") == cleaned


class TestOneLine:
    @pytest.mark.parametrize(
        "name", ["می\u200cخواهم", "\N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL}", "\u2764\ufe0f\u200d\N{FIRE}", "क्\u200dष"]
    )
    def test_keeps_what_spells_a_word_or_makes_one_picture(self, name):
        assert text.one_line(f"  {name}\n") == name

    @pytest.mark.parametrize("name", ["a\u200db", "管\u200b理", "\u200dab", "a\u202eb", "ab\u200c", "\N{GIRL}\u200d a"])
    def test_drops_what_nobody_sees(self, name):
        assert not text.ZERO_WIDTH.search(text.one_line(name))

    @given(st.text(alphabet=st.sampled_from("aم\N{GIRL}क \u200b\u200c\u200d\ufe0f\u202e\n"), max_size=12))
    def test_of_one_line_changes_nothing(self, anything):
        assert text.one_line(text.one_line(anything)) == text.one_line(anything)


class TestExcerpt:
    @given(st.text(), st.integers(1, 50))
    def test_is_one_line_within_the_length(self, anything, length):
        short = text.excerpt(anything, length)
        assert len(short) <= length
        assert "\n" not in short


class TestEscapeLike:
    def test_makes_signs_of_like_ordinary(self):
        assert text.escape_like(r"100%_\x") == r"100\%\_\\x"
