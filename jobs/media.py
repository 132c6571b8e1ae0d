"""Jobs of the media: sizes of pictures, pictures from prompts, and clearing away what nothing uses."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy.orm import Session

from jobs.registry import JobContext, job
from studio.chat import attachments
from studio.kit.errors import InvalidError, StudioError
from studio.media import files, generations, library, screening, uploads, variants
from studio.media.errors import GenerationFailedError
from studio.media.screening import RefusedPromptError
from studio.providers.errors import ProviderError, ProviderRestsError
from studio.providers.images import Made, Picture, PictureRequest, price_of, refusals
from studio.providers.storage import PARTS
from studio.work import budgets, paid
from studio.work.paid import Held

_YOUNG = timedelta(days=1)
"""Objects that were stored since then may belong to a transaction that is under way."""


@job("media.make_variants", max_attempts=3)
def make_variants(run: JobContext, *, file_id: UUID) -> dict[str, Any] | None:
    """Make the avatar, the card and the cover of one portrait; those that exist are left as they are."""
    run.progress("Making smaller pictures", 20)
    with run.transaction(last=True) as session:
        made = variants.make(session, file_id=file_id, storage=run.resources.storage)
        run.result = {"made": len(made)}
    return None


@job("media.generate_pictures", max_attempts=3, timeout=3600)
def generate_pictures(run: JobContext, *, generation_id: UUID) -> dict[str, int] | None:
    """Have the provider make the pictures, and keep them; stopping the job stops the provider too.

    What came is held before it is looked at: an attempt that could not keep it (a full disk, a restart) is followed by
    one that does, and the provider is asked and paid once.
    """
    with run.transaction() as session:
        begun = generations.begin(session, generation_id=generation_id, now=run.now())
    if begun is None:
        return {"pictures": 0}
    request, rating = begun
    began = time.monotonic()
    held = run.find_paid(generation_id) or _drawn(run, generation_id, request, rating)
    made, cost = generations.made_from(held)
    _look_at(run, generation_id, held, made, cost)
    kept_ones, label = _unrefused(run, generation_id, made, rating, cost)
    refused = len(made.pictures) - len(kept_ones)
    # What is refused costs the person nothing.
    given_back = (cost or 0) * refused // max(len(made.pictures), 1)
    if not kept_ones:
        _give_up(run, generation_id, screening.all_refused(label), is_refused=True, given_back=given_back, held=held)
    run.progress("Keeping the pictures", 99)
    with run.transaction(last=True) as session:
        _settle(run, session, generation_id, held, given_back)
        kept = generations.finish(
            session,
            generation_id=generation_id,
            made=replace(made, pictures=kept_ones),
            cost_micro=None if cost is None else cost - given_back,
            storage=run.resources.storage,
            screened_by=screening.screened_by(run.resources.moderation),
            refused_pictures=refused,
            is_cost_assumed=bool(held.facts.get("is_assumed")),
            now=run.now(),
        )
        attachments.fill_picture(
            session, generation_id=generation_id, files=kept, took_ms=round((time.monotonic() - began) * 1_000)
        )
        run.result = {"pictures": len(kept), "refused": refused}
    return None


@job("media.drop_bytes", queue="bulk", max_attempts=5)
def drop_bytes(run: JobContext, *, sha256: str) -> dict[str, int]:
    """Delete the bytes with this hash, if no file of anybody's holds them any more."""
    with run.transaction() as session:
        return {"objects": files.drop_unused(session, storage=run.resources.storage, hashes=[sha256])}


@job("media.clear_upload", queue="bulk", max_attempts=5)
def clear_upload(run: JobContext, *, upload_id: UUID) -> dict[str, int]:
    """Delete the parts in which a file came, now that it is whole."""
    with run.transaction() as session:
        hashes = uploads.clear(session, upload_id=upload_id)
    with run.transaction() as session:
        return {"objects": files.drop_unused(session, storage=run.resources.storage, hashes=hashes)}


@job("media.sweep", queue="bulk", max_attempts=3, timeout=3 * 3600)
def sweep(run: JobContext) -> dict[str, int]:
    """Clear away uploads that stopped, files that nothing uses, and objects that no row speaks of."""
    counts = {"uploads": 0, "files": 0, "objects": 0}
    with run.transaction() as session:
        generations.settle(session, now=run.now())
    while True:
        run.progress("Looking for files that nothing uses", 5)
        with run.transaction() as session:
            if not library.mark_loose(session, now=run.now()):
                break
    for name, step in (("uploads", uploads.sweep), ("files", library.collect)):
        while True:
            run.progress("Looking for files that nothing uses", 10)
            with run.transaction() as session:
                count, hashes = step(session, now=run.now())
            with run.transaction() as session:
                counts["objects"] += files.drop_unused(session, storage=run.resources.storage, hashes=hashes)
            counts[name] += count
            if not count:
                break
    for part in range(PARTS):
        run.progress("Looking through the storage", 20 + 80 * part / PARTS)
        with run.transaction() as session:
            counts["objects"] += files.drop_orphans(
                session, storage=run.resources.storage, part=part, before=run.now() - _YOUNG
            )
    return counts


def _drawn(run: JobContext, generation_id: UUID, request: PictureRequest, rating: str) -> Held:
    """Ask the provider, pay it, and hold what came; raises where nothing did, and where the budget has no room."""
    _look_at_prompt(run, generation_id, request, rating)
    provider = run.resources.images
    # Whoever has it done again pays again: the budget is asked just before.
    price = price_of(run.settings, provider=provider)
    run.afford(price.micro(request.count))
    try:
        made = _made(run, request)
    except ProviderRestsError:
        # Nothing was asked: the job waits until the provider is worth asking again.
        raise
    except ProviderError as error:
        _give_up(run, generation_id, error)
    cost = made.cost_micro
    is_assumed = cost is None and price.is_assumed
    if cost is None:
        cost = price.micro(len(made.pictures))
    facts = generations.facts_of(made, cost_micro=cost, is_assumed=is_assumed)
    parts = [picture.data for picture in made.pictures]
    run.hold_paid(generation_id, facts=facts, parts=parts, cost_micro=cost, kind="images")
    return Held(facts, parts, run.now())


def _settle(run: JobContext, session: Session, generation_id: UUID, held: Held, given_back: int) -> None:
    """What is held has served; of its cost this much is the studio's."""
    paid.drop(session, thing_id=generation_id)
    budgets.give_back_of_job(session, job_id=run.job_id, kind="images", cost_micro=given_back, spent_at=held.came_at)


def _made(run: JobContext, request: PictureRequest) -> Made:
    shown = 0.0

    def watch(step: str, percent: float | None) -> None:
        nonlocal shown
        shown = max(shown, percent or 0.0)
        run.progress(step, shown)

    return run.resources.images.make(request, watch=watch)


def _look_at_prompt(run: JobContext, generation_id: UUID, request: PictureRequest, rating: str) -> None:
    """Return where it may be drawn; else the history says why not. A model that is busy is asked again later."""
    run.progress("Looking at the prompt", 0)
    try:
        screening.refuse_prompt(request.prompt, rating=rating, moderation=run.resources.moderation)
    except RefusedPromptError as error:
        _give_up(run, generation_id, error, is_refused=True)
    except ProviderError as error:
        if error.is_transient:
            raise
        _give_up(run, generation_id, error)


def _look_at(run: JobContext, generation_id: UUID, held: Held, made: Made, cost_micro: int | None) -> None:
    """Return where every picture is one that can be kept; raises GenerationFailedError otherwise."""
    for picture in made.pictures:
        run.progress("Looking at the pictures", 99)
        try:
            files.checked_picture(picture.data)
        except InvalidError:
            _give_up(run, generation_id, refusals.no_picture(), cost_micro=cost_micro, held=held)


def _unrefused(
    run: JobContext, generation_id: UUID, made: Made, rating: str, cost_micro: int | None
) -> tuple[tuple[Picture, ...], str]:
    """The pictures that may be kept, and what the last of the others was refused for.

    Nothing is kept unseen: where the model cannot be asked, what was drawn is held until it can.
    """
    kept: list[Picture] = []
    label = ""
    for picture in made.pictures:
        run.progress("Looking at the pictures", 99)
        try:
            found = screening.refused(picture.data, rating=rating, moderation=run.resources.moderation)
        except ProviderError as error:
            if error.is_transient:
                raise
            # What is held stays: having it done again, once the model is set right, costs nothing more.
            _give_up(run, generation_id, error, cost_micro=cost_micro)
        if found:
            label = found
        else:
            kept.append(picture)
    return tuple(kept), label


def _give_up(
    run: JobContext,
    generation_id: UUID,
    error: StudioError,
    *,
    is_refused: bool = False,
    cost_micro: int | None = None,
    held: Held | None = None,
    given_back: int = 0,
) -> NoReturn:
    """The history says why; trying again by itself could pay twice, so whoever asked decides.

    `held` is what came and is worth nothing, and `given_back` what of its cost is not the person's.
    """
    failure = GenerationFailedError(error.msgid, **error.params)
    with run.giving_up(failure) as session:
        if held is not None:
            _settle(run, session, generation_id, held, given_back)
        generations.fail(
            session,
            generation_id=generation_id,
            error=error,
            is_refused=is_refused,
            cost_micro=cost_micro,
            now=run.now(),
        )
    raise failure
