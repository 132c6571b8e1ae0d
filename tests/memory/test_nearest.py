"""The nearest vectors are found with an index as without one, under every filter, and no page is short."""

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.authoring.models import Character
from studio.memory import nearest

DIMENSIONS = 16
ROWS = 300  # As in conftest.py.


@pytest.fixture
def best(session, vectors):
    """The names of the nearest among the rows that `keep` lets through, by comparing all."""

    def find(query, keep=lambda _n: True, limit=10):
        places = [n for n in range(ROWS) if keep(n)]
        return {f"c{n}" for n in sorted(places, key=lambda n: -float(vectors[n] @ query))[:limit]}

    return find


@pytest.fixture
def found(session, model):
    def find(query, limit=10, criterion=None):
        near = nearest.nearest(session, vector=query, model=model, limit=limit, criterion=criterion)
        names = dict(session.execute(sa.select(Character.id, Character.name)).all())
        return [names[one.character_id] for one in near]

    return find


class TestNearest:
    def test_finds_by_the_index_what_comparing_all_finds(self, vectors, best, found, monkeypatch):
        monkeypatch.setattr(nearest, "EXACT_BELOW", 1)
        hits = sum(len(set(found(query)) & best(query)) for query in vectors[::10])
        assert hits >= 0.98 * 10 * len(vectors[::10])

    def test_tells_the_row_itself_first_and_then_ever_farther_ones(self, session, model, vectors):
        near = nearest.nearest(session, vector=vectors[5], model=model, limit=20)
        assert near[0].similarity == pytest.approx(1.0, abs=1e-3)
        similarities = [one.similarity for one in near]
        assert similarities == sorted(similarities, reverse=True)

    def test_joins_nothing_for_who_may_see_everything(self, vectors, found):
        assert found(vectors[5], criterion=sa.true()) == found(vectors[5])

    def test_finds_nothing_for_who_may_see_nothing(self, vectors, found):
        assert found(vectors[5], criterion=sa.false()) == []

    @pytest.mark.parametrize("exact_below", [1, nearest.EXACT_BELOW], ids=["by the index", "exactly"])
    def test_fills_the_page_under_a_narrow_filter(self, vectors, best, found, monkeypatch, exact_below):
        monkeypatch.setattr(nearest, "EXACT_BELOW", exact_below)
        criterion = Character.tags.contains(["rare"])
        assert set(found(vectors[0], limit=3, criterion=criterion)) == best(vectors[0], lambda n: n % 100 == 7, limit=3)

    def test_is_exact_where_the_scan_gives_up_before_the_page_is_full(self, vectors, best, found, monkeypatch):
        monkeypatch.setattr(nearest, "EXACT_BELOW", 1)
        monkeypatch.setattr(nearest, "MAX_SCAN_TUPLES", 1)
        criterion = Character.tags.contains(["rare"])
        assert set(found(-vectors[7], limit=3, criterion=criterion)) == best(
            -vectors[7], lambda n: n % 100 == 7, limit=3
        )

    def test_answers_without_an_index(self, session, model, vectors, best, found):
        model.index_name = None
        session.flush()
        assert set(found(vectors[9])) == best(vectors[9])

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(seed=st.integers(0, 2**32 - 1), limit=st.integers(1, 120), is_filtered=st.booleans())
    def test_gives_as_many_as_there_are_and_none_twice(self, found, seed, limit, is_filtered):
        query = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
        query /= np.linalg.norm(query)
        near = found(query, limit=limit, criterion=Character.tags.contains(["third"]) if is_filtered else None)
        assert len(near) == len(set(near)) == min(limit, ROWS // 3 if is_filtered else ROWS)
