"""Jobs of chats: a run of test prompts on two versions, and the sweep of what is old."""

import time
from uuid import UUID

from jobs.registry import JobContext, job
from studio.chat import answering, rules, runs, sessions
from studio.chat.runs import Answered, Question
from studio.providers.language import Cancel, Finish, prices_from
from studio.work.errors import JobInterruptedError

_BATCH = 200


@job("chat.run_test_prompts", max_attempts=3, timeout=3 * 3600)
def run_test_prompts(run: JobContext, *, run_id: UUID) -> dict[str, int] | None:
    """Get every answer that the run still waits for; what is there is kept, so a second attempt asks for no answer twice."""
    limits = answering.limits_from(run.settings)
    with run.transaction() as session:
        sides = runs.sides_of(session, run_id=run_id)
    if sides is None:
        return {"answers": 0}
    while True:
        with run.transaction() as session:
            question = runs.next_question(session, run_id=run_id, sides=sides, limits=limits, now=run.now())
            done, total = runs.progress_of(session, run_id=run_id)
        if question is None:
            break
        run.progress("Asking the model", 100 * done / max(total, 1))
        run.afford(_expected_cost(run, question))
        answered = _ask(run, question)
        if answered.count is not None:
            # Paid is paid, whatever becomes of the next line.
            count = answered.count
            cost = prices_from(run.settings).budget_micro(
                count.model, tokens_in=count.tokens_in, tokens_out=count.tokens_out
            )
            run.spend(cost, kind="language")
        with run.transaction() as session:
            runs.keep(session, question=question, answered=answered, now=run.now())
    run.progress("Finishing the run", 100)
    with run.transaction(last=True) as session:
        run.result = {"answers": runs.finish(session, run_id=run_id, now=run.now())}
    return None


def _expected_cost(run: JobContext, question: Question) -> int:
    """What the answer costs at most, in millionths; of a model without a price, what it counts as."""
    return prices_from(run.settings).budget_micro(
        question.model or run.resources.language.model,
        tokens_in=question.prompt_tokens,
        tokens_out=question.max_output,
    )


def _ask(run: JobContext, question: Question) -> Answered:
    """One answer of the model, or why there is none; a cancelled job stops in the middle of it."""
    began, cancel = time.monotonic(), Cancel()
    pieces: list[str] = []
    first_ms: int | None = None
    finish: Finish | None = None
    error: Exception | None = None

    def elapsed() -> int:
        return round((time.monotonic() - began) * 1_000)

    try:
        if question.refusal is not None:
            raise question.refusal  # noqa: TRY301 - It is told like any other refusal.
        for event in run.resources.language.stream(
            question.messages, model=question.model, max_output=question.max_output, cancel=cancel
        ):
            run.check()
            if isinstance(event, Finish):
                finish = event
            else:
                first_ms = elapsed() if first_ms is None else first_ms
                pieces.append(event.text)
    except JobInterruptedError:
        cancel.ask()
        raise
    except Exception as raised:  # noqa: BLE001 - The character answers in the model's place, and the log has it.
        error = raised
    text = rules.answer_text("".join(pieces))
    count = rules.counted(
        finish,
        model=question.model or run.resources.language.model,
        prompt_tokens=question.prompt_tokens,
        text=text,
        prices=prices_from(run.settings),
    )
    return Answered(
        text=text,
        count=count if pieces or finish is not None else None,
        first_token_ms=first_ms,
        response_time_ms=elapsed(),
        error=error,
        reference=run.report(error) if error is not None and rules.is_to_report(error) else None,
    )


@job("chat.sweep", max_attempts=3)
def sweep(run: JobContext) -> dict[str, int]:
    """Settle answers whose process is gone, and delete test chats and runs that nobody used for 90 days."""
    limits = answering.limits_from(run.settings)
    with run.transaction() as session:
        lost = answering.settle_lost(session, before=run.now() - limits.patience, now=run.now())
    gone = 0
    before = run.now() - rules.TEST_CHATS_ARE_KEPT
    for batch in (sessions.sweep, runs.sweep):
        while True:
            run.progress("Deleting old test chats", 0)
            with run.transaction() as session:
                count = batch(session, before=before, limit=_BATCH)
            gone += count
            if count < _BATCH:
                break
    return {"settled": lost, "deleted": gone}
