"""The small parts that lists repeat by the dozen, for cells in Python and, by the macros of their names, for templates."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from flask import current_app
from markupsafe import Markup, escape

from admin_views.formats import ago_and_exact, hue, status_label, writer_of_times

_NO_TIME = Markup('<span class="text-secondary">–</span>')


def _macro(name: str) -> Any:
    return getattr(current_app.jinja_env.get_template("macros/ui.html").module, name)


def escaped(texts: Sequence[str]) -> list[str]:
    """Each of the texts escaped for HTML; a page's hundred cost little more than one. No text has NUL in it."""
    return str(escape("\0".join(texts))).split("\0") if texts else []


def badge(status: object, label: object | None = None) -> Markup:
    """A status as a coloured mark; the stylesheet has the colours."""
    value = str(getattr(status, "value", status))
    return _mark(value, status_label(value) if label is None else str(label))


def badges() -> Callable[[object], str]:
    """`badge` for many rows of one page: each status is put into the reader's words once."""
    known: dict[object, str] = {}

    def told(status: object) -> str:
        found = known.get(status)
        if found is None:
            found = known[status] = str(badge(status))
        return found

    return told


@lru_cache(maxsize=1_000)
def _mark(value: str, label: str) -> Markup:
    return Markup(  # noqa: S704 - Escaped.
        f'<span class="mark mark-{escape(value.replace("_", "-"))}">{escape(label)}</span>'
    )


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
    return _NO_TIME if value is None else Markup(_told(value, ago_and_exact(value)))  # noqa: S704 - Escaped.


def moments() -> Callable[[datetime], str]:
    """`moment` for many rows of one page: who reads, and when, is found out once."""
    told_at = writer_of_times()
    return lambda value: _told(value, told_at(value))


@lru_cache(maxsize=4_096)
def _told(value: datetime, told: tuple[str, str]) -> str:
    return f'<time datetime="{value.isoformat()}" title="{escape(told[1])}">{escape(told[0])}</time>'


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
