"""Jobs of the memory: embedding one character, whatever is missing, and the index of a model's vectors."""

import math
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.registry import JobContext, job
from studio.memory import embeddings, indexes
from studio.memory.embeddings import Pending
from studio.providers.embeddings.texts import estimate_tokens
from studio.work.figures import earlier_of

_SLICE = 1_000
"""Characters between two looks at whether others wait, and at what is left of the budget."""


@job("memory.embed_character", queue="default")
def embed_character(run: JobContext, *, character_id: UUID) -> dict[str, Any] | None:
    """Embed one character's present text; unchanged text costs no call."""
    provider = run.resources.embeddings
    with run.transaction() as session:
        embeddings.use_model(session, provider=provider)
        pending = embeddings.pending_of(session, provider=provider, character_ids=[character_id])
    if not pending:
        return {"embedded": 0}
    run.progress("Asking the embedding model", 30)
    vectors = provider.embed([item.text for item in pending], spend=lambda _texts, tokens: _pay(run, tokens))
    with run.transaction(last=True) as session:
        kept = embeddings.keep(session, provider=provider, pending=pending, vectors=vectors, now=run.now())
        run.result = {"embedded": kept, "model": provider.model}
    return None


@job("memory.embed_missing", queue="background", timeout=6 * 3600)
def embed_missing(run: JobContext) -> None:
    """Embed every character without a vector by the configured model, or changed since; then let that model answer."""
    _embed(run, made_before=None)


@job("memory.embed_all", queue="background", timeout=24 * 3600)
def embed_all(run: JobContext, *, is_anew: bool = False) -> None:
    """As `embed_missing`, for whoever asked and on their budget; with `is_anew`, what has a vector gets a new one too.

    A vector that is newer than the asking is left: so a job that was paused goes on where it was.
    """
    _embed(run, made_before=run.asked_at if is_anew else None)


def _embed(run: JobContext, *, made_before: datetime | None) -> None:
    """Texts go out in batches, many at once; what arrived is kept at once, so that a crash pays for nothing twice."""
    provider = run.resources.embeddings
    before = embedded = run.done_earlier("embedded")
    unchanged = run.done_earlier("unchanged")
    with run.transaction() as session:
        embeddings.use_model(session, provider=provider)
        total = embedded + unchanged + embeddings.count_to_look_at(session, provider=provider, made_before=made_before)
    last: UUID | None = None
    while True:
        with run.transaction() as session:
            ids = embeddings.ids_to_look_at(
                session, provider=provider, after=last, size=_SLICE, made_before=made_before
            )
            pending = embeddings.pending_of(session, provider=provider, character_ids=ids, made_before=made_before)
            waiting = {item.character_id for item in pending}
            same = [identity for identity in ids if identity not in waiting]
            embeddings.note_unchanged(session, provider=provider, character_ids=same)
        if not ids:
            break
        unchanged += len(same)
        run.afford(_cost(run, sum(estimate_tokens(item.text) for item in pending)))
        for places, vectors in provider.embed_batches(
            [item.text for item in pending], spend=lambda _texts, tokens: _pay(run, tokens)
        ):
            batch: list[Pending] = [pending[place] for place in places]
            with run.transaction() as session:
                embedded += embeddings.keep(session, provider=provider, pending=batch, vectors=vectors, now=run.now())
                run.note(session, {"embedded": embedded, "unchanged": unchanged, **earlier_of(before)})
            run.progress("Embedding characters", min(99, 100 * (embedded + unchanged) // max(total, 1)))
            if run.resources.embeddings.is_local:
                # Elsewhere the next batches are under way by now, and paid for.
                run.make_way()
        last = ids[-1]
        run.make_way()
    with run.transaction(last=True) as session:
        embeddings.promote(session, provider=provider)
        run.result = {"embedded": embedded, "unchanged": unchanged, "model": provider.model, **earlier_of(before)}


def _cost(run: JobContext, tokens: int) -> int:
    """Millionths: a price per million tokens is as many millionths for each."""
    return 0 if run.resources.embeddings.is_local else math.ceil(tokens * run.settings.embeddings_price)


def _pay(run: JobContext, tokens: int) -> None:
    run.spend(_cost(run, tokens), kind="embeddings")


@job("memory.ensure_indexes", queue="background", timeout=6 * 3600)
def ensure_indexes(run: JobContext) -> dict[str, Any]:
    """Make the index of every model that has enough vectors to need one."""
    run.progress("Looking at the models", 5)
    return {"made": indexes.ensure(run.resources.engine)}
