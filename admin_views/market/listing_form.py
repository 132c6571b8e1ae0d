"""The form of a listing: what a creator says of it, kept as a draft or submitted for review."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import request
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views.forms import StudioForm, sent_fields, sentence
from admin_views.listing import as_uuid
from admin_views.market.labels import LICENSE_LABELS, category_choice, labels
from admin_views.money.labels import amount
from admin_views.resources import request_session
from admin_views.session import current_actor
from admin_views.times import typed_time
from studio.accounts.permissions import Actor
from studio.authoring.models import Character, CharacterStatus
from studio.authoring.queries import get_draft, not_in_trash
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError
from studio.kit.money import EXPONENTS, Money, parse_price
from studio.market.catalogue import listing_drafts, queries, rules, submission
from studio.market.catalogue.listing_drafts import Words
from studio.market.models import (
    DESCRIPTION_LENGTH,
    TITLE_LENGTH,
    TO_MODERATOR_LENGTH,
    CharacterPublication,
    LicenseType,
    ListingDraft,
)
from studio.market.review import queries as review_queries

SUBMITTED = _l("Submitted for review. A moderator looks at it next; you see the decision here.")
DRAFT_KEPT = _l("Kept as a draft. Nobody else sees it; go on with it whenever you like.")
_MOST_CHARACTERS = 200
_MOST_BEGUN = 3


class ListingForm(StudioForm):
    """What a creator says of a listing. The service checks it; here nothing is refused that it would take."""

    character_id = SelectField(_l("Character"), validate_choice=False)
    title = StringField(_l("Title"), render_kw={"maxlength": TITLE_LENGTH, "autocomplete": "off", "required": True})
    description = TextAreaField(
        _l("Description"),
        description=_l("What people read before they meet the character."),
        render_kw={"data-limit": DESCRIPTION_LENGTH, "rows": 6},
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
    to_moderator = TextAreaField(
        _l("Note to the moderator"),
        description=_l("What you changed, or what they should know. Nobody else reads it."),
        render_kw={"data-limit": TO_MODERATOR_LENGTH, "rows": 2},
    )


class ListingFormParts:
    """What the views with this form have in common."""

    form: ClassVar[Any] = ListingForm
    create_template = "market/submit.html"
    edit_template = "market/submit.html"

    def make_form(self, row: ListingDraft | None = None) -> ListingForm:
        """The form; a new one starts from the character that the address names, or from its newest listing."""
        session, actor = request_session(), current_actor()
        form = ListingForm(obj=row)
        shelves = queries.list_categories(session, actor=actor, only_active=True)
        form.category_id.choices = [
            SelectChoice("", _("Choose…")),
            *(SelectChoice(str(shelf.category.id), category_choice(shelf)) for shelf in shelves),
        ]
        character = _character_of(session, actor, row)
        form.character_id.choices = _characters(session, actor, character)
        if row is None and sent_fields() is None:
            _prefill(session, actor, form, character)
        return form

    def form_context(self, row: ListingDraft | None) -> dict[str, Any]:
        """The character that is to be listed, what the last decision on it asked for, and what the draft still needs."""
        session, actor = request_session(), current_actor()
        character = _character_of(session, actor, row)
        about = None if character is None else character.id
        begun: Sequence[ListingDraft] = ()
        if row is None and about is not None:
            begun = listing_drafts.newest(session, actor=actor, limit=_MOST_BEGUN, character_id=about)
        return {
            "character": character,
            "feedback": [] if about is None else review_queries.feedback_for(session, actor=actor, character_id=about),
            "begun": begun,
            "read_price": read_price,
            "missing": [] if row is None else listing_drafts.unfinished(session, [row])[0].missing,
            "form_field_label": form_field_label,
            **labels(),
        }


@dataclass(frozen=True, slots=True)
class PriceRead:
    """A typed price as the studio reads it, in the reader's way of writing; or what is wrong with it."""

    amount: str = ""
    is_free: bool = False
    wrong: str = ""


def read_price(typed: str, currency: str) -> PriceRead:
    """What a typed price is taken for: "1,5" is $1.50."""
    try:
        price = parse_price(typed, currency, locale=str(get_locale()))
    except InvalidError as error:
        return PriceRead(wrong=next((_(text) for text in error.fields.values()), sentence(error)))
    return PriceRead(amount(price.minor, price.currency), is_free=not price.minor)


def form_field_label(name: str) -> str:
    """A field of the form as it is called there."""
    return str(getattr(ListingForm, name).args[0])


def words_of(form: ListingForm) -> Words:
    """What was typed."""
    typed = {
        field.name: field.data or ""
        for field in form
        if field.name not in {"csrf_token", "character_id", "category_id"}
    }
    return Words(character_id=as_uuid(form.character_id.data), category_id=as_uuid(form.category_id.data), **typed)


def submit(session: Session, *, actor: Actor, form: ListingForm) -> CharacterPublication:
    """The listing is submitted as the form says, or every wrong field is named at once (ListingInvalidError)."""
    wrong: dict[str, str] = {}
    character_id, category_id = as_uuid(form.character_id.data), as_uuid(form.category_id.data)
    if character_id is None:
        wrong["character_id"] = "Choose a character."
    if category_id is None:
        wrong["category_id"] = "Choose an open category."
    price = Money(0, "USD")
    try:
        price = parse_price(form.price.data or "", form.currency.data or "", locale=str(get_locale()))
    except InvalidError as error:
        wrong.update(error.fields)
    publish_at: datetime | None = None
    try:
        publish_at = typed_time(form.publish_at.data, field="publish_at")
    except InvalidError as error:
        wrong.update(error.fields)
    license_type = _license(form.license_type.data)
    if "currency" in wrong and license_type not in {None, LicenseType.FREE}:
        # What it comes to cannot be known, and is not called nothing.
        price = Money(1, "USD")
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
    return submission.submit(
        session,
        actor=actor,
        character_id=character_id or UUID(int=0),
        category_id=category_id or UUID(int=0),
        price=price,
        license_type=license_type or LicenseType.FREE,
        publish_at=publish_at,
        to_moderator=form.to_moderator.data or "",
        now=utc_now(),
        **texts,
    )


def _character_of(session: Session, actor: Actor, row: ListingDraft | None) -> Character | None:
    """The character that the form is about; a foreign one is "not found" before anything of it is shown."""
    asked = request.form if request.method == "POST" else request.args
    wanted = as_uuid(asked.get("character_id"))
    if wanted is not None:
        return get_draft(session, actor=actor, character_id=wanted)
    fields = sent_fields()
    kept = as_uuid(fields.get("character_id")) if fields is not None else row.character_id if row is not None else None
    if kept is None:
        return None
    # It may have been thrown away since it was kept: then another one is chosen.
    return session.scalar(
        sa.select(Character).where(Character.id == kept, Character.owner_id == actor.user_id, not_in_trash())
    )


def _characters(session: Session, actor: Actor, character: Character | None) -> Sequence[SelectChoice]:
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
