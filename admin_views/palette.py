"""The command palette (Ctrl-K): pages and characters by name, of what the present person may see."""

from typing import Any, ClassVar

import sqlalchemy as sa
from flask import current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from admin_views import listing, navigation
from admin_views.base import StudioView, expose
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Permission
from studio.authoring import codes
from studio.authoring.models import Character
from studio.authoring.queries import draft_visible_to, has_code
from studio.kit.text import folded, one_line

MOST_CHARACTERS = 8
_PAGE_OF_CHARACTER = "characters.details_view"


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [PaletteView(resources, name=_l("Go to…"), endpoint="palette")]


class PaletteView(StudioView):
    """A part of a page: what was found, as links."""

    permissions: ClassVar[Any] = {"index": Permission.STUDIO_ENTER}
    in_menu = False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """Pages whose name holds the words, then characters, the last changed first."""
        text = one_line(request.args.get("q", ""))[: listing.LONGEST_SEARCH]
        pages = [
            (section.label, entry)
            for section in navigation.navigation()
            for entry in section.entries
            if folded(text) in folded(entry.label)
        ]
        return self.render("base/_palette.html", pages=pages, characters=self._characters(text), text=text)

    def _characters(self, text: str) -> list[tuple[str, str]]:
        if not text or _PAGE_OF_CHARACTER not in current_app.view_functions:
            return []
        found = listing.contains_folded(text, search_text=Character.search_text, pairs=Character.bigrams)
        code = codes.parse(text)
        query = (
            sa.select(Character.id, Character.name)
            .where(
                draft_visible_to(current_actor()),
                found if code is None else sa.or_(found, has_code(code)),
            )
            .order_by(Character.updated_at.desc(), Character.id.desc())
            .limit(MOST_CHARACTERS)
        )
        return [(row.name, url_for(_PAGE_OF_CHARACTER, row_id=row.id)) for row in self.session.execute(query)]
