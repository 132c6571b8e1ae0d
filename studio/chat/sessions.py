"""Test chats: begun with the draft or a version, set up, cleared, and swept when they are old."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.queries import get_draft
from studio.chat import definitions, queries, rules
from studio.chat.definitions import Definition
from studio.chat.models import ChatKind, ChatMessage, ChatSession, MessageRole, MessageState
from studio.kit.errors import ForbiddenError

_MODEL_LENGTH = 200


def start(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    version_id: UUID | None = None,
    user_name: str = "",
    scene: int | None = None,
    model: str = "",
    greeting: int = 0,
    now: datetime,
) -> ChatSession:
    """A new test chat stands, begun by the chosen greeting; the others are its swipes. The oldest chats beyond 50 go.

    Raises ForbiddenError or NotFoundError.
    """
    actor.must(Permission.CHAT_TEST)
    if actor.user_id is None:
        raise ForbiddenError
    character = get_draft(session, actor=actor, character_id=character_id)
    definition = definitions.of(session, character, version_id)
    chat = ChatSession(
        kind=ChatKind.TEST,
        character_id=character.id,
        owner_id=actor.user_id,
        version_id=version_id,
        user_name=rules.user_name(user_name or actor.name),
        scene=_scene(definition, scene),
        model=model[:_MODEL_LENGTH],
        created_at=now,
        updated_at=now,
    )
    session.add(chat)
    session.flush()
    _greet(session, chat, definition, greeting, now=now)
    forget_oldest(session, chat)
    return chat


def set_up(
    session: Session,
    *,
    actor: Actor,
    session_id: UUID,
    version_id: UUID | None,
    user_name: str,
    scene: int | None,
    model: str,
    now: datetime,
) -> ChatSession:
    """From the next answer on the chat is with that version, in that scene, by that model. May be repeated.

    Raises NotFoundError.
    """
    chat = queries.get_session(session, actor=actor, session_id=session_id, lock=True)
    character = get_draft(session, actor=actor, character_id=chat.character_id)
    definition = definitions.of(session, character, version_id)
    chat.version_id = version_id
    chat.user_name = rules.user_name(user_name or actor.name)
    chat.scene = _scene(definition, scene)
    chat.model = model[:_MODEL_LENGTH]
    chat.updated_at = now
    session.flush()
    return chat


def clear(session: Session, *, actor: Actor, session_id: UUID) -> UUID:
    """The chat and all that was sent for it are gone; returns the character's id. Raises NotFoundError."""
    chat = queries.get_session(session, actor=actor, session_id=session_id, lock=True)
    character_id = chat.character_id
    session.delete(chat)
    session.flush()
    return character_id


def sweep(session: Session, *, before: datetime, limit: int = 500) -> int:
    """Delete test chats that nobody used since then, at most `limit`; returns how many."""
    old = (
        sa.select(ChatSession.id)
        .where(ChatSession.kind == ChatKind.TEST, ChatSession.updated_at < before)
        .order_by(ChatSession.updated_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = session.scalars(
        sa.delete(ChatSession)
        .where(ChatSession.id.in_(old.scalar_subquery()))
        .returning(ChatSession.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)


def _scene(definition: Definition, scene: int | None) -> int | None:
    return scene if scene is not None and 0 <= scene < len(definition.scenes) else None


def _greet(session: Session, chat: ChatSession, definition: Definition, chosen: int, *, now: datetime) -> None:
    greetings = definition.greetings
    chosen = chosen if 0 <= chosen < len(greetings) else 0
    session.add_all(
        ChatMessage(
            session_id=chat.id,
            position=0,
            swipe=number,
            is_chosen=number == chosen,
            role=MessageRole.ASSISTANT,
            state=MessageState.COMPLETE,
            content=rules.answer_text(definition.rendered(text, user_name=chat.user_name)),
            created_at=now,
            finished_at=now,
        )
        for number, text in enumerate(greetings)
    )
    session.flush()


def forget_oldest(session: Session, chat: ChatSession) -> None:
    """Of this person's chats with this character the newest 50 stay, and the given one."""
    old = (
        sa.select(ChatSession.id)
        .where(
            ChatSession.owner_id == chat.owner_id,
            ChatSession.character_id == chat.character_id,
            ChatSession.kind == ChatKind.TEST,
            ChatSession.id != chat.id,
        )
        .order_by(ChatSession.updated_at.desc(), ChatSession.id.desc())
        .offset(rules.MOST_KEPT_CHATS - 1)
    )
    session.execute(
        sa.delete(ChatSession)
        .where(ChatSession.id.in_(old.scalar_subquery()))
        .execution_options(synchronize_session=False)
    )
