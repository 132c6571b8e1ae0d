"""Categories: the shelves of the market, arranged by staff."""

from typing import Any, ClassVar

import sqlalchemy as sa
from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from wtforms import BooleanField, IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional

from admin_views import ui
from admin_views.base import Permission, StudioModelView
from admin_views.forms import StudioForm
from admin_views.listing import Column, as_uuid
from admin_views.market_labels import category_choice
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.kit.paging import Key
from studio.market import categories, queries
from studio.market.models import CharacterCategory

_P = Permission


class CategoryForm(StudioForm):
    """What staff say of a category."""

    name = StringField(_l("Name"), render_kw={"maxlength": categories.NAME_LENGTH, "required": True})
    name_zh = StringField(_l("Name in Chinese"), render_kw={"maxlength": categories.NAME_LENGTH})
    parent_id = SelectField(_l("Stands in"), validate_choice=False)
    description = TextAreaField(_l("Description"), render_kw={"maxlength": categories.DESCRIPTION_LENGTH, "rows": 3})
    icon = StringField(_l("Icon"), description=_l("The name of one of Tabler's icons, like “book”."))
    sort_order = IntegerField(_l("Place"), validators=[Optional()], description=_l("Lower comes first."))
    is_active = BooleanField(
        _l("Open"), description=_l("A closed category keeps its listings and takes no new ones."), default=True
    )


class CategoriesView(StudioModelView):
    """The shelves of the market, for staff."""

    permissions: ClassVar[dict[str, Any]] = {
        "index_view": _P.CATEGORY_WRITE,
        "create_view": _P.CATEGORY_WRITE,
        "edit_view": _P.CATEGORY_WRITE,
    }
    menu_section = "market"
    menu_icon = "tags"
    menu_order = 30
    columns = (
        Column("name", _l("Name"), sort="name"),
        Column("name_zh", _l("Name in Chinese")),
        Column("sort_order", _l("Place"), numeric=True, sort="place"),
        Column(
            "is_active",
            _l("State"),
            cell=lambda row: ui.badge(
                "open" if row.is_active else "closed", _("open") if row.is_active else _("closed")
            ),
        ),
        Column("updated_at", _l("Changed"), cell=lambda row: ui.moment(row.updated_at), wide_only=True),
    )
    orders: ClassVar[dict[str, Any]] = {
        "place": (Key(CharacterCategory.sort_order), Key(CharacterCategory.id)),
        "name": (Key(CharacterCategory.name), Key(CharacterCategory.id)),
    }
    default_sort = ("place", False)
    search_columns = (CharacterCategory.name, CharacterCategory.name_zh)
    form = CategoryForm
    empty_icon = "tags"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """All of them, closed ones too."""
        return queries.category_visible_to(actor)

    def make_form(self, row: CharacterCategory | None = None) -> CategoryForm:
        """The form with the shelves that this one could stand in."""
        form = CategoryForm(obj=row)
        shelves = queries.list_categories(self.request_session, actor=current_actor())
        others = [
            SelectChoice(str(shelf.category.id), category_choice(shelf))
            for shelf in shelves
            if row is None or shelf.category.id != row.id
        ]
        form.parent_id.choices = [SelectChoice("", _("nothing: it stands at the top")), *others]
        if request.method == "GET":
            form.parent_id.data = str(row.parent_id) if row is not None and row.parent_id is not None else ""
        return form

    def do_create(self, session: Session, *, actor: Actor, form: CategoryForm) -> CharacterCategory:
        """Make the shelf."""
        return categories.create(session, actor=actor, draft=_draft(form))

    def do_update(
        self, session: Session, *, actor: Actor, row: CharacterCategory, row_version: int | None, form: CategoryForm
    ) -> CharacterCategory:
        """Change the shelf."""
        return categories.update(session, actor=actor, category_id=row.id, row_version=row_version, draft=_draft(form))

    def saved_url(self, row: CharacterCategory) -> str:  # noqa: ARG002 - The base asks with the row.
        """The list: shelves are arranged one after another."""
        return url_for("categories.index_view")


def _draft(form: CategoryForm) -> categories.CategoryDraft:
    return categories.CategoryDraft(
        name=form.name.data or "",
        name_zh=form.name_zh.data or "",
        description=form.description.data or "",
        parent_id=as_uuid(form.parent_id.data),
        icon=form.icon.data or "",
        sort_order=form.sort_order.data or 0,
        is_active=bool(form.is_active.data),
    )
