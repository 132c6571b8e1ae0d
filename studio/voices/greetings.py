"""Having the greetings of many characters spoken: which are left, what they are expected to cost, and one at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import Character, CharacterStatus, Greeting
from studio.authoring.queries import draft_visible_to
from studio.cards import macros
from studio.kit.errors import ForbiddenError, InvalidError
from studio.media.models import GenerationState
from studio.providers.speech import Wanted
from studio.voices import configurations, queries, rules, speaking
from studio.voices.models import SpeechSynthesis, VoiceConfiguration
from studio.voices.rules import VoiceDraft
from studio.voices.speaking import Terms
from studio.work import paid

LOOKED_AT = 2_000
"""Greetings that a forecast looks at one by one; of more it takes as many by chance, and says that it guesses."""

_READ = 20_000
"""Signs of a greeting that are read: far more than any voice speaks at once."""

_LISTENERS = {"zh": "你", "ja": "あなた", "yue": "你"}
_LISTENER = "friend"
"""What `{{user}}` is when nobody in particular listens."""


@dataclass(frozen=True, slots=True)
class Line:
    """One greeting as its character's voice would speak it."""

    character_id: UUID
    configuration_id: UUID
    draft: VoiceDraft
    wanted: Wanted
    cache_key: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The greetings of some characters that can be spoken, each once, and how many cannot."""

    lines: Sequence[Line]
    left_out: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What speaking all greetings would be.

    `total` counts those of characters with a voice, `count` what is left to do, `left_out` what no voice here can
    speak, `unpriced` those of whose price nobody said anything, and which count as assumed; `characters` are the signs that cost. With `is_guess` a part of
    them was looked at.
    """

    total: int
    count: int
    cost_micro: int
    characters: int
    unpriced: int
    left_out: int
    is_guess: bool


def speakable_by(actor: Actor) -> sa.ColumnElement[bool]:
    """Characters that the actor may have speak, that have a voice and a greeting."""
    if not actor.may(Permission.SPEECH_MAKE):
        return sa.false()
    return sa.and_(
        draft_visible_to(actor),
        Character.status != CharacterStatus.ARCHIVED,
        Character.id.in_(
            sa.select(VoiceConfiguration.character_id).where(VoiceConfiguration.is_active).correlate(None)
        ),
        Character.id.in_(sa.select(Greeting.character_id).correlate(None)),
    )


def count_voiceless(session: Session, *, actor: Actor) -> int:
    """How many characters that the actor may have speak have a greeting and no voice."""
    if not actor.may(Permission.SPEECH_MAKE):
        return 0
    has_voice = sa.exists().where(VoiceConfiguration.character_id == Character.id, VoiceConfiguration.is_active)
    query = (
        sa.select(sa.func.count())
        .select_from(Character)
        .where(
            draft_visible_to(actor),
            Character.status != CharacterStatus.ARCHIVED,
            sa.exists().where(Greeting.character_id == Character.id),
            ~has_voice,
        )
    )
    return session.scalar(query) or 0


def count_greetings(session: Session, *, actor: Actor) -> int:
    """How many greetings these characters have."""
    query = sa.select(sa.func.count()).select_from(Greeting).join(Character, Character.id == Greeting.character_id)
    return session.scalar(query.where(speakable_by(actor))) or 0


def character_ids(session: Session, *, actor: Actor, after: UUID | None, size: int) -> Sequence[UUID]:
    """The next of these characters, by id."""
    query = sa.select(Character.id).where(speakable_by(actor)).order_by(Character.id).limit(size)
    return session.scalars(query if after is None else query.where(Character.id > after)).all()


def plan(session: Session, *, character_ids: Sequence[UUID], is_usable: Callable[[str], bool]) -> Plan:
    """How each greeting of characters that the caller was allowed to see would be spoken.

    `is_usable` says of a provider's name whether it can be asked here.
    """
    query = sa.select(Greeting.id).where(Greeting.character_id.in_(character_ids))
    return _plan(session, session.scalars(query).all(), is_usable)


def to_do(session: Session, *, lines: Sequence[Line]) -> list[Line]:
    """Those of the lines of which there is no audio yet that everybody who may read the draft hears."""
    rows = session.execute(
        sa.select(SpeechSynthesis.character_id, SpeechSynthesis.cache_key).where(
            SpeechSynthesis.is_greeting,
            SpeechSynthesis.state == GenerationState.COMPLETED,
            SpeechSynthesis.character_id.in_({line.character_id for line in lines}),
            SpeechSynthesis.cache_key.in_({line.cache_key for line in lines}),
        )
    )
    made = {(row[0], row[1]) for row in rows}
    return [line for line in lines if (line.character_id, line.cache_key) not in made]


def own_keys(session: Session, *, actor: Actor, keys: Sequence[str]) -> set[str]:
    """Those of the hashes of which the actor has audio, for whichever character: it is given again."""
    return set(
        session.scalars(
            sa.select(SpeechSynthesis.cache_key).where(
                SpeechSynthesis.user_id == actor.user_id,
                SpeechSynthesis.state == GenerationState.COMPLETED,
                SpeechSynthesis.cache_key.in_(keys),
            )
        )
    )


def paid_for(session: Session, *, job_id: UUID) -> set[tuple[UUID | None, str]]:
    """(character, hash) of the lines for which the job paid a provider, and did not come to keep the audio."""
    rows = session.execute(
        sa.select(SpeechSynthesis.character_id, SpeechSynthesis.cache_key).where(
            SpeechSynthesis.id.in_(paid.held_for(session, job_id=job_id))
        )
    )
    return {(row[0], row[1]) for row in rows}


def forecast(
    session: Session, *, actor: Actor, terms: Terms, is_usable: Callable[[str], bool], looked_at: int = LOOKED_AT
) -> Forecast:
    """What speaking everything that the actor may have spoken would be; nothing is done."""
    total = count_greetings(session, actor=actor)
    is_guess = total > looked_at
    query = sa.select(Greeting.id).join(Character, Character.id == Greeting.character_id).where(speakable_by(actor))
    if is_guess:
        query = query.order_by(sa.func.hashtextextended(sa.cast(Greeting.id, sa.Text), 0)).limit(looked_at)
    ids = session.scalars(query).all()
    found = _plan(session, ids, is_usable)
    left = to_do(session, lines=found.lines)
    own = own_keys(session, actor=actor, keys=[line.cache_key for line in left])
    costly = [line for line in left if line.cache_key not in own]
    estimates = [speaking.estimate_of(line.draft, line.wanted, terms) for line in costly]
    scale = total / len(ids) if is_guess and ids else 1.0
    return Forecast(
        total=total,
        count=round(len(left) * scale),
        cost_micro=round(sum(one.cost_micro or 0 for one in estimates) * scale),
        characters=round(sum(one.characters for one in estimates if one.cost_micro != 0) * scale),
        unpriced=round(sum(terms.is_assumed(line.draft) for line in costly) * scale),
        left_out=round(found.left_out * scale),
        is_guess=is_guess,
    )


def begin(
    session: Session, *, actor: Actor, line: Line, terms: Terms, job_id: UUID, now: datetime
) -> SpeechSynthesis | None:
    """The speech that the job is to make of the line; None where the audio is there, or another job makes it.

    What the actor had spoken before with all the same becomes the greeting, and costs nothing. Raises ForbiddenError,
    SpeechSpentError or NoRoomForSpeechError.
    """
    actor.must(Permission.SPEECH_MAKE)
    user_id = actor.user_id
    if user_id is None:
        raise ForbiddenError
    speaking.lock_person(session, user_id=user_id)
    if not to_do(session, lines=[line]):
        return None
    kept = queries.find_kept(session, user_id=user_id, cache_key=line.cache_key, character_id=line.character_id)
    if kept is not None:
        kept.is_greeting = True
        is_others = kept.job_id != job_id and not speaking.is_lost(session, kept)
        if kept.state is GenerationState.COMPLETED or is_others:
            session.flush()
            return None
    row = kept or SpeechSynthesis(
        user_id=user_id, character_id=line.character_id, cache_key=line.cache_key, is_greeting=True, created_at=now
    )
    same = queries.find_same(session, user_id=user_id, cache_key=line.cache_key)
    if same is None:
        estimate = speaking.estimate_of(line.draft, line.wanted, terms)
        speaking.check_day(session, user_id=user_id, estimate=estimate, terms=terms, now=now)
        speaking.check_room(session, user_id=user_id, wanted=line.wanted, terms=terms)
    speaking.describe(
        row, line.draft, line.wanted, currency=terms.prices.currency, configuration_id=line.configuration_id
    )
    row.job_id, row.state = job_id, GenerationState.RUNNING
    if same is not None:
        speaking.copy_audio(row, same)
    session.add(row)
    session.flush()
    return None if same is not None else row


def drop(session: Session, *, speech_id: UUID) -> None:
    """Speech that was begun and is to be tried again later leaves nothing behind. May be repeated."""
    session.execute(
        sa.delete(SpeechSynthesis).where(
            SpeechSynthesis.id == speech_id, SpeechSynthesis.state == GenerationState.RUNNING
        )
    )


def _plan(session: Session, greeting_ids: Sequence[UUID], is_usable: Callable[[str], bool]) -> Plan:
    rows = session.execute(
        sa.select(
            Greeting.character_id,
            sa.func.left(Greeting.content, _READ),
            Character.name,
            Character.nickname,
            Character.language,
        )
        .join(Character, Character.id == Greeting.character_id)
        .where(Greeting.id.in_(greeting_ids))
        .order_by(Greeting.character_id, Greeting.kind, Greeting.position)
    ).all()
    voices = _voices(session, {row[0] for row in rows})
    lines: dict[tuple[UUID, str], Line] = {}
    left_out = 0
    for character_id, content, name, nickname, language in rows:
        text = _spoken(content, char=nickname or name, language=language)
        voice = rules.voice_for(text, active=voices.get(character_id, ()), language=language)
        line = _line(character_id, voice, text) if voice is not None and is_usable(voice.provider) else None
        if line is None:
            left_out += 1
        else:
            lines.setdefault((character_id, line.cache_key), line)
    return Plan(list(lines.values()), left_out)


def _line(character_id: UUID, voice: VoiceConfiguration, text: str) -> Line | None:
    """The line, by the same hash as "Listen" has; None where the voice cannot speak it."""
    try:
        draft = rules.cleaned(configurations.draft_of(voice), models=(voice.model,) if voice.model else ())
        wanted = draft.wanted(rules.checked_text(text, draft.can))
    except InvalidError:
        return None
    return Line(character_id, voice.id, draft, wanted, rules.cache_key(draft.provider, wanted))


def _spoken(content: str, *, char: str, language: str) -> str:
    listener = _LISTENERS.get(rules.primary(language), _LISTENER)
    return rules.spoken_text(macros.render(content, char=char, user=listener))


def _voices(session: Session, character_ids: set[UUID]) -> dict[UUID, list[VoiceConfiguration]]:
    found: dict[UUID, list[VoiceConfiguration]] = {}
    rows = session.scalars(
        sa.select(VoiceConfiguration)
        .where(VoiceConfiguration.character_id.in_(character_ids), VoiceConfiguration.is_active)
        .order_by(VoiceConfiguration.id)
    )
    for row in rows:
        found.setdefault(row.character_id, []).append(row)
    return found
