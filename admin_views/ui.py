"""The macros of `templates/macros/ui.html` for Python: what list cells are made of."""

from datetime import datetime
from typing import Any

from flask import current_app
from markupsafe import Markup


def _macro(name: str) -> Any:
    return getattr(current_app.jinja_env.get_template("macros/ui.html").module, name)


def badge(status: object, label: object | None = None) -> Markup:
    """A status as a coloured mark; see the macro for the statuses that have a colour."""
    return Markup(_macro("badge")(status, label))  # noqa: S704 - The macro escapes.


def avatar(url: str | None, name: str, size: str = "sm") -> Markup:
    """A portrait, or the first letter of `name` on a colour of its own."""
    return Markup(_macro("avatar")(url, name, size))  # noqa: S704 - The macro escapes.


def moment(value: datetime | None) -> Markup:
    """How long ago `value` was, with the exact time on hover."""
    return Markup(_macro("time")(value))  # noqa: S704 - The macro escapes.


def money(minor: int, currency: str) -> Markup:
    """An amount in the reader's own way of writing money."""
    return Markup(_macro("money")(minor, currency))  # noqa: S704 - The macro escapes.


def link(url: str, text: object) -> Markup:
    """A link."""
    return Markup('<a href="{}">{}</a>').format(url, text)


def progress(percent: int, label: str = "") -> Markup:
    """A bar of progress."""
    return Markup(_macro("progress")(percent, label))  # noqa: S704 - The macro escapes.
