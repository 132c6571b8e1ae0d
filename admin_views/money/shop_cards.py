"""A page of the shop as cards: the portrait, the title, a line about the character, who made it, and the price."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from markupsafe import Markup

from admin_views import ui
from admin_views.formats import hue
from admin_views.media.files import portrait_urls
from studio.market.models import CharacterPublication


@dataclass(frozen=True, slots=True)
class Face:
    """What a card shows of the version that a listing offers."""

    portrait_id: UUID | None = None
    tagline: str = ""


def shop_cards(
    rows: Sequence[CharacterPublication],
    *,
    faces: Mapping[UUID, Face],
    creators: Mapping[UUID, str],
    is_featured: Callable[[CharacterPublication], bool],
    url_of: Callable[[CharacterPublication], str | None],
) -> Markup:
    """The items of the list of cards, in the order of `rows`; `faces` are by the listing's id."""
    portrait = portrait_urls("card")
    return Markup("").join(
        Markup(
            '<li class="character-card"><a href="{}">{}<span class="character-card-text">'
            '<span class="character-card-name">{}</span>{}<span class="character-card-facts">{}{}'
            '<span class="text-secondary">{}</span></span></span></a></li>\n'
        ).format(
            url_of(row) or "",
            _picture(row, faces.get(row.id, Face()).portrait_id, portrait),
            row.title,
            _line(faces.get(row.id, Face()).tagline),
            ui.money(row.price_minor, row.currency),
            _mark(row, is_featured=is_featured(row)),
            creators.get(row.publisher_id, ""),
        )
        for row in rows
    )


def _picture(row: CharacterPublication, portrait_id: UUID | None, portrait: Callable[[UUID], str]) -> Markup:
    if portrait_id is None:
        return Markup(
            '<span class="character-picture character-picture-none hue-{}" aria-hidden="true">{}</span>'
        ).format(hue(row.title), row.title[:1].upper())
    return Markup(
        '<img class="character-picture" src="{}" alt="" loading="lazy" decoding="async" width="400" height="600">'
    ).format(portrait(portrait_id))


def _line(tagline: str) -> Markup:
    return Markup('<span class="character-card-tagline">{}</span>').format(tagline) if tagline else Markup("")


def _mark(row: CharacterPublication, *, is_featured: bool) -> Markup:
    if is_featured:
        return ui.badge("featured")
    # What costs nothing says so as its price.
    return ui.badge(row.license_type) if row.price_minor else Markup("")
