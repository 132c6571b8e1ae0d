"""Reads of voices and of what was spoken, and who may see which rows."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import Character, CharacterStatus
from studio.authoring.queries import character_writable_by, draft_visible_to
from studio.kit.errors import NotFoundError
from studio.kit.paging import Key, after
from studio.media.models import GenerationState
from studio.voices import rules
from studio.voices.models import OPEN, SpeechSynthesis, VoiceConfiguration, VoiceList
from studio.work.models import Hold, JobRun

T = TypeVar("T")

PAGE = 20


def configuration_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """The voices of characters whose drafts one may read."""
    return VoiceConfiguration.character_id.in_(_characters(draft_visible_to(actor)))


def configuration_writable_by(actor: Actor) -> sa.ColumnElement[bool]:
    """The voices of characters that one may change."""
    return VoiceConfiguration.character_id.in_(_characters(character_writable_by(actor)))


def speech_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """What one had spoken oneself, and the greetings of characters whose drafts one may read, whoever had them spoken."""
    if not actor.may(Permission.SPEECH_MAKE):
        return sa.false()
    greetings = sa.and_(
        SpeechSynthesis.is_greeting, SpeechSynthesis.character_id.in_(_characters(draft_visible_to(actor)))
    )
    return sa.or_(speech_owned_by(actor), greetings)


def speech_owned_by(actor: Actor) -> sa.ColumnElement[bool]:
    """What one had spoken oneself: the words may be of a chat that is nobody else's business."""
    if not actor.may(Permission.SPEECH_MAKE) or actor.user_id is None:
        return sa.false()
    return SpeechSynthesis.user_id == actor.user_id


def _characters(criterion: sa.ColumnElement[bool]) -> sa.ScalarSelect[UUID]:
    return sa.select(Character.id).where(criterion).scalar_subquery()


def get_configuration(session: Session, *, actor: Actor, configuration_id: UUID) -> VoiceConfiguration:
    """The configuration, if the actor may read it; raises NotFoundError."""
    query = sa.select(VoiceConfiguration).where(
        VoiceConfiguration.id == configuration_id, configuration_visible_to(actor)
    )
    return _one(session, query)


def get_speech(session: Session, *, actor: Actor, speech_id: UUID) -> SpeechSynthesis:
    """Speech that the actor may hear; raises NotFoundError."""
    return _one(session, sa.select(SpeechSynthesis).where(SpeechSynthesis.id == speech_id, speech_visible_to(actor)))


def get_own_speech(session: Session, *, actor: Actor, speech_id: UUID, lock: bool = False) -> SpeechSynthesis:
    """What the actor had spoken, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(SpeechSynthesis).where(SpeechSynthesis.id == speech_id, speech_owned_by(actor))
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return _one(session, query)


def list_configurations(session: Session, *, character_id: UUID) -> Sequence[VoiceConfiguration]:
    """The voices of a character that the caller was allowed to see, by language, the active one first."""
    return session.scalars(
        sa.select(VoiceConfiguration)
        .where(VoiceConfiguration.character_id == character_id)
        .order_by(VoiceConfiguration.language, VoiceConfiguration.is_active.desc(), VoiceConfiguration.id)
        .limit(rules.MOST_VOICES)
    ).all()


OF_MODELS = (Key(Character.name), Key(VoiceConfiguration.id))
"""The order of what `of_models` finds."""


def of_models(actor: Actor, models: Collection[tuple[str, str]]) -> sa.Select[VoiceConfiguration]:
    """The voices that the actor may change and that speak by these models (provider, model), joined to their characters.

    What is archived speaks no more and is left out.
    """
    return (
        sa.select(VoiceConfiguration)
        .join(Character, Character.id == VoiceConfiguration.character_id)
        .where(*_of_models(actor, models))
    )


def list_of_models(
    session: Session, *, actor: Actor, models: Collection[tuple[str, str]], limit: int, beyond: Sequence[Any] = ()
) -> list[tuple[VoiceConfiguration, str]]:
    """What `of_models` finds, as (voice, character's name), by name; from the place `beyond` (name, id of a voice) on."""
    query = of_models(actor, models).add_columns(Character.name)
    if beyond:
        query = query.where(after(OF_MODELS, beyond))
    rows = session.execute(query.order_by(*(key.order() for key in OF_MODELS)).limit(limit))
    return [(row[0], row[1]) for row in rows]


def count_of_models(session: Session, *, actor: Actor, models: Collection[tuple[str, str]]) -> int:
    """How many voices `list_of_models` has."""
    query = (
        sa.select(sa.func.count())
        .select_from(VoiceConfiguration)
        .join(Character, Character.id == VoiceConfiguration.character_id)
    )
    return session.scalar(query.where(*_of_models(actor, models))) or 0


def _of_models(actor: Actor, models: Collection[tuple[str, str]]) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        configuration_writable_by(actor),
        Character.status != CharacterStatus.ARCHIVED,
        sa.tuple_(VoiceConfiguration.provider, VoiceConfiguration.model).in_(list(models)),
    )


def list_active(session: Session, *, character_id: UUID) -> Sequence[VoiceConfiguration]:
    """The voices that a character speaks with, one for each language."""
    return session.scalars(
        sa.select(VoiceConfiguration)
        .where(VoiceConfiguration.character_id == character_id, VoiceConfiguration.is_active)
        .order_by(VoiceConfiguration.id)
        .limit(rules.MOST_VOICES)
    ).all()


def list_speech(session: Session, *, actor: Actor, character_id: UUID, limit: int = PAGE) -> Sequence[SpeechSynthesis]:
    """The newest that a character said and the actor may hear."""
    return session.scalars(
        sa.select(SpeechSynthesis)
        .where(speech_visible_to(actor), SpeechSynthesis.character_id == character_id)
        .order_by(SpeechSynthesis.created_at.desc(), SpeechSynthesis.id.desc())
        .limit(limit)
    ).all()


def list_speakers(session: Session, *, actor: Actor, limit: int) -> list[tuple[UUID, str]]:
    """The characters that the actor had speak, as (id, name), by name."""
    spoke = sa.exists().where(SpeechSynthesis.character_id == Character.id, speech_owned_by(actor))
    rows = session.execute(
        sa.select(Character.id, Character.name).where(spoke).order_by(Character.name, Character.id).limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def find_hold(session: Session, speech: SpeechSynthesis) -> Hold | None:
    """Why the job of speech that the caller was allowed to see may not begin yet; None where it may."""
    if speech.state not in OPEN or speech.job_id is None:
        return None
    return session.scalar(sa.select(JobRun.held_for).where(JobRun.id == speech.job_id))


def find_same(session: Session, *, user_id: UUID, cache_key: str) -> SpeechSynthesis | None:
    """What a person had spoken with this hash, and whose audio is there."""
    return session.scalar(
        sa.select(SpeechSynthesis)
        .where(
            SpeechSynthesis.user_id == user_id,
            SpeechSynthesis.cache_key == cache_key,
            SpeechSynthesis.state == GenerationState.COMPLETED,
        )
        .limit(1)
    )


def find_kept(session: Session, *, user_id: UUID, cache_key: str, character_id: UUID) -> SpeechSynthesis | None:
    """The row that the unique index allows one of, locked: made, or being made, for this character."""
    return session.scalar(
        sa.select(SpeechSynthesis)
        .where(
            SpeechSynthesis.user_id == user_id,
            SpeechSynthesis.cache_key == cache_key,
            SpeechSynthesis.character_id == character_id,
            SpeechSynthesis.state.in_((*OPEN, GenerationState.COMPLETED)),
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def find_list(session: Session, *, provider: str) -> VoiceList | None:
    """The provider's list as it was kept."""
    return session.get(VoiceList, provider)


def count_under_way(session: Session, *, user_id: UUID, now: datetime) -> int:
    """How much of a person's speech is being made; what has lain for an hour has lost its job."""
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(SpeechSynthesis)
            .where(
                SpeechSynthesis.user_id == user_id,
                SpeechSynthesis.created_at > now - timedelta(hours=1),
                SpeechSynthesis.state.in_(OPEN),
            )
        )
        or 0
    )


def characters_today(session: Session, *, user_id: UUID, now: datetime) -> int:
    """The characters that a person had spoken since midnight UTC by providers that cost.

    What is under way is among them, and what failed after it was paid for.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    used = sa.func.coalesce(SpeechSynthesis.characters, sa.func.char_length(SpeechSynthesis.text))
    return int(
        session.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(used), 0)).where(
                SpeechSynthesis.user_id == user_id,
                SpeechSynthesis.created_at >= midnight,
                sa.or_(
                    SpeechSynthesis.state.in_((*OPEN, GenerationState.COMPLETED)),
                    SpeechSynthesis.characters.is_not(None),
                ),
                SpeechSynthesis.provider != "local",
                # What was found again cost nothing.
                sa.or_(SpeechSynthesis.cost_micro.is_(None), SpeechSynthesis.cost_micro > 0),
            )
        )
        or 0
    )


def _one(session: Session, query: sa.Select[T]) -> T:
    row: T | None = session.scalar(query)
    if row is None:
        raise NotFoundError
    return row
