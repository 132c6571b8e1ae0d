"""What a person does in a chat: says something, has an answer written anew, edits, chooses, deletes."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from studio.accounts.permissions import Actor
from studio.chat import answering, queries, rules, sessions
from studio.chat.answering import Task
from studio.chat.errors import ChatIsFullError, NotTheLastError
from studio.chat.models import ChatMessage, ChatPrompt, ChatSession, MessageRole, MessageState
from studio.chat.rules import Limits
from studio.kit.errors import InvalidError
from studio.kit.text import excerpt

_TITLE_LENGTH = 80


def say(session: Session, *, actor: Actor, session_id: UUID, text: str, limits: Limits, now: datetime) -> Task:
    """The message stands in the chat, and its answer is about to be written: hand the task to `answering.stream`.

    Raises NotFoundError, InvalidError, AnswerUnderWayError, ChatIsFullError, or what `answering.begin` raises.
    """
    chat = queries.get_session(session, actor=actor, session_id=session_id, lock=True)
    kept = rules.message_text(text)
    last = queries.find_last(session, session_id=chat.id)
    position = last.position + 1 if last is not None else 0
    # Before the message is kept: where no answer may be written, nothing was said.
    answering.refuse(session, chat=chat, limits=limits, now=now)
    if position >= rules.MOST_MESSAGES:
        raise ChatIsFullError(most=rules.MOST_MESSAGES)
    message = _said(session, chat, kept, position=position, now=now)
    return answering.begin(session, actor=actor, chat=chat, position=message.position + 1, limits=limits, now=now)


def answer_anew(session: Session, *, actor: Actor, message_id: UUID, limits: Limits, now: datetime) -> Task:
    """The last answer is written anew, and the one before is kept beside it; a message without an answer gets one.

    Raises NotFoundError, NotTheLastError, or what `say` raises.
    """
    message, chat = _located(session, actor=actor, message_id=message_id)
    answering.refuse(session, chat=chat, limits=limits, now=now)
    last = queries.find_last(session, session_id=chat.id)
    if (
        last is None
        or last.position != message.position
        or (message.role is MessageRole.ASSISTANT and last.position == 0)
    ):
        raise NotTheLastError
    position = message.position + (1 if message.role is MessageRole.USER else 0)
    return answering.begin(session, actor=actor, chat=chat, position=position, limits=limits, now=now)


def edit(session: Session, *, actor: Actor, message_id: UUID, text: str, limits: Limits, now: datetime) -> Task:
    """A person's message says something else, and is answered anew; the chat as it was is kept as one of its own.

    Raises what `say` raises, and InvalidError for what the character said.
    """
    message, chat = _located(session, actor=actor, message_id=message_id)
    if message.role is not MessageRole.USER:
        raise InvalidError("Only your own messages can be changed; an answer can be written anew.")
    kept = rules.message_text(text)
    answering.refuse(session, chat=chat, limits=limits, now=now)
    _keep_branch(session, chat, message.position)
    said = _said(session, chat, kept, position=message.position, now=now)
    return answering.begin(session, actor=actor, chat=chat, position=said.position + 1, limits=limits, now=now)


def choose(session: Session, *, actor: Actor, message_id: UUID, now: datetime) -> ChatSession:
    """The chat goes on from this answer and not from its siblings. May be repeated. Raises NotFoundError."""
    message, chat = _located(session, actor=actor, message_id=message_id)
    answering.refuse_under_way(session, chat=chat, limits=None, now=now)
    if not message.is_chosen:
        session.execute(
            sa.update(ChatMessage)
            .where(ChatMessage.session_id == chat.id, ChatMessage.position == message.position, ChatMessage.is_chosen)
            .values(is_chosen=False)
        )
        message.is_chosen = True
    chat.updated_at = now
    session.flush()
    return chat


def delete(session: Session, *, actor: Actor, message_id: UUID, now: datetime) -> ChatSession:
    """The message and all that follows it are gone. Raises NotFoundError or AnswerUnderWayError."""
    message, chat = _located(session, actor=actor, message_id=message_id)
    answering.refuse_under_way(session, chat=chat, limits=None, now=now)
    _delete_from(session, chat, message.position)
    chat.updated_at = now
    session.flush()
    return chat


def _located(session: Session, *, actor: Actor, message_id: UUID) -> tuple[ChatMessage, ChatSession]:
    """The message and its chat, which is locked; raises NotFoundError."""
    found = queries.get_message(session, actor=actor, message_id=message_id)
    chat = queries.get_session(session, actor=actor, session_id=found.session_id, lock=True)
    # What was read before the lock may have changed since, or be gone.
    session.expire(found)
    return queries.get_message(session, actor=actor, message_id=message_id), chat


def _said(session: Session, chat: ChatSession, text: str, *, position: int, now: datetime) -> ChatMessage:
    message = ChatMessage(
        session_id=chat.id,
        position=position,
        role=MessageRole.USER,
        state=MessageState.COMPLETE,
        content=text,
        created_at=now,
        finished_at=now,
    )
    session.add(message)
    if not chat.title:
        chat.title = excerpt(text, _TITLE_LENGTH)
    chat.updated_at = now
    session.flush()
    return message


def _keep_branch(session: Session, chat: ChatSession, position: int) -> None:
    """What stands from this position on belongs to a chat of its own, which begins as this one does."""
    branch = ChatSession(
        kind=chat.kind,
        character_id=chat.character_id,
        owner_id=chat.owner_id,
        version_id=chat.version_id,
        title=chat.title,
        user_name=chat.user_name,
        scene=chat.scene,
        model=chat.model,
        branch_of_id=chat.id,
        branch_position=position,
        created_at=chat.created_at,
        updated_at=chat.updated_at,
    )
    session.add(branch)
    session.flush()
    later = sa.and_(ChatMessage.session_id == chat.id, ChatMessage.position >= position)
    session.execute(
        sa.update(ChatPrompt)
        .where(ChatPrompt.id.in_(sa.select(ChatMessage.prompt_id).where(later)))
        .values(session_id=branch.id)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        sa.update(ChatMessage).where(later).values(session_id=branch.id).execution_options(synchronize_session=False)
    )
    table: sa.Table = ChatMessage.__table__  # type: ignore[assignment]
    # The beginning stands in both; what was sent for it is looked up in the chat that goes on.
    beginning = session.execute(sa.select(table).where(table.c.session_id == chat.id)).mappings()
    copies = [{**row, "id": uuid7(), "session_id": branch.id} for row in beginning]
    if copies:
        session.execute(sa.insert(table), copies)
    session.expire_all()
    sessions.forget_oldest(session, chat)


def _delete_from(session: Session, chat: ChatSession, position: int) -> None:
    session.execute(
        sa.delete(ChatMessage)
        .where(ChatMessage.session_id == chat.id, ChatMessage.position >= position)
        .execution_options(synchronize_session="fetch")
    )
