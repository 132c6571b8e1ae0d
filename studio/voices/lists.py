"""The lists of voices that providers offer: asked for by a job, kept for a day, searched here."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, insert
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.permissions import Actor
from studio.kit.errors import InvalidError, StudioError
from studio.providers.speech import SpeechProvider, Voice
from studio.voices import queries, rules
from studio.voices.models import VoiceList
from studio.work.models import JobRun

LASTS = timedelta(days=1)
TRIED_AGAIN = timedelta(minutes=2)
"""After a failure a list is asked for again by itself no sooner."""


def refresh(session: Session, *, actor: Actor, provider: str, now: datetime) -> JobRun:
    """The provider is about to be asked for its list; what is kept stays until then. May be repeated."""
    return work.ask(
        session,
        "voices.refresh_list",
        actor=actor,
        dedupe_key=f"voices.refresh_list:{provider}",
        max_attempts=2,
        now=now,
        provider=provider,
    )


def ensure(session: Session, *, actor: Actor, provider: str, now: datetime) -> VoiceList | None:
    """The kept list, or None where there is none yet; one that is missing or a day old is asked for."""
    kept = queries.find_list(session, provider=provider)
    fresh_since = now - LASTS
    is_fresh = kept is not None and kept.fetched_at is not None and kept.fetched_at > fresh_since
    was_tried = kept is not None and kept.failure is not None and kept.tried_at > now - TRIED_AGAIN
    if not is_fresh and not was_tried:
        refresh(session, actor=actor, provider=provider, now=now)
    return kept


def keep(session: Session, *, provider: str, voices: Sequence[Voice], now: datetime) -> None:
    """The list is what the provider said."""
    _put(
        session,
        provider=provider,
        values={"voices": [voice.as_json() for voice in voices], "fetched_at": now, "failure": None, "tried_at": now},
    )


def fail(session: Session, *, provider: str, error: StudioError, now: datetime) -> None:
    """The provider did not say its list; what was kept stays, with the reason beside it."""
    _put(session, provider=provider, values={"failure": rules.failure_of(error), "tried_at": now})


def voices_of(kept: VoiceList | None) -> list[Voice]:
    """The voices of a kept list."""
    return [] if kept is None else [Voice.from_json(one) for one in kept.voices]


def find_voice(session: Session, *, provider: str, voice_id: str) -> Voice | None:
    """The voice of this id in the kept list."""
    path = sa.cast("$[*] ? (@.id == $id)", JSONPATH)
    wanted = sa.func.jsonb_build_object("id", voice_id)
    found = session.scalar(
        sa.select(sa.func.jsonb_path_query_first(VoiceList.voices, path, wanted, type_=JSONB)).where(
            VoiceList.provider == provider
        )
    )
    return None if found is None else Voice.from_json(found)


def must_offer(session: Session, *, provider: SpeechProvider, voice_id: str) -> None:
    """Raise InvalidError where a provider on this machine, whose kept list is all that it has, does not have the voice.

    What others offer may have changed since their list was asked for, or be somebody's own.
    """
    kept = queries.find_list(session, provider=provider.name) if provider.is_local else None
    is_known = kept is not None and kept.fetched_at is not None
    if voice_id and is_known and find_voice(session, provider=provider.name, voice_id=voice_id) is None:
        raise InvalidError(
            "This voice cannot be saved.",
            fields={"voice_other": "This machine has no such voice. Choose one of the list."},
        )


def _put(session: Session, *, provider: str, values: dict[str, object]) -> None:
    row = insert(VoiceList).values(provider=provider, **values)
    session.execute(row.on_conflict_do_update(index_elements=[VoiceList.provider], set_=values))
    session.expire_all()
