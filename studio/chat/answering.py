"""One answer: begun in a request's transaction, streamed without one, and settled in a transaction of its own.

While a model writes, no connection to the database is held. Whatever happens meanwhile, an answer ends in a state that
tells how: complete, stopped, or, where the model failed, a fallback reply of the character with the reason beside it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor
from studio.authoring.queries import get_draft
from studio.chat import definitions, prompts, queries, rules, usage
from studio.chat.definitions import Definition
from studio.chat.errors import AnswerUnderWayError, BusyError, ChatIsFullError, DoesNotFitError, TooOftenError
from studio.chat.models import ChatMessage, ChatPrompt, ChatSession, MessageRole, MessageState
from studio.chat.prompts import Frame, Prompt, Turn
from studio.chat.rules import Count, Limits
from studio.kit.clock import utc_now
from studio.kit.errors import StudioError, UnavailableError
from studio.kit.orm import lock_row
from studio.providers.errors import ProviderError
from studio.providers.language import Cancel, Delta, Finish, LanguageProvider, Message, Prices
from studio.settings import Settings

_MOST_HISTORY = rules.MOST_MESSAGES
_LONGEST_ANSWER = timedelta(minutes=15)
OUR_MISTAKE = "Something went wrong on our side; staff find it by its reference."
_INTERRUPTED = "The studio was restarted while this was being written."

OpenSession = Callable[[], AbstractContextManager[Session]]
"""Opens a transaction of its own."""

Report = Callable[[BaseException], str]
"""Keeps an error in the error log and returns the reference to show."""


@dataclass(frozen=True)
class Task:
    """All that writing an answer needs, so that no row is read meanwhile; `refusal` is why nothing is to be sent."""

    message_id: UUID
    session_id: UUID
    owner_id: UUID
    messages: tuple[Message, ...]
    prompt_tokens: int
    model: str
    max_output: int
    fallback: str | None
    refusal: ProviderError | None = None


@dataclass(frozen=True)
class Ended:
    """The answer is settled."""

    message_id: UUID
    state: MessageState


def limits_from(settings: Settings) -> Limits:
    """What the settings allow."""
    return Limits(
        window=max(settings.language_context, settings.language_max_output * 2),
        max_output=settings.language_max_output,
        daily_tokens=settings.language_daily_tokens,
        time_limit=settings.language_time_limit,
    )


def refuse(session: Session, *, chat: ChatSession, limits: Limits, now: datetime) -> None:
    """Return where an answer may be begun in the locked chat.

    Raises AnswerUnderWayError, BusyError, TooOftenError or BudgetSpentError.
    """
    refuse_under_way(session, chat=chat, limits=limits, now=now)
    since = now - limits.patience
    if queries.count_under_way(session, owner_id=chat.owner_id, since=since) >= rules.MOST_AT_ONCE:
        raise BusyError
    if queries.count_lately(session, owner_id=chat.owner_id, now=now) >= rules.MOST_PER_MINUTE:
        raise TooOftenError(most=rules.MOST_PER_MINUTE)
    usage.refuse_spent(session, user_id=chat.owner_id, most=limits.daily_tokens, now=now)


def refuse_under_way(session: Session, *, chat: ChatSession, limits: Limits | None, now: datetime) -> None:
    """Return where nothing is being written in the chat; what was, in a process that is gone, is settled first.

    Raises AnswerUnderWayError.
    """
    patience = limits.patience if limits is not None else _LONGEST_ANSWER
    settle_lost(session, before=now - patience, now=now, session_id=chat.id)
    under_way = sa.exists().where(ChatMessage.session_id == chat.id, ChatMessage.state == MessageState.STREAMING)
    if session.scalar(sa.select(under_way)):
        raise AnswerUnderWayError


def begin(session: Session, *, actor: Actor, chat: ChatSession, position: int, limits: Limits, now: datetime) -> Task:
    """An answer at this position is under way, and what is sent for it is kept; other answers there stay as swipes.

    Raises NotFoundError, or ChatIsFullError where there are as many answers as are kept.
    """
    character = get_draft(session, actor=actor, character_id=chat.character_id)
    definition = definitions.of(session, character, chat.version_id)
    swipes = session.scalar(
        sa.select(sa.func.max(ChatMessage.swipe)).where(
            ChatMessage.session_id == chat.id, ChatMessage.position == position
        )
    )
    swipe = 0 if swipes is None else swipes + 1
    if swipe >= rules.MOST_SWIPES:
        raise ChatIsFullError(most=rules.MOST_SWIPES)
    history = queries.list_history(session, session_id=chat.id, before=position, limit=_MOST_HISTORY)
    frame = frame_of(chat, definition, history, limits, seed=position * 1_000 + swipe)
    prompt = prompts.build(definition, history=turns_of(history), frame=frame)
    session.execute(
        sa.update(ChatMessage)
        .where(ChatMessage.session_id == chat.id, ChatMessage.position == position, ChatMessage.is_chosen)
        .values(is_chosen=False)
    )
    kept = ChatPrompt(
        session_id=chat.id,
        messages=[{"role": message.role, "content": message.content} for message in prompt.messages],
        breakdown=prompt.as_json(),
        created_at=now,
    )
    session.add(kept)
    session.flush()
    model = chat.model or str(definition.profile.get("ai_model") or "")
    message = ChatMessage(
        session_id=chat.id,
        position=position,
        swipe=swipe,
        role=MessageRole.ASSISTANT,
        state=MessageState.STREAMING,
        prompt_id=kept.id,
        model=model,
        created_at=now,
    )
    session.add(message)
    chat.updated_at = now
    session.flush()
    return Task(
        message_id=message.id,
        session_id=chat.id,
        owner_id=chat.owner_id,
        messages=prompt.messages,
        prompt_tokens=prompt.tokens,
        model=model,
        max_output=limits.max_output,
        fallback=fallback_of(definition, history, user_name=chat.user_name, seed=message.id.int & 0xFFFFFFFF),
        refusal=refusal_of(prompt),
    )


def stream(
    task: Task,
    *,
    provider: LanguageProvider,
    prices: Prices,
    open_session: OpenSession,
    report: Report,
    cancel: Cancel,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Delta | Ended]:
    """Yield the answer as it is written, then how it ended; by then it is kept.

    Where the model fails, the character's fallback reply is kept instead, and the failure is reported where there is
    something to look into (`rules.is_to_report`). Closing the
    iterator (the reader left) stops the model and keeps what had come.
    """
    writing = _Writing(task, prices, clock)
    error: BaseException | None = None
    try:
        yield from writing.events(provider, cancel)
    except GeneratorExit:
        cancel.ask()
        _settle(open_session, task, writing, now=now())
        raise
    except Exception as raised:  # noqa: BLE001 - Whatever it is, the character answers, and the log has it.
        error = raised
    reference = report(error) if error is not None and rules.is_to_report(error) else None
    state = _settle(open_session, task, writing, error=error, reference=reference, now=now())
    yield Ended(task.message_id, state)


class _Writing:
    """What came of one answer so far, and when."""

    def __init__(self, task: Task, prices: Prices, clock: Callable[[], float]) -> None:
        self._task, self._prices, self._clock = task, prices, clock
        self._began = clock()
        self._model = task.model
        self.pieces: list[str] = []
        self.finish: Finish | None = None
        self.first_ms: int | None = None

    def events(self, provider: LanguageProvider, cancel: Cancel) -> Iterator[Delta]:
        """The pieces as they come."""
        self._model = self._task.model if self._task.model in provider.models else provider.model
        if self._task.refusal is not None:
            raise self._task.refusal
        for event in provider.stream(
            self._task.messages, model=self._task.model, max_output=self._task.max_output, cancel=cancel
        ):
            if isinstance(event, Finish):
                self.finish = event
                continue
            if self.first_ms is None:
                self.first_ms = self.elapsed_ms
            self.pieces.append(event.text)
            yield event

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the answer was begun."""
        return max(0, round((self._clock() - self._began) * 1_000))

    @property
    def text(self) -> str:
        """What has come."""
        return rules.answer_text("".join(self.pieces))

    def count(self) -> Count | None:
        """What it took; None where nothing came of it, since nothing is known to have been used."""
        if not self.pieces and self.finish is None:
            return None
        return rules.counted(
            self.finish,
            model=self._model,
            prompt_tokens=self._task.prompt_tokens,
            text=self.text,
            prices=self._prices,
        )


def _settle(
    open_session: OpenSession,
    task: Task,
    writing: _Writing,
    *,
    now: datetime,
    error: BaseException | None = None,
    reference: str | None = None,
) -> MessageState:
    count = writing.count()
    is_whole = error is None and writing.finish is not None and writing.finish.reason != "stopped"
    with open_session() as session:
        if count is not None:
            usage.record(session, user_id=task.owner_id, count=count, now=now)
        message = lock_row(session, ChatMessage, task.message_id, key_share=False)
        if message is None or message.state is not MessageState.STREAMING:
            # Deleted, or given up by whoever took this process for dead.
            return MessageState.STOPPED if message is None else message.state
        message.state = MessageState.COMPLETE if is_whole else MessageState.STOPPED
        message.content = writing.text
        if error is not None:
            message.state = MessageState.FALLBACK if task.fallback is not None else MessageState.FAILED
            message.content, message.partial = task.fallback or "", writing.text
            message.failure = rules.failure_of(_told(error))
            message.error_reference = reference
        message.finished_at = now
        message.first_token_ms, message.response_time_ms = writing.first_ms, writing.elapsed_ms
        if count is not None:
            message.model, message.tokens_in, message.tokens_out = count.model, count.tokens_in, count.tokens_out
            message.is_counted, message.cost_micro = count.is_counted, count.cost_micro
            message.currency = count.currency
        return message.state


def settle_lost(
    session: Session, *, before: datetime, now: datetime, session_id: UUID | None = None, limit: int = 500
) -> int:
    """Answers that have been under way since before then have lost their process: they failed. Returns how many."""
    lost = (
        sa.select(ChatMessage.id)
        .where(ChatMessage.state == MessageState.STREAMING, ChatMessage.created_at < before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if session_id is not None:
        lost = lost.where(ChatMessage.session_id == session_id)
    settled = session.scalars(
        sa.update(ChatMessage)
        .where(ChatMessage.id.in_(lost.scalar_subquery()))
        .values(state=MessageState.FAILED, failure={"msgid": _INTERRUPTED, "params": {}}, finished_at=now)
        .returning(ChatMessage.id)
        .execution_options(synchronize_session="fetch")
    ).all()
    return len(settled)


def frame_of(
    chat: ChatSession, definition: Definition, history: Sequence[ChatMessage], limits: Limits, *, seed: int
) -> Frame:
    """How the chat's next prompt is to be built."""
    is_greeted = bool(history) and history[0].position == 0 and history[0].role is MessageRole.ASSISTANT
    return Frame(
        user_name=chat.user_name,
        window=window_of(definition, limits),
        max_output=limits.max_output,
        scene=chat.scene,
        greeting=history[0].swipe if is_greeted else None,
        seed=seed,
    )


def window_of(definition: Definition, limits: Limits) -> int:
    """The window: what the settings say, or less where the character was written for less."""
    said = str(definition.profile.get("context_tokens") or "")
    written_for = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0  # noqa: PLR2004
    return max(min(limits.window, written_for or limits.window), limits.max_output)


def turns_of(history: Sequence[ChatMessage]) -> list[Turn]:
    """The chat as prompts read it; what broke off without a word is nothing that was said."""
    return [Turn(message.role.value, message.content) for message in history if message.content.strip()]


def fallback_of(definition: Definition, history: Sequence[ChatMessage], *, user_name: str, seed: int) -> str | None:
    """What the character says in this chat where the model fails, or None where it has no fallback reply."""
    said = [message.content for message in history if message.role is MessageRole.USER]
    return reply_of(definition, said=said[-1] if said else "", user_name=user_name, seed=seed)


def reply_of(definition: Definition, *, said: str, user_name: str, seed: int) -> str | None:
    """The fallback reply to `said`, in its language, its macros resolved."""
    replies = [
        {**reply, "content": definition.rendered(str(reply["content"]), user_name=user_name)}
        for reply in definition.replies
    ]
    return rules.pick_reply(replies, language=rules.language_of(said), seed=seed)


def refusal_of(prompt: Prompt) -> ProviderError | None:
    """Why the prompt cannot be sent, or None."""
    return None if prompt.fits else DoesNotFitError(tokens=prompt.needed, window=prompt.window - prompt.max_output)


def _told(error: BaseException) -> StudioError:
    """The refusal that a person reads: our own mistakes are called that, and nothing more is said of them."""
    if isinstance(error, StudioError):
        return error
    return UnavailableError(OUR_MISTAKE)
