"""The small parts that lists repeat by the dozen, for cells in Python and, by the macros of their names, for templates."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from flask import current_app
from markupsafe import Markup, escape

from admin_views.formats import ago, exact_time, hue, status_label

_NO_TIME = Markup('<span class="text-secondary">–</span>')


def _macro(name: str) -> Any:
    return getattr(current_app.jinja_env.get_template("macros/ui.html").module, name)


def badge(status: object, label: object | None = None) -> Markup:
    """A status as a coloured mark; the stylesheet has the colours."""
    value = str(getattr(status, "value", status))
    text = escape(label if label is not None else status_label(value))
    return Markup(f'<span class="mark mark-{escape(value.replace("_", "-"))}">{text}</span>')  # noqa: S704 - Escaped.


def avatar(url: str | None, name: str, size: str = "sm") -> Markup:
    """A portrait, or the first letter of `name` on a colour of its own."""
    if url:
        return Markup(  # noqa: S704 - Escaped.
            f'<img class="face face-{escape(size)}" src="{escape(url)}" alt="" loading="lazy" decoding="async">'
        )
    letter = escape(name.strip()[:1].upper() or "?")
    return Markup(  # noqa: S704 - Escaped.
        f'<span class="face face-{escape(size)} hue-{hue(name)}" aria-hidden="true">{letter}</span>'
    )


def moment(value: datetime | None) -> Markup:
    """How long ago `value` was, with the exact time on hover."""
    if not value:
        return _NO_TIME
    exact = escape(exact_time(value))
    return Markup(  # noqa: S704 - Escaped.
        f'<time datetime="{value.isoformat()}" title="{exact}">{escape(ago(value))}</time>'
    )


@lru_cache(maxsize=500)
def icon(url: str, css_class: str = "") -> Markup:
    """The picture at `url`, an address within the sprite; decoration, which is not read out."""
    return Markup(  # noqa: S704 - Escaped.
        f'<svg class="icon {escape(css_class)}" aria-hidden="true" focusable="false"><use href="{escape(url)}"/></svg>'
    )


def money(minor: int, currency: str) -> Markup:
    """An amount in the reader's own way of writing money."""
    return Markup(_macro("money")(minor, currency))  # noqa: S704 - The macro escapes.


def link(url: str, text: object) -> Markup:
    """A link."""
    return Markup('<a href="{}">{}</a>').format(url, text)


def progress(percent: int, label: str = "") -> Markup:
    """A bar of progress."""
    return Markup(_macro("progress")(percent, label))  # noqa: S704 - The macro escapes.
