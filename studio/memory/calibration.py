"""How far an index has to look: measured on the vectors that are there, since tight clusters need less than a crowd."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.memory.models import CharacterEmbedding, EmbeddingModel
from studio.memory.nearest import by_index, exactly

CHOICES = (20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640)
"""Values of `hnsw.ef_search` to choose from; what a search costs grows with it."""

RECALL = 0.985
"""A little over the 0.98 that searches are to have: a sample may be lucky."""

SAMPLE = 100
"""With fewer, one question whose corner of the graph is badly connected would speak for all of them."""

NO_BETTER = 0.005
"""Where none of CHOICES reaches RECALL, looking so much further as gains less than this is not worth its price."""

_NEAREST = 10


def needed_ef_search(session: Session, *, model: EmbeddingModel) -> int:
    """The least of CHOICES with which the model's index finds RECALL of what comparing all finds.

    Where none does, the least that finds nearly as much as the largest: what a graph does not lead to, no patience finds.
    Asks SAMPLE questions both ways; with a hundred thousand vectors that takes about a minute. The model's index has
    to be there, and more than ten vectors.
    """
    questions = _questions(session, model=model)
    wanted = [exactly(session, vector=question, model=model, limit=_NEAREST) for question in questions]
    every = sum(len(best) for best in wanted)
    recalls: dict[int, float] = {}
    for ef_search in CHOICES:
        found = 0
        for question, best in zip(questions, wanted, strict=True):
            near = by_index(session, vector=question, model=model, limit=_NEAREST, ef_search=ef_search)
            found += len({one.character_id for one in best} & {one.character_id for one in near})
        recalls[ef_search] = found / every
        if recalls[ef_search] >= RECALL:
            break
    return chosen(recalls)


def chosen(recalls: Mapping[int, float]) -> int:
    """Of the values that were tried, by rising cost, with the recall of each: the one to search with."""
    enough = min(RECALL, max(recalls.values()) - NO_BETTER)
    return next(ef_search for ef_search, recall in recalls.items() if recall >= enough)


def _questions(session: Session, *, model: EmbeddingModel) -> list[npt.NDArray[np.float32]]:
    """Vectors that lie where the stored ones lie and are none of them.

    The graph leads straight to its own points, so asking for those would flatter it. Each question is a stored
    vector, moved as two of its neighbours differ: in a direction in which meanings do differ there.
    """
    of_model = sa.select(CharacterEmbedding.embedding).where(CharacterEmbedding.model_name == model.name)
    questions = []
    for stored in session.scalars(of_model.order_by(sa.func.random()).limit(SAMPLE)).all():
        vector = np.asarray(stored, dtype=np.float32)
        near = exactly(session, vector=vector, model=model, limit=_NEAREST + 1)
        pair = [near[len(near) // 2].character_id, near[-1].character_id]
        one, other = session.scalars(of_model.where(CharacterEmbedding.character_id.in_(pair))).all()
        # The neighbours are about √2 as far from each other as from the vector: so is the question as far from it as they.
        moved = vector + (np.asarray(one, dtype=np.float32) - np.asarray(other, dtype=np.float32)) / np.sqrt(2)
        questions.append((moved / np.linalg.norm(moved)).astype(np.float32))
    return questions
