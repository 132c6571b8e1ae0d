import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.market.differences import MOST_FIELDS, Change, Piece, between, words
from studio.market.marking import segments

TEXT = st.text(alphabet="ab .\n灯塔守护。", max_size=200)


def joined(pieces, *changes):
    return "".join(piece.text for piece in pieces if piece.change in changes)


class TestWords:
    def test_marks_english_by_the_word(self):
        assert words("a quiet keeper", "a proud keeper") == (
            Piece(Change.SAME, "a "),
            Piece(Change.GONE, "quiet "),
            Piece(Change.COME, "proud "),
            Piece(Change.SAME, "keeper"),
        )

    def test_marks_chinese_by_the_character(self):
        assert words("灯塔的守护人", "灯塔的看守人") == (
            Piece(Change.SAME, "灯塔的"),
            Piece(Change.COME, "看"),
            Piece(Change.SAME, "守"),
            Piece(Change.GONE, "护"),
            Piece(Change.SAME, "人"),
        )

    @given(TEXT, TEXT)
    def test_loses_nothing(self, before, after):
        pieces = words(before, after)
        assert joined(pieces, Change.SAME, Change.COME) == after
        assert joined(pieces, Change.SAME, Change.GONE) == before

    @pytest.mark.parametrize("unit", ["的", "a ", "灯塔。", "word other. ", "\n"])
    def test_long_texts_lose_nothing_either(self, unit):
        before, after = unit * 20_000, "x" + unit * 10_000 + "new words here. " + unit * 9_999
        pieces = words(before, after)
        assert joined(pieces, Change.SAME, Change.COME) == after
        assert joined(pieces, Change.SAME, Change.GONE) == before


class TestBetween:
    def test_names_what_changed_came_and_went(self):
        before = {"name": "A", "tags": ["x", "y"], "extensions": {"a": "1"}}
        after = {"name": "B", "tags": ["x"], "extensions": {"a": "1", "b": "2"}}
        assert [field.path for field in between(before, after).fields] == ["name", "tags", "extensions.b"]

    def test_is_bounded(self):
        found = between({}, {"tags": {str(n): str(n) for n in range(MOST_FIELDS + 7)}})
        assert (len(found.fields), found.more) == (MOST_FIELDS, 7)


class TestSegments:
    def test_marks_passages_and_keeps_the_text(self):
        text = "see https://x.example and 灯塔"
        marks = [{"start": 4, "end": 21, "severity": "info"}, {"start": 10, "end": 14, "severity": "severe"}]
        found = segments(text, marks)
        assert "".join(segment.text for segment in found) == text
        assert [segment.text for segment in found if segment.evidence] == [text[10:14]]

    @given(st.text(max_size=50), st.lists(st.tuples(st.integers(-5, 60), st.integers(-5, 60)), max_size=8))
    def test_gives_the_text_back_whatever_the_marks(self, text, spans):
        marks = [{"start": start, "end": end, "severity": "warning"} for start, end in spans]
        assert "".join(segment.text for segment in segments(text, marks)) == text
