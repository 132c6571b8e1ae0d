"""Choosing how a character sounds: voices by language, of which one is active for each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts import audit
from studio.accounts.permissions import Actor
from studio.authoring import queries as authoring
from studio.authoring.errors import ArchivedCharacterError
from studio.authoring.models import Character, CharacterStatus
from studio.kit.errors import NotFoundError, StaleError
from studio.kit.orm import lock_row
from studio.providers.speech import Tuning, mapping
from studio.providers.speech.abilities import NUMBERS
from studio.voices import queries, rules
from studio.voices.errors import TooManyVoicesError
from studio.voices.models import VoiceConfiguration
from studio.voices.rules import COLUMNS, VoiceDraft


def create(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    draft: VoiceDraft,
    models: Sequence[str] = (),
    is_active: bool = True,
    now: datetime,
) -> VoiceConfiguration:
    """The character has one more voice; where it is active, it is the one of its language from now on.

    Raises NotFoundError, ArchivedCharacterError, InvalidError or TooManyVoicesError.
    """
    character = _character(session, actor=actor, character_id=character_id)
    found = rules.cleaned(draft, models=models)
    count = sa.select(sa.func.count()).select_from(VoiceConfiguration)
    if (session.scalar(count.where(VoiceConfiguration.character_id == character.id)) or 0) >= rules.MOST_VOICES:
        raise TooManyVoicesError(most=rules.MOST_VOICES)
    if is_active:
        _stand_down(session, character_id=character.id, language=found.language)
    row = VoiceConfiguration(
        character_id=character.id, is_active=is_active, created_at=now, updated_at=now, **_columns(found)
    )
    session.add(row)
    session.flush()
    audit.record(session, actor=actor, action="voice.create", resource="voice", resource_id=row.id, after=_audited(row))
    return row


def update(
    session: Session,
    *,
    actor: Actor,
    configuration_id: UUID,
    row_version: int | None,
    draft: VoiceDraft,
    models: Sequence[str] = (),
    is_active: bool,
    now: datetime,
) -> VoiceConfiguration:
    """The voice is as the draft says. Raises what `create` raises, or StaleError where somebody saved in between."""
    row = _locked(session, actor=actor, configuration_id=configuration_id)
    if row_version is not None and row.row_version != row_version:
        raise StaleError
    found = rules.cleaned(draft, models=models)
    before = _audited(row)
    if is_active:
        _stand_down(session, character_id=row.character_id, language=found.language, but=row.id)
    for name, value in _columns(found).items():
        setattr(row, name, value)
    row.is_active = is_active
    row.updated_at = now
    session.flush()
    audit.record_changes(
        session,
        actor=actor,
        action="voice.update",
        resource="voice",
        resource_id=row.id,
        before=before,
        after=_audited(row),
    )
    return row


def change_model(
    session: Session, *, actor: Actor, configuration_id: UUID, row_version: int | None, model: str, now: datetime
) -> VoiceConfiguration:
    """The voice speaks by another model of its provider from now on, as it did, within what that model can.

    Raises as `update`: InvalidError with "voice_id" among its fields where the model does not have the voice.
    """
    row = _locked(session, actor=actor, configuration_id=configuration_id)
    draft = replace(draft_of(row), model=model)
    within = {name: float(value) for name, value in mapping.used(draft.tuning, draft.can).items() if name in NUMBERS}
    return update(
        session,
        actor=actor,
        configuration_id=row.id,
        row_version=row_version,
        draft=replace(draft, tuning=Tuning(**{**draft.tuning.as_json(), **within})),
        models=(model,),
        is_active=row.is_active,
        now=now,
    )


def change_models(session: Session, *, actor: Actor, successors: Mapping[tuple[str, str], str], now: datetime) -> int:
    """The actor's voices that speak by a model of `successors` speak by its successor from now on; returns how many.

    At most MOST_CHANGED at once; a voice that the successor does not have stays as it is, and keeps none behind it waiting.
    """
    count = 0
    beyond: tuple[Any, ...] = ()
    while some := queries.list_of_models(
        session, actor=actor, models=successors.keys(), limit=rules.CLOSING_PAGE, beyond=beyond
    ):
        for row, name in some:
            beyond = (name, row.id)
            model = successors[row.provider, row.model]
            if rules.has_voice(row.provider, model=model, voice_id=row.voice_id):
                change_model(session, actor=actor, configuration_id=row.id, row_version=None, model=model, now=now)
                count += 1
            if count == rules.MOST_CHANGED:
                return count
    return count


def activate(session: Session, *, actor: Actor, configuration_id: UUID, now: datetime) -> VoiceConfiguration:
    """The character speaks the voice's language with it from now on. May be repeated. Raises as `update`."""
    row = _locked(session, actor=actor, configuration_id=configuration_id)
    if not row.is_active:
        _stand_down(session, character_id=row.character_id, language=row.language, but=row.id)
        row.is_active = True
        row.updated_at = now
        session.flush()
        audit.record(
            session,
            actor=actor,
            action="voice.activate",
            resource="voice",
            resource_id=row.id,
            after={"language": row.language},
        )
    return row


def delete(session: Session, *, actor: Actor, configuration_id: UUID) -> UUID:
    """The voice is gone; what it spoke stays. Returns the character's id. Raises NotFoundError, ArchivedCharacterError."""
    row = _locked(session, actor=actor, configuration_id=configuration_id)
    character_id: UUID = row.character_id
    audit.record(
        session, actor=actor, action="voice.delete", resource="voice", resource_id=row.id, before=_audited(row)
    )
    session.delete(row)
    session.flush()
    return character_id


def draft_of(row: VoiceConfiguration) -> VoiceDraft:
    """The configuration as somebody wants it."""
    return VoiceDraft(
        provider=row.provider,
        voice_id=row.voice_id,
        language=row.language,
        model=row.model,
        voice_name=row.voice_name,
        tuning=Tuning(
            **{name: getattr(row, column) for name, column in COLUMNS.items()},
            manner=row.manner,
            instructions=row.instructions,
        ),
    )


def _character(session: Session, *, actor: Actor, character_id: UUID) -> Character:
    """The character, locked: its voices change one after the other."""
    character = authoring.get_writable(session, actor=actor, character_id=character_id)
    if character.status is CharacterStatus.ARCHIVED:
        raise ArchivedCharacterError
    return character


def _locked(session: Session, *, actor: Actor, configuration_id: UUID) -> VoiceConfiguration:
    row = queries.get_configuration(session, actor=actor, configuration_id=configuration_id)
    _character(session, actor=actor, character_id=row.character_id)
    # What was read before the lock may have changed since, or be gone.
    found = lock_row(session, VoiceConfiguration, row.id, key_share=False)
    if found is None:
        raise NotFoundError
    return found


def _stand_down(session: Session, *, character_id: UUID, language: str, but: UUID | None = None) -> None:
    """No other voice of the language is active; the unique index looks at every statement."""
    rows = session.scalars(
        sa.select(VoiceConfiguration).where(
            VoiceConfiguration.character_id == character_id,
            VoiceConfiguration.language == language,
            VoiceConfiguration.is_active,
            VoiceConfiguration.id.is_distinct_from(but),
        )
    )
    for row in rows:
        row.is_active = False
    session.flush()


def _columns(draft: VoiceDraft) -> dict[str, Any]:
    return {
        "provider": draft.provider,
        "model": draft.model,
        "voice_id": draft.voice_id,
        "voice_name": draft.voice_name,
        "language": draft.language,
        **{column: getattr(draft.tuning, name) for name, column in COLUMNS.items()},
        "manner": draft.tuning.manner,
        "instructions": draft.tuning.instructions,
    }


def _audited(row: VoiceConfiguration) -> dict[str, Any]:
    return {**_columns(draft_of(row)), "is_active": row.is_active}
