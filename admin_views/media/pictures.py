"""Pictures from prompts: asking for them, watching them come, choosing one as the portrait, and the history of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session

from admin_views import listing, ui
from admin_views.base import Permission, StudioModelView, expose
from admin_views.forms import whole_number
from admin_views.listing import Column, Filter
from admin_views.media.files import portrait_url
from admin_views.media.labels import STATES, cost_of, ignored_of, maker_of, mark_of, paid_of, price_told
from admin_views.media.picture_forms import DIGITS, PictureForm, sizes_of
from admin_views.media.picture_states import OPEN, can_again, is_staff, step_of, took, why_of
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.work.labels import micro_label
from studio.accounts.permissions import Actor
from studio.authoring import portraits
from studio.authoring.models import Character
from studio.authoring.queries import draft_visible_to
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError
from studio.kit.text import excerpt
from studio.media import generations, queries
from studio.media.models import GeneratedPicture, GenerationState, ImageGeneration
from studio.media.prompting import NEGATIVE
from studio.media.screening import screened_by
from studio.operations import jobs
from studio.providers.images import price_of
from studio.work import budgets
from studio.work.models import FINAL, JobRun

_P = Permission
_MAKE = _P.MEDIA_GENERATE


@dataclass(frozen=True)
class Shown:
    """One picture that came, as its page shows it."""

    picture: GeneratedPicture
    url: str
    full_url: str
    again_url: str


def _state_cell(row: ImageGeneration) -> Markup:
    return ui.badge(*mark_of(generations.state_of(row, g.picture_jobs.get(row.job_id))))


def _cost_cell(row: ImageGeneration) -> str:
    # Where it was drawn stands in the column beside.
    return str(_("nothing")) if row.details.get("is_local") else cost_of(row, g.picture_jobs.get(row.job_id))


def _seed_cell(row: ImageGeneration) -> str:
    """The seed that was asked for, else that of the first picture."""
    came = next((one.seed for one in g.picture_files.get(row.id, ()) if one.seed is not None), None)
    seed = row.seed if row.seed is not None else came
    return "–" if seed is None else str(seed)


def _brief_maker_cell(row: ImageGeneration) -> str:
    return str(_("placeholder")) if row.provider == "local" else _maker_cell(row)


def _maker_cell(row: ImageGeneration) -> str:
    return maker_of(row.provider, str(row.details.get("label") or row.model or row.provider), is_staff=is_staff())


def _prompt_cell(row: ImageGeneration) -> Markup:
    first = next(iter(g.picture_files.get(row.id, ())), None)
    face = ui.avatar(portrait_url(first.file_id) if first is not None else None, row.prompt)
    return Markup('<span class="with-face">{}<span>{}</span></span>').format(face, excerpt(row.prompt, 90))


class PicturesView(StudioModelView):
    """What the present person had drawn."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index_view": _MAKE,
        "details_view": _MAKE,
        "create_view": _MAKE,
        "live": _MAKE,
        "stop": _MAKE,
        "again": _MAKE,
        "use": (_P.CHARACTER_WRITE_OWN, _P.STORY_WRITE),
    }
    menu_section = "studio"
    menu_icon = "brush"
    menu_order = 42
    list_template = "media/pictures.html"
    create_template = "media/new_picture.html"
    details_template = "media/generation.html"
    form = PictureForm
    empty_icon = "brush"
    empty_title = _l("No picture from a prompt yet")
    empty_text = _l("Open a character and press “Make a picture”, or begin with a prompt of your own.")
    created_text = _l("Asked for. The pictures appear below as soon as they are drawn.")
    search_columns = (ImageGeneration.prompt,)
    search_hint = _l("Words of the prompt")
    columns = (
        Column("prompt", _l("Picture"), cell=_prompt_cell),
        Column("state", _l("State"), cell=_state_cell),
        Column(
            "character", _l("Character"), cell=lambda row: g.picture_names.get(row.character_id, "–"), wide_only=True
        ),
        Column("model", _l("Made by"), cell=_brief_maker_cell, wide_only=True),
        Column("seed", _l("Seed"), cell=_seed_cell, numeric=True, wide_only=True),
        Column("took", _l("Took"), cell=lambda row: took(row) or "–", numeric=True, wide_only=True),
        Column("cost", _l("Cost"), cell=_cost_cell, numeric=True, wide_only=True),
        Column("created_at", _l("Asked for"), cell=lambda row: ui.moment(row.created_at), sort="created"),
    )
    orders: ClassVar[listing.Orders] = {"created": listing.by(ImageGeneration.created_at, unique=ImageGeneration.id)}
    default_sort = ("created", True)
    filters = (
        Filter(
            "state",
            _l("State"),
            lambda value: generations.stands_at(GenerationState(value)),
            choices=tuple((state.value, label) for state, label in STATES.items()),
            quick=True,
        ),
    )

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Their own."""
        return queries.generation_visible_to(actor)

    def row_title(self, row: ImageGeneration) -> str:
        """The beginning of the prompt."""
        return excerpt(row.prompt, 60)

    def list_context(self, rows: Sequence[Any]) -> dict[str, Any]:
        """The first picture of each, and where its job stands."""
        session = self.request_session
        g.picture_files = queries.pictures_of(session, generation_ids=[row.id for row in rows]) if rows else {}
        # Of what ended long ago nothing is to be learned from its job.
        job_ids = [row.job_id for row in rows if row.job_id is not None and row.state is not GenerationState.COMPLETED]
        found = session.scalars(sa.select(JobRun).where(JobRun.id.in_(job_ids))).all() if job_ids else []
        g.picture_jobs = {job.id: job for job in found}
        ids = {row.character_id for row in rows if row.character_id is not None}
        named = sa.select(Character.id, Character.name).where(draft_visible_to(current_actor()), Character.id.in_(ids))
        g.picture_names = dict(session.execute(named).all()) if ids else {}
        return {"provider_label": _maker(self.resources), "is_local": self.resources.images.is_local}

    # Asking

    def make_form(self, row: Any | None = None) -> Any:
        """A form that offers what the provider makes, filled from a character or from an earlier request."""
        provider = self.resources.images
        form = super().make_form(row)
        form.size.choices = sizes_of(provider)
        form.count.choices = [
            (str(number), self._count_label(number)) for number in range(1, min(provider.most_pictures, 4) + 1)
        ]
        if request.method == "GET":
            self._fill(form)
        if form.size.data not in {value for value, _label in form.size.choices}:
            form.size.data = form.size.choices[0][0]
        if form.count.data not in {value for value, _label in form.count.choices}:
            form.count.data = "1"
        return form

    def _fill(self, form: Any) -> None:
        again = request.args.get("again", type=UUID)
        if again is not None:
            earlier = queries.get_generation(self.request_session, actor=current_actor(), generation_id=again)
            form.character.data = str(earlier.character_id or "")
            form.prompt.data, form.negative_prompt.data = earlier.prompt, earlier.negative_prompt
            form.size.data = f"{earlier.width}x{earlier.height}"
            form.count.data = request.args.get("count", str(earlier.picture_count))
            form.steps.data = "" if earlier.steps is None else str(earlier.steps)
            form.guidance.data = "" if earlier.guidance_scale is None else f"{earlier.guidance_scale:g}"
            form.seed.data = request.args.get("seed", "")[:DIGITS]
            return
        form.negative_prompt.data = NEGATIVE
        character_id = request.args.get("character", type=UUID)
        if character_id is not None:
            character, form.prompt.data = portraits.draft_prompt(
                self.request_session, actor=current_actor(), character_id=character_id
            )
            form.character.data = str(character.id)

    def _count_label(self, number: int) -> str:
        """The number with what it costs, and that the budget has no room for it: said before anything is asked for."""
        settings = self.resources.settings
        price = price_of(settings, provider=self.resources.images)
        whole = price.micro(number)
        if not whole:
            return str(number)
        each, total = (micro_label(micro, settings.language_currency) for micro in (price.micro(), whole))
        stands = self._standing()
        if stands is None or stands.has_room(whole):
            return str(_("%(count)d × %(price)s = %(total)s", count=number, price=each, total=total))
        return str(
            _("%(count)d × %(price)s = %(total)s – it will wait for budget", count=number, price=each, total=total)
        )

    def _standing(self) -> budgets.Standing | None:
        user_id = current_actor().user_id
        if user_id is None:
            return None
        if "picture_standing" not in g:
            g.picture_standing = budgets.standing(
                self.request_session,
                user_id=user_id,
                default_micro=self.resources.settings.budget_micro,
                now=utc_now(),
            )
        standing: budgets.Standing = g.picture_standing
        return standing

    def form_context(self, row: Any | None) -> dict[str, Any]:  # noqa: ARG002 - There is no form over a row.
        """Who makes the pictures, what it does not use, and what one costs."""
        provider, settings = self.resources.images, self.resources.settings
        price = price_of(settings, provider=provider)
        asked_for = request.form.get("character") or request.args.get("character")
        again = request.args.get("again", type=UUID)
        if again is not None and not asked_for:
            earlier = queries.get_generation(self.request_session, actor=current_actor(), generation_id=again)
            asked_for = str(earlier.character_id or "")
        stands = self._standing() if price.micro() else None
        has_limit = stands is not None and stands.left_micro is not None
        return {
            "left": micro_label(stands.left_micro or 0, settings.language_currency) if stands and has_limit else "",
            "is_too_dear": stands is not None and stands.never_has_room(price.micro()),
            "is_over": stands is not None and not stands.has_room(price.micro()),
            "provider": provider,
            "maker": _maker(self.resources),
            "ignored": provider.ignores,
            "screened_by": screened_by(self.resources.moderation),
            "price_told": price_told(price, settings.language_currency),
            "character": self._character(listing.as_uuid(asked_for)),
        }

    def do_create(self, session: Session, *, actor: Actor, form: Any) -> ImageGeneration:
        """Have the pictures asked for."""
        provider, settings = self.resources.images, self.resources.settings
        character_id = listing.as_uuid(form.character.data)
        character = self._character(character_id)
        if character_id is not None and character is None:
            raise NotFoundError
        wanted = form.wanted(character.name if character is not None else "")
        return portraits.ask_for_pictures(
            session,
            actor=actor,
            wanted=wanted,
            character_id=character_id,
            provider=provider,
            estimate_micro=price_of(settings, provider=provider).micro(wanted.count),
            currency=settings.language_currency,
            quota=settings.media_quota * 1_000_000,
            now=utc_now(),
        )

    def saved_url(self, row: ImageGeneration) -> str:
        """One watches them come."""
        return url_for(".details_view", row_id=row.id)

    # Watching

    def details_context(self, row: ImageGeneration) -> dict[str, Any]:
        """How far it is, what came, and what may be done with it."""
        session, actor = self.request_session, current_actor()
        job = session.get(JobRun, row.job_id) if row.job_id is not None else None
        state = generations.state_of(row, job)
        character = self._character(row.character_id)
        shown = [_shown(one, row) for one in queries.pictures_of(session, generation_ids=[row.id])[row.id]]
        is_open = state in OPEN
        return {
            "generation": row,
            "job": job,
            "state": mark_of(state),
            "is_open": is_open,
            "is_stopping": job is not None and job.cancel_requested_at is not None and job.state not in FINAL,
            "step": step_of(session, job, budget_micro=self.resources.settings.budget_micro)
            if job is not None and is_open
            else "",
            "percent": job.percent if job is not None else 0,
            "pictures": shown,
            "character": character,
            "may_use": character is not None
            and self.may("use")
            and portraits.may_use(session, actor=actor, character=character),
            "cost": cost_of(row, job),
            "paid_in_vain": micro_label(paid, row.currency) if (paid := paid_of(row, job)) and not shown else "",
            "maker": _maker_cell(row),
            "why": why_of(row, job, state),
            "can_again": can_again(row, job, state),
            "ignored": ignored_of(row.details.get("ignored") or ()),
            "is_local": bool(row.details.get("is_local")),
            "took": took(row) if not is_open else "",
        }

    @expose("/<uuid:row_id>/live")
    def live(self, row_id: UUID) -> ResponseReturnValue:
        """The part of the page that changes while the pictures are drawn."""
        row = self.get_one(row_id)
        return self.render("media/_generation.html", row=row, **self.details_context(row))

    @expose("/<uuid:row_id>/stop", methods=("POST",))
    def stop(self, row_id: UUID) -> ResponseReturnValue:
        """Stop the drawing, at the provider too; what was just drawn is shown."""
        row = self.get_one(row_id)
        job = self.request_session.get(JobRun, row.job_id) if row.job_id is not None else None
        if job is None:
            raise NotFoundError
        if job.state in FINAL:
            flash(_("It had ended already; nothing was stopped."), "info")
        else:
            jobs.cancel(self.request_session, actor=current_actor(), job_id=job.id, now=utc_now())
            flash(_("The drawing is being stopped."), "success")
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/again", methods=("POST",))
    def again(self, row_id: UUID) -> ResponseReturnValue:
        """Have a request of which no picture came drawn once more, as it was asked for."""
        row = self.get_one(row_id)
        if row.job_id is None:
            raise NotFoundError
        jobs.retry(self.request_session, actor=current_actor(), job_id=row.job_id, now=utc_now())
        generations.reopen(self.request_session, generation_id=row.id)
        return redirect(url_for(".details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/use", methods=("POST",))
    def use(self, row_id: UUID) -> ResponseReturnValue:
        """Make one of the pictures the character's portrait."""
        row, file_id = self.get_one(row_id), listing.as_uuid(request.form.get("file", ""))
        if row.character_id is None or file_id is None:
            raise NotFoundError
        character = portraits.use(
            self.request_session,
            actor=current_actor(),
            character_id=row.character_id,
            file_id=file_id,
            row_version=request.form.get("row_version", type=whole_number),
            now=utc_now(),
        )
        flash(_("%(name)s shows this picture now.", name=character.name), "success")
        return redirect(url_for("characters.details_view", row_id=character.id), 303)

    def _character(self, character_id: UUID | None) -> Character | None:
        if character_id is None:
            return None
        return self.request_session.scalar(
            sa.select(Character).where(draft_visible_to(current_actor()), Character.id == character_id)
        )


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [PicturesView(resources, ImageGeneration, name=_l("Pictures"), endpoint="pictures")]


def _maker(resources: Resources) -> str:
    return maker_of(resources.images.name, resources.images.label, is_staff=is_staff())


def _shown(one: GeneratedPicture, row: ImageGeneration) -> Shown:
    seed = one.seed if one.seed is not None else None
    return Shown(
        picture=one,
        url=portrait_url(one.file_id, "cover") or "",
        full_url=url_for("library.details_view", row_id=one.file_id),
        # One of a set is asked for by its own seed, alone.
        again_url=url_for("pictures.create_view", again=row.id, seed=seed, count=1 if seed is not None else None),
    )
