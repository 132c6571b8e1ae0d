"""Listings: submitting a character, following the submission, taking it back."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session

from admin_views import ui
from admin_views.base import Permission, expose
from admin_views.listing import Column, Filter, as_uuid, contains
from admin_views.market.categories import CategoriesView
from admin_views.market.feedback import places_of
from admin_views.market.labels import labels
from admin_views.market.listing_drafts import MOST_SHOWN, ListingDraftsView, missing_labels, newest_drafts
from admin_views.market.listing_form import (
    DRAFT_KEPT,
    SUBMITTED,
    ListingForm,
    ListingFormParts,
    read_price,
    submit,
    words_of,
)
from admin_views.market.listing_steps import ListingSteps
from admin_views.media.files import portrait_url
from admin_views.resources import Resources
from admin_views.session import current_actor
from admin_views.times import as_typed, zone_name
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring.models import Character
from studio.kit.clock import utc_now
from studio.kit.paging import Key
from studio.market.catalogue import cases, listing_drafts, queries
from studio.market.models import (
    CaseState,
    CharacterCategory,
    CharacterPublication,
    ListingDraft,
    PublicationStatus,
    ReviewCase,
)
from studio.market.money import queries as money_queries
from studio.market.review import appeals
from studio.market.review import queries as review_queries
from studio.work import queries as jobs

_P = Permission
_LONGEST_TIME = 30
_LONGEST_PRICE = 100
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
        ListingDraftsView(resources, ListingDraft, name=_l("Drafts of listings"), endpoint="listing_drafts"),
        CategoriesView(resources, CharacterCategory, name=_l("Categories"), endpoint="categories"),
    ]


def _price(row: CharacterPublication) -> Markup:
    return ui.money(row.price_minor, row.currency.strip())


class ListingsView(ListingFormParts, ListingSteps):
    """A creator's own listings, everybody's for moderators and staff: submitting, following, withdrawing."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": (_P.LISTING_READ_OWN, _P.LISTING_READ_ANY),
        "details_view": (_P.LISTING_READ_OWN, _P.LISTING_READ_ANY),
        "state": (_P.LISTING_READ_OWN, _P.LISTING_READ_ANY),
        "create_view": _P.LISTING_SUBMIT,
        "price": _P.LISTING_SUBMIT,
        **ListingSteps.step_permissions,
    }
    menu_section = "market"
    menu_icon = "building-store"
    menu_order = 10
    list_template = "market/listings.html"
    columns = (
        Column("title", _l("Title"), sort="title"),
        Column("status", _l("Status"), cell=lambda row: ui.badge(row.status)),
        Column("price_minor", _l("Price"), cell=_price, numeric=True, wide_only=True),
        Column(
            "publisher",
            _l("Creator"),
            cell=lambda row: g.get("publishers", {}).get(row.publisher_id, ""),
            wide_only=True,
        ),
        Column("license_type", _l("Licence"), cell=lambda row: ui.badge(row.license_type), wide_only=True),
        Column("version_number", _l("Version"), numeric=True, wide_only=True),
        Column(
            "submitted_at",
            _l("Submitted"),
            cell=lambda row: ui.moment(row.submitted_at),
            sort="created",
            wide_only=True,
        ),
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
    bulk_actions = ("listings.unlist", "listings.relist")
    details_template = "market/listing.html"
    created_text = SUBMITTED
    empty_title = _l("No listings yet")
    empty_text = _l("Submit a character: it is checked, a moderator reads it, and then people can meet it.")
    empty_icon = "building-store"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """A creator's own; everything for who sees every listing."""
        return queries.listing_managed_by(actor)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of a title."""
        return contains(text, CharacterPublication.title)

    def draft_differences(self, row: Any, fields: Any, *, part: str) -> list[Any] | None:
        """As for every form; a page about one character does not offer what was typed about another."""
        asked = as_uuid(request.args.get("character_id"))
        if row is None and asked is not None and as_uuid(fields.get("character_id")) != asked:
            return []
        return super().draft_differences(row, fields, part=part)

    def hidden(self, actor: Actor) -> frozenset[str]:
        """A creator knows whose listings these are."""
        return frozenset() if actor.may(_P.LISTING_READ_ANY) else frozenset({"publisher"})

    def list_context(self, rows: Sequence[CharacterPublication]) -> dict[str, Any]:
        """Who submitted the listings of the page, read once."""
        if "publisher" not in self.hidden(current_actor()):
            ids = {row.publisher_id for row in rows}
            named = self.request_session.execute(sa.select(User.id, User.name).where(User.id.in_(ids)))
            g.publishers = {row.id: row.name for row in named}
        # On the first look only: a filter, an order or a later page asks for something else.
        drafts = () if request.args else newest_drafts(self.request_session, current_actor())
        return {"drafts": drafts, "most_drafts": MOST_SHOWN, "missing_labels": missing_labels}

    def made_text(self, row: CharacterPublication | ListingDraft) -> str:
        """What is said of a listing that was submitted, or kept as a draft."""
        return str(DRAFT_KEPT if isinstance(row, ListingDraft) else self.created_text)

    @expose("/new", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """The form; who has begun a listing of the same character goes on with that, unless they want another."""
        about = as_uuid(request.args.get("character_id"))
        if request.method == "GET" and about is not None and not {"another", "draft"} & set(request.args):
            begun = listing_drafts.newest(self.request_session, actor=current_actor(), limit=1, character_id=about)
            if begun:
                flash(_("You go on with the listing of this character that you have begun."), "info")
                return redirect(url_for("listing_drafts.edit_view", row_id=begun[0].id), 303)
        form: ResponseReturnValue = super().create_view()
        return form

    def do_create(self, session: Session, *, actor: Actor, form: ListingForm) -> CharacterPublication | ListingDraft:
        """Submit the listing, or keep it as a draft."""
        if request.form.get("do") == "draft":
            return listing_drafts.begin(session, actor=actor, words=words_of(form), now=utc_now())
        return submit(session, actor=actor, form=form)

    def saved_url(self, row: CharacterPublication | ListingDraft) -> str:
        """The listing's page, where its way can be followed; the list, where a draft waits."""
        if isinstance(row, ListingDraft):
            return url_for("listings.index_view")
        return url_for("listings.details_view", row_id=row.id)

    def details_context(self, row: CharacterPublication) -> dict[str, Any]:
        """The character, the category, and the way of the listing so far."""
        session, actor = self.request_session, current_actor()
        character = session.get_one(Character, row.character_id)
        newest = queries.find_newest_listing(session, actor=actor, character_id=row.character_id)
        decided = review_queries.find_decision(session, actor=actor, publication_id=row.id)
        may_appeal = decided is not None and decided.appeal is None and row.status in queries.SENT_BACK
        return {
            "can_appeal": may_appeal and decided is not None and appeals.can_appeal(decided.decision, now=utc_now()),
            "earlier": self._earlier(row, decided),
            "places": self._places(row, decided, newest),
            "now": utc_now(),
            # A time that was refused, to be mended where it was typed.
            "refused": {name: request.args.get(name, "")[:_LONGEST_TIME] for name in ("publish_at", "until")},
            "as_typed": as_typed,
            "zone": zone_name(),
            "character": character,
            "newer": newest if newest is not None and newest.id != row.id else None,
            "portrait": portrait_url(queries.portrait_of(session, row), "card"),
            "category": session.get_one(CharacterCategory, row.category_id),
            "publisher": session.scalar(sa.select(User.name).where(User.id == row.publisher_id)),
            "decided": decided,
            "is_sold": money_queries.is_sold_exclusively(session, character_id=row.character_id),
            "is_own": row.publisher_id == actor.user_id,
            **self._way(row),
            **labels(),
        }

    def _earlier(
        self, row: CharacterPublication, newest: review_queries.Decided | None
    ) -> Sequence[review_queries.Decided]:
        """The decisions on the listing before its newest one, newest first; read only where there is a newest one."""
        if newest is None:
            return []
        found = review_queries.list_decisions_on(self.request_session, actor=current_actor(), publication_id=row.id)
        return [one for one in found if one.decision.id != newest.decision.id]

    def _places(
        self, row: CharacterPublication, decided: review_queries.Decided | None, newest: CharacterPublication | None
    ) -> Mapping[str, str]:
        """Where the reasons of the newest decision are answered, as long as they are what the creator has to answer."""
        is_asking = row.status in queries.SENT_BACK and (newest is None or newest.id == row.id)
        if decided is None or not is_asking or row.publisher_id != current_actor().user_id:
            return {}
        return places_of(self.request_session, actor=current_actor(), decided=decided)

    @expose("/price")
    def price(self) -> ResponseReturnValue:
        """Say how a price is read that is being typed, as a part of the form."""
        typed = (request.args.get(name, "")[:_LONGEST_PRICE] for name in ("price", "currency"))
        return self.render("market/_price_read.html", price=read_price(*typed))

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
            (job for job in found if case is not None and job.dedupe_key == cases.screening_key(case.id)), None
        )
        return {
            "case": case,
            "screening": screening,
            "is_moving": case is not None and case.state is CaseState.SCREENING,
            "is_decided_soon": case is not None and case.state is CaseState.DECIDING,
        }
