"""The nearest vectors: exactly where few are in question, by the model's HNSW index where there are many."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pgvector import HalfVector
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.orm import Session

from studio.authoring.models import Character
from studio.memory.models import CharacterEmbedding, EmbeddingModel

EXACT_BELOW = 5_000
"""With fewer candidates than this, comparing all of them is as quick as the index and misses nothing."""

EF_SEARCH = 160
"""How many neighbours HNSW keeps in mind while it searches, for a model whose index was not measured yet (see `calibration`)."""

MOST_KEPT = 1_000
"""The largest `hnsw.ef_search` that pgvector takes."""

WIDER = 4
"""Under a filter the index is asked for so many times the rows: what passes comes from several rounds of the scan, each of
which is in order only in itself, and the nearest of all are kept."""

LEAST_FILTERED = 40
"""Under a filter the scan goes in rounds of no fewer than this: each of them is a new way into the graph."""

MAX_SCAN_TUPLES = 40_000
"""How far an iterative scan goes for rows that pass a filter."""


_TO_THE_END_OF_THE_TRANSACTION = sa.text(
    "SELECT set_config('hnsw.ef_search', :kept, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),"
    f" set_config('hnsw.max_scan_tuples', '{MAX_SCAN_TUPLES}', true)"
)
"""One statement sets all."""


class _Asked(HALFVEC):
    """The vector that is asked for, sent as PostgreSQL keeps it: as text it is ten times as long, and is parsed there."""

    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy gives it.
        """Make what `studio.kit.db` has psycopg write in binary."""
        return lambda vector: HalfVector(np.asarray(vector, dtype=np.float16))


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
    ef_search: int | None = None,
) -> list[Near]:
    """The `limit` characters whose vectors by `model` are nearest to `vector`, nearest first.

    `vector` is L2-normalised, of shape (model.dimensions,). `criterion` is over `Character`: a scope,
    a filter or both; fewer than `limit` come back only where fewer fulfil it.
    """
    if isinstance(criterion, sa.True_):
        # The scope of who may see everything costs no join.
        criterion = None
    if model.index_name is None or _few(session, criterion=criterion):
        return exactly(session, vector=vector, model=model, limit=limit, criterion=criterion)
    ef_search = ef_search or model.ef_search or EF_SEARCH
    found = by_index(session, vector=vector, model=model, limit=limit, criterion=criterion, ef_search=ef_search)
    if len(found) < limit:
        # The scan gave up before it had enough: what passes the filter lies far from what was asked for.
        return exactly(session, vector=vector, model=model, limit=limit, criterion=criterion)
    return found


def _few(session: Session, *, criterion: sa.ColumnElement[bool] | None) -> bool:
    """Whether fewer than EXACT_BELOW rows are in question, by a count that stops there."""
    if criterion is None:
        # An index is made only where there are more.
        return False
    counted = sa.select(sa.literal(1)).select_from(Character).where(criterion).limit(EXACT_BELOW).subquery()
    return (session.scalar(sa.select(sa.func.count()).select_from(counted)) or 0) < EXACT_BELOW


def exactly(
    session: Session,
    *,
    vector: npt.NDArray[np.float32],
    model: EmbeddingModel,
    limit: int,
    criterion: sa.ColumnElement[bool] | None = None,
) -> list[Near]:
    """As `nearest`, by comparing all that fulfil `criterion`."""
    # The column as it is, without dimensions: the index is on another expression and cannot be walked for this.
    return _read(session, _query(CharacterEmbedding.embedding, HALFVEC(), model.name, limit, criterion), vector)


def by_index(
    session: Session,
    *,
    vector: npt.NDArray[np.float32],
    model: EmbeddingModel,
    limit: int,
    ef_search: int,
    criterion: sa.ColumnElement[bool] | None = None,
) -> list[Near]:
    """As `nearest`, by the model's index alone: some may be missed, and under a narrow `criterion` too few be found."""
    # What is measured for ten (see `calibration`) is too little for many more.
    kept = max(ef_search, 2 * limit, 0 if criterion is None else LEAST_FILTERED)
    session.execute(_TO_THE_END_OF_THE_TRANSACTION, {"kept": str(min(kept, MOST_KEPT))})
    by_index_alone = _without_criterion if criterion is None else _with_criterion
    # A relaxed scan yields almost in order; `_read` puts it right.
    return _read(session, by_index_alone(model.name, model.dimensions, limit, criterion), vector)[:limit]


def _with_criterion(
    model_name: str, dimensions: int, limit: int, criterion: sa.ColumnElement[bool] | None
) -> sa.Select[UUID, float]:
    kind = HALFVEC(dimensions)
    most = limit if criterion is None else limit * WIDER
    return _query(sa.cast(CharacterEmbedding.embedding, kind), kind, model_name, most, criterion)


_without_criterion = lru_cache(maxsize=100)(_with_criterion)
"""The one statement that is asked again and again as it is: building it takes as long as PostgreSQL needs to answer."""


def _query(
    column: Any, kind: HALFVEC, model_name: str, limit: int, criterion: sa.ColumnElement[bool] | None
) -> sa.Select[UUID, float]:
    asked = sa.cast(sa.bindparam("asked", type_=_Asked()), kind)
    distance: sa.ColumnElement[float] = column.op("<#>", return_type=sa.Double())(asked).label("distance")
    # The model is written into the statement, not bound: a generic plan could not tell that the partial index serves it.
    by_model = CharacterEmbedding.model_name == sa.literal(model_name, sa.Text(), literal_execute=True)
    query = sa.select(CharacterEmbedding.character_id, distance).where(by_model).order_by(distance).limit(limit)
    if criterion is not None:
        query = query.join(Character, Character.id == CharacterEmbedding.character_id).where(criterion)
    return query


def _read(session: Session, query: sa.Select[UUID, float], vector: npt.NDArray[np.float32]) -> list[Near]:
    # `<#>` is the negative inner product, which for normalised vectors is the negative cosine.
    rows = session.execute(query, {"asked": vector})
    found = [Near(identity, max(-1.0, min(1.0, -distance))) for identity, distance in rows]
    return sorted(found, key=lambda near: -near.similarity)
