"""A page of characters as cards: the portrait, the name, a line about them, their state and when they were changed."""

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup, escape

from admin_views import ui
from admin_views.formats import hue
from admin_views.media.files import portrait_urls
from admin_views.rows import Picks


def character_cards(rows: Sequence[Any], *, url_of: Callable[[Any], str | None], picks: Picks | None) -> Markup:
    """The items of the list of cards; made here and not in a template, since a page has many of them."""
    moment, badge, portrait = ui.moments(), ui.badges(), portrait_urls("card")
    names = ui.escaped([row.name for row in rows])
    taglines = ui.escaped([row.tagline or "" for row in rows])
    urls = ui.escaped([url_of(row) or "" for row in rows])
    boxes = [""] * len(rows) if picks is None else picks(rows)
    parts: list[str] = []
    for row, name, tagline, url, box in zip(rows, names, taglines, urls, boxes, strict=True):
        if row.portrait_id is None:
            face = (
                f'<span class="character-picture character-picture-none hue-{hue(row.name)}" aria-hidden="true">'
                f"{escape(row.name[:1].upper())}</span>"
            )
        else:
            face = (
                f'<img class="character-picture" src="{portrait(row.portrait_id)}" alt=""'
                ' loading="lazy" decoding="async" width="400" height="600">'
            )
        line = f'<span class="character-card-tagline">{tagline}</span>' if tagline else ""
        parts.append(
            f'<li class="character-card">{box}<a href="{url}">{face}'
            f'<span class="character-card-text"><span class="character-card-name">{name}</span>{line}'
            f'<span class="character-card-facts">{badge(row.status)}'
            f'<span class="text-secondary">{moment(row.updated_at)}</span></span></span></a></li>\n'
        )
    return Markup("".join(parts))  # noqa: S704 - Everything that people wrote is escaped above.
