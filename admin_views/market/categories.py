"""Categories: the shelves of the market as a tree that staff arrange by dragging, by keys or by buttons."""

from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from wtforms import RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views.base import Permission, StudioModelView, expose, sent_version
from admin_views.forms import StudioForm, attach_errors, sentence
from admin_views.listing import as_uuid
from admin_views.market.labels import category_choice, category_name
from admin_views.session import current_actor
from studio.accounts.permissions import Actor
from studio.kit.clock import utc_now
from studio.kit.errors import InvalidError, StudioError
from studio.market.catalogue import categories, category_tree, queries
from studio.market.catalogue.category_tree import Listings
from studio.market.catalogue.errors import CategoryInUseError
from studio.market.models import CharacterCategory

_P = Permission

ICONS = {
    "tags": _l("Label on a string"),
    "wand": _l("Magic wand"),
    "sparkles": _l("Sparkles"),
    "sword": _l("Sword"),
    "rocket": _l("Rocket"),
    "planet": _l("Planet"),
    "robot": _l("Robot"),
    "home": _l("House"),
    "heart": _l("Heart"),
    "flame": _l("Flame"),
    "ghost": _l("Ghost"),
    "skull": _l("Skull"),
    "search": _l("Magnifying glass"),
    "bulb": _l("Light bulb"),
    "book": _l("Book"),
    "school": _l("Mortarboard"),
    "music": _l("Notes of music"),
    "masks-theater": _l("Theatre masks"),
    "mood-smile": _l("Smiling face"),
    "users": _l("Group of people"),
    "user": _l("One person"),
    "world": _l("Globe"),
    "mountain": _l("Mountain"),
    "building-castle": _l("Castle"),
    "building-store": _l("Shop front"),
    "shield": _l("Shield"),
    "star": _l("Star"),
    "moon": _l("Moon"),
    "sun": _l("Sun"),
    "cat": _l("Cat"),
    "paw": _l("Paw"),
    "leaf": _l("Leaf"),
    "flower": _l("Flower"),
    "coffee": _l("Cup of coffee"),
    "device-gamepad-2": _l("Game controller"),
    "ball-football": _l("Football"),
    "briefcase": _l("Briefcase"),
    "stethoscope": _l("Stethoscope"),
    "dots": _l("Three dots"),
}
"""Tabler's icons that a category may have, and what each shows; all stand in `studio/static/icons.txt`."""


class CategoryForm(StudioForm):
    """What staff say of a category."""

    name = StringField(_l("Name"), render_kw={"maxlength": categories.NAME_LENGTH, "required": True})
    name_zh = StringField(_l("Name in Chinese"), render_kw={"maxlength": categories.NAME_LENGTH})
    description = TextAreaField(_l("Description"), render_kw={"data-limit": categories.DESCRIPTION_LENGTH, "rows": 3})
    icon = RadioField(
        _l("Icon"), choices=[SelectChoice(name, label) for name, label in ICONS.items()], validate_choice=False
    )


class NewCategoryForm(CategoryForm):
    """The same, and where the new one stands."""

    parent_id = SelectField(_l("Stands in"), validate_choice=False)


class DestinationForm(StudioForm):
    """Where the listings of a category go."""

    to = SelectField(_l("Listings go to"), validate_choice=False)


class CategoriesView(StudioModelView):
    """The shelves of the market, for staff."""

    permissions: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("index_view", "create_view", "edit_view", "delete_view", "step", "place", "move", "close", "reopen"),
        _P.CATEGORY_WRITE,
    )
    menu_section = "market"
    menu_icon = "tags"
    menu_order = 30
    resource = category_tree.RESOURCE
    create_template = edit_template = "market/category.html"

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:
        """All of them, closed ones too."""
        return queries.category_visible_to(actor)

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The whole tree on one page: there are some dozens."""
        return self._page()

    def _page(self) -> str:
        shelves = queries.list_categories(self.request_session, actor=current_actor())
        counts = category_tree.count_listings(
            self.request_session, category_ids=[shelf.category.id for shelf in shelves]
        )
        return self.render(
            "market/categories.html",
            shelves=shelves,
            counts=counts,
            most=category_tree.MOST_COUNTED,
            category_name=category_name,
            firsts={one.id for one in _by_parent(reversed(shelves)).values()},
            lasts={one.id for one in _by_parent(shelves).values()},
        )

    def make_form(self, row: CharacterCategory | None = None) -> CategoryForm:
        """The form; a new category also says where it stands."""
        if row is not None:
            return CategoryForm(obj=row)
        form = NewCategoryForm()
        form.parent_id.choices = [SelectChoice("", _("nothing: it stands at the top")), *self._choices()]
        if request.method == "GET":
            form.parent_id.data, form.icon.data = request.args.get("in", ""), next(iter(ICONS))
        return form

    def do_create(self, session: Session, *, actor: Actor, form: NewCategoryForm) -> CharacterCategory:
        """Make the shelf."""
        return categories.create(session, actor=actor, draft=_draft(form), parent_id=as_uuid(form.parent_id.data))

    def do_update(
        self, session: Session, *, actor: Actor, row: CharacterCategory, row_version: int | None, form: CategoryForm
    ) -> CharacterCategory:
        """Change the shelf."""
        return categories.update(
            session, actor=actor, category_id=row.id, row_version=row_version, draft=_draft(form), now=utc_now()
        )

    def form_context(self, row: CharacterCategory | None) -> dict[str, Any]:  # noqa: ARG002 - The base asks with the row.
        """The icons to choose from."""
        return {"icons": ICONS}

    def row_title(self, row: CharacterCategory) -> str:
        """The name in the reader's language."""
        return category_name(row)

    def saved_url(self, row: CharacterCategory) -> str:
        """The tree, at this shelf."""
        return url_for("categories.index_view", _anchor=f"shelf-{row.id}")

    @expose("/<uuid:row_id>/step", methods=("POST",))
    def step(self, row_id: UUID) -> ResponseReturnValue:
        """One step up, down, in or out."""
        return self._arrange(row_id, category_tree.step, way=request.form.get("way", ""))

    @expose("/<uuid:row_id>/place", methods=("POST",))
    def place(self, row_id: UUID) -> ResponseReturnValue:
        """Where it was dragged to; its listings come along."""
        return self._arrange(
            row_id,
            category_tree.place,
            parent_id=as_uuid(request.form.get("parent_id")),
            before_id=as_uuid(request.form.get("before_id")),
            listings_go=Listings(),
        )

    @expose("/<uuid:row_id>/move", methods=("GET", "POST"))
    def move(self, row_id: UUID) -> ResponseReturnValue:
        """Choose where it stands, and where its listings go."""
        row = self.get_one(row_id)
        form = _MoveForm()
        form.parent_id.choices = [SelectChoice("", _("nothing: it stands at the top")), *self._choices(without=row)]

        def act(listings_go: Listings | None) -> str:
            category_tree.place(
                self.request_session,
                actor=current_actor(),
                category_id=row_id,
                row_version=sent_version() or 0,
                parent_id=as_uuid(form.parent_id.data),
                listings_go=listings_go,
            )
            return str(_("The category is moved."))

        if request.method == "GET":
            form.parent_id.data = str(row.parent_id or "")
        return self._asking(row, form, act, title=_("Move %(name)s", name=category_name(row)), button=_("Move"))

    @expose("/<uuid:row_id>/close", methods=("GET", "POST"))
    def close(self, row_id: UUID) -> ResponseReturnValue:
        """Take no new listings into it; those in it stay or go elsewhere."""
        row = self.get_one(row_id)

        def act(listings_go: Listings | None) -> str:
            category_tree.close(
                self.request_session,
                actor=current_actor(),
                category_id=row_id,
                row_version=sent_version() or 0,
                listings_go=listings_go,
            )
            return str(_("The category is closed: it takes no new listings."))

        return self._asking(
            row, DestinationForm(), act, title=_("Close %(name)s", name=category_name(row)), button=_("Close")
        )

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: UUID) -> ResponseReturnValue:
        """Take it out of the tree; listings in it go elsewhere first."""
        row = self.get_one(row_id)

        def act(listings_go: Listings | None) -> str:
            is_gone = category_tree.delete(
                self.request_session,
                actor=current_actor(),
                category_id=row_id,
                row_version=sent_version() or 0,
                listings_go=listings_go,
            )
            return str(_("Deleted.") if is_gone else _("The category goes as soon as its listings are moved."))

        return self._asking(
            row,
            DestinationForm(),
            act,
            title=_("Delete %(name)s?", name=category_name(row)),
            button=_("Delete"),
            may_stay=False,
        )

    @expose("/<uuid:row_id>/reopen", methods=("POST",))
    def reopen(self, row_id: UUID) -> ResponseReturnValue:
        """Take listings again."""
        return self._arrange(row_id, category_tree.reopen, said=_("The category is open again."))

    def _arrange(self, row_id: UUID, act: Any, *, said: str = "", **given: Any) -> ResponseReturnValue:
        """Do it; the tree as it then is. Who has no script sees the tree with the reason, too, where it was refused."""
        try:
            act(
                self.request_session,
                actor=current_actor(),
                category_id=row_id,
                row_version=sent_version() or 0,
                **given,
            )
        except StudioError as error:
            if request.headers.get("HX-Request") or error.status not in {409, 422}:
                raise
            self.request_session.rollback()
            flash(sentence(error), "warning")
        else:
            if said:
                flash(said, "success")
        return self._tree(row_id)

    def _asking(
        self, row: CharacterCategory, form: DestinationForm, act: Any, *, title: str, button: str, may_stay: bool = True
    ) -> ResponseReturnValue:
        """A page that asks where the listings go, and does what it is about once that is said."""
        count = category_tree.count_listings(self.request_session, category_ids=[row.id])[row.id]
        scheduled = category_tree.count_scheduled(self.request_session, category_id=row.id) if count else 0
        stay = [SelectChoice("stay", _("nowhere: they stay in this category"))] if may_stay else []
        form.to.choices = [SelectChoice("", _("choose …")), *stay, *self._choices(without=row, only_active=True)]
        status = 200
        if request.method == "POST":
            chosen = form.to.data or ""
            listings_go = Listings() if chosen == "stay" else Listings(as_uuid(chosen)) if as_uuid(chosen) else None
            try:
                said = act(listings_go)
            except StudioError as error:
                self.request_session.rollback()
                row = self.get_one(row.id)
                form.validate()
                if isinstance(error, CategoryInUseError):
                    form.to.errors = [_("Say where the listings go.")]
                elif not (isinstance(error, InvalidError) and attach_errors(form, error)):
                    flash(sentence(error), "danger")
                status = error.status
            else:
                flash(said, "success")
                return redirect(url_for("categories.index_view"), 303)
        context = {"row": row, "form": form, "count": count, "scheduled": scheduled, "most": category_tree.MOST_COUNTED}
        context |= {"title": title, "button": button, "is_final": not may_stay}
        return self.render("market/category_asking.html", **context), status

    def _choices(self, *, without: CharacterCategory | None = None, only_active: bool = False) -> list[SelectChoice]:
        shelves = queries.list_categories(self.request_session, actor=current_actor(), only_active=only_active)
        return [
            SelectChoice(str(shelf.category.id), category_choice(shelf))
            for shelf in shelves
            if without is None or shelf.category.id != without.id
        ]

    def _tree(self, row_id: UUID) -> ResponseReturnValue:
        if request.headers.get("HX-Request"):
            return self._page()
        return redirect(url_for("categories.index_view", _anchor=f"shelf-{row_id}"), 303)


class _MoveForm(DestinationForm):
    parent_id = SelectField(_l("Stands in"), validate_choice=False)


def _by_parent(shelves: Iterable[queries.Shelf]) -> dict[UUID | None, CharacterCategory]:
    """The last shelf of each parent, in the order that is given."""
    return {shelf.category.parent_id: shelf.category for shelf in shelves}


def _draft(form: CategoryForm) -> categories.CategoryDraft:
    return categories.CategoryDraft(
        name=form.name.data or "",
        name_zh=form.name_zh.data or "",
        description=form.description.data or "",
        icon=form.icon.data or "",
    )
