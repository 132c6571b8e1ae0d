"""What every view has: a permission for each route, a place in the navigation, rendering; and `StudioView`, a page."""

from collections.abc import Mapping
from typing import Any, ClassVar

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_admin import BaseView
from sqlalchemy.orm import Session

from admin_views.access import AnyOf, allows, ask_permission
from admin_views.resources import Resources, request_session
from admin_views.session import current_actor


class Guarded:
    """What pages and model views share: a permission for each route, a place in the navigation, rendering."""

    permissions: ClassVar[Mapping[str, AnyOf]] = {}
    """Method name → the permission its route asks for; of several, one is enough."""

    menu_section: ClassVar[Any] = ""
    menu_icon: ClassVar[str] = "file"
    menu_order: ClassVar[int] = 100
    in_menu: ClassVar[bool] = True

    # The routes of the class, collected by Flask-Admin's metaclass.
    _urls: list[tuple[str, str, Any]]

    def permission_of(self, method: str) -> AnyOf | None:
        """The permission that the route of `method` asks for; None where none is declared."""
        return self.permissions.get(method)

    def may(self, method: str) -> bool:
        """Whether the present person may use the route of `method`."""
        permission = self.permission_of(method)
        return permission is not None and allows(current_actor(), permission)

    def _handle_view(self, name: str, /, **_arguments: Any) -> ResponseReturnValue | None:
        return ask_permission(self.permission_of(name))

    def is_accessible(self) -> bool:
        """Whether the present person may open the view's first page; the navigation asks."""
        return self.may("index") or self.may("index_view")

    def render(self, template: str, **context: Any) -> str:
        """Render one of our templates; none of Flask-Admin's helpers are needed in them."""
        return render_template(template, view=self, **context)


class StudioView(Guarded, BaseView):  # type: ignore[misc]  # Flask-Admin has no types.
    """A page or several that belong together, with own routes by `@expose`.

    Each exposed method stands in `permissions`, or the application does not start. Arguments that are ids are
    `<uuid:…_id>`, and the service or query that gets them answers NotFoundError for what is not the person's.
    """

    def __init__(self, resources: Resources, *, name: Any, endpoint: str, url: str | None = None) -> None:
        self.resources = resources
        super().__init__(name=name, endpoint=endpoint, url=url or f"/{endpoint}")

    @property
    def session(self) -> Session:
        """The session of the present request."""
        return request_session()

    def create_blueprint(self, admin: Any) -> Any:
        """Register the routes; a route without a permission is a mistake that shows at the start."""
        forgotten = [method for _url, method, _methods in self._urls if self.permission_of(method) is None]
        if forgotten:
            raise LookupError(f"{type(self).__name__} declares no permission for {', '.join(forgotten)}.")
        self.static_folder, self.static_url_path = None, "/unused"
        return super().create_blueprint(admin)
