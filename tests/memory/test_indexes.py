"""The index of a model is made once, beside the running studio, and finds what exact search finds."""

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.authoring.models import Character
from studio.memory import indexes
from studio.memory.models import CharacterEmbedding, EmbeddingModel
from studio.memory.nearest import nearest
from tests.factories.accounts import make_user

DIMENSIONS = 32
ROWS = 6_000


@pytest.fixture
def many(committed_database):
    """Six thousand characters with clustered vectors of a model that is not there any more."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(60, DIMENSIONS))
    vectors = centres[random.integers(0, 60, ROWS)] + random.normal(size=(ROWS, DIMENSIONS)) * 0.3
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    engine = committed_database.engine
    with Session(engine) as session, session.begin():
        owner = make_user(session).id
        session.add(EmbeddingModel(name="old@32", dimensions=DIMENSIONS, is_current=True))
        session.flush()
        session.execute(
            sa.text(
                "INSERT INTO characters (id, origin, owner_id, status, name, tags) "
                "SELECT gen_random_uuid(), 'creator', :owner, 'draft', 'c' || n, "
                "ARRAY['t' || (n % 200)] FROM generate_series(0, :last) n"
            ),
            {"owner": owner, "last": ROWS - 1},
        )
        ids = session.scalars(
            sa.select(Character.id).order_by(sa.cast(sa.func.substr(Character.name, 2), sa.Integer))
        ).all()
        session.execute(
            sa.insert(CharacterEmbedding),
            [
                {
                    "character_id": identity,
                    "embedding_type": "full_profile",
                    "model_name": "old@32",
                    "embedding": vector,
                    "content_hash": "x",
                    "row_version_seen": 1,
                }
                for identity, vector in zip(ids, vectors, strict=True)
            ],
        )
    return engine, list(ids), vectors


class TestEnsure:
    def test_makes_the_index_once_and_search_misses_next_to_nothing(self, many):
        engine, ids, vectors = many
        assert len(indexes.ensure(engine, at_least=ROWS)) == 1
        assert indexes.ensure(engine, at_least=ROWS) == []
        queries = vectors[:: ROWS // 40]
        with Session(engine) as session:
            model = session.get_one(EmbeddingModel, "old@32")
            assert model.index_name
            found = total = 0
            for query in queries:
                exact = {ids[place] for place in np.argsort(-(vectors @ query))[:10]}
                near = nearest(session, vector=query, model=model, limit=10)
                assert len(near) == 10
                assert [n.similarity for n in near] == sorted((n.similarity for n in near), reverse=True)
                found += len(exact & {n.character_id for n in near})
                total += 10
            assert found / total >= 0.95

    def test_leaves_no_page_short_under_a_narrow_filter(self, many):
        engine, ids, vectors = many
        indexes.ensure(engine, at_least=ROWS)
        with Session(engine) as session:
            model = session.get_one(EmbeddingModel, "old@32")
            criterion = Character.tags.contains(["t3"])
            near = nearest(session, vector=vectors[0], model=model, limit=10, criterion=criterion)
        among = [place for place in range(ROWS) if place % 200 == 3]
        best = sorted(among, key=lambda place: -float(vectors[place] @ vectors[0]))[:10]
        assert {n.character_id for n in near} == {ids[place] for place in best}

    def test_waits_until_there_are_enough(self, many):
        engine, _, _ = many
        assert indexes.ensure(engine, at_least=ROWS + 1) == []
