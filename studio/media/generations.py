"""Pictures from a prompt: asked for, made by a job, kept with what they were made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from studio import work
from studio.accounts.models import User
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError, InvalidError, StudioError
from studio.kit.money import EXPONENTS
from studio.kit.text import excerpt, storable
from studio.media import files, variants
from studio.media.models import (
    GeneratedPicture,
    GenerationState,
    ImageGeneration,
    MediaFile,
    MediaPurpose,
)
from studio.media.prompting import PROMPT_LENGTH
from studio.providers.images import OPTIONS, ImageProvider, Made, Picture, PictureRequest
from studio.providers.language.prices import minor_of
from studio.providers.storage import Storage
from studio.work.models import FINAL, JobRun, JobState
from studio.work.paid import Held

RESOURCE = "image_generation"
MOST_OPEN = 10
MOST_REFUSED = 20
MOST_SIDE = 2048
LEAST_SIDE = 64
MOST_STEPS = 150
MOST_GUIDANCE = 30.0
MOST_SEED = 2**63 - 1

_ROOM = 2_500_000
"""Bytes that are taken to be needed for one picture."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for on the form."""

    prompt: str
    negative_prompt: str = ""
    width: int = 1024
    height: int = 1024
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    count: int = 1
    # Whom a placeholder names, and one of twelve colours for it.
    name: str = ""
    hue: int = 0
    # What the character is rated: how much of it may be drawn.
    rating: str = "unrated"


def ask(
    session: Session,
    *,
    actor: Actor,
    wanted: Wanted,
    character_id: UUID | None,
    provider: ImageProvider,
    estimate_micro: int | None,
    currency: str,
    quota: int,
    now: datetime,
) -> ImageGeneration:
    """Pictures are asked for, and a job will make them; that the character may be shown to the actor is the caller's to see to.

    What the provider ignores is not kept. Raises ForbiddenError, InvalidError (with its fields) or FullLibraryError.
    """
    actor.must(Permission.MEDIA_GENERATE)
    if actor.user_id is None:
        raise ForbiddenError
    _refuse(wanted, provider)
    waiting = sa.select(sa.func.count()).where(
        ImageGeneration.user_id == actor.user_id,
        ImageGeneration.state.in_((GenerationState.PENDING, GenerationState.RUNNING)),
        sa.exists().where(JobRun.id == ImageGeneration.job_id, JobRun.state.not_in(FINAL)),
    )
    if (session.scalar(waiting) or 0) >= MOST_OPEN:
        raise InvalidError("Ten requests for pictures are under way. Wait for one of them, or stop it.")
    _refuse_stubborn(session, user_id=actor.user_id, now=now)
    files.refuse_full(session, owner_id=actor.user_id, more=_ROOM * wanted.count, quota=quota)
    used = {name: None if name in provider.ignores else getattr(wanted, name) for name in OPTIONS}
    generation = ImageGeneration(
        user_id=actor.user_id,
        character_id=character_id,
        provider=provider.name,
        model=provider.model,
        prompt=storable(wanted.prompt).strip(),
        negative_prompt=storable(used["negative_prompt"] or "").strip(),
        width=wanted.width,
        height=wanted.height,
        steps=used["steps"],
        guidance_scale=used["guidance"],
        seed=used["seed"],
        picture_count=wanted.count,
        currency=currency,
        cost_micro=None,
        created_at=now,
        details={
            "is_local": provider.is_local,
            "label": provider.label,
            "ignored": sorted(provider.ignores),
            "estimate_micro": estimate_micro,
            "name": wanted.name[:200],
            "hue": wanted.hue,
            "rating": wanted.rating,
        },
    )
    session.add(generation)
    session.flush()
    job = work.ask(
        session,
        "media.generate_pictures",
        actor=actor,
        # A drawing may take minutes, and a server that hangs longer: it would keep everything else waiting.
        queue="pictures",
        about=(RESOURCE, generation.id),
        max_attempts=3,
        # Where the person's budget has no room for it, the job waits and says so.
        estimate_micro=estimate_micro or 0,
        now=now,
        generation_id=generation.id,
    )
    session.flush()
    generation.job_id = job.id
    session.flush()
    return generation


def begin(session: Session, *, generation_id: UUID, now: datetime) -> tuple[PictureRequest, str] | None:
    """The request is under way; what to ask the provider for and what its character is rated, or None where it is done already or gone."""
    generation = _locked(session, generation_id)
    if generation is None or generation.state is GenerationState.COMPLETED:
        return None
    generation.state, generation.error_message = GenerationState.RUNNING, None
    generation.started_at = now
    session.flush()
    request = PictureRequest(
        prompt=generation.prompt,
        negative_prompt=generation.negative_prompt,
        width=generation.width,
        height=generation.height,
        steps=generation.steps,
        guidance=generation.guidance_scale,
        seed=generation.seed,
        count=generation.picture_count,
        name=str(generation.details.get("name") or ""),
        hue=int(generation.details.get("hue") or 0),
    )
    return request, str(generation.details.get("rating") or "unrated")


def facts_of(made: Made, *, cost_micro: int | None, is_assumed: bool = False) -> dict[str, Any]:
    """What is held of an answer beside the pictures, and what it cost; `is_assumed` where nobody said what the model costs."""
    return {
        "seeds": [picture.seed for picture in made.pictures],
        "revised_prompt": made.revised_prompt,
        "request_id": made.request_id,
        "cost_micro": cost_micro,
        "is_assumed": is_assumed,
    }


def made_from(held: Held) -> tuple[Made, int | None]:
    """The answer that is held, and what it cost."""
    pictures = [Picture(data, seed) for data, seed in zip(held.parts, held.facts["seeds"], strict=True)]
    made = Made(pictures, revised_prompt=held.facts["revised_prompt"], request_id=held.facts["request_id"])
    return made, held.facts["cost_micro"]


def finish(
    session: Session,
    *,
    generation_id: UUID,
    made: Made,
    cost_micro: int | None,
    storage: Storage,
    now: datetime,
    screened_by: str = "",
    refused_pictures: int = 0,
    is_cost_assumed: bool = False,
) -> Sequence[MediaFile]:
    """The pictures are in the library of who asked, with the history of how they were made; returns their files.

    `made` holds pictures that were looked at (`files.checked_picture`), by the model `screened_by` too where there is
    one, without those that it refused. Raises InvalidError for one that is no picture.
    """
    generation = _locked(session, generation_id)
    if generation is None or generation.state is GenerationState.COMPLETED:
        return []
    owner = session.get_one(User, generation.user_id).actor
    kept: list[MediaFile] = []
    for position, picture in enumerate(made.pictures):
        file = files.keep(
            session,
            actor=owner,
            storage=storage,
            data=picture.data,
            purpose=MediaPurpose.PORTRAIT,
            name=f"{excerpt(generation.details.get('name') or generation.prompt, 60)}.png",
            # The room was looked at when they were asked for; what is paid for is not thrown away.
            quota=0,
            is_kept=True,
        )
        file.alt_text = file.alt_text or excerpt(generation.prompt, 500)
        session.add(
            GeneratedPicture(generation_id=generation.id, position=position, file_id=file.id, seed=picture.seed)
        )
        variants.ask(session, actor=owner, file_id=file.id)
        kept.append(file)
    generation.state, generation.finished_at, generation.error_message = GenerationState.COMPLETED, now, None
    _add_cost(session, generation, cost_micro)
    generation.details = {
        **generation.details,
        "revised_prompt": made.revised_prompt,
        "request_id": made.request_id,
        "screened_by": screened_by,
        "refused_pictures": refused_pictures,
        "is_cost_assumed": is_cost_assumed,
    }
    session.flush()
    return kept


def fail(
    session: Session,
    *,
    generation_id: UUID,
    error: StudioError,
    now: datetime,
    is_refused: bool = False,
    cost_micro: int | None = None,
) -> None:
    """No picture came, and the history says why, in the error's words; `is_refused` where it was for what it shows.

    `cost_micro` is what the provider took all the same, in millionths.
    """
    generation = _locked(session, generation_id)
    if generation is None or generation.state is GenerationState.COMPLETED:
        return
    generation.state, generation.finished_at = GenerationState.FAILED, now
    generation.error_message = error.msgid
    _add_cost(session, generation, cost_micro)
    generation.details = {**generation.details, "error_params": _plain(error.params)}
    if is_refused:
        generation.details = {**generation.details, "is_refused": True}
    session.flush()


def reopen(session: Session, *, generation_id: UUID) -> ImageGeneration | None:
    """The request waits once more, as it was asked for, where no picture came of it; its job is the caller's to begin again."""
    generation = _locked(session, generation_id)
    if generation is None or generation.state is GenerationState.COMPLETED:
        return None
    generation.state, generation.error_message = GenerationState.PENDING, None
    generation.started_at = generation.finished_at = None
    session.flush()
    return generation


def settle(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Requests whose job ended without them (cancelled, or failed for good) say so too; returns how many."""
    rows = session.execute(
        sa.select(ImageGeneration, JobRun.state, JobRun.finished_at, JobRun.cost_micro)
        .outerjoin(JobRun, JobRun.id == ImageGeneration.job_id)
        .where(
            ImageGeneration.state.in_((GenerationState.PENDING, GenerationState.RUNNING)),
            sa.or_(JobRun.id.is_(None), JobRun.state.in_(FINAL)),
        )
        .limit(limit)
        .with_for_update(of=ImageGeneration, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for generation, state, ended_at, cost_micro in rows:
        generation.state = GenerationState.CANCELLED if state is JobState.CANCELLED else GenerationState.FAILED
        # This comes by hours later: how long it took is the job's to say.
        generation.finished_at = ended_at or now
        if cost_micro and generation.cost_micro is None:
            _add_cost(session, generation, cost_micro)
    session.flush()
    return len(rows)


def state_of(generation: ImageGeneration, job: JobRun | None) -> GenerationState:
    """Where a request stands, by its job where that knows more: a job that was stopped tells its request later."""
    if job is None:
        return generation.state
    if generation.state in {GenerationState.FAILED, GenerationState.CANCELLED} and job.state is JobState.QUEUED:
        # The job was begun again, from the tray or its own page.
        return GenerationState.PENDING
    if generation.state in {GenerationState.PENDING, GenerationState.RUNNING}:
        if job.state is JobState.CANCELLED:
            return GenerationState.CANCELLED
        if job.state is JobState.FAILED:
            return GenerationState.FAILED
        if job.state is JobState.QUEUED:
            return GenerationState.PENDING
    return generation.state


def stands_at(state: GenerationState) -> sa.ColumnElement[bool]:
    """Whether a request stands there, as `state_of` tells it."""
    own = ImageGeneration.state
    job = sa.select(JobRun.state).where(JobRun.id == ImageGeneration.job_id).scalar_subquery()
    is_open = own.in_((GenerationState.PENDING, GenerationState.RUNNING))
    stands = sa.case(
        (
            sa.and_(own.in_((GenerationState.FAILED, GenerationState.CANCELLED)), job == JobState.QUEUED),
            GenerationState.PENDING.value,
        ),
        (sa.and_(is_open, job == JobState.CANCELLED), GenerationState.CANCELLED.value),
        (sa.and_(is_open, job == JobState.FAILED), GenerationState.FAILED.value),
        (sa.and_(is_open, job == JobState.QUEUED), GenerationState.PENDING.value),
        else_=sa.cast(own, sa.Text),
    )
    return stands == state.value


def _add_cost(session: Session, generation: ImageGeneration, cost_micro: int | None) -> None:
    """What an attempt cost comes to what those before it did: as much as its job cost in all, where it has one."""
    if cost_micro is None:
        return
    of_job = session.scalar(sa.select(JobRun.cost_micro).where(JobRun.id == generation.job_id))
    generation.cost_micro = (generation.cost_micro or 0) + cost_micro if of_job is None else of_job
    exponent = EXPONENTS.get(generation.currency, 2)
    generation.cost_minor = minor_of(generation.cost_micro, exponent=exponent)


def _locked(session: Session, generation_id: UUID) -> ImageGeneration | None:
    return session.scalar(
        sa.select(ImageGeneration)
        .where(ImageGeneration.id == generation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _refuse_stubborn(session: Session, *, user_id: UUID, now: datetime) -> None:
    """What is refused costs the person nothing, and a picture that is refused costs the studio all the same."""
    refused = sa.select(sa.func.count()).where(
        ImageGeneration.user_id == user_id,
        ImageGeneration.created_at > now - timedelta(days=1),
        ImageGeneration.details["is_refused"].as_boolean(),
    )
    if (session.scalar(refused) or 0) >= MOST_REFUSED:
        raise InvalidError("Twenty of your requests were refused since yesterday. Try again tomorrow.")


def _refuse(wanted: Wanted, provider: ImageProvider) -> None:
    too_long = [name for name in ("prompt", "negative_prompt") if len(getattr(wanted, name)) > PROMPT_LENGTH]
    wrong = dict.fromkeys(too_long, "The prompt is longer than 8,000 characters.")
    if not wanted.prompt.strip():
        wrong["prompt"] = "Say what the picture should show."
    if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (wanted.width, wanted.height)):
        wrong["width"] = "Each side has from 64 to 2,048 pixels."
    if wanted.steps is not None and not 1 <= wanted.steps <= MOST_STEPS:
        wrong["steps"] = "From 1 to 150 steps."
    if wanted.guidance is not None and not 0 <= wanted.guidance <= MOST_GUIDANCE:
        wrong["guidance"] = "From 0 to 30."
    if wanted.seed is not None and not 0 <= wanted.seed <= MOST_SEED:
        wrong["seed"] = "This number is too large." if wanted.seed > 0 else "A whole number that is not negative."
    if not 1 <= wanted.count <= provider.most_pictures:
        wrong["count"] = "This provider does not make as many at once."
    if provider.sizes and (wanted.width, wanted.height) not in provider.sizes:
        wrong["width"] = "This provider does not make pictures of this size."
    if wrong:
        raise InvalidError("Something about this request needs another look.", fields=wrong)


def _plain(params: Mapping[str, object]) -> dict[str, Any]:
    return {name: value if isinstance(value, (int, float)) else str(value) for name, value in params.items()}
