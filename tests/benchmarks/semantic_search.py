"""Semantic search: ours by `studio.memory.nearest`, and the seeds' ivfflat, both at the same recall in the same session."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from pgvector import HalfVector, Vector
from pgvector.psycopg import register_vector
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.orm import Session

from studio.authoring.models import Character
from studio.memory import indexes
from studio.memory.models import EmbeddingModel
from studio.memory.nearest import EXACT_BELOW, nearest
from tests.benchmarks.harness import Context, Result, Side, faster, in_turns
from tests.benchmarks.rows import add_characters, add_people, character_ids
from tests.benchmarks.servers import Servers, servers
from tests.benchmarks.vectors import DIMENSIONS, Recipe, Sample

LIMIT = 10
RECALL = 0.98
FILTERED_RECALL = 0.95
LISTS = 100
"""As in the seeds' schema."""

FILTERS = {"10 %": ("one-in-10", 10, 3), "1 %": ("one-in-100", 100, 7), "0.1 %": ("one-in-1000", 1000, 9)}
"""Share of the rows → the tag that they have, and which rows have it (see `rows.add_characters`)."""

_PEER = sa.table("peer", sa.column("character_id", sa.Uuid()), sa.column("embedding", VECTOR(DIMENSIONS)))


@dataclass(frozen=True)
class Case:
    """One set of vectors, and how many times quicker ours has to be there."""

    name: str
    recipe: Recipe
    goal: float


def cases(context: Context) -> list[Case]:
    """The two of the goals: tight clusters, and clusters that reach into each other."""
    size = context.size
    return [
        Case("clustered", Recipe(rows=size(50_000, 600), clusters=size(500, 6), spread=0.5, noise=0.5), 15.0),
        Case("overlapping", Recipe(rows=size(30_000, 600), clusters=size(200, 6), spread=1.5, noise=0.3), 3.0),
    ]


def run(context: Context) -> list[Result]:
    """For each case: recall and queries a second against the ivfflat, and recall and short pages under filters."""
    found: list[Result] = []
    with servers(context.folder) as here:
        _staff, creators = add_people(here, 20)
        every = cases(context)
        add_characters(here, max(case.recipe.rows for case in every), owners=creators)
        ids = character_ids(here)
        for case in every:
            found += _measure(context, here, case, ids[: case.recipe.rows])
    return found


def _measure(context: Context, here: Servers, case: Case, ids: Sequence[UUID]) -> list[Result]:
    sample = case.recipe.make(context.size(200, 20))
    truth = sample.nearest(LIMIT)
    context.say(f"{case.name}: {sample.purity(truth):.0%} of the nearest ten are of the query's own cluster")
    with context.step("vectors into the tables"):
        _load(here, case, sample, ids)
    with context.step("our index"):
        indexes.ensure(here.engine, at_least=min(EXACT_BELOW, len(ids)))
    with here.admin() as connection:
        connection.execute("VACUUM ANALYZE character_embeddings")
    place_of = {identity: place for place, identity in enumerate(ids)}
    shown = f"{len(ids):,} × {DIMENSIONS} {case.name}"
    found: list[Result] = []
    # Two sessions, since the peer's settings are its own.
    with Session(here.engine) as session, Session(here.engine) as plain:
        model = session.get_one(EmbeddingModel, _model(case))

        def ours(query: npt.NDArray[np.float32], criterion: sa.ColumnElement[bool] | None = None) -> list[int]:
            near = nearest(session, vector=query, model=model, limit=LIMIT, criterion=criterion)
            return [place_of[one.character_id] for one in near]

        def peer(query: npt.NDArray[np.float32]) -> list[int]:
            distance = _PEER.c.embedding.op("<=>")(sa.cast(sa.literal(query, VECTOR(DIMENSIONS)), VECTOR(DIMENSIONS)))
            return [
                place_of[one] for one in plain.scalars(sa.select(_PEER.c.character_id).order_by(distance).limit(LIMIT))
            ]

        recall = _recall([ours(query) for query in sample.queries], truth)
        found.append(Result(f"{shown}: recall@10", "of exact search", recall, goal=RECALL))
        for made, goal in (
            (f"ivfflat, lists = {LISTS}, made with the table", case.goal),
            ("the same, made after loading", None),
        ):
            if goal is None:
                plain.rollback()
                with context.step("the peer's index again, after loading"), here.admin() as connection:
                    connection.execute("SET maintenance_work_mem = '1GB'")
                    connection.execute("REINDEX INDEX peer_index")
            probes, its_recall = _probes(plain, peer, sample, truth, least=min(recall, RECALL))
            _set_probes(plain, probes)
            context.say(f"{made}: {probes} probes for recall {its_recall:.3f}, by default (1) far less")
            rates = in_turns(
                {"ours": _searches(ours, sample), "peer": _searches(peer, sample)},
                rounds=context.size(5, 1),
                seconds=4.0 if not context.quick else 0.1,
            )
            context.say(f"recall {recall:.3f}: ours {rates['ours']:.0f}, peer {rates['peer']:.1f} queries/s")
            found.append(
                faster(shown, ours=rates["ours"], peer=rates["peer"], peer_name=made, goal=goal, unit="queries/s")
            )
        for share, (tag, every, offset) in FILTERS.items():
            allowed = np.arange(len(ids)) % every == offset
            wanted = sample.nearest(LIMIT, allowed=allowed)
            pages = [ours(query, Character.tags.contains([tag])) for query in sample.queries]
            short = sum(len(page) < min(LIMIT, int(allowed.sum())) for page in pages)
            found.append(
                Result(
                    f"{shown}, filter {share}: recall@10",
                    "of exact search",
                    _recall(pages, wanted),
                    goal=FILTERED_RECALL,
                )
            )
            found.append(
                Result(f"{shown}, filter {share}: short pages", f"of {len(pages)}", short, goal=0, at_most=True)
            )
    return found


def _load(here: Servers, case: Case, sample: Sample, ids: Sequence[UUID]) -> None:
    """Put the vectors into our table, and into the seeds' table, whose index is made with it, as their schema says."""
    with here.admin() as connection:
        register_vector(connection)
        connection.execute(
            "INSERT INTO embedding_models (name, dimensions, is_current) VALUES (%s, %s, false)",
            [_model(case), DIMENSIONS],
        )
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP TABLE IF EXISTS peer")
        connection.execute(f"CREATE TABLE peer (character_id uuid PRIMARY KEY, embedding vector({DIMENSIONS}))")
        connection.execute(
            f"CREATE INDEX peer_index ON peer USING ivfflat (embedding vector_cosine_ops) WITH (lists = {LISTS})"
        )
        connection.execute("GRANT SELECT ON peer TO PUBLIC")
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY character_embeddings (id, character_id, embedding_type, model_name, embedding, content_hash,"
                " row_version_seen) FROM STDIN (FORMAT binary)"
            ) as copy,
        ):
            copy.set_types(["uuid", "uuid", "text", "text", "halfvec", "text", "int4"])
            for identity, vector in zip(ids, sample.rows, strict=True):
                copy.write_row((uuid.uuid4(), identity, "full_profile", _model(case), HalfVector(vector), "x", 1))
        with connection.cursor() as cursor, cursor.copy("COPY peer FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["uuid", "vector"])
            for identity, vector in zip(ids, sample.rows, strict=True):
                copy.write_row((identity, Vector(vector)))
        connection.execute("VACUUM ANALYZE peer")
        connection.execute("VACUUM ANALYZE character_embeddings")


def _probes(
    session: Session,
    peer: Callable[[npt.NDArray[np.float32]], list[int]],
    sample: Sample,
    truth: list[list[int]],
    *,
    least: float,
) -> tuple[int, float]:
    """The least number of probes with which the peer reaches the recall `least`, and its recall then."""
    low, high = 1, LISTS
    while low < high:
        middle = (low + high) // 2
        if _recall_with(session, peer, sample, truth, middle) >= least:
            high = middle
        else:
            low = middle + 1
    return low, _recall_with(session, peer, sample, truth, low)


def _recall_with(
    session: Session,
    peer: Callable[[npt.NDArray[np.float32]], list[int]],
    sample: Sample,
    truth: list[list[int]],
    probes: int,
) -> float:
    _set_probes(session, probes)
    asked = slice(0, 100)
    return _recall([peer(query) for query in sample.queries[asked]], truth[asked])


def _set_probes(session: Session, probes: int) -> None:
    session.execute(sa.select(sa.func.set_config("ivfflat.probes", str(probes), True)))
    # With many probes the planner would rather sort the whole table, which is slower still.
    session.execute(sa.select(sa.func.set_config("enable_seqscan", "off", True)))


def _searches(search: Callable[[npt.NDArray[np.float32]], list[int]], sample: Sample) -> Side:
    queries = itertools.cycle(sample.queries)

    def side() -> int:
        search(next(queries))
        return 1

    return side


def _recall(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> float:
    return float(
        np.mean([len(set(page) & set(best)) / max(1, len(best)) for page, best in zip(found, truth, strict=True)])
    )


def _model(case: Case) -> str:
    return f"bench-{case.name}@{DIMENSIONS}"
