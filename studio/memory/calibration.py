"""How far an index has to look: measured on the vectors that are there, since tight clusters need less than a crowd."""

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.memory.models import CharacterEmbedding, EmbeddingModel
from studio.memory.nearest import by_index, exactly

CHOICES = (40, 80, 160, 320, 640)
"""Values of `hnsw.ef_search` to choose from; each costs about twice the one before."""

RECALL = 0.985
"""A little over the 0.98 that searches are to have: a sample may be lucky."""

SAMPLE = 40
_NEAREST = 10


def needed_ef_search(session: Session, *, model: EmbeddingModel) -> int:
    """The least of CHOICES with which the model's index finds RECALL of what comparing all finds; else the largest.

    Asks for the neighbours of SAMPLE stored vectors, drawn by chance, both ways: with a hundred thousand vectors that takes
    some ten seconds. The model's index has to be there.
    """
    drawn = session.scalars(
        sa.select(CharacterEmbedding.embedding)
        .where(CharacterEmbedding.model_name == model.name)
        .order_by(sa.func.random())
        .limit(SAMPLE)
    )
    vectors = [np.asarray(vector, dtype=np.float32) for vector in drawn]
    # Each vector finds itself, whatever the index does; only the others count.
    wanted = [exactly(session, vector=vector, model=model, limit=_NEAREST + 1)[1:] for vector in vectors]
    for ef_search in CHOICES:
        found = total = 0
        for vector, best in zip(vectors, wanted, strict=True):
            near = by_index(session, vector=vector, model=model, limit=_NEAREST + 1, ef_search=ef_search)
            found += len({one.character_id for one in best} & {one.character_id for one in near})
            total += len(best)
        if found >= RECALL * total:
            return ef_search
    return CHOICES[-1]
