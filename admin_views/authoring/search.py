"""Search on the screen: words, meaning or both over the characters that the person may see, and what is similar."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.base import StudioView, expose
from admin_views.forms import sentence
from admin_views.resources import Resources
from admin_views.session import current_actor
from studio.accounts.permissions import Permission
from studio.authoring.models import Character, CharacterStatus, ContentRating
from studio.kit.errors import StudioError
from studio.memory import search
from studio.memory.errors import NotEmbeddedError
from studio.memory.rules import LONGEST_QUERY
from studio.memory.search import Mode
from studio.providers.embeddings import EmbeddingProvider

FIELD_LABELS = {
    "name": _l("name"),
    "nickname": _l("nickname"),
    "tagline": _l("tagline"),
    "tags": _l("tags"),
    "text": _l("text"),
}
"""What people read for the places in which a word was found."""


_LOCAL_LABEL = _l("Universal Sentence Encoder, on this machine (local)")


def provider_label(provider: EmbeddingProvider) -> str:
    """What computes meaning, in the reader's words; another's server is called as its settings call it."""
    return str(_LOCAL_LABEL) if provider.is_local else provider.label


class SearchView(StudioView):
    """One field over everything that the person may see."""

    permissions = {  # noqa: RUF012 - The base declares it a ClassVar.
        "index": Permission.CHARACTER_SEARCH,
        "similar": Permission.CHARACTER_SEARCH,
    }
    menu_section = "studio"
    menu_icon = "search"
    menu_order = 30

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """The search field, and below it what was found and why."""
        text = request.args.get("q", "")[:LONGEST_QUERY]
        mode = _choice(Mode, "mode") or Mode.BOTH
        rating, status = _choice(ContentRating, "rating"), _choice(CharacterStatus, "status")
        results, refusal = None, ""
        if text.strip():
            criteria: list[sa.ColumnElement[bool]] = []
            if rating is not None:
                criteria.append(Character.content_rating == rating)
            if status is not None:
                criteria.append(Character.status == status)
            try:
                results = search.find(
                    self.session,
                    actor=current_actor(),
                    text=text,
                    mode=mode,
                    provider=self.resources.embeddings,
                    criterion=sa.and_(*criteria) if criteria else None,
                )
            except StudioError as error:
                refusal = sentence(error)
        return self.render(
            "search/index.html",
            text=text,
            mode=mode,
            modes=[(Mode.BOTH, _("Both")), (Mode.WORDS, _("Words")), (Mode.MEANING, _("Meaning"))],
            rating=rating,
            ratings=list(ContentRating),
            status=status,
            statuses=list(CharacterStatus),
            results=results,
            refusal=refusal,
            field_labels=FIELD_LABELS,
            computed_by=provider_label(self.resources.embeddings),
            character_url=_character_url,
        )

    @expose("/similar/<uuid:character_id>")
    def similar(self, character_id: UUID) -> ResponseReturnValue:
        """The characters nearest to one."""
        actor = current_actor()
        character = search.get_found(self.session, actor=actor, character_id=character_id)
        refusal = ""
        neighbours: list[search.Neighbour] = []
        try:
            neighbours = search.similar(self.session, actor=actor, character_id=character_id, limit=24)
        except NotEmbeddedError as error:
            refusal = sentence(error)
        return self.render(
            "search/similar.html",
            character=character,
            neighbours=neighbours,
            refusal=refusal,
            character_url=_character_url,
        )


def views(resources: Resources) -> list[Any]:
    """The views of this module."""
    return [SearchView(resources, name=_l("Search"), endpoint="search")]


def _choice(kind: Any, name: str) -> Any:
    """The member of `kind` that the address names, or None for none or what is no member."""
    value = request.args.get(name, "")
    return kind(value) if value in set(kind) else None


def _character_url(character: search.Found) -> str:
    return url_for("characters.details_view", row_id=character.id)
