"""The shop: what is on the market, as cards, each with a page on which it is bought."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import flash, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views.authoring.version_labels import value_label
from admin_views.base import Permission, StudioModelView, expose
from admin_views.forms import sentence
from admin_views.listing import Column, Filter, contains
from admin_views.market import labels as market_labels
from admin_views.market.labels import LICENSE_LABELS
from admin_views.media.files import portrait_url
from admin_views.money import labels as money_labels
from admin_views.money.shop_cards import Face, shop_cards
from admin_views.resources import Resources, request_session
from admin_views.session import current_actor
from studio.accounts.models import User
from studio.accounts.permissions import Actor
from studio.authoring import fields
from studio.authoring.models import CharacterVersion, ListedCharacter
from studio.cards import macros
from studio.kit.clock import utc_now
from studio.kit.errors import NotFoundError, StudioError
from studio.kit.paging import Key
from studio.market.catalogue import queries
from studio.market.models import (
    CharacterCategory,
    CharacterPublication,
    LicenseType,
    PublicationStatus,
    PurchaseStatus,
)
from studio.market.money import policy, purchases
from studio.market.money import queries as money_queries
from studio.market.money.errors import AlreadyBoughtError

_P = Permission
_KEY_LENGTH = 64
_MOST_TAGS = 40
_GREETING_LENGTH = 600
# Read of a greeting before its macros are resolved: they may be longer than what they stand for.
_READ_LENGTH = 3_000


def _is_featured(row: CharacterPublication) -> bool:
    return row.featured_until is not None and row.featured_until > utc_now()


def _greeting_of(data: Mapping[str, Any], *, language: str) -> str:
    """How the character begins to speak, to the reader: the first 600 characters of its first greeting."""
    written = str(data.get("first_mes") or "")[:_READ_LENGTH]
    reader = macros.reader_in(written, language=language)
    read = macros.render(written, char=macros.display_name(dict(data)), user=reader).strip()
    return read if len(read) <= _GREETING_LENGTH else read[: _GREETING_LENGTH - 1].rstrip() + "…"


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


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [ShopView(resources, CharacterPublication, name=_l("Shop"), endpoint="shop")]
