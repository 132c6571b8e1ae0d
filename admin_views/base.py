"""The hardened base of every screen: `StudioView` for pages, `StudioModelView` for lists and forms over a table.

Flask-Admin gives routing, blueprints and the registry of views. What it would do by itself with
rows is replaced here: reads are scoped, writes are service calls, lists are paged by keyset,
and a route that names no permission does not exist. `docs/how-to/new-view.md` has an example.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

import sqlalchemy as sa
from flask import current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.contrib.sqla import ModelView
from flask_babel import gettext as _
from markupsafe import Markup, escape
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from admin_views import listing, preferences
from admin_views.access import AnyOf, declare_reading, route_permission
from admin_views.form_token import form_token
from admin_views.formats import reader
from admin_views.forms import StudioForm, current_version, sent_version, whole_number
from admin_views.frames import Frames, hole
from admin_views.guarded import StudioView
from admin_views.listing import Column, Filter, ListState, Orders, RowPage
from admin_views.many import Many
from admin_views.model_forms import FormRoutes
from admin_views.operations.csv_lists import Exporting
from admin_views.pickers import MOST_SUGGESTIONS, Picker
from admin_views.resources import Resources, request_session
from admin_views.rows import table_rows
from admin_views.session import current_actor
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError, NotFoundError
from studio.kit.paging import Key

__all__ = [
    "AnyOf",
    "Permission",
    "Picker",
    "StudioModelView",
    "StudioView",
    "current_version",
    "expose",
    "route_permission",
    "sent_version",
]


_ANY_ID = UUID(int=0)
_ANY = str(_ANY_ID)
_PLAIN_IN_QUERY = "!$'()*,/:;?@"
"""What Werkzeug leaves as it is in a query."""


_PLACES = frozenset({"after", "before", "sort", "desc", "layout"})
"""Arguments of a list that say which of its rows are shown, and how, but not which there are."""


def _what_is_listed() -> tuple[Any, ...]:
    """Who asks, and all of the address that may change which rows a list has."""
    actor = current_actor()
    asked = frozenset((name, value) for name, value in request.args.items(multi=True) if name not in _PLACES)
    return actor.user_id, actor.roles, asked


_AS_EDITING = {"autosave": "edit_view", "autosave_discard": "edit_view"}
"""Routes that belong to a form: whoever may use the form may use them."""


class StudioModelView(Many, Exporting, FormRoutes, ModelView):  # type: ignore[misc]  # Flask-Admin has no types.
    """A list over one table, with details, forms, an export and pickers as far as `permissions` names them.

    A subclass says: `permissions` (of index_view, details_view, create_view, edit_view, delete_view, export_view,
    lookup_view and its own routes), `scope(actor)`, `columns`, `orders`, `default_sort`, and, where it writes,
    `form` and `do_create`, `do_update`, `do_delete`, which call services. Anything it does not say is refused.
    """

    # Flask-Admin's own machinery stays off.
    can_create = can_edit = can_delete = can_export = can_view_details = False
    column_filters = None
    column_editable_list = None
    form_base_class = StudioForm
    resource: ClassVar[str] = ""
    """The name under which services keep the common start of a merge; without one, every difference is chosen by hand."""
    form_columns: ClassVar[Sequence[str]] = ()
    named_filter_urls = True
    ajax_update = None
    ajax_lookup = None
    action_view = None
    export = None

    columns: ClassVar[Sequence[Column]] = ()
    detail_columns: ClassVar[Sequence[Column]] = ()
    filters: ClassVar[Sequence[Filter]] = ()
    orders: ClassVar[Orders] = {}
    default_sort: ClassVar[tuple[str, bool]] = ("", False)
    """The order's name, and whether descending."""
    load: ClassVar[Sequence[Any]] = ()
    """Loader options: everything that a row of the list shows is loaded with the page."""
    row_columns: ClassVar[Sequence[Any]] = ()
    """The columns that a row of the list shows and is ordered by; with them a list makes no objects. Else whole rows."""
    search_columns: ClassVar[Sequence[Any]] = ()
    search_hint: ClassVar[Any] = ""
    pickers: ClassVar[Mapping[str, Picker]] = {}
    page_size = 25
    row_id_converter: ClassVar[str] = "uuid"

    list_template = "admin/model/list.html"
    is_framed: ClassVar[bool] = True
    """Whether all of `list_template` but its rows depends on the person and the address alone (see `frames`)."""
    details_template = "admin/model/details.html"
    create_template = "admin/model/create.html"
    edit_template = "admin/model/edit.html"
    created_text: ClassVar[Any] = ""
    """What is said when a row was made; "Saved." where nothing is given."""
    empty_title: ClassVar[Any] = ""
    empty_text: ClassVar[Any] = ""
    empty_icon: ClassVar[str] = "list"

    def __init__(
        self, resources: Resources, model: type[Any], *, name: Any, endpoint: str, url: str | None = None
    ) -> None:
        self.resources = resources
        self.asked = listing.Asked()
        self.frames = Frames()
        self.has_search = bool(self.search_columns) or type(self).search is not StudioModelView.search
        super().__init__(model, resources.db, name=name, endpoint=endpoint, url=url or f"/{endpoint}")
        if self.column_filters or self.column_editable_list:
            raise LookupError(f"{type(self).__name__} uses Flask-Admin's filters or list editing; use `filters`.")

    @property
    def request_session(self) -> Session:
        """The session of the present request."""
        return request_session()

    def scaffold_form(self) -> type[Any]:
        """A form without fields: forms are written, not guessed from the table."""
        return type(f"{self.model.__name__}Form", (StudioForm,), {})

    def create_blueprint(self, admin: Any) -> Any:
        """Register the routes that `permissions` names; an own route without a permission is a mistake."""
        standard = {name for name in dir(StudioModelView) if hasattr(getattr(StudioModelView, name, None), "_urls")}
        chosen: list[tuple[str, str, Any]] = []
        for url, method, methods in self._urls:
            if self.permission_of(method) is not None:
                chosen.append((url.replace("<uuid:row_id>", f"<{self.row_id_converter}:row_id>"), method, methods))
            elif method not in standard:
                raise LookupError(f"{type(self).__name__} declares no permission for {method}.")
        self._urls = chosen
        if type(self).index_view is StudioModelView.index_view:
            declare_reading(admin.app, f"{self.endpoint}.index_view")
        self.static_folder, self.static_url_path = None, "/unused"
        return super().create_blueprint(admin)

    def permission_of(self, method: str) -> AnyOf | None:
        """The permission that the route of `method` asks for; what belongs to a form asks for the form's."""
        found: AnyOf | None = super().permission_of(_AS_EDITING.get(method, method))
        if found is None and method in _AS_EDITING and self.keeps_new:
            found = super().permission_of("create_view")
        return found

    # What a subclass says

    def scope(self, actor: Actor) -> sa.ColumnElement[bool]:  # noqa: ARG002 - Subclasses need it.
        """The rows that `actor` may know of; a view that does not say shows nobody anything."""
        return sa.false()

    def do_create(self, session: Session, *, actor: Actor, form: Any) -> Any:  # noqa: ARG002 - As above.
        """Have a service make the row from `form` and return it."""
        raise ForbiddenError

    def do_update(self, session: Session, *, actor: Actor, row: Any, row_version: int | None, form: Any) -> Any:  # noqa: ARG002 - As above.
        """Have a service change the row; the service compares `row_version` and raises StaleError."""
        raise ForbiddenError

    def do_delete(self, session: Session, *, actor: Actor, row: Any, row_version: int | None) -> None:  # noqa: ARG002 - As above.
        """Have a service delete, archive or withdraw the row."""
        raise ForbiddenError

    def search(self, text: str) -> sa.ColumnElement[bool] | None:
        """The criterion of a search; by default every word in some of `search_columns`. None: no search field."""
        return listing.contains(text, *self.search_columns) if self.search_columns else None

    def hidden(self, actor: Actor) -> frozenset[str]:  # noqa: ARG002 - Subclasses need it.
        """Names of columns and form fields that `actor` must not see; asked on every request."""
        return frozenset()

    def row_title(self, row: Any) -> str:
        """What the row is called in headings and links."""
        return str(getattr(row, "name", None) or getattr(row, "title", None) or row.id)

    def row_url(self, row: Any) -> str | None:
        """Where a row of the list leads for the present person."""
        return self.row_urls()(row)

    def row_urls(self) -> Callable[[Any], str | None]:
        """What makes the address of each row of a page: building one costs as much as all the rest of a row."""
        method = next((method for method in ("details_view", "edit_view") if self.may(method)), None)
        if method is None:
            return lambda _row: None
        if self.row_id_converter != "uuid":
            return lambda row: url_for(f"{self.endpoint}.{method}", row_id=row.id)
        before, after = url_for(f"{self.endpoint}.{method}", row_id=_ANY_ID).split(_ANY)
        return lambda row: f"{before}{row.id}{after}"

    def saved_url(self, row: Any) -> str:
        """Where a person goes after saving."""
        return self.row_url(row) or url_for(f"{self.endpoint}.index_view")

    # Reads: one scope for all of them

    def get_query(self) -> sa.Select[Any]:
        """The rows that the present person may know of."""
        return sa.select(self.model).where(self.scope(current_actor()))

    def get_count_query(self) -> sa.Select[Any]:
        """The same rows: a count never says more than its list."""
        return self.get_query()

    def get_one(self, id: Any) -> Any:  # noqa: A002 - Flask-Admin's name.
        """The row with this id within the scope, or NotFoundError."""
        column = sa.inspect(self.model).primary_key[0]
        key: Any = id if column.type.python_type is str else listing.as_uuid(id)
        if key is None:
            raise NotFoundError
        row = (
            self.request_session.scalars(self.get_query().where(column == key).options(*self.load))
            .unique()
            .one_or_none()
        )
        if row is None:
            raise NotFoundError
        return row

    def shown_columns(self, columns: Sequence[Column]) -> list[Column]:
        """`columns` without those hidden from the present person."""
        hidden = self.hidden(current_actor())
        return [column for column in columns if column.name not in hidden]

    def list_state(self, asked: "MultiDict[str, str] | None" = None) -> ListState:
        """What the address asks of the list; `asked` are the arguments of another address than the present one."""
        actor = current_actor()
        hidden = self.hidden(actor)
        return listing.read_state(
            request.args if asked is None else asked,
            filters=[one for one in self.filters if one.name not in hidden],
            orders={name: keys for name, keys in self.orders.items() if name not in hidden},
            default_sort=self.default_sort,
            actor=actor,
        )

    def filtered(self, state: ListState) -> sa.Select[Any]:
        """The scoped rows that the search and the filters of `state` leave."""
        query = self.get_query()
        for one in self.filters:
            if one.name in state.values:
                query = query.where(one.criterion(state.values[one.name]))
        if state.search:
            found = self.search(state.search)
            if found is not None:
                query = query.where(found)
        return query

    def order_keys(self, state: ListState) -> tuple[Key, ...]:
        """The keys of the order that `state` asks for, made total by the primary key."""
        keys = tuple(self.orders.get(state.sort, ()))
        unique = getattr(self.model, sa.inspect(self.model).primary_key[0].key)
        if not keys or keys[-1].column is not unique:
            keys = (*keys, Key(unique))
        return listing.turned(keys, descending=state.descending)

    # Pages

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The list: searched, filtered, ordered, one page of it by keyset."""
        state = self.list_state()
        page = listing.fetch_page(
            self.request_session,
            lambda: self.filtered(state),
            keys=self.order_keys(state),
            state=state,
            size=self.page_size,
            options=self.load,
            columns=self.row_columns,
            asked=self.asked,
            key=_what_is_listed(),
        )
        return self._list_page(state, page)

    def _list_page(self, state: ListState, page: RowPage) -> str:
        context = self.list_context(page.rows)
        columns = self.shown_columns(self.columns)
        rows = self.rows_html(page.rows, columns, context)
        key = self._frame_key(state, page, context)
        if key is None:
            return self._render_list(state, page, columns, context, rows=rows)
        token = form_token()
        frame = self.frames.find(key)
        if frame is None:
            empty = replace(page, after=page.after and hole("after"), before=page.before and hole("before"))
            g.csrf_token = hole("csrf")
            try:
                holes = {"rows": hole("rows"), "here_url": hole("here")}
                frame = self.frames.keep(key, self._render_list(state, empty, columns, context, **holes))
            finally:
                g.csrf_token = token
        return frame.filled(
            {
                "rows": rows,
                "csrf": token,
                "here": escape(request.full_path.rstrip("?")),
                "after": page.after or "",
                "before": page.before or "",
            }
        )

    def _render_list(
        self, state: ListState, page: RowPage, columns: Sequence[Column], context: Mapping[str, Any], **more: Any
    ) -> str:
        actor = current_actor()
        hidden = self.hidden(actor)
        return self.render(
            self.list_template,
            state=state,
            page=page,
            columns=columns,
            filters=[one for one in self.filters if one.name not in hidden],
            has_search=self.has_search,
            actor=actor,
            here=self.list_url,
            **self.bulk_context(),
            **context,
            **more,
        )

    def _frame_key(self, state: ListState, page: RowPage, context: Mapping[str, Any]) -> Hashable:
        """What the page depends on beside its rows, cursors and token; None where it is rendered as a whole."""
        if not self.is_framed or not page.rows or state.complaints or "_flashes" in session or current_app.debug:
            return None
        actor = current_actor()
        who = (actor.user_id, actor.name, actor.roles, *reader(), preferences.chosen_theme())
        asked = (state.search, state.sort, state.descending, frozenset(state.filters.items()), state.exact_count)
        shape = (page.after is None, page.before is None, page.count, page.is_capped)
        return who, asked, shape, tuple(context.items()), request.root_path

    def rows_html(self, rows: Sequence[Any], columns: Sequence[Column], context: Mapping[str, Any]) -> Markup:  # noqa: ARG002 - Subclasses need it.
        """The rows of the list, in HTML; a view that shows them otherwise than in a table overrides it."""
        return table_rows(rows, columns, url_of=self.row_urls(), picks=self.picks())

    def list_context(self, rows: Sequence[Any]) -> dict[str, Any]:  # noqa: ARG002 - Subclasses need it.
        """What the list's template needs besides, loaded for the whole page at once; values that can be hashed."""
        return {}

    def list_url(self, arguments: Mapping[str, Any]) -> str:
        """The address of this list with `arguments`."""
        addresses: dict[str, str] = g.setdefault("list_addresses", {})
        if self.endpoint not in addresses:
            addresses[self.endpoint] = url_for(f"{self.endpoint}.index_view")
        query = urlencode({name: value for name, value in arguments.items() if value is not None}, safe=_PLAIN_IN_QUERY)
        return f"{addresses[self.endpoint]}?{query}" if query else addresses[self.endpoint]

    @expose("/<uuid:row_id>")
    def details_view(self, row_id: Any) -> ResponseReturnValue:
        """One row, read."""
        row = self.get_one(row_id)
        return self.render(
            self.details_template,
            row=row,
            columns=self.shown_columns(self.detail_columns or self.columns),
            **self.details_context(row),
        )

    def details_context(self, row: Any) -> dict[str, Any]:  # noqa: ARG002 - Subclasses need it.
        """What the details' template needs besides."""
        return {}

    @expose("/<uuid:row_id>/delete", methods=("GET", "POST"))
    def delete_view(self, row_id: Any) -> ResponseReturnValue:
        """A page that asks once more, and what the answer does. With JavaScript the list asks by itself."""
        row = self.get_one(row_id)
        if request.method == "GET":
            return self.render("admin/model/delete.html", row=row, row_version=current_version(row))
        self.do_delete(self.request_session, actor=current_actor(), row=row, row_version=sent_version())
        flash(_("Deleted."), "success")
        return redirect(url_for(f"{self.endpoint}.index_view"), 303)

    @expose("/lookup/<name>")
    def lookup_view(self, name: str) -> ResponseReturnValue:
        """Suggestions for a form field, as JSON."""
        picker = self.pickers.get(name)
        if picker is None or name in self.hidden(current_actor()):
            raise NotFoundError
        limit = request.args.get("limit", MOST_SUGGESTIONS, type=whole_number)
        found = picker.suggestions(
            self.request_session, actor=current_actor(), text=request.args.get("q", ""), limit=limit
        )
        return {"items": found}

    # Flask-Admin's ways to write: closed

    def create_model(self, _form: Any) -> Any:
        """Never: rows are made by services."""
        raise ForbiddenError

    def update_model(self, _form: Any, _model: Any) -> bool:
        """Never: rows are changed by services."""
        raise ForbiddenError

    def delete_model(self, _model: Any) -> bool:
        """Never: rows are deleted by services."""
        raise ForbiddenError

    def action_delete(self, _ids: Any) -> None:
        """Never: there is no deleting by the dozen."""
        raise ForbiddenError

    def handle_view_exception(self, exc: Exception) -> bool:
        """Errors go to the application's one handler, never as text onto the screen."""
        raise exc
