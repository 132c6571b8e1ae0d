import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.authoring import reply_choice
from studio.authoring.rules import ReplyDraft

LANGUAGES = st.sampled_from(["", "en", "en-GB", "zh", "zh-Hans", "ZH_hant", "ja"])
REPLIES = st.lists(st.builds(ReplyDraft, st.text(min_size=1, max_size=5), st.integers(1, 1000), LANGUAGES), max_size=9)


class TestFits:
    @pytest.mark.parametrize(
        ("own", "asked", "fits"),
        [
            ("", "ja", True),
            ("en", "", True),
            ("zh", "zh-Hans", True),
            ("zh-Hans", "zh", True),
            ("ZH_hans", "zh-Hans", True),
            ("zh-Hans", "zh-Hant", False),
            ("en", "zh", False),
            ("e", "en", False),
        ],
    )
    def test_goes_by_the_parts_of_a_language(self, own, asked, fits):
        assert reply_choice.fits(ReplyDraft("x", 1, own), asked) is fits


class TestChances:
    @given(replies=REPLIES, language=LANGUAGES)
    def test_add_up_to_one_and_are_the_share_of_the_weight(self, replies, language):
        found = reply_choice.chances(replies, language=language)
        assert [one.place for one in found] == list(range(len(replies)))
        assert math.isclose(sum(one.share for one in found), 1.0 if replies else 0.0, abs_tol=1e-9)
        fitting = [reply for reply in replies if reply_choice.fits(reply, language)]
        for reply, one in zip(replies, found, strict=True):
            if fitting and not reply_choice.fits(reply, language):
                assert one.share == 0
            else:
                assert math.isclose(one.share, reply.weight / sum(other.weight for other in fitting or replies))

    @given(replies=REPLIES, language=LANGUAGES, tries=st.integers(0, 200), seed=st.integers())
    def test_count_every_try_and_say_nothing_that_has_no_chance(self, replies, language, tries, seed):
        found = reply_choice.chances(replies, language=language, tries=tries, dice=random.Random(seed))
        assert sum(one.said for one in found) == (tries if replies else 0)
        assert not any(one.said and not one.share for one in found)

    def test_come_near_to_what_is_drawn(self):
        replies = [ReplyDraft("a", 1), ReplyDraft("b", 3)]
        found = reply_choice.chances(replies, tries=10_000, dice=random.Random(1))
        assert abs(found[1].said / 10_000 - 0.75) < 0.02

    def test_draw_no_more_often_than_allowed(self):
        found = reply_choice.chances([ReplyDraft("a")], tries=10**9, dice=random.Random(1))
        assert found[0].said == reply_choice.MOST_TRIES


class TestChoose:
    @given(replies=REPLIES, language=LANGUAGES, seed=st.integers())
    def test_chooses_what_has_a_chance_and_equally_with_equal_dice(self, replies, language, seed):
        chosen = reply_choice.choose(replies, dice=random.Random(seed), language=language)
        assert chosen == reply_choice.choose(replies, dice=random.Random(seed), language=language)
        if not replies:
            assert chosen is None
        else:
            assert chosen is not None
            assert reply_choice.chances(replies, language=language)[chosen].share > 0
