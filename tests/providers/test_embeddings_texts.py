"""What happens to a text before it is embedded."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.providers.embeddings.batching import batches
from studio.providers.embeddings.texts import cut, estimate_tokens, sendable, text_hash

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=300)


class TestTextHash:
    def test_is_the_same_for_the_same_text(self):
        assert text_hash("m", 512, "侦探") == text_hash("m", 512, "侦探")
        assert len(text_hash("m", 512, "侦探")) == 64

    @pytest.mark.parametrize("other", [("n", 512, "侦探"), ("m", 511, "侦探"), ("m", 512, "侦探 ")])
    def test_differs_with_model_dimensions_and_text(self, other):
        assert text_hash(*other) != text_hash("m", 512, "侦探")

    def test_takes_half_a_surrogate_pair(self):
        assert text_hash("m", 1, "\ud800") != text_hash("m", 1, "\ud801")


class TestSendable:
    @settings(deadline=None)
    @given(ANY_TEXT)
    def test_leaves_what_utf_8_can_carry_alone(self, text):
        assert sendable(text) == text

    @settings(deadline=None)
    @given(st.text(st.characters(exclude_categories=())))
    def test_makes_anything_encodable(self, text):
        sendable(text).encode()

    def test_replaces_only_the_lone_half(self):
        assert sendable("a\ud800b侦") == "a\ufffdb侦"


class TestEstimateTokens:
    @pytest.mark.parametrize(
        ("text", "cl100k_base"),
        [
            ("侦探在城市里寻找真相,他的名字叫林。" * 20, 460),
            ("偵探在城市裡尋找真相,龜兔賽跑驚險萬狀憂鬱的臺灣烏龜" * 10, 480),
            ("探偵は都市で真実を探している。彼の名前は林です。" * 10, 280),
            ("Детектив ищет правду в городе." * 10, 160),
            ("{}[]();:,.<>/?!@#$%^&*" * 20, 260),
        ],
    )
    def test_is_not_below_the_true_count_and_not_far_above(self, text, cl100k_base):
        assert cl100k_base <= estimate_tokens(text) <= 2.5 * cl100k_base

    @settings(deadline=None)
    @given(ANY_TEXT, ANY_TEXT)
    def test_never_falls_when_text_is_added(self, text, more):
        assert estimate_tokens(text + more) >= estimate_tokens(text) >= 1


class TestCut:
    @settings(deadline=None)
    @given(ANY_TEXT.filter(bool), st.integers(4, 200))
    def test_keeps_the_longest_beginning_within_the_limit(self, text, limit):
        kept = cut(text, limit)
        assert text.startswith(kept)
        assert estimate_tokens(kept) <= limit
        assert kept == text or estimate_tokens(text[: len(kept) + 1]) > limit

    def test_keeps_a_character_at_least(self):
        assert cut("🧙‍♀️", 1) == "🧙"


class TestBatches:
    @settings(deadline=None)
    @given(st.lists(st.integers(1, 50), max_size=200), st.integers(1, 20), st.integers(50, 200))
    def test_hold_every_text_once_in_order_and_within_both_limits(self, tokens, max_inputs, max_tokens):
        plan = list(batches(tokens, max_inputs=max_inputs, max_tokens=max_tokens))
        assert [position for batch in plan for position in batch] == list(range(len(tokens)))
        for batch in plan:
            assert 1 <= len(batch) <= max_inputs
            assert sum(tokens[batch.start : batch.stop]) <= max_tokens

    @settings(deadline=None)
    @given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.integers(1, 20), st.integers(50, 200))
    def test_are_as_full_as_the_next_text_allows(self, tokens, max_inputs, max_tokens):
        plan = list(batches(tokens, max_inputs=max_inputs, max_tokens=max_tokens))
        for batch, following in itertools.pairwise(plan):
            with_next = sum(tokens[batch.start : following.start + 1])
            assert len(batch) == max_inputs or with_next > max_tokens

    def test_let_a_text_beyond_the_limit_travel_alone(self):
        assert list(batches([1, 99, 1], max_inputs=10, max_tokens=10)) == [range(1), range(1, 2), range(2, 3)]
