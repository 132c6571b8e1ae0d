"""Help with writing: a model's offer for one field, shown as a difference; a row remembers who asked, what it cost, and what became of it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio.accounts.permissions import Actor, Permission
from studio.authoring.queries import get_writable
from studio.chat import assist_prompts, queries, rules, usage
from studio.chat.answering import OUR_MISTAKE, OpenSession, Report
from studio.chat.assist_prompts import Asked, Wish
from studio.chat.errors import DoesNotFitError, NoFieldTextError, TooOftenError, UnknownFieldError
from studio.chat.models import AssistKind, AssistOutcome, WritingAssist
from studio.chat.rules import Count, Limits
from studio.kit.clock import utc_now
from studio.kit.differences import Piece, words
from studio.kit.errors import ForbiddenError, InvalidError, StudioError, UnavailableError
from studio.kit.orm import lock_row
from studio.kit.text import excerpt, one_line, storable
from studio.providers.language import Cancel, Delta, Finish, LanguageProvider, Prices

MOST_TEXT = 200_000
DECISIONS = frozenset({AssistOutcome.ACCEPTED, AssistOutcome.PARTLY, AssistOutcome.REJECTED})


@dataclass(frozen=True)
class Help:
    """All that asking the model needs, so that no row is read meanwhile."""

    assist_id: UUID
    owner_id: UUID
    asked: Asked
    before: str


@dataclass(frozen=True)
class Offer:
    """The model's text against the field's, piece by piece, and what it took."""

    assist_id: UUID
    text: str
    pieces: tuple[Piece, ...]
    count: Count
    response_time_ms: int


@dataclass(frozen=True)
class Refusal:
    """Why there is no offer, and where the error log has it."""

    assist_id: UUID
    error: StudioError
    reference: str


def ask(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    wish: Wish,
    card: Mapping[str, str],
    limits: Limits,
    now: datetime,
) -> Help:
    """A help is asked for, and a row remembers it: hand what is returned to `stream`. The texts are not kept.

    `card` holds the editor's texts as they are typed. Raises ForbiddenError, NotFoundError, InvalidError,
    TooOftenError, BudgetSpentError or DoesNotFitError.
    """
    actor.must(Permission.CHAT_ASSIST)
    if actor.user_id is None:
        raise ForbiddenError
    character = get_writable(session, actor=actor, character_id=character_id)
    if wish.field not in assist_prompts.FIELDS:
        raise UnknownFieldError
    text = storable(wish.text)
    if not text.strip() and wish.kind is not AssistKind.SUGGEST:
        raise NoFieldTextError
    if len(text) > MOST_TEXT:
        raise InvalidError("This has more than 200,000 characters. Shorten it.")
    _refuse_often(session, user_id=actor.user_id, now=now)
    usage.refuse_spent(session, user_id=actor.user_id, most=limits.daily_tokens, now=now)
    instruction = excerpt(one_line(wish.instruction), assist_prompts.MOST_INSTRUCTION)
    wish = Wish(wish.kind, wish.field, text, instruction)
    asked = assist_prompts.build(wish, card=card, window=limits.window)
    if not asked.fits:
        raise DoesNotFitError(tokens=asked.tokens, window=limits.window - asked.max_output)
    assist = WritingAssist(
        character_id=character.id,
        owner_id=actor.user_id,
        field=wish.field,
        kind=wish.kind,
        length_before=len(text),
        created_at=now,
    )
    session.add(assist)
    session.flush()
    return Help(assist.id, actor.user_id, asked, text)


def stream(
    wanted: Help,
    *,
    provider: LanguageProvider,
    prices: Prices,
    model: str,
    open_session: OpenSession,
    report: Report,
    cancel: Cancel,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Delta | Offer | Refusal]:
    """Yield the model's text as it is written, then the offer, or why there is none; by then the row says so.

    A help that is stopped ends without an offer.
    """
    began = clock()
    pieces: list[str] = []
    finish: Finish | None = None
    error: BaseException | None = None
    is_left = False
    try:
        for event in provider.stream(
            wanted.asked.messages, model=model, max_output=wanted.asked.max_output, cancel=cancel
        ):
            if isinstance(event, Finish):
                finish = event
            else:
                pieces.append(event.text)
                yield event
    except GeneratorExit:
        cancel.ask()
        is_left = True
        raise
    except Exception as raised:  # noqa: BLE001 - Whatever it is, the person is told, and the log has it.
        error = raised
    finally:
        text = assist_prompts.cleaned(rules.answer_text("".join(pieces)))
        count = rules.counted(
            finish, model=model or provider.model, prompt_tokens=wanted.asked.tokens, text=text, prices=prices
        )
        is_offered = error is None and not is_left and finish is not None and finish.reason != "stopped"
        reference = report(error) if error is not None and rules.is_to_report(error) else None
        took = max(0, round((clock() - began) * 1_000))
        _settle(
            open_session,
            wanted,
            outcome=AssistOutcome.OFFERED if is_offered else AssistOutcome.FAILED if error else AssistOutcome.REJECTED,
            text=text,
            count=count if pieces or finish is not None else None,
            error=error,
            reference=reference,
            took=took,
            now=now(),
        )
    if error is not None:
        told = error if isinstance(error, StudioError) else UnavailableError(OUR_MISTAKE)
        yield Refusal(wanted.assist_id, told, reference or "")
    elif is_offered:
        yield Offer(wanted.assist_id, text, words(wanted.before, text), count, took)


def decide(session: Session, *, actor: Actor, assist_id: UUID, outcome: AssistOutcome, now: datetime) -> WritingAssist:
    """The row says what became of the offer. May be repeated. Raises NotFoundError or InvalidError."""
    assist = queries.get_assist(session, actor=actor, assist_id=assist_id)
    if outcome not in DECISIONS:
        raise InvalidError("An offer is accepted, accepted in part, or rejected.")
    assist.outcome, assist.decided_at = outcome, now
    session.flush()
    return assist


def _refuse_often(session: Session, *, user_id: UUID, now: datetime) -> None:
    lately = session.scalar(
        sa.select(sa.func.count())
        .select_from(WritingAssist)
        .where(WritingAssist.owner_id == user_id, WritingAssist.created_at > now - timedelta(minutes=1))
    )
    if (lately or 0) >= rules.MOST_ASSISTS_PER_MINUTE:
        raise TooOftenError(most=rules.MOST_ASSISTS_PER_MINUTE)


def _settle(
    open_session: OpenSession,
    wanted: Help,
    *,
    outcome: AssistOutcome,
    text: str,
    count: Count | None,
    error: BaseException | None,
    reference: str | None,
    took: int,
    now: datetime,
) -> None:
    with open_session() as session:
        if count is not None:
            usage.record(session, user_id=wanted.owner_id, count=count, now=now)
        assist = lock_row(session, WritingAssist, wanted.assist_id, key_share=False)
        if assist is None:
            return
        assist.outcome, assist.length_after, assist.response_time_ms = outcome, len(text), took
        assist.decided_at = None if outcome is AssistOutcome.OFFERED else now
        if error is not None:
            told = error if isinstance(error, StudioError) else UnavailableError(OUR_MISTAKE)
            assist.failure, assist.error_reference = rules.failure_of(told), reference
        if count is not None:
            assist.model, assist.tokens_in, assist.tokens_out = count.model, count.tokens_in, count.tokens_out
            assist.is_counted, assist.cost_micro, assist.currency = count.is_counted, count.cost_micro, count.currency
