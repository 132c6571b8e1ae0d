"""Text is cleaned, shortened and cut into what search needs, in Chinese and English alike."""

from hypothesis import given
from hypothesis import strategies as st

from studio.kit import text


class TestBigrams:
    def test_are_the_pairs_of_neighbouring_characters(self):
        assert text.bigrams(["时空酒馆"]) == sorted({"时空", "空酒", "酒馆"})

    def test_keep_a_single_character_and_leave_latin_alone(self):
        assert text.bigrams(["剑 sword"]) == ["剑"]

    @given(st.text(max_size=60))
    def test_of_a_part_are_among_those_of_the_whole(self, whole):
        pairs = set(text.bigrams([whole]))
        part = whole[len(whole) // 3 : 2 * len(whole) // 3]
        assert {pair for pair in text.bigrams([part]) if len(pair) == 2} <= pairs


class TestStorable:
    @given(st.text())
    def test_leaves_nothing_that_postgresql_refuses(self, anything):
        cleaned = text.storable(anything + "\x00\ud800")
        assert "\x00" not in cleaned
        assert cleaned.encode("utf-8").decode("utf-8") == cleaned


class TestExcerpt:
    @given(st.text(), st.integers(1, 50))
    def test_is_one_line_within_the_length(self, anything, length):
        short = text.excerpt(anything, length)
        assert len(short) <= length
        assert "\n" not in short


class TestEscapeLike:
    def test_makes_signs_of_like_ordinary(self):
        assert text.escape_like(r"100%_\x") == r"100\%\_\\x"
