"""The partial HNSW index of each model: made by a job, beside the running studio, once there are enough vectors."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.kit.db import session_scope
from studio.memory.calibration import needed_ef_search
from studio.memory.models import CharacterEmbedding, EmbeddingModel
from studio.memory.nearest import EXACT_BELOW
from studio.memory.rules import index_name

M = 16
EF_CONSTRUCTION = 128
"""HNSW's parameters: 128 instead of pgvector's 64 costs build time once and gains recall at every search."""


def ensure(engine: sa.Engine, *, at_least: int = EXACT_BELOW) -> list[str]:
    """Make the missing index of every model with `at_least` vectors or more; return the names of those made.

    How far a new index has to look is measured and kept with the model.

    May be repeated at no cost. CREATE INDEX CONCURRENTLY runs outside a transaction and blocks no
    writer; what an interrupted run left half-made is dropped first.
    """
    with session_scope(engine) as session:
        wanted = [model for model in session.scalars(sa.select(EmbeddingModel)) if _has(session, model, at_least)]
    made = []
    for model in wanted:
        name = index_name(model.name, model.dimensions)
        if _build(engine, model=model, name=name):
            made.append(name)
        with session_scope(engine) as session:
            values: dict[str, object] = {"index_name": name}
            if name in made or model.ef_search is None:
                values["ef_search"] = needed_ef_search(session, model=model)
            session.execute(sa.update(EmbeddingModel).where(EmbeddingModel.name == model.name).values(values))
    return made


def _has(session: Session, model: EmbeddingModel, at_least: int) -> bool:
    rows = sa.select(sa.literal(1)).where(CharacterEmbedding.model_name == model.name).limit(at_least).subquery()
    return (session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0) >= at_least


def _build(engine: sa.Engine, *, model: EmbeddingModel, name: str) -> bool:
    """Whether the index had to be made."""
    state = sa.text("SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname = :name")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # A session lock: two workers that were both asked make one index.
        connection.execute(sa.select(sa.func.pg_advisory_lock(sa.func.hashtext(name))))
        try:
            valid = connection.scalar(state, {"name": name})
            if valid:
                return False
            quote = connection.dialect.identifier_preparer.quote
            if valid is False:
                connection.execute(sa.text(f"DROP INDEX CONCURRENTLY {quote(name)}"))
            literal = sa.literal(model.name, sa.Text()).compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            connection.exec_driver_sql(
                f"CREATE INDEX CONCURRENTLY {quote(name)} ON character_embeddings "
                f"USING hnsw ((embedding::halfvec({model.dimensions:d})) halfvec_ip_ops) "
                f"WITH (m = {M}, ef_construction = {EF_CONSTRUCTION}) WHERE model_name = {literal}".replace("%", "%%")
            )
            return True
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(sa.func.hashtext(name))))
