import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.kit.differences import FOLDED_FROM, LONGEST, Change, Piece, passages, words

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

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (
                (
                    "The keeper of the light has lived alone on the rock for many years, and she hums while she trims the "
                    "wick in the evening. Nobody has ever heard her say a word about the war."
                ),
                (
                    "He is a merchant from the south who sells maps of places that do not exist; in the market of the old "
                    "town they know him well, and the children run after him for a story."
                ),
            ),
            (
                "灯塔的守护人独自住在礁石上,傍晚修剪灯芯时会哼歌。" * 6,
                "他是南方来的商人,出售不存在的地方的地图,集市上的人都认识他。" * 6,
            ),
        ],
    )
    def test_leaves_different_texts_whole(self, before, after):
        assert words(before, after) == (Piece(Change.GONE, before), Piece(Change.COME, after))

    def test_marks_what_was_added_to_a_text_that_stayed(self):
        before = "She keeps a light on a rock, far out. " * 5
        assert [piece.change for piece in words(before, "New. " * 200 + before)] == [Change.COME, Change.SAME]

    @pytest.mark.parametrize("unit", ["的", "a ", "灯塔。", "word other. ", "\n"])
    def test_long_texts_lose_nothing_either(self, unit):
        before, after = unit * 20_000, "x" + unit * 10_000 + "new words here. " + unit * 9_999
        pieces = words(before, after)
        assert joined(pieces, Change.SAME, Change.COME) == after
        assert joined(pieces, Change.SAME, Change.GONE) == before


class TestPassages:
    @given(st.lists(st.tuples(st.sampled_from(Change), st.integers(0, 3 * FOLDED_FROM)), max_size=6))
    def test_fold_what_is_long_and_unchanged_and_lose_nothing(self, runs):
        pieces = [Piece(change, ("word 灯 " * length)[:length]) for change, length in runs if length]
        shown = list(passages(pieces))
        assert "".join(passage.text for passage in shown) == "".join(piece.text for piece in pieces)
        assert all(passage.change is Change.SAME for passage in shown if passage.is_folded)
        assert all(
            len(passage.text) <= FOLDED_FROM
            for passage in shown
            if passage.change is Change.SAME and not passage.is_folded
        )

    def test_cut_the_middle_of_what_no_screen_can_show(self):
        (shown,) = passages([Piece(Change.COME, "x" * (LONGEST + 7))])
        assert len(shown.text) <= LONGEST
        # The ellipsis stands for what is left out.
        assert shown.left_out == LONGEST + 7 - (len(shown.text) - 1)

    def test_keep_what_stands_beside_a_change_in_sight(self):
        before, after = "a " * 2_000 + "old" + " b" * 2_000, "a " * 2_000 + "new" + " b" * 2_000
        shown = list(passages(words(before, after)))
        assert [passage.is_folded for passage in shown] == [True, False, False, False, False, True]
