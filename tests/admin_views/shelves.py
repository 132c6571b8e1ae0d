"""A small view over categories by which the base's tests try it: two scopes, every route, real writes."""

from typing import ClassVar

import sqlalchemy as sa
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import aliased
from wtforms import StringField
from wtforms.validators import InputRequired

from admin_views import listing, ui
from admin_views.base import Picker, StudioModelView, expose
from admin_views.forms import StudioForm
from admin_views.listing import Column, Filter, FilterKind
from studio.accounts.permissions import Permission
from studio.kit.errors import InvalidError, StaleError
from studio.market.models import CharacterCategory as Category

Child = aliased(Category)


class ShelfForm(StudioForm):
    name = StringField(_l("Name"), validators=[InputRequired()])
    description = StringField(_l("Description"))


def shelf_visible_to(actor):
    return sa.true() if actor.may(Permission.CATEGORY_WRITE) else Category.is_active


class ShelfView(StudioModelView):
    """Creators see active shelves and may edit them; staff see all and may do everything."""

    permissions: ClassVar = {
        "index_view": Permission.CATEGORY_READ,
        "details_view": Permission.CATEGORY_READ,
        "edit_view": Permission.CATEGORY_READ,
        "delete_view": Permission.CATEGORY_READ,
        "export_view": Permission.CATEGORY_READ,
        "lookup_view": Permission.CATEGORY_READ,
        "create_view": Permission.CATEGORY_WRITE,
        "break_view": Permission.CATEGORY_READ,
        "half_view": Permission.CATEGORY_READ,
    }
    columns = (
        Column("name", _l("Name"), sort="name"),
        Column("description", _l("Description")),
        Column("sort_order", _l("Order"), sort="sort_order", numeric=True),
        Column("is_active", _l("State"), cell=lambda row: ui.badge("active" if row.is_active else "archived")),
    )
    orders: ClassVar = {
        "name": listing.by(Category.name, unique=Category.id),
        "sort_order": listing.by(Category.sort_order, unique=Category.id),
        "parent": listing.by(Category.parent_id, unique=Category.id, nullable=True),
    }
    default_sort = ("name", False)
    filters = (
        Filter("name_is", _l("Name"), lambda value: Category.name == value, kind=FilterKind.TEXT),
        Filter(
            "state", _l("State"), lambda v: Category.is_active.is_(v == "on"), choices=[("on", "On"), ("off", "Off")]
        ),
        Filter("since", _l("Since"), listing.on_day(Category.created_at, since=True), kind=FilterKind.DATE),
        Filter(
            "child",
            _l("Child"),
            lambda value: sa.exists(
                sa.select(Child.id).where(Child.parent_id == Category.id, Child.name.contains(value))
            ),
            kind=FilterKind.TEXT,
        ),
    )
    search_columns = (Category.name, Category.description)
    pickers: ClassVar = {
        "parent": Picker(
            model=Category,
            scope=shelf_visible_to,
            search=(Category.name,),
            label=lambda row: row.name,
            order=Category.name,
        )
    }
    form = ShelfForm
    page_size = 5

    def scope(self, actor):
        return shelf_visible_to(actor)

    def hidden(self, actor):
        return frozenset() if actor.may(Permission.CATEGORY_WRITE) else frozenset({"description"})

    def do_create(self, session, *, actor, form):
        row = Category(name=form.name.data, description=form.description.data)
        session.add(row)
        session.flush()
        return row

    def do_update(self, session, *, actor, row, row_version, form):
        if row.row_version != row_version:
            raise StaleError
        row.name = form.name.data
        session.flush()
        if form.name.data == "refused":
            raise InvalidError("This name is not allowed.", fields={"name": "This name is not allowed."})
        return row

    def do_delete(self, session, *, actor, row, row_version):
        if row.row_version != row_version:
            raise StaleError
        session.delete(row)
        session.flush()

    @expose("/break")
    def break_view(self):
        self.request_session.execute(sa.text("SELECT secret_column FROM nowhere WHERE x = 'hunter2'"))
        return ""

    @expose("/half", methods=("POST",))
    def half_view(self):
        self.request_session.add(Category(name="half done"))
        self.request_session.flush()
        return "refused", 409
