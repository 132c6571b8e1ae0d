from hypothesis import given
from hypothesis import strategies as st

from studio.authoring import codes
from studio.authoring.codes import Code, next_character, next_story, parse

NUMBERS = st.integers(0, 10**codes.MOST_DIGITS - 1)
WIDTHS = st.integers(1, codes.MOST_DIGITS)


def written(letter, number, width):
    return letter + str(number).zfill(width)


class TestParse:
    def test_reads_codes_however_they_are_written(self):
        assert parse("B1") == parse("B001") == parse(" b01 ") == parse("Ｂ００１") == Code(1)
        assert parse("B001C002") == parse("b1c2") == Code(1, 2)

    def test_reads_nothing_else(self):
        for text in ("", "B", "C1", "B1C", "B-1", "B1.5", "B1C2C3", "B" + "1" * 10, "x" * 10_000):
            assert parse(text) is None

    @given(NUMBERS, NUMBERS, WIDTHS, WIDTHS)
    def test_means_the_numbers_whatever_the_padding(self, story, character, wide, narrow):
        text = written("B", story, wide) + written("C", character, narrow)
        assert parse(text) == Code(story, character)
        assert parse(text).is_character

    @given(st.lists(st.tuples(NUMBERS, WIDTHS, NUMBERS, WIDTHS), max_size=20))
    def test_sorts_by_number_not_by_text(self, rows):
        texts = [written("B", story, wide) + written("C", one, narrow) for story, wide, one, narrow in rows]
        ordered = sorted(texts, key=parse)
        assert [(parse(text).story, parse(text).character) for text in ordered] == sorted(
            (story, one) for story, _, one, _ in rows
        )


class TestNext:
    def test_pads_as_the_last_one_is_padded(self):
        assert [next_story(code) for code in (None, "B001", "B1", "B009", "B9", "B099", "B999")] == [
            "B001", "B002", "B2", "B010", "B10", "B100", "B1000",
        ]  # fmt: skip
        assert next_character("B001", None) == "B001C001"
        assert next_character("B1", None) == "B1C1"
        assert next_character("B001", "B001C009") == "B001C010"
        assert next_character("B001", "B1C9") == "B001C10"

    @given(NUMBERS, WIDTHS)
    def test_is_always_one_more(self, number, width):
        code = written("B", number, width)
        following = next_story(code)
        if following is None:
            assert number == 10**codes.MOST_DIGITS - 1
        else:
            assert parse(following) == Code(number + 1)

    def test_ends_where_no_number_is_left(self):
        assert next_story("B999999999") is None
        assert next_character("B001", "B001C999999999") is None
