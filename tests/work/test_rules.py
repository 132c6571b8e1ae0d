"""When a job is tried again."""

from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from studio.work.rules import LONGEST_WAIT, as_arguments, wait_before_next


class TestWaitBeforeNext:
    @given(attempts=st.integers(0, 10_000), chance=st.floats(0, 1), asked=st.none() | st.floats(0, 1e6))
    def test_is_always_some_time_and_never_too_long(self, attempts, chance, asked):
        wait = wait_before_next(attempts, chance=chance, at_least=asked)
        assert timedelta(seconds=1) <= wait <= LONGEST_WAIT

    @given(attempts=st.integers(1, 7), chance=st.floats(0, 1))
    def test_grows_whatever_chance_says(self, attempts, chance):
        assert wait_before_next(attempts + 1, chance=chance) > wait_before_next(attempts, chance=chance)


class TestAsArguments:
    def test_keeps_ids_and_small_values_as_json(self):
        one = UUID(int=1)
        kept = as_arguments({"id": one, "day": date(2026, 11, 22), "n": 3, "yes": True, "word": "a", "none": None})
        assert kept == {"id": str(one), "day": "2026-11-22", "n": 3, "yes": True, "word": "a", "none": None}
