"""An index is told to look as far as its own vectors need, and no farther."""

import numpy as np
import pytest

from studio.memory import calibration, nearest
from studio.memory.nearest import Near


@pytest.fixture
def misses(monkeypatch):
    """Have the index find everything only from the given `ef_search` on."""

    def from_(least):
        def by_index(session, *, vector, model, limit, ef_search):
            near = nearest.exactly(session, vector=vector, model=model, limit=limit)
            return near if ef_search >= least else [*near[: limit // 2], Near(near[0].character_id, 0.0)]

        monkeypatch.setattr(calibration, "by_index", by_index)

    return from_


class TestNeededEfSearch:
    @pytest.mark.parametrize("least", [40, 160])
    def test_is_the_least_with_which_enough_is_found(self, session, model, misses, least):
        misses(least)
        assert calibration.needed_ef_search(session, model=model) == least

    def test_is_no_larger_than_what_is_gained_by_it(self, session, model, misses):
        misses(10_000)
        assert calibration.needed_ef_search(session, model=model) == calibration.CHOICES[0]

    @pytest.mark.parametrize(
        ("recalls", "expected"),
        [
            ({40: 0.9, 60: 0.99}, 60),
            ({40: 0.7, 160: 0.96, 320: 0.979, 640: 0.983}, 320),
            ({40: 0.97, 160: 0.974, 640: 0.9749}, 40),
            ({40: 0.4, 160: 0.6, 640: 0.8}, 640),
        ],
    )
    def test_is_the_least_that_finds_nearly_as_much_as_any(self, recalls, expected):
        assert calibration.chosen(recalls) == expected

    def test_is_small_for_an_index_that_misses_nothing(self, session, model):
        assert calibration.needed_ef_search(session, model=model) in calibration.CHOICES[:3]

    def test_goes_before_the_value_for_unmeasured_models(self, session, model, vectors, monkeypatch):
        monkeypatch.setattr(nearest, "EXACT_BELOW", 1)
        asked = []
        monkeypatch.setattr(nearest, "by_index", lambda *_args, **options: asked.append(options["ef_search"]) or [])
        model.ef_search = 80
        nearest.nearest(session, vector=np.asarray(vectors[0]), model=model, limit=3)
        model.ef_search = None
        nearest.nearest(session, vector=np.asarray(vectors[0]), model=model, limit=3)
        assert asked == [80, nearest.EF_SEARCH]
