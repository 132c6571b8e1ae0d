"""Listings: submitting a character, following the submission, taking it back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views import ui
from admin_views.base import Permission, expose
from admin_views.forms import StudioForm
from admin_views.listing import Column, Filter, as_uuid, contains
from admin_views.market.categories import CategoriesView
from admin_views.market.labels import LICENSE_LABELS, category_choice, labels
from admin_views.market.listing_steps import ListingSteps
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.times import as_typed, typed_time, zone_name
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring.models import Character, CharacterStatus
from studio.authoring.queries import get_draft, not_in_trash
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.kit.money import EXPONENTS, Money, parse_price
from studio.kit.paging import Key
from studio.market import appeals, listings, queries, rules
from studio.market.models import (
    DESCRIPTION_LENGTH,
    TITLE_LENGTH,
    CaseState,
    CharacterCategory,
    CharacterPublication,
    LicenseType,
    PublicationStatus,
    ReviewCase,
)
from studio.work import queries as jobs

_P = Permission
_MOST_CHARACTERS = 200
_STATUSES = (
    (PublicationStatus.PENDING.value, _l("waiting for review")),
    (PublicationStatus.APPROVED.value, _l("live")),
    (PublicationStatus.SCHEDULED.value, _l("scheduled")),
    (PublicationStatus.CHANGES_REQUESTED.value, _l("sent back")),
    (PublicationStatus.REJECTED.value, _l("rejected")),
    (PublicationStatus.UNLISTED.value, _l("unlisted")),
    (PublicationStatus.WITHDRAWN.value, _l("withdrawn")),
    (PublicationStatus.QUARANTINED.value, _l("hidden for review")),
    (PublicationStatus.TAKEN_DOWN.value, _l("taken down")),
)


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        ListingsView(resources, CharacterPublication, name=_l("Listings"), endpoint="listings"),
        CategoriesView(resources, CharacterCategory, name=_l("Categories"), endpoint="categories"),
    ]


class ListingForm(StudioForm):
    """What a creator says of a listing. The service checks it; here nothing is refused that it would take."""

    character_id = SelectField(_l("Character"), validate_choice=False)
    title = StringField(_l("Title"), render_kw={"maxlength": TITLE_LENGTH, "autocomplete": "off", "required": True})
    description = TextAreaField(
        _l("Description"),
        description=_l("What people read before they meet the character."),
        render_kw={"maxlength": DESCRIPTION_LENGTH, "rows": 6},
    )
    category_id = SelectField(_l("Category"), validate_choice=False)
    tags = StringField(_l("Tags"), description=_l("Up to 20, separated by commas."), render_kw={"autocomplete": "off"})
    license_type = SelectField(
        _l("Licence"),
        choices=[SelectChoice(value.value, label) for value, label in LICENSE_LABELS.items()],
        validate_choice=False,
    )
    price = StringField(
        _l("Price"), description=_l("0 for a free listing."), render_kw={"inputmode": "decimal", "autocomplete": "off"}
    )
    currency = SelectField(
        _l("Currency"), choices=[SelectChoice(code) for code in sorted(EXPONENTS)], validate_choice=False
    )
    publish_at = StringField(
        _l("Goes live"),
        description=_l("At this time, in your time zone, if it is approved by then. Empty: as soon as it is approved."),
        render_kw={"type": "datetime-local", "autocomplete": "off"},
    )


def _price(row: CharacterPublication) -> Markup:
    return ui.money(row.price_minor, row.currency.strip())


class ListingsView(ListingSteps):
    """A creator's own listings, everybody's for moderators and staff: submitting, following, withdrawing."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.LISTING_READ_OWN, _P.LISTING_READ_ANY),
        "details_view": (_P.LISTING_READ_OWN, _P.LISTING_READ_ANY),
        "state": (_P.LISTING_READ_OWN, _P.LISTING_READ_ANY),
        "create_view": _P.LISTING_SUBMIT,
        **ListingSteps.step_permissions,
    }
    menu_section = "market"
    menu_icon = "building-store"
    menu_order = 10
    keeps_new = False  # The form is filled from the character that its address names.
    columns = (
        Column("title", _l("Title"), sort="title"),
        Column("status", _l("Status"), cell=lambda row: ui.badge(row.status)),
        Column("price_minor", _l("Price"), cell=_price, numeric=True),
        Column("publisher", _l("Creator"), cell=lambda row: g.get("publishers", {}).get(row.publisher_id, "")),
        Column("license_type", _l("Licence"), cell=lambda row: ui.badge(row.license_type), wide_only=True),
        Column("version_number", _l("Version"), numeric=True, wide_only=True),
        Column("submitted_at", _l("Submitted"), cell=lambda row: ui.moment(row.submitted_at), sort="created"),
    )
    orders: ClassVar[dict[str, Any]] = {
        "created": (Key(CharacterPublication.created_at), Key(CharacterPublication.id)),
        "title": (Key(CharacterPublication.title), Key(CharacterPublication.id)),
    }
    default_sort = ("created", True)
    filters = (
        Filter(
            "status", _l("Status"), lambda value: CharacterPublication.status == value, choices=_STATUSES, quick=True
        ),
    )
    search_hint = _l("Title")
    form = ListingForm
    create_template = "market/submit.html"
    bulk_actions = ("listings.unlist", "listings.relist")
    details_template = "market/listing.html"
    created_text = _l("Submitted for review. A moderator looks at it next; you see the decision here.")
    empty_title = _l("No listings yet")
    empty_text = _l("Submit a character: it is checked, a moderator reads it, and then people can meet it.")
    empty_icon = "building-store"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """A creator's own; everything for who sees every listing."""
        return queries.listing_managed_by(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of a title."""
        return contains(text, CharacterPublication.title)

    def hidden(self, actor: Actor) -> frozenset[str]:
        """A creator knows whose listings these are."""
        return frozenset() if actor.may(_P.LISTING_READ_ANY) else frozenset({"publisher"})

    def list_context(self, rows: Sequence[CharacterPublication]) -> dict[str, Any]:
        """Who submitted the listings of the page, read once."""
        if "publisher" not in self.hidden(current_actor()):
            ids = {row.publisher_id for row in rows}
            named = self.request_session.execute(sa.select(User.id, User.name).where(User.id.in_(ids)))
            g.publishers = {row.id: row.name for row in named}
        return {}

    def make_form(self, row: Any | None = None) -> ListingForm:  # noqa: ARG002 - The base asks with the row.
        """The form; on the first look it starts from the character, or from its newest listing."""
        form = ListingForm()
        session, actor = self.request_session, current_actor()
        shelves = queries.list_categories(session, actor=actor, only_active=True)
        form.category_id.choices = [
            SelectChoice("", _("Choose…")),
            *(SelectChoice(str(shelf.category.id), category_choice(shelf)) for shelf in shelves),
        ]
        wanted = as_uuid(request.values.get("character_id"))
        # A foreign id is "not found" before anything of it is shown.
        character = get_draft(session, actor=actor, character_id=wanted) if wanted is not None else None
        form.character_id.choices = self._characters(session, actor, character)
        if request.method == "GET":
            _prefill(session, actor, form, character)
        return form

    def form_context(self, row: Any | None) -> dict[str, Any]:  # noqa: ARG002 - The base asks with the row.
        """The character that is to be listed, and what the last decision on it asked for."""
        wanted = as_uuid(request.values.get("character_id"))
        session, actor = self.request_session, current_actor()
        character = get_draft(session, actor=actor, character_id=wanted) if wanted is not None else None
        feedback = queries.feedback_for(session, actor=actor, character_id=wanted) if wanted is not None else []
        return {"character": character, "feedback": feedback, **labels()}

    def do_create(self, session: Session, *, actor: Actor, form: ListingForm) -> CharacterPublication:
        """Submit the listing."""
        wrong: dict[str, str] = {}
        character_id, category_id = as_uuid(form.character_id.data), as_uuid(form.category_id.data)
        if character_id is None:
            wrong["character_id"] = "Choose a character."
        price = Money(0, "USD")
        try:
            price = parse_price(form.price.data or "", form.currency.data or "")
        except InvalidError as error:
            wrong.update(error.fields)
        publish_at: datetime | None = None
        try:
            publish_at = typed_time(form.publish_at.data, field="publish_at")
        except InvalidError as error:
            wrong.update(error.fields)
        license_type = _license(form.license_type.data)
        if license_type is None:
            wrong["license_type"] = "Choose a licence."
        texts: dict[str, Any] = {
            "title": form.title.data or "",
            "description": form.description.data or "",
            "tags": rules.split_tags(form.tags.data or ""),
        }
        if wrong or character_id is None or license_type is None:
            # Whatever else is wrong is told at the same time, not after the next try.
            rules.checked_listing(**texts, price=price, license_type=license_type or LicenseType.FREE, problems=wrong)
        return listings.submit(
            session,
            actor=actor,
            character_id=character_id or UUID(int=0),
            category_id=category_id or UUID(int=0),
            price=price,
            license_type=license_type or LicenseType.FREE,
            publish_at=publish_at,
            now=utc_now(),
            **texts,
        )

    def saved_url(self, row: CharacterPublication) -> str:
        """The listing's page, where its way can be followed."""
        return url_for("listings.details_view", row_id=row.id)

    def details_context(self, row: CharacterPublication) -> dict[str, Any]:
        """The character, the category, and the way of the listing so far."""
        session, actor = self.request_session, current_actor()
        character = session.get_one(Character, row.character_id)
        newest = queries.find_newest_listing(session, actor=actor, character_id=row.character_id)
        decided = queries.find_decision(session, actor=actor, publication_id=row.id)
        may_appeal = decided is not None and decided.appeal is None and row.status in queries.SENT_BACK
        return {
            "can_appeal": may_appeal and decided is not None and appeals.can_appeal(decided.decision, now=utc_now()),
            "earlier": self._earlier(row, decided),
            "now": utc_now(),
            "as_typed": as_typed,
            "zone": zone_name(),
            "character": character,
            "newer": newest if newest is not None and newest.id != row.id else None,
            "portrait": portrait_url(queries.portrait_of(session, row), "card"),
            "category": session.get_one(CharacterCategory, row.category_id),
            "publisher": session.scalar(sa.select(User.name).where(User.id == row.publisher_id)),
            "decided": decided,
            "is_own": row.publisher_id == actor.user_id,
            **self._way(row),
            **labels(),
        }

    def _earlier(self, row: CharacterPublication, newest: queries.Decided | None) -> Sequence[queries.Decided]:
        """The decisions on the listing before its newest one, newest first; read only where there is a newest one."""
        if newest is None:
            return []
        found = queries.list_decisions_on(self.request_session, actor=current_actor(), publication_id=row.id)
        return [one for one in found if one.decision.id != newest.decision.id]

    @expose("/<uuid:row_id>/state")
    def state(self, row_id: UUID) -> ResponseReturnValue:
        """Where the listing stands, as a part of its page that asks again while something is about to change."""
        row = self.get_one(row_id)
        if request.args.get("was") == "deciding" and not self._way(row)["is_decided_soon"]:
            # The decision is in effect, or undone: the page is another one now.
            return "", 200, {"HX-Refresh": "true"}
        return self.render("market/_state.html", row=row, **self._way(row), **labels())

    def _way(self, row: CharacterPublication) -> dict[str, Any]:
        session, actor = self.request_session, current_actor()
        case = session.scalar(
            sa.select(ReviewCase).where(ReviewCase.publication_id == row.id).order_by(ReviewCase.id.desc()).limit(1)
        )
        found = jobs.list_jobs_about(session, actor=actor, about=("character", row.character_id))
        screening = next(
            (job for job in found if case is not None and job.dedupe_key == listings.screening_key(case.id)), None
        )
        return {
            "case": case,
            "screening": screening,
            "is_moving": case is not None and case.state is CaseState.SCREENING,
            "is_decided_soon": case is not None and case.state is CaseState.DECIDING,
        }

    def _characters(self, session: Session, actor: Actor, character: Character | None) -> Sequence[SelectChoice]:
        rows = session.execute(
            sa.select(Character.id, Character.name)
            .where(Character.owner_id == actor.user_id, Character.status != CharacterStatus.ARCHIVED, not_in_trash())
            .order_by(Character.updated_at.desc(), Character.id.desc())
            .limit(_MOST_CHARACTERS)
        ).all()
        known = {str(character_id): name for character_id, name in rows}
        if character is not None:
            known.setdefault(str(character.id), character.name)
        return [SelectChoice("", _("Choose…")), *(SelectChoice(value, label) for value, label in known.items())]


def _license(value: str | None) -> LicenseType | None:
    try:
        return LicenseType(value or "")
    except ValueError:
        return None


def _prefill(session: Session, actor: Actor, form: ListingForm, character: Character | None) -> None:
    form.license_type.data, form.price.data, form.currency.data = LicenseType.FREE.value, "0", "USD"
    if character is None:
        return
    form.character_id.data = str(character.id)
    former = queries.find_newest_listing(session, actor=actor, character_id=character.id)
    if former is None:
        form.title.data = character.name
        form.description.data = character.tagline or character.creator_notes[:DESCRIPTION_LENGTH]
        form.tags.data = ", ".join(character.tags[: rules.MOST_TAGS])
        return
    form.title.data, form.description.data = former.title, former.description
    form.tags.data = ", ".join(former.tags)
    form.category_id.data = str(former.category_id)
    form.license_type.data = former.license_type.value
    form.currency.data = former.currency.strip()
    form.price.data = str(Money(former.price_minor, former.currency.strip()).amount)
