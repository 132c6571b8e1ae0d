"""Jobs of voices: one text spoken, the greetings of many characters, a provider's list of voices, and what was left open."""

import time
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from jobs.registry import JobContext, job
from studio.accounts.permissions import Actor
from studio.accounts.queries import find_active
from studio.chat import attachments
from studio.kit.errors import ForbiddenError, InvalidError, StudioError
from studio.providers.errors import ProviderError, ProviderNotConfiguredError
from studio.providers.speech import Spoken, Usage, Wanted, prices_from
from studio.voices import audio, greetings, lists, speaking
from studio.voices.audio import Measured
from studio.voices.errors import SpeechFailedError, UnusableAudioError
from studio.voices.greetings import Line
from studio.voices.speaking import Terms
from studio.work import paid
from studio.work.figures import earlier_of

_BATCH = 200

_CHARACTERS = 25
"""Characters whose greetings are looked at together."""

_IN_A_ROW = 5
"""So many greetings that failed one after the other are no chance: the job stops, and says why."""

_FOR_ALL = frozenset({401, 402, 403})
"""HTTP statuses of refusals that the next greeting would meet as well: the key, the credit, the permission."""


@job("voices.speak", max_attempts=3, timeout=600)
def speak(run: JobContext, *, speech_id: UUID) -> dict[str, int] | None:
    """Have one text spoken, checked and kept; a refusal stands with the speech, and somebody may ask again."""
    run.progress("Asking the voice", 10)
    with run.transaction() as session:
        found = speaking.begin(session, speech_id=speech_id)
    if found is None:
        return {"made": 0}
    kind, wanted = found
    began = time.monotonic()
    made = _held(run, speech_id)
    if made is None:
        # Whoever has it spoken again pays again: the budget is asked just before.
        run.afford(_estimate(run, kind, wanted))
        made = _made(run, speech_id, kind, wanted)
    if isinstance(made, _Refused):
        failure = SpeechFailedError(made.error.msgid, **made.error.params)
        # Whoever waits is told at once, and asks again by a button: trying on by itself might cost again and again.
        with run.giving_up(failure) as session:
            _fail(session, speech_id, made)
        raise failure
    run.progress("Keeping the audio", 90)
    with run.transaction(last=True) as session:
        run.result = {"made": int(_keep(run, session, speech_id, made, began))}
    return None


@job("voices.speak_greetings", queue="background", max_attempts=5, timeout=24 * 3600)
def speak_greetings(run: JobContext) -> dict[str, int]:
    """Have every greeting spoken that whoever asked may have spoken; what is there already is left, and costs nothing.

    A text that its provider declines stands in the history with the reason, and the next one follows. What the next
    one would meet as well (no credit, five failures in a row, the day's characters) ends the job with its sentence.
    """
    terms = speaking.terms_from(run.settings, run.resources.speech)
    before = run.done_earlier("spoken")
    # What was spoken before a pause is met again as being there; what failed is tried and counted anew.
    result = {"spoken": before, "there": -before, "failed": 0, "left_out": 0, **earlier_of(before)}
    after: UUID | None = None
    in_a_row = 0
    with run.transaction() as session:
        total = greetings.count_greetings(session, actor=_actor(run, session))
    while True:
        with run.transaction() as session:
            actor = _actor(run, session)
            ids = greetings.character_ids(session, actor=actor, after=after, size=_CHARACTERS)
            plan = greetings.plan(session, character_ids=ids, is_usable=lambda name: _is_usable(run, name))
            left = greetings.to_do(session, lines=plan.lines)
            free = greetings.own_keys(session, actor=actor, keys=[line.cache_key for line in left])
            paid_for = greetings.paid_for(session, job_id=run.job_id)
        if not ids:
            return {**result, "there": max(result["there"], 0)}
        result["left_out"] += plan.left_out
        result["there"] += len(plan.lines) - len(left)
        for line in left:
            is_free = line.cache_key in free or (line.character_id, line.cache_key) in paid_for
            outcome = _speak_line(run, actor, line, terms, is_free=is_free)
            failure = outcome if isinstance(outcome, StudioError) else None
            result["failed" if failure is not None else "spoken" if outcome else "there"] += 1
            in_a_row = in_a_row + 1 if failure is not None else 0
            if failure is not None and in_a_row >= _IN_A_ROW:
                raise SpeechFailedError(failure.msgid, **failure.params)
            with run.transaction() as session:
                run.note(session, {**result, "there": max(result["there"], 0)})
            met = sum(result[name] for name in ("spoken", "there", "failed", "left_out"))
            run.progress("Speaking greetings", min(99, 100 * met / max(total, 1)))
            run.make_way()
        after = ids[-1]


def _speak_line(run: JobContext, actor: Actor, line: Line, terms: Terms, *, is_free: bool) -> bool | StudioError:
    """Whether the line was spoken now (else it was there), or why it could not be; raises what concerns every line."""
    if not is_free:
        run.afford(speaking.estimate_of(line.draft, line.wanted, terms).cost_micro or 0)
    with run.transaction() as session:
        row = greetings.begin(session, actor=actor, line=line, terms=terms, job_id=run.job_id, now=run.now())
    if row is None:
        return False
    began = time.monotonic()
    made = _held(run, row.id) or _made(run, row.id, line.draft.provider, line.wanted)
    if not isinstance(made, _Refused):
        with run.transaction() as session:
            _keep(run, session, row.id, made, began)
        return True
    with run.transaction() as session:
        if _concerns_all(made.error):
            greetings.drop(session, speech_id=row.id)
        else:
            _fail(session, row.id, made)
    if _concerns_all(made.error):
        raise made.error
    return made.error


def _concerns_all(error: StudioError) -> bool:
    if not isinstance(error, ProviderError):
        return False
    return error.is_transient or isinstance(error, ProviderNotConfiguredError) or error.http_status in _FOR_ALL


def _actor(run: JobContext, session: Session) -> Actor:
    """Whoever asked, with the roles that they have now."""
    actor = find_active(session, user_id=run.owner_id)
    if actor is None:
        raise ForbiddenError
    return actor


def _is_usable(run: JobContext, name: str) -> bool:
    provider = run.resources.speech.get(name)
    return provider is not None and provider.is_configured


def _keep(run: JobContext, session: Session, speech_id: UUID, made: "_Made", began: float) -> bool:
    """Keep the audio, also for messages that wait for it; whether nobody else was first."""
    paid.drop(session, thing_id=speech_id)
    row = speaking.keep(
        session,
        speech_id=speech_id,
        spoken=made.spoken,
        measured=made.measured,
        cost_micro=made.cost_micro,
        took_ms=round((time.monotonic() - began) * 1_000),
        storage=run.resources.storage,
    )
    if row is not None:
        attachments.fill(session, speech=row)
    return row is not None


@dataclass(frozen=True, slots=True)
class _Made:
    """The audio, what it is and what it cost."""

    spoken: Spoken
    measured: Measured
    cost_micro: int | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why there is no audio; with `characters`, for so many of which the provider was paid all the same."""

    error: StudioError
    characters: int | None = None
    cost_micro: int | None = None


def _made(run: JobContext, speech_id: UUID, kind: str, wanted: Wanted) -> _Made | _Refused:
    """The audio, or the refusal; what was paid for is held before it is looked at. What interrupts the job passes through."""
    provider = run.resources.speech.get(kind)
    if provider is None:
        return _Refused(InvalidError("The studio does not know this provider any more. Choose another voice."))
    cost = partial(prices_from(run.settings).cost_micro, kind, wanted.model, is_local=provider.is_local)
    try:
        spoken = provider.speak(wanted, alive=run.check)
    except StudioError as error:
        usage = error.usage if isinstance(error, ProviderError) and isinstance(error.usage, Usage) else None
        characters = error.characters if isinstance(error, ProviderError) and not usage else len(wanted.text)
        if not characters:
            return _Refused(error)
        paid_in_vain = _Refused(error, characters, cost(characters=characters, usage=usage))
        facts = speaking.facts_of(characters, paid_in_vain.cost_micro, error=error)
        run.hold_paid(speech_id, facts=facts, parts=[], cost_micro=paid_in_vain.cost_micro or 0, kind="speech")
        return paid_in_vain
    cost_micro = cost(characters=spoken.characters, usage=spoken.usage)
    # The provider was paid, whatever the audio turns out to be.
    facts = speaking.facts_of(spoken.characters, cost_micro)
    run.hold_paid(speech_id, facts=facts, parts=[spoken.audio], cost_micro=cost_micro or 0, kind="speech")
    run.check()
    return _measured(spoken, cost_micro)


def _held(run: JobContext, speech_id: UUID) -> _Made | _Refused | None:
    """What an earlier attempt was given for its money and did not come to keep, or None."""
    held = run.find_paid(speech_id)
    if held is None:
        return None
    characters, cost_micro, failure = held.facts["characters"], held.facts["cost_micro"], held.facts.get("failure")
    if failure is not None:
        return _Refused(SpeechFailedError(failure["msgid"], **failure["params"]), characters, cost_micro)
    return _measured(Spoken(held.parts[0], characters), cost_micro)


def _measured(spoken: Spoken, cost_micro: int | None) -> _Made | _Refused:
    try:
        return _Made(spoken, audio.measured(spoken.audio), cost_micro)
    except UnusableAudioError as error:
        return _Refused(error, spoken.characters, cost_micro)


def _estimate(run: JobContext, kind: str, wanted: Wanted) -> int:
    """What the text is expected to cost, in millionths; nothing where nobody knows."""
    provider = run.resources.speech.get(kind)
    is_local = provider is not None and provider.is_local
    return prices_from(run.settings).estimate_micro(kind, wanted.model, text=wanted.text, is_local=is_local) or 0


def _fail(session: Session, speech_id: UUID, refused: _Refused) -> None:
    paid.drop(session, thing_id=speech_id)
    speaking.fail(
        session,
        speech_id=speech_id,
        error=refused.error,
        characters=refused.characters,
        cost_micro=refused.cost_micro,
    )


@job("voices.refresh_list", max_attempts=2, timeout=300)
def refresh_list(run: JobContext, *, provider: str) -> dict[str, int]:
    """Keep the list of voices that a provider offers; where it does not say it, the one before stays."""
    run.progress("Fetching the list of voices", 10)
    known = run.resources.speech.get(provider)
    if known is None:
        return {"voices": 0}
    failure: StudioError | None = None
    try:
        voices = known.voices(alive=run.check)
    except StudioError as error:
        failure, voices = error, ()
    with run.transaction() as session:
        if failure is not None:
            lists.fail(session, provider=provider, error=failure, now=run.now())
        else:
            lists.keep(session, provider=provider, voices=voices, now=run.now())
    if failure is not None:
        raise SpeechFailedError(failure.msgid, **failure.params)
    return {"voices": len(voices)}


@job("voices.sweep", queue="background", max_attempts=3)
def sweep(run: JobContext) -> dict[str, int]:
    """Settle speech whose job has ended without it, so that nobody waits for it for ever."""
    with run.transaction() as session:
        return {"settled": speaking.sweep(session, limit=_BATCH)}
