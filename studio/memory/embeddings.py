"""Vectors of characters: what is missing, and keeping what the provider made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only
from uuid_utils.compat import uuid7

from studio.authoring.models import Character
from studio.cards.views import embedding_text
from studio.memory.models import CharacterEmbedding, EmbeddingModel, EmbeddingType
from studio.providers.embeddings.protocol import Described
from studio.providers.embeddings.texts import text_hash

_READ = (
    Character.name,
    Character.nickname,
    Character.tagline,
    Character.tags,
    Character.description,
    Character.personality,
    Character.scenario,
    Character.creator_notes,
    Character.row_version,
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A character whose text has no vector yet."""

    character_id: UUID
    text: str
    content_hash: str
    row_version: int


def text_of(character: Character) -> str:
    """What of a character is embedded: who it is, not how a model is told to play it."""
    data = {
        "name": character.name,
        "nickname": character.nickname,
        "tags": character.tags,
        "description": character.description,
        "personality": character.personality,
        "scenario": character.scenario,
        "creator_notes": character.creator_notes,
    }
    return embedding_text({"spec": "chara_card_v3", "spec_version": "3.0", "data": data}, tagline=character.tagline)


def use_model(session: Session, *, provider: Described) -> EmbeddingModel:
    """Have the provider's model known, and answering searches once it is the only one or has caught up.

    May be repeated. Vectors of the former model stay and go on answering until `promote`.
    """
    session.execute(
        insert(EmbeddingModel)
        .values(name=model_name(provider), dimensions=provider.dimensions, is_current=False)
        .on_conflict_do_nothing()
    )
    session.execute(
        sa.update(EmbeddingModel)
        .where(EmbeddingModel.name == model_name(provider), ~sa.exists().where(EmbeddingModel.is_current))
        .values(is_current=True)
    )
    return session.get_one(EmbeddingModel, model_name(provider))


def promote(session: Session, *, provider: Described) -> None:
    """Have the provider's model answer searches instead of the one before it."""
    name = model_name(provider)
    session.execute(sa.update(EmbeddingModel).where(EmbeddingModel.name != name).values(is_current=False))
    session.execute(sa.update(EmbeddingModel).where(EmbeddingModel.name == name).values(is_current=True))


def model_name(provider: Described) -> str:
    """The name under which a provider's vectors are kept: two lengths of one model are two models."""
    return f"{provider.model}@{provider.dimensions}"


def pending_of(
    session: Session, *, provider: Described, character_ids: Sequence[UUID], made_before: datetime | None = None
) -> list[Pending]:
    """Those of the characters whose present text has no vector by the provider's model; empty for unknown ids.

    With `made_before`, a vector that is older counts as none.
    """
    query = (
        sa.select(Character, CharacterEmbedding.content_hash, CharacterEmbedding.updated_at)
        .outerjoin(CharacterEmbedding, _is_of(provider))
        .where(Character.id.in_(character_ids))
        .options(load_only(*_READ))
    )
    found = []
    for character, known, made_at in session.execute(query):
        text = text_of(character)
        digest = text_hash(provider.model, provider.dimensions, text)
        is_old = made_before is not None and made_at is not None and made_at < made_before
        if (digest != known or is_old) and text.strip():
            found.append(Pending(character.id, text, digest, character.row_version))
    return found


def ids_to_look_at(
    session: Session,
    *,
    provider: Described,
    after: UUID | None = None,
    size: int = 10_000,
    made_before: datetime | None = None,
) -> list[UUID]:
    """The next ids, by id, of characters without a vector or changed since it was made; at most `size`, after `after`.

    With `made_before`, also of those whose vector is older.
    """
    query = _to_look_at(provider, made_before).order_by(Character.id).limit(size)
    return list(session.scalars(query if after is None else query.where(Character.id > after)))


def count_characters(session: Session) -> int:
    """How many characters there are."""
    return session.scalar(sa.select(sa.func.count()).select_from(Character)) or 0


def count_to_look_at(session: Session, *, provider: Described, made_before: datetime | None = None) -> int:
    """How many characters have no vector, or were changed since it was made; with `made_before`, or have an older one."""
    return session.scalar(sa.select(sa.func.count()).select_from(_to_look_at(provider, made_before).subquery())) or 0


def keep(
    session: Session,
    *,
    provider: Described,
    pending: Sequence[Pending],
    vectors: npt.NDArray[np.float32],
    now: datetime,
) -> int:
    """Store one vector for each of `pending`; how many characters that was.

    May be repeated: the same hash is the same vector. A character that was deleted meanwhile is passed over.
    """
    alive = set(session.scalars(sa.select(Character.id).where(Character.id.in_([p.character_id for p in pending]))))
    rows = [
        {
            "id": uuid7(),
            "character_id": item.character_id,
            "embedding_type": EmbeddingType.FULL_PROFILE,
            "model_name": model_name(provider),
            "embedding": vector,
            "content_hash": item.content_hash,
            "row_version_seen": item.row_version,
            "details": {"provider": provider.name, "is_local": provider.is_local},
            "updated_at": now,
        }
        for item, vector in zip(pending, vectors, strict=True)
        if item.character_id in alive
    ]
    if not rows:
        return 0
    statement = insert(CharacterEmbedding)
    statement = statement.on_conflict_do_update(
        constraint="uq_character_embeddings_character_id_type_model",
        set_={
            name: statement.excluded[name]
            for name in ("embedding", "content_hash", "row_version_seen", "details", "updated_at")
        },
        # A slow job may come after a quick one with a newer text.
        where=CharacterEmbedding.row_version_seen <= statement.excluded.row_version_seen,
    )
    session.execute(statement, rows)
    return len(rows)


def note_unchanged(session: Session, *, provider: Described, character_ids: Sequence[UUID]) -> None:
    """Note that the vectors of these characters still are of their present texts."""
    session.execute(
        sa.update(CharacterEmbedding)
        .where(_is_of(provider), Character.id.in_(character_ids))
        .values(row_version_seen=Character.row_version)
        .execution_options(synchronize_session=False)
    )


def _to_look_at(provider: Described, made_before: datetime | None = None) -> sa.Select[UUID]:
    wanted = [CharacterEmbedding.id.is_(None), CharacterEmbedding.row_version_seen != Character.row_version]
    if made_before is not None:
        wanted.append(CharacterEmbedding.updated_at < made_before)
    return sa.select(Character.id).outerjoin(CharacterEmbedding, _is_of(provider)).where(sa.or_(*wanted))


def _is_of(provider: Described) -> sa.ColumnElement[bool]:
    return sa.and_(
        CharacterEmbedding.character_id == Character.id,
        CharacterEmbedding.model_name == model_name(provider),
        CharacterEmbedding.embedding_type == EmbeddingType.FULL_PROFILE,
    )
