"""What a person bought: paying, giving up, and downloading by a link that is followed once."""

from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session

from admin_views import ui
from admin_views.base import Permission, StudioModelView, StudioView, expose
from admin_views.forms import sentence, whole_number
from admin_views.listing import Column
from admin_views.market import labels as market_labels
from admin_views.money import labels as money_labels
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import StudioError
from studio.kit.paging import Key
from studio.market.catalogue import queries, withheld
from studio.market.models import (
    GIVEN_UP,
    TAKEN_DOWN,
    CharacterPublication,
    PublicationStatus,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import downloads, purchases
from studio.market.money import queries as money_queries
from studio.providers.payments import Checkout, Order
from studio.secret_key import secret_key

_P = Permission


def _offer_of(session: Session, purchase: Purchase) -> UUID | None:
    """Where the character of a purchase that came to nothing is on the market now."""
    if purchase.status in {PurchaseStatus.PENDING, PurchaseStatus.PAID, PurchaseStatus.DISPUTED}:
        return None
    return session.scalar(
        sa.select(CharacterPublication.id).where(
            queries.listing_visible_to(current_actor()),
            CharacterPublication.character_id == purchase.character_id,
            CharacterPublication.status == PublicationStatus.APPROVED,
        )
    )


class PurchasesView(StudioModelView):
    """What the present person bought: paying, giving up, downloading."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _P.PURCHASE_READ_OWN,
        "details_view": _P.PURCHASE_READ_OWN,
        "state": _P.PURCHASE_READ_OWN,
        "pay": _P.PURCHASE_MAKE,
        "give_up": _P.PURCHASE_MAKE,
        "download": _P.PURCHASE_READ_OWN,
    }
    menu_section = "market"
    menu_icon = "download"
    menu_order = 6
    columns = (
        Column("title", _l("Character"), sort="title"),
        Column("status", _l("Status"), cell=lambda row: money_labels.purchase_badge(row.status)),
        Column("price_minor", _l("Price"), cell=lambda row: ui.money(row.price_minor, row.currency), numeric=True),
        Column("license_type", _l("Licence"), cell=lambda row: ui.badge(row.license_type), wide_only=True),
        Column("created_at", _l("Begun"), cell=lambda row: ui.moment(row.created_at), sort="created", wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {
        "created": (Key(Purchase.created_at), Key(Purchase.id)),
        "title": (Key(Purchase.title), Key(Purchase.id)),
    }
    default_sort = ("created", True)
    details_template = "money/purchase.html"
    empty_title = _l("You have bought nothing yet")
    empty_text = _l("Characters that you buy, or get for free, are kept here with all their versions.")
    empty_icon = "shopping-cart"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """The present person's own."""
        return money_queries.purchase_of(actor)

    def details_context(self, row: Purchase) -> dict[str, Any]:
        """The purchase, the versions that it covers, and what was fetched."""
        session = self.request_session
        return {
            "versions": money_queries.list_versions_held(session, purchase=row),
            "withheld": withheld.of_character(session, character_id=row.character_id),
            "fetched": {one.version_number: one for one in money_queries.list_downloads(session, purchase=row)},
            "forms": downloads.FORMS,
            "creator": session.scalar(sa.select(User.name).where(User.id == row.creator_id)),
            "offer_id": _offer_of(session, row),
            **self._state(row),
        }

    def _state(self, row: Purchase) -> dict[str, Any]:
        provider = self.resources.payments
        can_pay = row.status is PurchaseStatus.PENDING and utc_now() < row.expires_at
        return {
            "can_pay": can_pay,
            "provider": provider,
            "given_up": GIVEN_UP,
            "taken_down": TAKEN_DOWN,
            **market_labels.labels(),
            **money_labels.labels(),
        }

    @expose("/<uuid:row_id>/state")
    def state(self, row_id: UUID) -> ResponseReturnValue:
        """Where the purchase stands, asked again by its page until the provider has answered; then the page is whole."""
        row = self.get_one(row_id)
        if row.status is not PurchaseStatus.PENDING:
            return "", 200, {"HX-Refresh": "true"}
        return self.render("money/_purchase_state.html", row=row, **self._state(row))

    @expose("/<uuid:row_id>/pay", methods=("POST",))
    def pay(self, row_id: UUID) -> ResponseReturnValue:
        """Go where the provider takes the money."""
        row = self.get_one(row_id)
        person = self.request_session.get_one(User, row.buyer_id)

        def open_(purchase: Purchase) -> Checkout:
            page = url_for("purchases.details_view", row_id=purchase.id, _external=True)
            return self.resources.payments.checkout(
                Order(
                    purchase_id=purchase.id,
                    title=purchase.title,
                    amount_minor=purchase.price_minor,
                    currency=purchase.currency,
                    email=person.email,
                    done_url=page,
                    back_url=page,
                    expires_at=purchase.expires_at,
                )
            )

        try:
            url = purchases.open_checkout(
                self.request_session,
                actor=current_actor(),
                purchase_id=row.id,
                provider=self.resources.payments.name,
                open_=open_,
                now=utc_now(),
            )
        except StudioError as error:
            self.request_session.rollback()
            flash(sentence(error), "danger")
            url = url_for("purchases.details_view", row_id=row_id)
        return redirect(url, 303)

    @expose("/<uuid:row_id>/give-up", methods=("POST",))
    def give_up(self, row_id: UUID) -> ResponseReturnValue:
        """Do not pay after all."""
        purchase = purchases.give_up(self.request_session, actor=current_actor(), purchase_id=row_id, now=utc_now())
        if purchase.status is PurchaseStatus.CANCELLED:
            said = _("Given up. If a payment still arrives, it is returned to you.")
            flash(said if purchase.pay_url else _("Given up. Nothing was charged."), "success")
        else:
            flash(
                _("There was nothing left to give up: this purchase stands elsewhere by now, as you see below."), "info"
            )
        return redirect(url_for("purchases.details_view", row_id=row_id), 303)

    @expose("/<uuid:row_id>/download", methods=("POST",))
    def download(self, row_id: UUID) -> ResponseReturnValue:
        """Make a link for this person, this version, once, and follow it."""
        version = request.form.get("version", type=whole_number) or 0
        token = downloads.make_link(
            self.request_session,
            actor=current_actor(),
            purchase_id=row_id,
            version_number=version,
            form=request.form.get("form", "png"),
            secret=secret_key(self.resources.settings),
            now=utc_now(),
        )
        response = redirect(url_for("downloads.fetch", token=token), 303)
        response.headers["Cache-Control"] = "private, no-store"
        return response


class DownloadsView(StudioView):
    """Follows the links that purchases make."""

    permissions: ClassVar[Any] = {"index": _P.PURCHASE_READ_OWN, "fetch": _P.PURCHASE_READ_OWN}
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Links are made on the page of a purchase."""
        return redirect(url_for("purchases.index_view"), 303)

    @expose("/<token>")
    def fetch(self, token: str) -> ResponseReturnValue:
        """The card file, once."""
        made = downloads.follow(
            self.session,
            actor=current_actor(),
            token=token,
            secret=secret_key(self.resources.settings),
            storage=self.resources.storage,
            now=utc_now(),
        )
        response = Response(made.data, mimetype=made.media_type)
        response.headers.set("Content-Disposition", "attachment", filename=made.filename)
        response.headers["Cache-Control"] = "private, no-store"
        return response


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        PurchasesView(resources, Purchase, name=_l("My purchases"), endpoint="purchases"),
        DownloadsView(resources, name=_l("Downloads"), endpoint="downloads"),
    ]
