"""Listings that a creator has begun: what each still needs, going on with one, submitting it, throwing it away."""

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from flask import g, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session

from admin_views import ui
from admin_views.base import Permission, StudioModelView
from admin_views.listing import Column
from admin_views.market.labels import reads_chinese
from admin_views.market.listing_form import (
    DRAFT_KEPT,
    SUBMITTED,
    ListingForm,
    ListingFormParts,
    form_field_label,
    submit,
    words_of,
)
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.paging import Key
from studio.kit.text import excerpt
from studio.market.catalogue import listing_drafts
from studio.market.catalogue.listing_drafts import Unfinished
from studio.market.models import CharacterPublication, ListingDraft

_P = Permission
_LONGEST_TITLE = 80
MOST_SHOWN = 3
"""Drafts at the top of a creator's listings."""


def newest_drafts(session: Session, actor: Actor) -> tuple[Unfinished, ...]:
    """The actor's newest drafts, for the top of their listings; one more than is shown there, where there are more."""
    found = listing_drafts.newest(session, actor=actor, limit=MOST_SHOWN + 1)
    return tuple(listing_drafts.unfinished(session, found))


def _title(row: ListingDraft) -> str:
    return excerpt(row.title.strip(), _LONGEST_TITLE) or _("Without a title")


def _character(row: ListingDraft) -> str:
    return _of(row).character_name or "–"


def _missing(row: ListingDraft) -> str:
    return missing_labels(_of(row)) or _("Nothing is missing: it can be submitted.")


def missing_labels(draft: Unfinished) -> str:
    """The fields that still need something, by their labels."""
    return ("、" if reads_chinese() else ", ").join(form_field_label(name) for name, _sentence in draft.missing)


def _of(row: ListingDraft) -> Unfinished:
    found: Unfinished = g.unfinished_drafts[row.id]
    return found


class ListingDraftsView(ListingFormParts, StudioModelView):
    """A creator's own drafts of listings."""

    permissions: ClassVar[dict[str, Any]] = dict.fromkeys(("index_view", "edit_view", "delete_view"), _P.LISTING_SUBMIT)
    in_menu = False  # They stand at the top of the listings.
    resource = listing_drafts.RESOURCE
    columns = (
        Column("title", _l("Title"), cell=_title),
        Column("character", _l("Character"), cell=_character, wide_only=True),
        Column("missing", _l("Still needed"), cell=_missing),
        Column("updated_at", _l("Changed"), cell=lambda row: ui.moment(row.updated_at), sort="updated", wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {"updated": (Key(ListingDraft.updated_at), Key(ListingDraft.id))}
    default_sort = ("updated", True)
    empty_title = _l("No drafts")
    empty_text = _l("A listing that you begin and don't submit yet waits here.")
    empty_icon = "edit"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """Their writer's alone."""
        return listing_drafts.draft_visible_to(actor)

    def list_context(self, rows: Sequence[ListingDraft]) -> dict[str, Any]:
        """What the drafts of the page are about and still need, read at once."""
        g.unfinished_drafts = {one.id: one for one in listing_drafts.unfinished(self.request_session, rows)}
        return {}

    def row_title(self, row: ListingDraft) -> str:
        """Its title, as far as it has one."""
        return _title(row)

    def do_update(
        self, session: Session, *, actor: Actor, row: ListingDraft, row_version: int | None, form: ListingForm
    ) -> ListingDraft | CharacterPublication:
        """Keep what was typed, or submit it, if the person says so; then the draft is gone."""
        if request.form.get("do") != "submit":
            return listing_drafts.change(
                session, actor=actor, draft_id=row.id, row_version=row_version, words=words_of(form), now=utc_now()
            )
        listing_drafts.submitted(session, actor=actor, draft_id=row.id, row_version=row_version)
        return submit(session, actor=actor, form=form)

    def do_delete(self, session: Session, *, actor: Actor, row: ListingDraft, row_version: int | None) -> None:
        """Throw it away."""
        listing_drafts.discard(session, actor=actor, draft_id=row.id, row_version=row_version)

    def changed_text(self, row: ListingDraft | CharacterPublication) -> str:
        """What is said of a draft, or of what it became."""
        return str(DRAFT_KEPT if isinstance(row, ListingDraft) else SUBMITTED)

    def saved_url(self, row: ListingDraft | CharacterPublication) -> str:
        """The listings, with the draft at their top; the page of the listing that it became."""
        if isinstance(row, ListingDraft):
            return url_for("listings.index_view")
        return url_for("listings.details_view", row_id=row.id)
