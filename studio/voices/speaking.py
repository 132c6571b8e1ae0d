"""Having a text spoken: asked for once, made by a job, found again by the hash of everything that changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts import audit
from studio.accounts.permissions import Actor, Permission
from studio.authoring import queries as authoring
from studio.kit.errors import ForbiddenError, StudioError
from studio.kit.orm import lock_row
from studio.media import files
from studio.media.errors import FullLibraryError
from studio.media.models import GenerationState, MediaPurpose
from studio.providers.speech import SpeechPrices, SpeechProvider, Spoken, Wanted, prices_from
from studio.providers.storage import Storage
from studio.settings import Settings
from studio.voices import queries, rules
from studio.voices.audio import Measured
from studio.voices.errors import NoRoomForSpeechError, SpeechSpentError, SpokenMeanwhileError, TooManyUnderWayError
from studio.voices.models import OPEN, SpeechSynthesis
from studio.voices.rules import VoiceDraft
from studio.work import budgets
from studio.work.models import FINAL, JobRun

_SUFFIXES = {"audio/wav": "wav", "audio/mpeg": "mp3"}


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms people have texts spoken: prices, characters of a day, the studio's budget for a month, room for files.

    `quota_bytes` are what a person may keep of all files. Of all limits 0 is none; `local` are the providers that cost
    nothing.
    """

    prices: SpeechPrices
    daily_characters: int
    budget_micro: int = 0
    local: frozenset[str] = frozenset({"local"})
    quota_bytes: int = 0

    def is_assumed(self, draft: VoiceDraft) -> bool:
        """Whether nobody said what the voice costs, and it does cost something."""
        return self.prices.is_assumed(draft.provider, draft.model, is_local=draft.provider in self.local)


def terms_from(settings: Settings, providers: Mapping[str, SpeechProvider]) -> Terms:
    """The terms by the settings, and by which of the providers cost nothing."""
    return Terms(
        prices=prices_from(settings),
        daily_characters=settings.speech_daily_characters,
        budget_micro=settings.budget_micro,
        local=frozenset(name for name, one in providers.items() if one.is_local),
        quota_bytes=settings.media_quota * 1_000_000,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something is about to cost: its kind, millionths of the currency (None where nobody knows), and how much of it."""

    kind: str
    cost_micro: int | None
    currency: str
    characters: int


def check_budget(session: Session, *, user_id: UUID, estimate: Estimate, terms: Terms, now: datetime) -> None:
    """Return if the person may spend this; raises SpeechSpentError, OverBudgetError or TooManyUnderWayError.

    The one place that is asked before speech is made. Whoever waits for it is told at once, and not held in a queue.

    Whoever calls it holds the lock of the person's speech, so that two requests at once cannot both take the last
    characters.
    """
    if queries.count_under_way(session, user_id=user_id, now=now) >= rules.MOST_UNDER_WAY:
        raise TooManyUnderWayError
    budgets.require(
        session,
        user_id=user_id,
        estimate_micro=estimate.cost_micro or 0,
        default_micro=terms.budget_micro,
        currency=estimate.currency,
        now=now,
    )
    check_day(session, user_id=user_id, estimate=estimate, terms=terms, now=now)


def check_day(session: Session, *, user_id: UUID, estimate: Estimate, terms: Terms, now: datetime) -> None:
    """Return if the person's characters of the day have room for this; raises SpeechSpentError. What is free needs none."""
    if estimate.cost_micro == 0 or not terms.daily_characters:
        return
    used = queries.characters_today(session, user_id=user_id, now=now)
    if used + estimate.characters > terms.daily_characters:
        raise SpeechSpentError(most=terms.daily_characters)


def check_room(session: Session, *, user_id: UUID, wanted: Wanted, terms: Terms) -> None:
    """Return if the audio will fit beside the files that the person keeps; raises NoRoomForSpeechError.

    It is looked at before anything is spoken: what was paid for is kept, even where others took the room meanwhile.
    """
    try:
        files.refuse_full(session, owner_id=user_id, more=rules.room_of(wanted), quota=terms.quota_bytes)
    except FullLibraryError as error:
        raise NoRoomForSpeechError(limit=error.params["limit"]) from None


def ask(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    draft: VoiceDraft,
    text: str,
    terms: Terms,
    models: Sequence[str] = (),
    configuration_id: UUID | None = None,
    now: datetime,
) -> SpeechSynthesis:
    """The text is spoken, or about to be: what was made before with all the same is given again and costs nothing.

    Raises NotFoundError, ForbiddenError, InvalidError, or what `check_budget` and `check_room` raise.
    """
    actor.must(Permission.SPEECH_MAKE)
    character = authoring.get_draft(session, actor=actor, character_id=character_id)
    found = rules.cleaned(draft, models=models)
    wanted = found.wanted(rules.checked_text(text, found.can))
    key = rules.cache_key(found.provider, wanted)
    user_id = actor.user_id
    if user_id is None:
        raise ForbiddenError
    lock_person(session, user_id=user_id)
    kept = queries.find_kept(session, user_id=user_id, cache_key=key, character_id=character.id)
    if kept is not None and not is_lost(session, kept):
        return kept
    same = queries.find_same(session, user_id=user_id, cache_key=key)
    cost: int | None = 0
    if same is None:
        estimate = estimate_of(found, wanted, terms)
        cost = estimate.cost_micro
        check_budget(session, user_id=user_id, estimate=estimate, terms=terms, now=now)
        check_room(session, user_id=user_id, wanted=wanted, terms=terms)
    row = kept or SpeechSynthesis(user_id=user_id, character_id=character.id, cache_key=key, created_at=now)
    describe(row, found, wanted, currency=terms.prices.currency, configuration_id=configuration_id)
    session.add(row)
    if same is not None:
        copy_audio(row, same)
        session.flush()
        return row
    row.state = GenerationState.PENDING
    session.flush()
    _order(session, row, actor=actor, estimate_micro=cost or 0, now=now)
    return row


def lock_person(session: Session, *, user_id: UUID) -> None:
    """The person's speech is asked for one after the other until the transaction ends.

    The same may be asked for twice at once, and characters of the day are spent where it is.
    """
    lock = sa.func.hashtextextended(f"speech:{user_id}", 0)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))


def estimate_of(draft: VoiceDraft, wanted: Wanted, terms: Terms) -> Estimate:
    """What having the text spoken is about to cost."""
    cost = terms.prices.estimate_micro(
        draft.provider, draft.model, text=wanted.text, is_local=draft.provider in terms.local
    )
    return Estimate(kind="speech", cost_micro=cost, currency=terms.prices.currency, characters=len(wanted.text))


def describe(
    row: SpeechSynthesis, draft: VoiceDraft, wanted: Wanted, *, currency: str, configuration_id: UUID | None
) -> None:
    """The row says what is spoken, by which voice, and nothing of a failure before."""
    row.voice_configuration_id = configuration_id
    row.provider, row.model = draft.provider, draft.model
    row.voice_id, row.voice_name, row.language = draft.voice_id, draft.voice_name, draft.language
    row.tuning, row.text, row.currency = draft.tuning.as_json(), wanted.text, currency
    row.failure = None


def try_again(session: Session, *, actor: Actor, speech_id: UUID, terms: Terms, now: datetime) -> SpeechSynthesis:
    """What failed or was stopped is made after all, by a row of its own. Raises as `ask`."""
    row = queries.get_own_speech(session, actor=actor, speech_id=speech_id)
    if row.character_id is None:
        # Its character is gone, and with it whoever might say whether it may be spoken for.
        authoring.get_draft(session, actor=actor, character_id=row.id)
    draft = VoiceDraft(
        provider=row.provider,
        voice_id=row.voice_id,
        language=row.language,
        model=row.model,
        voice_name=row.voice_name,
        tuning=rules.tuning_of(row.tuning),
    )
    return ask(
        session,
        actor=actor,
        character_id=row.character_id or row.id,
        draft=draft,
        text=row.text,
        terms=terms,
        models=(row.model,) if row.model else (),
        configuration_id=row.voice_configuration_id,
        now=now,
    )


def begin(session: Session, *, speech_id: UUID) -> tuple[str, Wanted] | None:
    """(provider, what is wanted) of speech that is to be made now; None where it is made, or gone.

    What failed or was stopped is made after all: its job was begun again. Raises SpokenMeanwhileError where the same
    words stand elsewhere by now.
    """
    user_id = session.scalar(sa.select(SpeechSynthesis.user_id).where(SpeechSynthesis.id == speech_id))
    if user_id is None:
        return None
    # The same may be asked for anew at this moment.
    lock_person(session, user_id=user_id)
    row = _locked(session, speech_id)
    if row is None or row.state is GenerationState.COMPLETED:
        return None
    if row.state not in OPEN and row.character_id is not None:
        same = queries.find_kept(session, user_id=user_id, cache_key=row.cache_key, character_id=row.character_id)
        if same is not None:
            raise SpokenMeanwhileError
    row.state, row.failure = GenerationState.RUNNING, None
    return row.provider, Wanted(
        text=row.text,
        language=row.language,
        voice_id=row.voice_id,
        model=row.model,
        tuning=rules.tuning_of(row.tuning),
    )


def facts_of(characters: int, cost_micro: int | None, *, error: StudioError | None = None) -> dict[str, Any]:
    """What is held of an answer beside the audio: what it took, and why there is none where the provider was paid in vain."""
    failure = None if error is None else rules.failure_of(error)
    return {"characters": characters, "cost_micro": cost_micro, "failure": failure}


def keep(
    session: Session,
    *,
    speech_id: UUID,
    spoken: Spoken,
    measured: Measured,
    cost_micro: int | None,
    took_ms: int,
    storage: Storage,
) -> SpeechSynthesis | None:
    """The audio is kept with the speech; None where somebody else was first or the speech is gone."""
    row = _locked(session, speech_id)
    if row is None or row.state not in OPEN:
        return None
    suffix = _SUFFIXES[measured.media_type]
    file = files.put(
        session,
        storage=storage,
        data=spoken.audio,
        owner_id=row.user_id,
        purpose=MediaPurpose.SPEECH,
        media_type=measured.media_type,
        original_name=f"speech-{row.id}.{suffix}",
        details={"duration_ms": measured.duration_ms},
    )
    row.audio_file_id = file.id
    row.state = GenerationState.COMPLETED
    row.duration_ms = measured.duration_ms
    row.peaks = list(measured.peaks)
    _count(row, spoken.characters, cost_micro)
    row.processing_time_ms = took_ms
    session.flush()
    return row


def fail(
    session: Session,
    *,
    speech_id: UUID,
    error: StudioError,
    characters: int | None = None,
    cost_micro: int | None = None,
) -> None:
    """The speech did not come about, and its row says why; with `characters`, what was paid in vain stands there too."""
    row = _locked(session, speech_id)
    if row is not None and row.state in OPEN:
        row.state = GenerationState.FAILED
        row.failure = rules.failure_of(error)
        _count(row, characters, cost_micro)
        session.flush()


def _count(row: SpeechSynthesis, characters: int | None, cost_micro: int | None) -> None:
    """What one attempt took comes to what those before it took in vain."""
    if characters is not None:
        row.characters = (row.characters or 0) + characters
    if cost_micro is not None:
        row.cost_micro = (row.cost_micro or 0) + cost_micro


def settle(session: Session, row: SpeechSynthesis) -> SpeechSynthesis:
    """Speech whose job has ended without it (stopped, or given up) is cancelled, so that nobody waits for it."""
    if row.state in OPEN and is_lost(session, row):
        locked = _locked(session, row.id)
        if locked is not None and locked.state in OPEN:
            locked.state = GenerationState.CANCELLED
            session.flush()
    return row


def sweep(session: Session, *, limit: int) -> int:
    """At most `limit` that are open without a job are cancelled; returns how many."""
    ended = sa.select(JobRun.id).where(JobRun.id == SpeechSynthesis.job_id, JobRun.state.not_in(FINAL))
    rows = session.scalars(
        sa.select(SpeechSynthesis)
        .where(SpeechSynthesis.state.in_(OPEN), ~ended.exists())
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for row in rows:
        row.state = GenerationState.CANCELLED
    session.flush()
    return len(rows)


def forget(session: Session, *, actor: Actor, speech_id: UUID) -> UUID | None:
    """The actor's speech is gone with its audio, from messages too; returns its character. Raises NotFoundError."""
    row = queries.get_own_speech(session, actor=actor, speech_id=speech_id, lock=True)
    character_id, file_id = row.character_id, row.audio_file_id
    audit.record(
        session,
        actor=actor,
        action="speech.delete",
        resource="speech",
        resource_id=row.id,
        before={"provider": row.provider, "characters": row.characters},
    )
    session.delete(row)
    session.flush()
    if file_id is not None:
        _drop_file(session, file_id)
    return character_id


def _drop_file(session: Session, file_id: UUID) -> None:
    """The file goes with the last that uses it; who would use it from here on waits for us."""
    if not files.loose(session, file_ids=[file_id]):
        return
    for sha256 in files.forget(session, file_ids=[file_id]):
        work.ask(session, "media.drop_bytes", queue="bulk", dedupe_key=f"media.drop_bytes:{sha256}", sha256=sha256)


def _order(session: Session, row: SpeechSynthesis, *, actor: Actor, estimate_micro: int, now: datetime) -> None:
    job = work.ask(
        session,
        "voices.speak",
        actor=actor,
        about=("character", row.character_id) if row.character_id else None,
        dedupe_key=f"voices.speak:{row.id}",
        max_attempts=3,
        estimate_micro=estimate_micro,
        now=now,
        speech_id=row.id,
    )
    session.flush()
    row.job_id = job.id
    session.flush()


def copy_audio(row: SpeechSynthesis, same: SpeechSynthesis) -> None:
    """The row has the audio that another character's row has, and cost nothing."""
    row.state = GenerationState.COMPLETED
    row.audio_file_id, row.duration_ms, row.peaks = same.audio_file_id, same.duration_ms, list(same.peaks)
    row.characters, row.cost_micro, row.processing_time_ms = 0, 0, 0


def is_lost(session: Session, row: SpeechSynthesis) -> bool:
    """Whether nobody makes what is open."""
    if row.state not in OPEN:
        return False
    if row.job_id is None:
        return True
    state = session.scalar(sa.select(JobRun.state).where(JobRun.id == row.job_id))
    return state is None or state in FINAL


def _locked(session: Session, speech_id: UUID) -> SpeechSynthesis | None:
    return lock_row(session, SpeechSynthesis, speech_id)
