"""What a message carries beside its text: speech and pictures that are made of it, and pictures of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts.permissions import Actor
from studio.authoring import portraits
from studio.authoring.models import Character
from studio.chat import queries
from studio.chat.errors import NotToBeDrawnError, NotToBeSpokenError, TooManyAttachmentsError
from studio.chat.models import ChatMessage, MediaKind, MessageRole, MessageState, MultimediaMessage
from studio.kit.errors import NotFoundError
from studio.media.generations import Wanted
from studio.media.models import ImageGeneration, MediaFile, MediaPurpose
from studio.media.queries import file_visible_to
from studio.providers.images import ImageProvider
from studio.voices import configurations, rules, speaking
from studio.voices import queries as voices
from studio.voices.errors import NoVoiceError
from studio.voices.models import SpeechSynthesis
from studio.voices.speaking import Terms
from studio.work.models import JobRun

MOST = 12
"""Things that one message may carry."""

MOST_PICTURES = 24
"""Pictures that are offered, the newest."""

PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One thing that a message carries, with the speech, the request for a picture or the file that it is."""

    row: MultimediaMessage
    speech: SpeechSynthesis | None
    file: MediaFile | None
    generation: ImageGeneration | None = None
    # The request's job, while there is no picture yet.
    job: JobRun | None = None


def attachment_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """What the messages of one's own chats carry."""
    messages = sa.select(ChatMessage.id).where(queries.message_visible_to(actor)).scalar_subquery()
    return MultimediaMessage.message_id.in_(messages)


def list_attachments(session: Session, *, message_ids: Sequence[UUID]) -> Mapping[UUID, list[Attachment]]:
    """What messages that the caller was allowed to see carry, in one statement."""
    found: dict[UUID, list[Attachment]] = {}
    if not message_ids:
        return found
    rows = session.execute(
        sa.select(MultimediaMessage, SpeechSynthesis, MediaFile, ImageGeneration, JobRun)
        .outerjoin(SpeechSynthesis, SpeechSynthesis.id == MultimediaMessage.speech_id)
        .outerjoin(MediaFile, MediaFile.id == MultimediaMessage.media_file_id)
        .outerjoin(ImageGeneration, ImageGeneration.id == MultimediaMessage.generation_id)
        .outerjoin(JobRun, sa.and_(JobRun.id == ImageGeneration.job_id, MediaFile.id.is_(None)))
        .where(MultimediaMessage.message_id.in_(message_ids))
        .order_by(MultimediaMessage.created_at, MultimediaMessage.id)
    )
    for row, speech, file, generation, job in rows:
        found.setdefault(row.message_id, []).append(Attachment(row, speech, file, generation, job))
    return found


def speak(session: Session, *, actor: Actor, message_id: UUID, terms: Terms, now: datetime) -> MultimediaMessage:
    """The message is spoken by the character's voice for its language: it carries the speech, made or under way.

    May be repeated. Raises NotFoundError, NotToBeSpokenError, NoVoiceError, TooManyAttachmentsError, or what
    `speaking.ask` raises.
    """
    message = queries.get_message(session, actor=actor, message_id=message_id)
    chat = queries.get_session(session, actor=actor, session_id=message.session_id, lock=True)
    if message.role is not MessageRole.ASSISTANT or message.state is MessageState.STREAMING:
        raise NotToBeSpokenError
    text = rules.spoken_text(message.content)
    voice = rules.voice_for(text, active=voices.list_active(session, character_id=chat.character_id))
    if voice is None:
        raise NoVoiceError
    speech = speaking.ask(
        session,
        actor=actor,
        character_id=chat.character_id,
        draft=configurations.draft_of(voice),
        text=text,
        terms=terms,
        models=(voice.model,) if voice.model else (),
        configuration_id=voice.id,
        now=now,
    )
    return _attach(
        session,
        message_id=message.id,
        values={
            "speech_id": speech.id,
            "media_file_id": speech.audio_file_id,
            "media_type": MediaKind.AUDIO,
            "generated_by": speech.provider,
            "prompt_used": speech.text,
            "generation_params": {"voice_id": speech.voice_id, "model": speech.model, **speech.tuning},
            "processing_time_ms": speech.processing_time_ms,
        },
        now=now,
    )


def attach_picture(
    session: Session, *, actor: Actor, message_id: UUID, file_id: UUID, now: datetime
) -> MultimediaMessage:
    """The message carries the actor's own picture. May be repeated. Raises NotFoundError, TooManyAttachmentsError."""
    message = queries.get_message(session, actor=actor, message_id=message_id)
    queries.get_session(session, actor=actor, session_id=message.session_id, lock=True)
    file = session.scalar(sa.select(MediaFile).where(_own_picture(actor), MediaFile.id == file_id))
    if file is None:
        raise NotFoundError
    values = {"media_file_id": file.id, "media_type": MediaKind.IMAGE}
    return _attach(session, message_id=message.id, values=values, now=now)


def draft_picture(session: Session, *, actor: Actor, message_id: UUID) -> tuple[Character, str]:
    """The character of the message's chat, and a prompt for a picture of what the message tells. Raises NotFoundError."""
    message = queries.get_message(session, actor=actor, message_id=message_id)
    chat = queries.get_session(session, actor=actor, session_id=message.session_id)
    return portraits.draft_prompt(session, actor=actor, character_id=chat.character_id, scene=message.content)


def draw(
    session: Session,
    *,
    actor: Actor,
    message_id: UUID,
    wanted: Wanted,
    provider: ImageProvider,
    estimate_micro: int | None,
    currency: str,
    quota: int,
    now: datetime,
) -> MultimediaMessage:
    """A picture is asked for, and the message carries it: waiting, until its job has made it.

    Raises NotFoundError, NotToBeDrawnError, TooManyAttachmentsError, or what `generations.ask` raises.
    """
    message = queries.get_message(session, actor=actor, message_id=message_id)
    chat = queries.get_session(session, actor=actor, session_id=message.session_id, lock=True)
    if message.state is MessageState.STREAMING:
        raise NotToBeDrawnError
    generation = portraits.ask_for_pictures(
        session,
        actor=actor,
        # One place at the message waits for one picture.
        wanted=replace(wanted, count=1),
        character_id=chat.character_id,
        provider=provider,
        estimate_micro=estimate_micro,
        currency=currency,
        quota=quota,
        now=now,
    )
    return _attach(
        session,
        message_id=message.id,
        values={
            "generation_id": generation.id,
            "media_type": MediaKind.IMAGE,
            "generated_by": generation.provider,
            "prompt_used": generation.prompt,
            "generation_params": {"model": generation.model, "width": generation.width, "height": generation.height},
        },
        now=now,
    )


def get_attachment(session: Session, *, actor: Actor, attachment_id: UUID) -> Attachment:
    """One thing that a message of the actor's own chats carries. Raises NotFoundError."""
    message_id = session.scalar(
        sa.select(MultimediaMessage.message_id).where(
            MultimediaMessage.id == attachment_id, attachment_visible_to(actor)
        )
    )
    carried = list_attachments(session, message_ids=[message_id]) if message_id is not None else {}
    for one in carried.get(message_id, []) if message_id is not None else ():
        if one.row.id == attachment_id:
            return one
    raise NotFoundError


def list_pictures(session: Session, *, actor: Actor) -> Sequence[MediaFile]:
    """The actor's newest pictures, made or uploaded."""
    return session.scalars(
        sa.select(MediaFile)
        .where(_own_picture(actor))
        .order_by(MediaFile.created_at.desc(), MediaFile.id.desc())
        .limit(MOST_PICTURES)
    ).all()


def remove(session: Session, *, actor: Actor, attachment_id: UUID) -> UUID:
    """The message carries it no more; the file and the speech stay where they are. Returns the message's id."""
    row = session.scalar(
        sa.select(MultimediaMessage)
        .where(MultimediaMessage.id == attachment_id, attachment_visible_to(actor))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError
    message_id: UUID = row.message_id
    session.delete(row)
    session.flush()
    return message_id


def fill(session: Session, *, speech: SpeechSynthesis) -> None:
    """Messages that wait for the speech carry its file."""
    session.execute(
        sa.update(MultimediaMessage)
        .where(MultimediaMessage.speech_id == speech.id)
        .values(media_file_id=speech.audio_file_id, processing_time_ms=speech.processing_time_ms)
    )


def fill_picture(session: Session, *, generation_id: UUID, files: Sequence[MediaFile], took_ms: int | None) -> None:
    """Messages that wait for the request's picture carry it."""
    if not files:
        return
    waiting = session.scalars(
        sa.select(MultimediaMessage)
        .where(MultimediaMessage.generation_id == generation_id, MultimediaMessage.media_file_id.is_(None))
        .order_by(MultimediaMessage.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for row in waiting:
        # Equal bytes are one file, and a message carries a file once: the same placeholder that was there before gives way.
        session.execute(
            sa.delete(MultimediaMessage).where(
                MultimediaMessage.message_id == row.message_id, MultimediaMessage.media_file_id == files[0].id
            )
        )
        row.media_file_id, row.processing_time_ms = files[0].id, took_ms
        session.flush()


def _own_picture(actor: Actor) -> sa.ColumnElement[bool]:
    return sa.and_(
        file_visible_to(actor),
        MediaFile.owner_id == actor.user_id,
        MediaFile.media_type.in_(PICTURE_TYPES),
        MediaFile.source_id.is_(None),
        MediaFile.purpose != MediaPurpose.CARD,
    )


def _attach(session: Session, *, message_id: UUID, values: Mapping[str, object], now: datetime) -> MultimediaMessage:
    mine = sa.select(MultimediaMessage).where(MultimediaMessage.message_id == message_id)
    key = next(name for name in ("speech_id", "generation_id", "media_file_id") if name in values)
    same = mine.where(getattr(MultimediaMessage, key) == values[key])
    kept = session.scalar(same)
    if kept is not None:
        return kept
    count = session.scalar(sa.select(sa.func.count()).select_from(mine.subquery())) or 0
    if count >= MOST:
        raise TooManyAttachmentsError(most=MOST)
    session.execute(
        insert(MultimediaMessage)
        .values(id=uuid7(), message_id=message_id, created_at=now, **values)
        # A copied speech shares its file with another one that the message may carry already.
        .on_conflict_do_nothing()
    )
    found = session.scalar(same)
    if found is None:
        found = session.scalars(mine.where(MultimediaMessage.media_file_id == values["media_file_id"])).one()
    return found
