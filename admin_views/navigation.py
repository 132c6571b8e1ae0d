"""The navigation: every view that the present person may open, in its section."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, request, url_for
from flask_babel import lazy_gettext as _l

SECTIONS: tuple[tuple[str, Any], ...] = (
    ("", ""),
    ("studio", _l("Studio")),
    ("market", _l("Market")),
    ("money", _l("Money")),
    ("operations", _l("Operations")),
    ("people", _l("People")),
)
"""The sections by key, in their order."""


@dataclass(frozen=True)
class Entry:
    """One link of the navigation."""

    label: str
    url: str
    icon: str
    is_here: bool


@dataclass(frozen=True)
class Section:
    """Links that belong together."""

    label: str
    entries: list[Entry]


def navigation() -> list[Section]:
    """The sections with what the present person may open; empty sections are left out."""
    views = [
        view
        for view in current_app.extensions["admin"][0]._views  # noqa: SLF001 - The only way to the views.
        if getattr(view, "in_menu", False) and view.is_accessible()
    ]
    views.sort(key=lambda view: view.menu_order)
    found = []
    for key, label in SECTIONS:
        entries = [_entry(view) for view in views if str(view.menu_section) == key]
        if entries:
            found.append(Section(str(label), entries))
    return found


_STANDS_FOR = {"listing_drafts": "listings", "trash_lorebooks": "trash", "trash_stories": "trash"}
"""Views without an entry of their own: the one that stands for them."""


def place() -> str:
    """Which entry stands for the present page: the name of its view, or of the one that it belongs to."""
    view = (request.endpoint or "").rpartition(".")[0]
    return _STANDS_FOR.get(view, view)


def _entry(view: Any) -> Entry:
    first = "index_view" if hasattr(view, "index_view") else "index"
    return Entry(
        label=str(view.name),
        url=url_for(f"{view.endpoint}.{first}"),
        icon=view.menu_icon,
        is_here=place() == view.endpoint,
    )
