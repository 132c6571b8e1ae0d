"""Tables of chats: sessions, messages and what was sent for them, test prompts and their runs, help with writing, usage."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from studio.kit.orm import Base, Identified, Timestamped, at_most, refers_to, stored

MESSAGE_LENGTH = 20_000
"""Characters that a person's message may have."""

ANSWER_LENGTH = 400_000
NAME_LENGTH = 200


class ChatKind(StrEnum):
    """Who chats, and how long it is kept."""

    TEST = "test"
    LIVE = "live"


class MessageRole(StrEnum):
    """Who says a message."""

    USER = "user"
    ASSISTANT = "assistant"


class MessageState(StrEnum):
    """How far a message came."""

    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FALLBACK = "fallback"
    FAILED = "failed"


class MediaKind(StrEnum):
    """What a message carries beside its text."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"


class Side(StrEnum):
    """One of the two columns of a run."""

    LEFT = "left"
    RIGHT = "right"


class AnswerState(StrEnum):
    """How far one answer of a run came."""

    WAITING = "waiting"
    COMPLETE = "complete"
    FALLBACK = "fallback"
    FAILED = "failed"


class AssistKind(StrEnum):
    """What help is asked for with a text."""

    SUGGEST = "suggest"
    IMPROVE = "improve"
    SHORTEN = "shorten"
    TO_ENGLISH = "to_english"
    TO_CHINESE = "to_chinese"


class AssistOutcome(StrEnum):
    """What became of an offered text."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    PARTLY = "partly"
    REJECTED = "rejected"
    FAILED = "failed"


class Counted:
    """What an answer took. `cost_micro` is in millionths of the currency's unit; None where nobody knows the price."""

    model: Mapped[str] = mapped_column(default="", server_default="", sort_order=500)
    tokens_in: Mapped[int | None] = mapped_column(sort_order=501)
    tokens_out: Mapped[int | None] = mapped_column(sort_order=502)
    # Whether the server counted the tokens; else they are our estimate.
    is_counted: Mapped[bool] = mapped_column(default=False, server_default=sa.false(), sort_order=503)
    first_token_ms: Mapped[int | None] = mapped_column(sort_order=504)
    response_time_ms: Mapped[int | None] = mapped_column(sort_order=505)
    cost_micro: Mapped[int | None] = mapped_column(sa.BigInteger, sort_order=506)
    currency: Mapped[str] = mapped_column(sa.CHAR(3), default="USD", server_default="USD", sort_order=507)
    # The refusal as a sentence and its values ({"msgid": …, "params": …}), and where the error log has it.
    failure: Mapped[dict[str, Any] | None] = mapped_column(sort_order=508)
    error_reference: Mapped[str | None] = mapped_column(sort_order=509)


class ChatSession(Identified, Timestamped, Base):
    """One chat of one person with a character: with its draft as it stands, or with one of its versions."""

    __tablename__ = "chat_sessions"
    __table_args__ = (
        sa.Index("ix_chat_sessions_owner_id_character_id_updated_at", "owner_id", "character_id", "updated_at"),
        sa.Index("ix_chat_sessions_kind_updated_at", "kind", "updated_at"),
        at_most("title", NAME_LENGTH),
        at_most("user_name", NAME_LENGTH),
    )

    kind: Mapped[ChatKind] = mapped_column(stored(ChatKind, "kind"), default=ChatKind.TEST)
    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE")
    owner_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    # None is the draft.
    version_id: Mapped[UUID | None] = refers_to("character_versions.id", ondelete="CASCADE")
    title: Mapped[str] = mapped_column(default="", server_default="")
    user_name: Mapped[str] = mapped_column(default="", server_default="")
    # The scene's place among the character's scenes; None is none.
    scene: Mapped[int | None]
    model: Mapped[str] = mapped_column(default="", server_default="")
    # This is how another chat was before the message at that position was said anew.
    branch_of_id: Mapped[UUID | None] = refers_to("chat_sessions.id", ondelete="SET NULL")
    branch_position: Mapped[int | None]


class ChatPrompt(Identified, Base):
    """What was sent for one answer, exactly, and which part of the character each piece was."""

    __tablename__ = "chat_prompts"

    session_id: Mapped[UUID] = refers_to("chat_sessions.id", ondelete="CASCADE")
    messages: Mapped[list[Any]]
    # The parts with their tokens, the lore that fired, what was left out and why (`chat.prompts.Prompt.as_json`).
    breakdown: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class ChatMessage(Counted, Identified, Base):
    """One message. Answers to the same message stand at one position, and one of them is chosen."""

    __tablename__ = "chat_messages"
    __table_args__ = (
        sa.UniqueConstraint("session_id", "position", "swipe", name="uq_chat_messages_session_id_position_swipe"),
        # One of the answers at a position is the one that the chat goes on from.
        sa.Index(
            "uq_chat_messages_session_id_position_chosen",
            "session_id",
            "position",
            unique=True,
            postgresql_where=sa.text("is_chosen"),
        ),
        sa.Index("ix_chat_messages_streaming", "created_at", postgresql_where=sa.text("state = 'streaming'")),
        sa.CheckConstraint("position >= 0 AND swipe >= 0", name="places_are_not_negative"),
        # Only answers come in pieces, stop or fail.
        sa.CheckConstraint("role = 'assistant' OR state = 'complete'", name="people_say_whole_messages"),
        sa.CheckConstraint("cost_micro >= 0", name="cost_is_not_negative"),
        at_most("content", ANSWER_LENGTH),
        at_most("partial", ANSWER_LENGTH),
    )

    session_id: Mapped[UUID] = refers_to("chat_sessions.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    swipe: Mapped[int] = mapped_column(default=0, server_default="0")
    is_chosen: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    role: Mapped[MessageRole] = mapped_column(stored(MessageRole, "role"))
    state: Mapped[MessageState] = mapped_column(stored(MessageState, "state"), default=MessageState.COMPLETE)
    content: Mapped[str] = mapped_column(default="", server_default="")
    # What had come of an answer when it broke off.
    partial: Mapped[str] = mapped_column(default="", server_default="")
    prompt_id: Mapped[UUID | None] = refers_to("chat_prompts.id", ondelete="SET NULL")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    finished_at: Mapped[datetime | None]


class MultimediaMessage(Identified, Base):
    """A file that a message carries, or speech or a picture that is still being made for it."""

    __tablename__ = "multimedia_messages"
    __table_args__ = (
        sa.CheckConstraint("processing_time_ms >= 0", name="processing_time_is_not_negative"),
        sa.CheckConstraint(
            "media_file_id IS NOT NULL OR speech_id IS NOT NULL OR generation_id IS NOT NULL",
            name="has_a_file_or_waits_for_one",
        ),
        # A message carries a thing once.
        sa.UniqueConstraint("message_id", "speech_id", name="uq_multimedia_messages_message_id_speech_id"),
        sa.UniqueConstraint("message_id", "generation_id", name="uq_multimedia_messages_message_id_generation_id"),
        sa.UniqueConstraint("message_id", "media_file_id", name="uq_multimedia_messages_message_id_media_file_id"),
    )

    message_id: Mapped[UUID] = refers_to("chat_messages.id", ondelete="CASCADE")
    media_file_id: Mapped[UUID | None] = refers_to("media_files.id", ondelete="RESTRICT")
    speech_id: Mapped[UUID | None] = refers_to("speech_synthesis.id", ondelete="CASCADE")
    generation_id: Mapped[UUID | None] = refers_to("image_generations.id", ondelete="CASCADE")
    media_type: Mapped[MediaKind] = mapped_column(stored(MediaKind, "media_type"))
    generated_by: Mapped[str] = mapped_column(default="", server_default="")
    prompt_used: Mapped[str] = mapped_column(default="", server_default="")
    generation_params: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    processing_time_ms: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class SavedTestPrompt(Identified, Base):
    """A message that a person says to every new version of a character."""

    __tablename__ = "test_prompts"
    __table_args__ = (
        sa.Index("ix_test_prompts_character_id_owner_id_created_at", "character_id", "owner_id", "created_at"),
        sa.CheckConstraint("length(btrim(content)) > 0", name="content_is_not_blank"),
        at_most("content", MESSAGE_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    owner_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    content: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class PromptRun(Identified, Base):
    """All test prompts of a person, answered by two versions of a character, or by its draft and a version."""

    __tablename__ = "test_runs"
    __table_args__ = (
        sa.Index("ix_test_runs_character_id_owner_id_created_at", "character_id", "owner_id", "created_at"),
        sa.CheckConstraint("left_version_id IS DISTINCT FROM right_version_id", name="sides_differ"),
        at_most("user_name", NAME_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    owner_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE")
    # None is the draft, as it stands when the run begins.
    left_version_id: Mapped[UUID | None] = refers_to("character_versions.id", ondelete="CASCADE")
    right_version_id: Mapped[UUID | None] = refers_to("character_versions.id", ondelete="CASCADE")
    job_id: Mapped[UUID | None] = refers_to("job_runs.id", ondelete="SET NULL")
    model: Mapped[str] = mapped_column(default="", server_default="")
    user_name: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    finished_at: Mapped[datetime | None]


class PromptRunAnswer(Counted, Identified, Base):
    """What one side of a run answered to one prompt."""

    __tablename__ = "test_run_answers"
    __table_args__ = (
        sa.UniqueConstraint("run_id", "position", "side", name="uq_test_run_answers_run_id_position_side"),
        sa.CheckConstraint("cost_micro >= 0", name="cost_is_not_negative"),
        at_most("prompt", MESSAGE_LENGTH),
        at_most("content", ANSWER_LENGTH),
    )

    run_id: Mapped[UUID] = refers_to("test_runs.id", ondelete="CASCADE", index=False)
    position: Mapped[int]
    side: Mapped[Side] = mapped_column(stored(Side, "side"))
    state: Mapped[AnswerState] = mapped_column(stored(AnswerState, "state"), default=AnswerState.WAITING)
    prompt: Mapped[str]
    content: Mapped[str] = mapped_column(default="", server_default="")
    # The tokens of the whole prompt by our estimate: comparable between the sides, whatever the server counts.
    prompt_tokens: Mapped[int | None]
    finished_at: Mapped[datetime | None]


class WritingAssist(Counted, Identified, Base):
    """One help of a model with a field: who asked, for what, at what cost, and what became of it. The texts are not kept."""

    __tablename__ = "writing_assists"
    __table_args__ = (
        sa.Index("ix_writing_assists_owner_id_created_at", "owner_id", "created_at"),
        sa.Index("ix_writing_assists_character_id_created_at", "character_id", "created_at"),
        sa.CheckConstraint("cost_micro >= 0", name="cost_is_not_negative"),
        at_most("field", NAME_LENGTH),
    )

    character_id: Mapped[UUID] = refers_to("characters.id", ondelete="CASCADE", index=False)
    owner_id: Mapped[UUID] = refers_to("users.id", ondelete="CASCADE", index=False)
    field: Mapped[str]
    kind: Mapped[AssistKind] = mapped_column(stored(AssistKind, "kind"))
    outcome: Mapped[AssistOutcome] = mapped_column(
        stored(AssistOutcome, "outcome"), default=AssistOutcome.OFFERED, server_default=AssistOutcome.OFFERED
    )
    length_before: Mapped[int] = mapped_column(default=0, server_default="0")
    length_after: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    decided_at: Mapped[datetime | None]


class UsageStat(Base):
    """What one person used of models on one day (UTC): the budget reads it, and so may a bill."""

    __tablename__ = "usage_stats"
    __table_args__ = (
        sa.CheckConstraint("requests >= 0 AND tokens_in >= 0 AND tokens_out >= 0", name="counts_are_not_negative"),
        sa.CheckConstraint("cost_micro >= 0", name="cost_is_not_negative"),
    )

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(sa.CHAR(3), primary_key=True)
    requests: Mapped[int] = mapped_column(default=0, server_default="0")
    tokens_in: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    tokens_out: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    cost_micro: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
