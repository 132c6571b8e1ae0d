from hypothesis import given
from hypothesis import strategies as st

from studio.market.review.differences import MOST_FIELDS, between
from studio.market.review.marking import segments


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
