"""Buying: live listings, a person's purchases, the page of the local test provider, and downloads."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import Response, flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy.orm import Session

from admin_views import ui
from admin_views.authoring.version_labels import value_label
from admin_views.base import Permission, StudioModelView, StudioView, expose
from admin_views.forms import sentence, whole_number
from admin_views.listing import Column, Filter, contains
from admin_views.market import labels as market_labels
from admin_views.market.labels import LICENSE_LABELS
from admin_views.media.files import portrait_url
from admin_views.money import labels as money_labels
from admin_views.money.shop_cards import Face, shop_cards
from admin_views.resources import Resources, request_session
from admin_views.session import current_actor
from studio import work
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring import fields
from studio.authoring.models import CharacterVersion, ListedCharacter
from studio.cards import macros
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.kit.paging import Key
from studio.market.catalogue import queries, withheld
from studio.market.models import (
    GIVEN_UP,
    TAKEN_DOWN,
    CharacterCategory,
    CharacterPublication,
    LicenseType,
    PublicationStatus,
    Purchase,
    PurchaseStatus,
)
from studio.market.money import downloads, payments, policy, purchases
from studio.market.money import queries as money_queries
from studio.market.money.errors import AlreadyBoughtError
from studio.providers.payments import Checkout, EventKind, LocalPayments, Order
from studio.secret_key import secret_key

_P = Permission
_LATE = timedelta(seconds=20)
_KEY_LENGTH = 64
_MOST_TAGS = 40
_GREETING_LENGTH = 600
# Read of a greeting before its macros are resolved: they may be longer than what they stand for.
_READ_LENGTH = 3_000
TEST_ANSWERS = {
    "pay": _l("Pay"),
    "twice": _l("Pay, and have it told twice"),
    "late": _l("Pay, and have it told 20 seconds later"),
    "fail": _l("Have the card refused"),
}
"""What a tester can have the local test provider do."""


def _is_featured(row: CharacterPublication) -> bool:
    return row.featured_until is not None and row.featured_until > utc_now()


def _greeting_of(data: Mapping[str, Any], *, language: str) -> str:
    """How the character begins to speak, to the reader: the first 600 characters of its first greeting."""
    written = str(data.get("first_mes") or "")[:_READ_LENGTH]
    reader = macros.reader_in(written, language=language)
    read = macros.render(written, char=macros.display_name(dict(data)), user=reader).strip()
    return read if len(read) <= _GREETING_LENGTH else read[: _GREETING_LENGTH - 1].rstrip() + "…"


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


def _in_category(value: str) -> sa.ColumnElement[bool]:
    """In the category, or in one below it."""
    tree = sa.select(CharacterCategory.id).where(CharacterCategory.id == UUID(value)).cte("shelf", recursive=True)
    below = sa.select(CharacterCategory.id).join(tree, CharacterCategory.parent_id == tree.c.id)
    return CharacterPublication.category_id.in_(sa.select(tree.union(below).c.id))


def _categories(actor: Actor) -> list[tuple[str, str]]:
    """The whole tree, closed shelves too: what is live stays live in them."""
    shelves = queries.list_categories(request_session(), actor=actor)
    return [(str(shelf.category.id), market_labels.category_choice(shelf)) for shelf in shelves]


class ShopView(StudioModelView):
    """What is live on the market, for everybody who may enter."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _P.LISTING_READ_LIVE,
        "details_view": _P.LISTING_READ_LIVE,
        "buy": _P.PURCHASE_MAKE,
    }
    menu_section = "market"
    menu_icon = "shopping-cart"
    menu_order = 5
    columns = (
        Column("is_featured", _l("Featured first"), sort="featured"),
        Column("published_at", _l("On the market"), sort="published"),
        Column("title", _l("Title"), sort="title"),
    )
    orders: ClassVar[dict[str, Any]] = {
        # What is live has a time since when; so one index gives every page.
        "featured": (
            Key(CharacterPublication.is_featured),
            Key(CharacterPublication.published_at),
            Key(CharacterPublication.id),
        ),
        "published": (Key(CharacterPublication.published_at, nullable=True), Key(CharacterPublication.id)),
        "title": (Key(CharacterPublication.title), Key(CharacterPublication.id)),
    }
    default_sort = ("featured", True)
    filters = (
        Filter(
            "featured",
            _l("Featured"),
            lambda _value: CharacterPublication.featured_until > utc_now(),
            choices=(("yes", _l("featured")),),
            quick=True,
        ),
        Filter("category", _l("Category"), _in_category, choices=_categories),
        Filter(
            "licence",
            _l("Licence"),
            lambda value: CharacterPublication.license_type == value,
            choices=tuple((value.value, LICENSE_LABELS[value]) for value in LicenseType),
        ),
    )
    search_hint = _l("Title")
    list_template = "money/shop.html"
    details_template = "money/offer.html"
    empty_title = _l("Nothing is on the market yet")
    empty_text = _l("Characters appear here when their creators submit them and a moderator has approved them.")
    empty_icon = "building-store"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """What is live."""
        live = CharacterPublication.status == PublicationStatus.APPROVED
        return sa.and_(queries.listing_visible_to(actor), live)

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """Part of a title."""
        return contains(text, CharacterPublication.title)

    def list_context(self, rows: Sequence[CharacterPublication]) -> dict[str, Any]:
        """Portraits, taglines and creators of the page, read once each."""
        session = self.request_session
        wanted = [(row.character_id, row.version_number) for row in rows]
        key = sa.tuple_(CharacterVersion.character_id, CharacterVersion.version_number)
        shown = sa.and_(
            ListedCharacter.character_id == CharacterVersion.character_id,
            ListedCharacter.version_number == CharacterVersion.version_number,
        )
        faces = {
            (character_id, number): Face(portrait_id, tagline or "")
            for character_id, number, portrait_id, tagline in session.execute(
                sa.select(
                    CharacterVersion.character_id,
                    CharacterVersion.version_number,
                    CharacterVersion.portrait_id,
                    ListedCharacter.tagline,
                )
                .outerjoin(ListedCharacter, shown)
                .where(key.in_(wanted))
            )
        }
        g.faces = {row.id: faces.get((row.character_id, row.version_number), Face()) for row in rows}
        people = sa.select(User.id, User.name).where(User.id.in_({row.publisher_id for row in rows}))
        g.creators = dict(session.execute(people).all())
        return {}

    def rows_html(self, rows: Sequence[Any], columns: Sequence[Column], context: Mapping[str, Any]) -> Markup:
        """Cards instead of a table's rows."""
        del columns, context
        return shop_cards(rows, faces=g.faces, creators=g.creators, is_featured=_is_featured, url_of=self.row_urls())

    def details_context(self, row: CharacterPublication) -> dict[str, Any]:
        """The offer, and what the present person has of it."""
        session, actor = self.request_session, current_actor()
        version = queries.version_of(session, row)
        profile = fields.profile_in(version.studio)
        return {
            "portrait": portrait_url(version.portrait_id, "card"),
            "profile": profile,
            "tags": list(dict.fromkeys([*row.tags, *version.card["data"].get("tags", ())]))[:_MOST_TAGS],
            "greeting": _greeting_of(version.card["data"], language=str(profile.get("language") or "")),
            "value_label": value_label,
            "category": session.get_one(CharacterCategory, row.category_id),
            "publisher": session.scalar(sa.select(User.name).where(User.id == row.publisher_id)),
            "held": money_queries.find_held(session, actor=actor, character_id=row.character_id),
            "taken": money_queries.taken(session, row, buyer_id=actor.user_id, now=utc_now()),
            "is_own": row.publisher_id == actor.user_id,
            "is_featured": _is_featured(row),
            "key": uuid4().hex,
            "provider": self.resources.payments,
            **market_labels.labels(),
            **money_labels.labels(),
        }

    @expose("/<uuid:row_id>/buy", methods=("POST",))
    def buy(self, row_id: UUID) -> ResponseReturnValue:
        """Begin a purchase; the key of the form makes a second press the same one."""
        session, actor = self.request_session, current_actor()
        key = request.form.get("key", "")[:_KEY_LENGTH] or uuid4().hex
        try:
            purchase = purchases.begin(
                session,
                actor=actor,
                publication_id=row_id,
                idempotency_key=key,
                provider=self.resources.payments.name,
                policy=policy.from_settings(self.resources.settings),
                now=utc_now(),
            )
        except StudioError as error:
            if isinstance(error, NotFoundError):
                raise
            session.rollback()
            flash(sentence(error), "warning")
            held = None
            if isinstance(error, AlreadyBoughtError):
                row = self.get_one(row_id)
                held = money_queries.find_held(session, actor=actor, character_id=row.character_id)
            if held is not None:
                return redirect(url_for("purchases.details_view", row_id=held.id), 303)
            return redirect(url_for("shop.index_view"), 303)
        if purchase.status is PurchaseStatus.PAID:
            flash(_("It is yours. Download it below."), "success")
        return redirect(url_for("purchases.details_view", row_id=purchase.id), 303)


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


class TestPaymentsView(StudioView):
    """Where the local test provider takes its payments: a tester says what happens, and no money moves."""

    __test__ = False  # Not a test, whatever its name begins with.
    permissions: ClassVar[Any] = {"index": _P.PURCHASE_MAKE, "show": _P.PURCHASE_MAKE, "answer": _P.PURCHASE_MAKE}
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Payments begin on the page of a purchase."""
        return redirect(url_for("purchases.index_view"), 303)

    @expose("/<uuid:purchase_id>")
    def show(self, purchase_id: UUID) -> ResponseReturnValue:
        """What is to be paid, and what can happen."""
        row, _provider = self._pending(purchase_id)
        return self.render("money/test_payment.html", row=row, answers=TEST_ANSWERS, **money_labels.labels())

    @expose("/<uuid:purchase_id>/answer", methods=("POST",))
    def answer(self, purchase_id: UUID) -> ResponseReturnValue:
        """The provider tells what the tester chose: now, late, or twice."""
        row, provider = self._pending(purchase_id)
        how, now = request.form.get("how", ""), utc_now()
        if how not in TEST_ANSWERS:
            raise NotFoundError
        if how == "late":
            work.ask(
                self.session,
                "money.deliver_test_payment",
                actor=current_actor(),
                about=("purchase", row.id),
                run_after=now + _LATE,
                dedupe_key=f"money.deliver_test_payment:{row.id}",
                purchase_id=row.id,
                kind=EventKind.PAID.value,
                times=1,
            )
        else:
            kind = EventKind.FAILED if how == "fail" else EventKind.PAID
            body, signature = provider.tell(
                kind, purchase_id=row.id, amount_minor=row.price_minor, currency=row.currency, now=now
            )
            for _again in range(2 if how == "twice" else 1):
                payments.receive(
                    self.session,
                    provider=provider,
                    body=body,
                    signature=signature,
                    policy=policy.from_settings(self.resources.settings),
                    now=now,
                )
        return redirect(url_for("purchases.details_view", row_id=row.id), 303)

    def _pending(self, purchase_id: UUID) -> tuple[Purchase, LocalPayments]:
        provider = self.resources.payments
        row = money_queries.get_own_purchase(self.session, actor=current_actor(), purchase_id=purchase_id)
        if not isinstance(provider, LocalPayments) or row.provider != provider.name:
            raise NotFoundError
        return row, provider


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [
        ShopView(resources, CharacterPublication, name=_l("Shop"), endpoint="shop"),
        PurchasesView(resources, Purchase, name=_l("My purchases"), endpoint="purchases"),
        DownloadsView(resources, name=_l("Downloads"), endpoint="downloads"),
        TestPaymentsView(resources, name=_l("Test payments"), endpoint="test_payments", url="/test-payments"),
    ]
