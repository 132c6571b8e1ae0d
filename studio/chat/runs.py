"""Runs: all test prompts of a person, answered by two sides of a character, one after the other in a job."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.authoring.models import Character
from studio.authoring.queries import get_draft
from studio.chat import answering, definitions, prompts, queries, rules, usage
from studio.chat.definitions import Definition
from studio.chat.errors import NoPromptsError, SameSidesError
from studio.chat.models import AnswerState, PromptRun, PromptRunAnswer, Side
from studio.chat.prompts import Frame, Turn
from studio.chat.rules import Count, Limits
from studio.kit.errors import ForbiddenError, StudioError, UnavailableError
from studio.kit.orm import lock_row
from studio.providers.errors import ProviderError
from studio.providers.language import Message

_MODEL_LENGTH = 200


@dataclass(frozen=True)
class Question:
    """One answer to get: all that asking needs, so that no row is read meanwhile."""

    answer_id: UUID
    owner_id: UUID
    messages: tuple[Message, ...]
    prompt_tokens: int
    model: str
    max_output: int
    fallback: str | None
    refusal: ProviderError | None


def start(
    session: Session,
    *,
    actor: Actor,
    character_id: UUID,
    left: UUID | None,
    right: UUID | None,
    user_name: str = "",
    model: str = "",
    now: datetime,
) -> PromptRun:
    """A run over all of the actor's test prompts is asked for; None is the draft.

    Raises ForbiddenError, NotFoundError, SameSidesError or NoPromptsError.
    """
    actor.must(Permission.CHAT_TEST)
    if actor.user_id is None:
        raise ForbiddenError
    character = get_draft(session, actor=actor, character_id=character_id)
    for version_id in (left, right):
        definitions.of(session, character, version_id)
    if left == right:
        raise SameSidesError
    questions = queries.list_prompts(session, actor=actor, character_id=character.id)
    if not questions:
        raise NoPromptsError
    run = PromptRun(
        character_id=character.id,
        owner_id=actor.user_id,
        left_version_id=left,
        right_version_id=right,
        model=model[:_MODEL_LENGTH],
        user_name=rules.user_name(user_name or actor.name),
        created_at=now,
    )
    session.add(run)
    session.flush()
    session.add_all(
        PromptRunAnswer(run_id=run.id, position=position, side=side, prompt=question.content)
        for position, question in enumerate(questions[: rules.MOST_PROMPTS])
        for side in Side
    )
    job = work.ask(
        session,
        "chat.run_test_prompts",
        actor=actor,
        about=("character", character.id),
        queue="bulk",
        dedupe_key=f"chat.run_test_prompts:{run.id}",
        run_id=run.id,
        now=now,
    )
    run.job_id = job.id
    session.flush()
    return run


def sides_of(session: Session, *, run_id: UUID) -> dict[Side, Definition] | None:
    """What both sides are just now, or None where the run is gone, or its owner may no longer read the character."""
    run = session.get(PromptRun, run_id)
    owner = session.get(User, run.owner_id) if run is not None else None
    if run is None or owner is None or not owner.active:
        return None
    character = session.get(Character, run.character_id)
    if character is None or not _may_read(session, owner.actor, run.character_id):
        return None
    return {
        Side.LEFT: definitions.of(session, character, run.left_version_id),
        Side.RIGHT: definitions.of(session, character, run.right_version_id),
    }


def next_question(
    session: Session, *, run_id: UUID, sides: dict[Side, Definition], limits: Limits, now: datetime
) -> Question | None:
    """The next answer to get, or None where all are there. Raises BudgetSpentError where the owner's day is used up."""
    row = session.execute(
        sa.select(PromptRunAnswer, PromptRun)
        .join(PromptRun, PromptRun.id == PromptRunAnswer.run_id)
        .where(PromptRunAnswer.run_id == run_id, PromptRunAnswer.state == AnswerState.WAITING)
        .order_by(PromptRunAnswer.position, PromptRunAnswer.side)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    answer, run = row[0], row[1]
    usage.refuse_spent(session, user_id=run.owner_id, most=limits.daily_tokens, now=now)
    definition = sides[answer.side]
    greeting = next(iter(definition.greetings), "")
    turns = [Turn("assistant", definition.rendered(greeting, user_name=run.user_name))] if greeting else []
    frame = Frame(
        user_name=run.user_name,
        window=answering.window_of(definition, limits),
        max_output=limits.max_output,
        greeting=0 if greeting else None,
        seed=answer.position,
    )
    prompt = prompts.build(definition, history=[*turns, Turn("user", answer.prompt)], frame=frame)
    return Question(
        answer_id=answer.id,
        owner_id=run.owner_id,
        messages=prompt.messages,
        prompt_tokens=prompt.tokens,
        model=run.model or str(definition.profile.get("ai_model") or ""),
        max_output=limits.max_output,
        fallback=answering.reply_of(definition, said=answer.prompt, user_name=run.user_name, seed=answer.position),
        refusal=answering.refusal_of(prompt),
    )


@dataclass(frozen=True)
class Answered:
    """What came of a question; `error` is why no model answered it."""

    text: str
    count: Count | None
    first_token_ms: int | None
    response_time_ms: int
    error: BaseException | None = None
    reference: str | None = None


def keep(session: Session, *, question: Question, answered: Answered, now: datetime) -> None:
    """The answer stands; one that stands already is left as it is."""
    if answered.count is not None:
        usage.record(session, user_id=question.owner_id, count=answered.count, now=now)
    answer = lock_row(session, PromptRunAnswer, question.answer_id, key_share=False)
    if answer is None or answer.state is not AnswerState.WAITING:
        return
    answer.state, answer.content = AnswerState.COMPLETE, answered.text
    if answered.error is not None:
        answer.state = AnswerState.FALLBACK if question.fallback is not None else AnswerState.FAILED
        answer.content = question.fallback or ""
        told = answered.error
        answer.failure = rules.failure_of(
            told if isinstance(told, StudioError) else UnavailableError(answering.OUR_MISTAKE)
        )
        answer.error_reference = answered.reference
    answer.prompt_tokens = question.prompt_tokens
    answer.first_token_ms, answer.response_time_ms = answered.first_token_ms, answered.response_time_ms
    answer.finished_at = now
    if answered.count is not None:
        count = answered.count
        answer.model, answer.tokens_in, answer.tokens_out = count.model, count.tokens_in, count.tokens_out
        answer.is_counted, answer.cost_micro, answer.currency = count.is_counted, count.cost_micro, count.currency
    session.flush()


def finish(session: Session, *, run_id: UUID, now: datetime) -> int:
    """The run is over; returns how many answers it has."""
    session.execute(sa.update(PromptRun).where(PromptRun.id == run_id).values(finished_at=now))
    return session.scalar(sa.select(sa.func.count()).where(PromptRunAnswer.run_id == run_id)) or 0


def progress_of(session: Session, *, run_id: UUID) -> tuple[int, int]:
    """(answers there are, answers there will be)."""
    done = sa.func.count().filter(PromptRunAnswer.state != AnswerState.WAITING)
    row = session.execute(sa.select(done, sa.func.count()).where(PromptRunAnswer.run_id == run_id)).one()
    return row[0], row[1]


def sweep(session: Session, *, before: datetime, limit: int = 200) -> int:
    """Delete runs made before then, at most `limit`; returns how many."""
    old = sa.select(PromptRun.id).where(PromptRun.created_at < before).order_by(PromptRun.created_at).limit(limit)
    gone = session.scalars(
        sa.delete(PromptRun)
        .where(PromptRun.id.in_(old.scalar_subquery()))
        .returning(PromptRun.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(gone)


def _may_read(session: Session, actor: Actor, character_id: UUID) -> bool:
    try:
        actor.must(Permission.CHAT_TEST)
        get_draft(session, actor=actor, character_id=character_id)
    except StudioError:
        return False
    return True
