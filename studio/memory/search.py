"""Search over characters: by words, by meaning, or both ranked together; and what is similar to one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import Character
from studio.authoring.queries import character_visible_to, get_character
from studio.kit.text import escape_like, folded
from studio.memory import queries, rules
from studio.memory.embeddings import model_name
from studio.memory.errors import EmptySearchError, NotEmbeddedError
from studio.memory.models import CharacterEmbedding
from studio.memory.nearest import Near, nearest
from studio.providers.embeddings.protocol import EmbeddingProvider
from studio.providers.errors import ProviderError

MOST_RESULTS = 50
"""A search shows its best; whoever needs more narrows it."""

CANDIDATES = 200
"""How many rows that hold the words are ranked, newest first."""


class Mode(StrEnum):
    """How to search."""

    WORDS = "words"
    MEANING = "meaning"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Hit:
    """One found character and why it was found."""

    character: Character
    found_in: tuple[str, ...]
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """What was found, best first, and what the person should know about how."""

    hits: list[Hit]
    mode: Mode
    # Set where meaning was asked for and could not be had: the provider is down, or nothing is embedded yet.
    note: str | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A character near another, and how near: 1 is the same."""

    character: Character
    similarity: float


def find(
    session: Session,
    *,
    actor: Actor,
    text: str,
    mode: Mode,
    provider: EmbeddingProvider,
    criterion: sa.ColumnElement[bool] | None = None,
    limit: int = MOST_RESULTS,
) -> Results:
    """The characters that `actor` may see and that answer `text`, best first.

    When meaning cannot be had, words answer alone and the note says so. Raises
    Forbidden, or EmptySearchError where there is no word in `text`.
    """
    actor.must(Permission.CHARACTER_SEARCH)
    if not rules.terms_of(text):
        raise EmptySearchError
    scope = character_visible_to(actor)
    if criterion is not None:
        scope = sa.and_(scope, criterion)
    worded = by_words(session, text=text, scope=scope, limit=limit) if mode is not Mode.MEANING else []
    meant: list[Near] = []
    note: str | None = None
    if mode is not Mode.WORDS:
        try:
            meant = by_meaning(session, text=text, scope=scope, provider=provider, limit=limit)
            note = None if meant else "Nothing is embedded yet; only words were searched."
        except ProviderError:
            note = "The embedding provider does not answer just now; only words were searched."
        if note is not None and mode is Mode.MEANING:
            worded = by_words(session, text=text, scope=scope, limit=limit)
    found_in = dict(worded)
    similarity = {near.character_id: near.similarity for near in meant}
    order = rules.fuse([[identity for identity, _ in worded], [near.character_id for near in meant]])[:limit]
    characters = _load(session, [identity for identity, _ in order])
    hits = [
        Hit(characters[identity], found_in.get(identity, ()), similarity.get(identity))
        for identity, _ in order
        if identity in characters
    ]
    return Results(hits=hits, mode=mode, note=note)


def similar(session: Session, *, actor: Actor, character_id: UUID, limit: int = 8) -> list[Neighbour]:
    """The characters nearest to one that `actor` may see, among those that `actor` may see.

    Raises Forbidden, NotFound, or NotEmbeddedError while its job has not run.
    """
    actor.must(Permission.CHARACTER_SEARCH)
    get_character(session, actor=actor, character_id=character_id)
    model = queries.find_current_model(session)
    vector = None
    if model is not None:
        vector = session.scalar(
            sa.select(CharacterEmbedding.embedding).where(
                CharacterEmbedding.character_id == character_id, CharacterEmbedding.model_name == model.name
            )
        )
    if model is None or vector is None:
        raise NotEmbeddedError
    others = sa.and_(character_visible_to(actor), Character.id != character_id)
    near = nearest(
        session,
        vector=np.asarray(vector, dtype=np.float32),
        model=model,
        limit=limit,
        criterion=others,
    )
    characters = _load(session, [item.character_id for item in near])
    return [Neighbour(characters[n.character_id], n.similarity) for n in near if n.character_id in characters]


def by_words(
    session: Session, *, text: str, scope: sa.ColumnElement[bool], limit: int
) -> list[tuple[UUID, tuple[str, ...]]]:
    """Ids of characters that hold every word of `text`, best match first, with the fields in which it was found."""
    terms = rules.terms_of(text)
    holds: list[sa.ColumnElement[bool]] = [
        Character.search_text.like(f"%{escape_like(term)}%", escape="\\") for term in terms.long
    ]
    if terms.short:
        holds.append(Character.bigrams.contains(list(terms.short)))
    columns = (
        Character.id,
        Character.name,
        Character.nickname,
        Character.tagline,
        Character.tags,
        Character.updated_at,
    )
    candidates = (
        sa.select(*columns)
        .where(scope, *holds)
        .order_by(Character.updated_at.desc(), Character.id.desc())
        .limit(CANDIDATES)
    )
    named = sa.select(*columns).where(scope, Character.name == text.strip()).limit(limit)
    rows = {row.id: row for query in (named, candidates) for row in session.execute(query)}
    ranked = []
    for row in rows.values():
        fields = {"name": row.name, "nickname": row.nickname, "tagline": row.tagline}
        score, found_in = rules.match_score(folded(text), fields, row.tags)
        ranked.append((score, row.updated_at, row.id, found_in or ("text",)))
    ranked.sort(key=lambda item: item[:3], reverse=True)
    return [(identity, found_in) for _, _, identity, found_in in ranked[:limit]]


def by_meaning(
    session: Session, *, text: str, scope: sa.ColumnElement[bool], provider: EmbeddingProvider, limit: int
) -> list[Near]:
    """The characters whose texts mean what `text` means, nearest first; raises ProviderError where it cannot be told."""
    model = queries.find_current_model(session)
    if model is None or model.name != model_name(provider):
        # Vectors of the provider's model are still being made; those of the former can't be compared with its query.
        return []
    vector = provider.embed([text])[0]
    return nearest(session, vector=vector, model=model, limit=limit, criterion=scope)


def _load(session: Session, ids: Sequence[UUID]) -> dict[UUID, Character]:
    return {c.id: c for c in session.scalars(sa.select(Character).where(Character.id.in_(ids)))}
