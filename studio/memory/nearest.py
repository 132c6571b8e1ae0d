"""The nearest vectors: exactly where few are in question, by the model's HNSW index where there are many."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.orm import Session

from studio.authoring.models import Character
from studio.memory.models import CharacterEmbedding, EmbeddingModel

EXACT_BELOW = 5_000
"""With fewer candidates than this, comparing all of them is as quick as the index and misses nothing."""

EF_SEARCH = 80
"""How many neighbours HNSW keeps in mind while it searches; recall against exact search is measured in the benchmarks."""

MAX_SCAN_TUPLES = 40_000
"""How far an iterative scan goes for rows that pass a filter."""


@dataclass(frozen=True, slots=True)
class Near:
    """One character and the cosine of the angle between its vector and the one asked for: 1 is the same."""

    character_id: UUID
    similarity: float


def nearest(
    session: Session,
    *,
    vector: npt.NDArray[np.float32],
    model: EmbeddingModel,
    limit: int,
    criterion: sa.ColumnElement[bool] | None = None,
    ef_search: int = EF_SEARCH,
) -> list[Near]:
    """The `limit` characters whose vectors by `model` are nearest to `vector`, nearest first.

    `vector` is L2-normalised, of shape (model.dimensions,). `criterion` is over `Character`: a scope,
    a filter or both; fewer than `limit` come back only where fewer fulfil it.
    """
    if model.index_name is None or _few(session, model=model, criterion=criterion):
        return _exact(session, vector=vector, model=model, limit=limit, criterion=criterion)
    found = _by_index(session, vector=vector, model=model, limit=limit, criterion=criterion, ef_search=ef_search)
    if len(found) < limit:
        # The scan gave up before it had enough: a filter that the estimate took for wider than it is.
        return _exact(session, vector=vector, model=model, limit=limit, criterion=criterion)
    return found


def _few(session: Session, *, model: EmbeddingModel, criterion: sa.ColumnElement[bool] | None) -> bool:
    """Whether fewer than EXACT_BELOW rows are in question, by a count that stops there."""
    if criterion is None:
        candidates = sa.select(sa.literal(1)).where(_by_model(model))
    else:
        candidates = sa.select(sa.literal(1)).select_from(Character).where(criterion)
    counted = candidates.limit(EXACT_BELOW).subquery()
    return (session.scalar(sa.select(sa.func.count()).select_from(counted)) or 0) < EXACT_BELOW


def _exact(
    session: Session,
    *,
    vector: npt.NDArray[np.float32],
    model: EmbeddingModel,
    limit: int,
    criterion: sa.ColumnElement[bool] | None,
) -> list[Near]:
    candidates = sa.select(CharacterEmbedding.character_id, CharacterEmbedding.embedding).where(_by_model(model))
    if criterion is not None:
        candidates = candidates.join(Character, Character.id == CharacterEmbedding.character_id).where(criterion)
    # Materialised, so that the planner cannot walk the approximate index and filter afterwards.
    pool = candidates.cte("pool").prefix_with("MATERIALIZED", dialect="postgresql")
    distance = _distance(pool.c.embedding, vector, model)
    return _read(session, sa.select(pool.c.character_id, distance).order_by(distance).limit(limit))


def _by_index(
    session: Session,
    *,
    vector: npt.NDArray[np.float32],
    model: EmbeddingModel,
    limit: int,
    criterion: sa.ColumnElement[bool] | None,
    ef_search: int,
) -> list[Near]:
    # `set_config(…, true)` lasts until the end of the transaction; one statement sets all.
    session.execute(
        sa.select(
            sa.func.set_config("hnsw.ef_search", str(max(ef_search, limit)), True),
            sa.func.set_config("hnsw.iterative_scan", "relaxed_order", True),
            sa.func.set_config("hnsw.max_scan_tuples", str(MAX_SCAN_TUPLES), True),
        )
    )
    distance = _distance(CharacterEmbedding.embedding, vector, model).label("distance")
    query = sa.select(CharacterEmbedding.character_id, distance).where(_by_model(model)).order_by(distance).limit(limit)
    if criterion is not None:
        query = query.join(Character, Character.id == CharacterEmbedding.character_id).where(criterion)
    # A relaxed scan yields almost in order; the outer query puts it right.
    relaxed = query.cte("relaxed").prefix_with("MATERIALIZED", dialect="postgresql")
    return _read(session, sa.select(relaxed.c.character_id, relaxed.c.distance).order_by(relaxed.c.distance))


def _by_model(model: EmbeddingModel) -> sa.ColumnElement[bool]:
    # Written into the statement, not bound: a generic plan could not tell that the partial index serves it.
    return CharacterEmbedding.model_name == sa.literal(model.name, sa.Text(), literal_execute=True)


def _distance(
    column: sa.ColumnElement[Any] | Any, vector: npt.NDArray[np.float32], model: EmbeddingModel
) -> sa.ColumnElement[float]:
    kind = HALFVEC(model.dimensions)
    return sa.cast(column, kind).op("<#>", return_type=sa.Double())(sa.cast(sa.literal(vector, kind), kind))


def _read(session: Session, query: sa.Select[Any]) -> list[Near]:
    # `<#>` is the negative inner product, which for normalised vectors is the negative cosine.
    return [Near(row[0], max(-1.0, min(1.0, -float(row[1])))) for row in session.execute(query)]
