"""Jobs of voices: one text spoken, a provider's list of voices, and what was left open."""

import time
from typing import NoReturn
from uuid import UUID

from jobs.registry import JobContext, job
from studio.chat import attachments
from studio.kit.errors import InvalidError, StudioError
from studio.providers.speech import SpeechProvider, Spoken, Wanted, prices_from
from studio.voices import audio, lists, speaking
from studio.voices.audio import Measured
from studio.voices.errors import SpeechFailedError

_BATCH = 200


@job("voices.speak", max_attempts=3, timeout=600)
def speak(run: JobContext, *, speech_id: UUID) -> dict[str, int] | None:
    """Have one text spoken, checked and kept; a refusal stands with the speech, and somebody may ask again."""
    run.progress("Asking the voice", 10)
    with run.transaction() as session:
        found = speaking.begin(session, speech_id=speech_id)
    if found is None:
        return {"made": 0}
    kind, wanted = found
    provider = run.resources.speech.get(kind)
    began = time.monotonic()
    made = _made(run, kind, provider, wanted)
    if isinstance(made, StudioError):
        _give_up(run, speech_id, made)
    spoken, measured, cost_micro = made
    run.progress("Keeping the audio", 90)
    with run.transaction(last=True) as session:
        row = speaking.keep(
            session,
            speech_id=speech_id,
            spoken=spoken,
            measured=measured,
            cost_micro=cost_micro,
            took_ms=round((time.monotonic() - began) * 1_000),
            storage=run.resources.storage,
        )
        if row is not None:
            attachments.fill(session, speech=row)
        run.result = {"made": 0 if row is None else 1}
    return None


def _made(
    run: JobContext, kind: str, provider: SpeechProvider | None, wanted: Wanted
) -> tuple[Spoken, Measured, int | None] | StudioError:
    """The audio, what it is and what it cost, or the refusal; what interrupts the job passes through."""
    if provider is None:
        return InvalidError("The studio does not know this provider any more. Choose another voice.")
    try:
        spoken = provider.speak(wanted, alive=run.check)
        cost_micro = prices_from(run.settings).cost_micro(
            kind, wanted.model, characters=spoken.characters, is_local=provider.is_local
        )
        # The provider was paid, whatever the audio turns out to be.
        run.spend(cost_micro or 0, kind="speech")
        run.progress("Checking the audio", 75)
        return spoken, audio.measured(spoken.audio), cost_micro
    except StudioError as error:
        return error


def _give_up(run: JobContext, speech_id: UUID, error: StudioError) -> NoReturn:
    with run.transaction() as session:
        speaking.fail(session, speech_id=speech_id, error=error)
    # Whoever waits is told at once, and asks again by a button: trying on by itself might cost again and again.
    raise SpeechFailedError(error.msgid, **error.params)


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
