"""Pure rules of search: what a query asks for, how two rankings become one, and what stands in whose index."""

import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from studio.kit.text import folded

RRF_K = 60
"""Reciprocal rank fusion's constant (Cormack, Clarke and Büttcher 2009)."""

MOST_TERMS = 8
LONGEST_QUERY = 400
SHORTEST_TRIGRAM = 3

_TERM = re.compile(r'"([^"]+)"|(\S+)')

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a query asks for: pieces for the trigram index, and short ones for the array of bigrams."""

    long: tuple[str, ...]
    short: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.long or self.short)


def terms_of(query: str) -> Terms:
    """Split `query` at white space (not within quotes), folded as the index is; words beyond the eighth are ignored."""
    words = [quoted or plain for quoted, plain in _TERM.findall(folded(query[:LONGEST_QUERY]))]
    words = [word for word in (word.strip('" ') for word in words) if word][:MOST_TERMS]
    long = tuple(dict.fromkeys(word for word in words if len(word) >= SHORTEST_TRIGRAM))
    short = tuple(dict.fromkeys(word for word in words if len(word) < SHORTEST_TRIGRAM))
    return Terms(long=long, short=short)


def fuse(rankings: Sequence[Sequence[Item]], *, k: int = RRF_K) -> list[tuple[Item, float]]:
    """One ranking out of several, best first: the score of an item is the sum of 1 / (k + its rank) in each."""
    scores: dict[Item, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
    # `sorted` is stable: items with one score keep the order in which they were first seen.
    return sorted(scores.items(), key=lambda pair: -pair[1])


def match_score(query: str, fields: Mapping[str, str], tags: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """How well a character answers `query` word for word, and in which fields it was found.

    The name weighs most: the same (100), beginning with it (60), holding it (40); then a tag that is
    the word (30) and each other field that holds one (5).
    """
    wanted = folded(query).strip()
    terms = terms_of(query)
    score = 0
    found: list[str] = []
    for name, text in fields.items():
        have = folded(text)
        if name == "name":
            points = 100 if have == wanted else 60 if have.startswith(wanted) else 40 if wanted in have else 0
        else:
            points = 5 if any(term in have for term in (*terms.long, *terms.short)) else 0
        if points:
            score += points
            found.append(name)
    folded_tags = {folded(tag) for tag in tags}
    if folded_tags & {wanted, *terms.long, *terms.short}:
        score += 30
        found.append("tags")
    return score, tuple(found)


def index_name(model: str, dimensions: int) -> str:
    """The name of the partial index of one model's vectors; at most 63 characters, whatever the model is called."""
    digest = hashlib.sha256(f"{model}:{dimensions}".encode()).hexdigest()[:16]
    return f"ix_embedding_{digest}"
