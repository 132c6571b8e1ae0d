"""Reads of chats, and who may see which rows: a test chat is its owner's, while they may read the character's draft."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import Character, CharacterVersion
from studio.authoring.queries import draft_visible_to
from studio.chat.models import (
    ChatMessage,
    ChatPrompt,
    ChatSession,
    MessageState,
    PromptRun,
    PromptRunAnswer,
    SavedTestPrompt,
    WritingAssist,
)
from studio.kit.errors import NotFoundError

T = TypeVar("T")

MOST_SHOWN = 200
"""Positions of a chat that a page shows, the newest ones."""


def _readable(actor: Actor) -> sa.ScalarSelect[UUID]:
    return sa.select(Character.id).where(draft_visible_to(actor)).scalar_subquery()


def session_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """One's own chats with characters whose drafts one may read."""
    if not actor.may(Permission.CHAT_TEST) or actor.user_id is None:
        return sa.false()
    return sa.and_(ChatSession.owner_id == actor.user_id, ChatSession.character_id.in_(_readable(actor)))


def message_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """The messages of one's own chats."""
    chats = sa.select(ChatSession.id).where(session_visible_to(actor)).scalar_subquery()
    return ChatMessage.session_id.in_(chats)


def prompt_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """One's own test prompts."""
    if not actor.may(Permission.CHAT_TEST) or actor.user_id is None:
        return sa.false()
    return sa.and_(SavedTestPrompt.owner_id == actor.user_id, SavedTestPrompt.character_id.in_(_readable(actor)))


def run_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """One's own runs of test prompts."""
    if not actor.may(Permission.CHAT_TEST) or actor.user_id is None:
        return sa.false()
    return sa.and_(PromptRun.owner_id == actor.user_id, PromptRun.character_id.in_(_readable(actor)))


def assist_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """The helps that one asked for oneself."""
    if not actor.may(Permission.CHAT_ASSIST) or actor.user_id is None:
        return sa.false()
    return WritingAssist.owner_id == actor.user_id


def get_session(session: Session, *, actor: Actor, session_id: UUID, lock: bool = False) -> ChatSession:
    """The chat, locked until the transaction ends where asked; raises NotFoundError."""
    query = sa.select(ChatSession).where(ChatSession.id == session_id, session_visible_to(actor))
    return _one(session, query, lock=lock)


def get_message(session: Session, *, actor: Actor, message_id: UUID) -> ChatMessage:
    """The message; raises NotFoundError."""
    query = sa.select(ChatMessage).where(ChatMessage.id == message_id, message_visible_to(actor))
    return _one(session, query, lock=False)


def get_prompt(session: Session, *, actor: Actor, prompt_id: UUID) -> SavedTestPrompt:
    """The test prompt, locked; raises NotFoundError."""
    query = sa.select(SavedTestPrompt).where(SavedTestPrompt.id == prompt_id, prompt_visible_to(actor))
    return _one(session, query, lock=True)


def get_run(session: Session, *, actor: Actor, run_id: UUID) -> PromptRun:
    """The run; raises NotFoundError."""
    query = sa.select(PromptRun).where(PromptRun.id == run_id, run_visible_to(actor))
    return _one(session, query, lock=False)


def get_assist(session: Session, *, actor: Actor, assist_id: UUID) -> WritingAssist:
    """The help, locked; raises NotFoundError."""
    query = sa.select(WritingAssist).where(WritingAssist.id == assist_id, assist_visible_to(actor))
    return _one(session, query, lock=True)


def find_latest_session(session: Session, *, actor: Actor, character_id: UUID) -> ChatSession | None:
    """The chat with the character that the actor used last."""
    return session.scalar(
        sa.select(ChatSession)
        .where(session_visible_to(actor), ChatSession.character_id == character_id)
        .order_by(ChatSession.updated_at.desc(), ChatSession.id.desc())
        .limit(1)
    )


def list_sessions(session: Session, *, actor: Actor, character_id: UUID, limit: int = 20) -> Sequence[ChatSession]:
    """The actor's chats with the character, the last used first."""
    return session.scalars(
        sa.select(ChatSession)
        .where(session_visible_to(actor), ChatSession.character_id == character_id)
        .order_by(ChatSession.updated_at.desc(), ChatSession.id.desc())
        .limit(limit)
    ).all()


def list_branches(session: Session, *, session_id: UUID) -> dict[int, list[UUID]]:
    """How the chat was before messages were said anew: chats of their own, oldest first, by the message's position."""
    found: dict[int, list[UUID]] = {}
    rows = session.execute(
        sa.select(ChatSession.branch_position, ChatSession.id)
        .where(ChatSession.branch_of_id == session_id)
        .order_by(ChatSession.id)
        .limit(MOST_SHOWN)
    )
    for position, identity in rows:
        found.setdefault(position or 0, []).append(identity)
    return found


def list_recent(session: Session, *, actor: Actor, limit: int = 50) -> Sequence[tuple[ChatSession, str]]:
    """The actor's chats with all characters, the last used first, each with the character's name."""
    rows = session.execute(
        sa.select(ChatSession, Character.name)
        .join(Character, Character.id == ChatSession.character_id)
        .where(session_visible_to(actor))
        .order_by(ChatSession.updated_at.desc(), ChatSession.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def list_assists(session: Session, *, actor: Actor, limit: int = 50) -> Sequence[tuple[WritingAssist, str]]:
    """The helps that the actor asked for, newest first, each with the character's name."""
    rows = session.execute(
        sa.select(WritingAssist, Character.name)
        .join(Character, Character.id == WritingAssist.character_id)
        .where(assist_visible_to(actor))
        .order_by(WritingAssist.created_at.desc(), WritingAssist.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


@dataclass(frozen=True)
class Shown:
    """One position of a chat: the chosen message, its place among its siblings, and theirs."""

    message: ChatMessage
    number: int
    siblings: tuple[UUID, ...]


def list_shown(session: Session, *, session_id: UUID, limit: int = MOST_SHOWN) -> list[Shown]:
    """The chat as it is read, oldest first; of a long one its newest positions."""
    rows = list(
        session.scalars(
            sa.select(ChatMessage)
            .where(ChatMessage.session_id == session_id, ChatMessage.is_chosen)
            .order_by(ChatMessage.position.desc())
            .limit(limit)
        )
    )[::-1]
    if not rows:
        return []
    siblings: dict[int, list[UUID]] = {}
    ids = (
        sa.select(ChatMessage.position, ChatMessage.id)
        .where(ChatMessage.session_id == session_id, ChatMessage.position >= rows[0].position)
        .order_by(ChatMessage.position, ChatMessage.swipe)
    )
    for position, identity in session.execute(ids):
        siblings.setdefault(position, []).append(identity)
    return [Shown(row, siblings[row.position].index(row.id), tuple(siblings[row.position])) for row in rows]


def place_among_siblings(session: Session, *, message: ChatMessage) -> tuple[int, int]:
    """Which of the messages at its position this one is, counted from 1, and how many there are."""
    row = session.execute(
        sa.select(
            sa.func.count().filter(ChatMessage.swipe <= message.swipe),
            sa.func.count(),
        ).where(ChatMessage.session_id == message.session_id, ChatMessage.position == message.position)
    ).one()
    return row[0], row[1]


def list_history(session: Session, *, session_id: UUID, before: int, limit: int) -> list[ChatMessage]:
    """The chosen messages before a position, oldest first, at most the `limit` newest."""
    rows = session.scalars(
        sa.select(ChatMessage)
        .where(ChatMessage.session_id == session_id, ChatMessage.is_chosen, ChatMessage.position < before)
        .order_by(ChatMessage.position.desc())
        .limit(limit)
    ).all()
    return list(rows)[::-1]


def find_last(session: Session, *, session_id: UUID) -> ChatMessage | None:
    """The chosen message at the end of the chat."""
    return session.scalar(
        sa.select(ChatMessage)
        .where(ChatMessage.session_id == session_id, ChatMessage.is_chosen)
        .order_by(ChatMessage.position.desc())
        .limit(1)
    )


def find_sent(session: Session, *, message: ChatMessage) -> ChatPrompt | None:
    """What was sent for the answer, if anything was."""
    return session.get(ChatPrompt, message.prompt_id) if message.prompt_id is not None else None


def list_versions(session: Session, *, character_id: UUID, limit: int = 50) -> Sequence[tuple[UUID, int, str]]:
    """(id, number, change note) of the character's newest versions."""
    return [
        (row[0], row[1], row[2])
        for row in session.execute(
            sa.select(CharacterVersion.id, CharacterVersion.version_number, CharacterVersion.change_note)
            .where(CharacterVersion.character_id == character_id)
            .order_by(CharacterVersion.version_number.desc())
            .limit(limit)
        )
    ]


def list_prompts(session: Session, *, actor: Actor, character_id: UUID) -> Sequence[SavedTestPrompt]:
    """The actor's test prompts for the character, oldest first; there are at most `rules.MOST_PROMPTS`."""
    return session.scalars(
        sa.select(SavedTestPrompt)
        .where(prompt_visible_to(actor), SavedTestPrompt.character_id == character_id)
        .order_by(SavedTestPrompt.created_at, SavedTestPrompt.id)
        .limit(100)
    ).all()


def list_runs(session: Session, *, actor: Actor, character_id: UUID, limit: int = 10) -> Sequence[PromptRun]:
    """The actor's runs of test prompts for the character, newest first."""
    return session.scalars(
        sa.select(PromptRun)
        .where(run_visible_to(actor), PromptRun.character_id == character_id)
        .order_by(PromptRun.created_at.desc(), PromptRun.id.desc())
        .limit(limit)
    ).all()


def list_answers(session: Session, *, run_id: UUID) -> Sequence[PromptRunAnswer]:
    """The answers of a run by prompt, the left side first."""
    return session.scalars(
        sa.select(PromptRunAnswer)
        .where(PromptRunAnswer.run_id == run_id)
        .order_by(PromptRunAnswer.position, PromptRunAnswer.side)
    ).all()


def version_numbers(session: Session, ids: Sequence[UUID | None]) -> dict[UUID | None, int]:
    """The numbers of versions by their ids."""
    wanted = [identity for identity in ids if identity is not None]
    if not wanted:
        return {}
    rows = session.execute(
        sa.select(CharacterVersion.id, CharacterVersion.version_number).where(CharacterVersion.id.in_(wanted))
    )
    return {row[0]: row[1] for row in rows}


def count_under_way(session: Session, *, owner_id: UUID, since: datetime) -> int:
    """The answers that are being written for a person."""
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(ChatMessage)
            .join(ChatSession, ChatSession.id == ChatMessage.session_id)
            .where(
                ChatSession.owner_id == owner_id,
                ChatMessage.state == MessageState.STREAMING,
                ChatMessage.created_at > since,
            )
        )
        or 0
    )


def count_lately(session: Session, *, owner_id: UUID, now: datetime) -> int:
    """The answers that a person asked for in the last minute."""
    since = now - timedelta(minutes=1)
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(ChatMessage)
            .join(ChatSession, ChatSession.id == ChatMessage.session_id)
            .where(
                ChatSession.owner_id == owner_id,
                ChatSession.updated_at > since,
                ChatMessage.created_at > since,
                ChatMessage.position > 0,
                ChatMessage.role == "assistant",
            )
        )
        or 0
    )


def _one(session: Session, query: sa.Select[T], *, lock: bool) -> T:
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    row: T | None = session.scalar(query)
    if row is None:
        raise NotFoundError
    return row
