"""Numbers as they are heard: digits, English words and Chinese signs are alike where they are the same number, and only there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.providers.speech import verbatim
from studio.providers.speech.numerals import chinese_as_digits
from studio.providers.speech.verbatim import is_read

SIGNS = "零一二三四五六七八九"


def below_ten_thousand(number):
    """As Chinese writes it, with one zero for any gap."""
    text, gap = "", False
    for unit, sign in ((1_000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            text += ("零" if gap and text else "") + SIGNS[digit] + sign
            gap = False
        else:
            gap = True
    return text


def in_chinese(number):
    text, gap = "", False
    for unit, sign in ((10**8, "亿"), (10**4, "万"), (1, "")):
        group = number // unit % 10**4
        if group:
            text += ("零" if text and (gap or group < 1_000) else "") + below_ten_thousand(group) + sign
            gap = False
        else:
            gap = True
    return text or "零"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**12 - 1) | st.integers(0, 1_200))
def test_every_number_in_chinese_signs_is_itself_in_digits(number):
    written = in_chinese(number)
    assert chinese_as_digits(written) == str(number)
    if 10 <= number < 20:
        assert chinese_as_digits(written.removeprefix("一")) == str(number)


class TestChinese:
    @pytest.mark.parametrize(
        ("said", "digits"),
        [
            ("一百五", "150"),
            ("一百零五", "105"),
            ("三千五", "3500"),
            ("一万二", "12000"),
            ("两万五千", "25000"),
            ("二百五", "250"),
        ],
    )
    def test_leaves_the_last_unit_unsaid_as_people_do(self, said, digits):
        assert chinese_as_digits(said) == digits

    @pytest.mark.parametrize("run", ["三四十", "十百", "五六百个", "一二三千", "百十", "一百百"])
    def test_leaves_what_is_no_number_as_it_stands(self, run):
        assert chinese_as_digits(run) == run

    def test_takes_no_word_less_for_the_same(self):
        assert not is_read("来了三四十人", "来了四十人")
        assert not is_read("一百五", "一百零五")
        assert is_read("一百五十块", "150块")


class TestParts:
    def test_are_never_cut_within_a_number(self):
        text = "It cost 1,234,567 coins and 2,500 more. " * 60
        for most in range(40, 90):
            parts = verbatim.parts_of(text, most=most)
            assert verbatim.as_heard(text) == "".join(verbatim.as_heard(part) for part in parts)
