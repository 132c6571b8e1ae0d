"""Search over characters: by words, by meaning, or both ranked together; and what is similar to one of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.listed import summary_of
from studio.authoring.models import Character, CharacterStatus, ListedCharacter
from studio.authoring.queries import character_visible_to, draft_visible_to
from studio.kit.errors import NotFoundError
from studio.kit.text import escape_like, folded, storable
from studio.memory import queries, rules
from studio.memory.embeddings import model_name
from studio.memory.errors import EmptySearchError, NotEmbeddedError
from studio.memory.models import CharacterEmbedding
from studio.memory.nearest import Near, nearest
from studio.providers.embeddings.protocol import EmbeddingProvider
from studio.providers.errors import ProviderError

MOST_RESULTS = 50
"""A search shows its best; whoever needs more narrows it."""

FAR_FROM_BEST = 0.4
"""What is less similar than this share of the best is left out: every character is a little similar to every query."""

CANDIDATES = 200
"""How many rows that hold the words are ranked, newest first."""


class Mode(StrEnum):
    """How to search."""

    WORDS = "words"
    MEANING = "meaning"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Found:
    """A character as the searcher may see it: their own as it is now, another's as its live version says."""

    id: UUID
    name: str
    tagline: str
    summary: str
    status: CharacterStatus
    portrait_id: UUID | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One found character and why it was found."""

    character: Found
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

    character: Found
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
    text = storable(text)
    if not rules.terms_of(text):
        raise EmptySearchError
    narrowed = sa.true() if criterion is None else criterion
    scope = sa.and_(character_visible_to(actor), narrowed)
    meant: list[Near] = []
    note: str | None = None
    if mode is not Mode.WORDS:
        try:
            meant = by_meaning(session, text=text, scope=scope, provider=provider, limit=limit)
            note = None if meant else "Nothing is embedded yet; only words were searched."
        except ProviderError:
            note = "The embedding provider does not answer just now; only words were searched."
    worded: list[tuple[UUID, tuple[str, ...]]] = []
    if mode is not Mode.MEANING or note is not None:
        worded = by_words(session, actor=actor, text=text, criterion=narrowed, limit=limit)
    found_in = dict(worded)
    similarity = {near.character_id: near.similarity for near in meant}
    order = rules.fuse([[identity for identity, _ in worded], [near.character_id for near in meant]])[:limit]
    characters = _load(session, actor=actor, ids=[identity for identity, _ in order])
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
    get_found(session, actor=actor, character_id=character_id)
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
    characters = _load(session, actor=actor, ids=[item.character_id for item in near])
    return [Neighbour(characters[n.character_id], n.similarity) for n in near if n.character_id in characters]


def get_found(session: Session, *, actor: Actor, character_id: UUID) -> Found:
    """The character as the actor may see it; raises NotFoundError."""
    found = _load(session, actor=actor, ids=[character_id])
    if not found:
        raise NotFoundError
    return found[character_id]


def by_words(
    session: Session, *, actor: Actor, text: str, criterion: sa.ColumnElement[bool], limit: int
) -> list[tuple[UUID, tuple[str, ...]]]:
    """Ids of characters that hold every word of `text`, best match first, with the fields in which it was found.

    Of drafts that the actor may read, the present text is searched; of others' characters, the live version's.
    """
    terms = rules.terms_of(text)
    own = sa.and_(draft_visible_to(actor), criterion)
    found = [
        _candidates(Character, Character.nickname, terms).where(own),
        _columns(Character, Character.nickname).where(own, Character.name == text.strip()).limit(limit),
    ]
    if not actor.may(Permission.CHARACTER_READ_ANY):
        others = sa.and_(character_visible_to(actor), sa.not_(draft_visible_to(actor)), criterion)
        joined = ListedCharacter.character_id == Character.id
        found.append(_candidates(ListedCharacter, sa.literal(""), terms).join(Character, joined).where(others))
    rows = {row.id: row for query in found for row in session.execute(query)}
    ranked = []
    for row in rows.values():
        fields = {"name": row.name, "nickname": row.nickname, "tagline": row.tagline}
        score, found_in = rules.match_score(folded(text), fields, row.tags)
        ranked.append((score, row.updated_at, row.id, found_in or ("text",)))
    ranked.sort(key=lambda item: item[:3], reverse=True)
    return [(identity, found_in) for _, _, identity, found_in in ranked[:limit]]


def _columns(source: Any, nickname: Any) -> sa.Select[Any]:
    """What ranking needs of a character, read from its draft or from its live version."""
    return sa.select(
        Character.id,
        source.name.label("name"),
        nickname.label("nickname"),
        source.tagline.label("tagline"),
        source.tags.label("tags"),
        Character.updated_at,
    )


def _candidates(source: Any, nickname: Any, terms: rules.Terms) -> sa.Select[Any]:
    """The newest of those that hold every term."""
    query = _columns(source, nickname).where(
        *(source.search_text.like(f"%{escape_like(term)}%", escape="\\") for term in terms.long)
    )
    if terms.short:
        query = query.where(source.bigrams.contains(list(terms.short)))
    return query.order_by(Character.updated_at.desc(), Character.id.desc()).limit(CANDIDATES)


def by_meaning(
    session: Session, *, text: str, scope: sa.ColumnElement[bool], provider: EmbeddingProvider, limit: int
) -> list[Near]:
    """The characters whose texts mean what `text` means, nearest first; raises ProviderError where it cannot be told."""
    model = queries.find_current_model(session)
    if model is None or model.name != model_name(provider):
        # Vectors of the provider's model are still being made; those of the former can't be compared with its query.
        return []
    vector = provider.embed([text])[0]
    near = nearest(session, vector=vector, model=model, limit=limit, criterion=scope)
    return [item for item in near if item.similarity >= FAR_FROM_BEST * max(near[0].similarity, 0)]


def _load(session: Session, *, actor: Actor, ids: Sequence[UUID]) -> dict[UUID, Found]:
    """The characters as the actor may see them; one whose listing went meanwhile is left out."""
    query = (
        sa.select(Character, draft_visible_to(actor), ListedCharacter)
        .outerjoin(ListedCharacter, ListedCharacter.character_id == Character.id)
        .where(Character.id.in_(ids), character_visible_to(actor))
    )
    found = {}
    rows: Iterable[Any] = session.execute(query)
    for character, may_read, listed in rows:
        if may_read:
            summary = summary_of(character.nickname or character.name, character.description)
            shown = (character.name, character.tagline, summary, character.status, character.portrait_id)
        elif listed is not None:
            shown = (listed.name, listed.tagline, listed.summary, character.status, listed.portrait_id)
        else:
            continue
        found[character.id] = Found(character.id, *shown)
    return found
