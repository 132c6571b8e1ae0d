"""Which permission each route asks for, and what happens to whoever lacks it."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from flask import Flask, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_views.session import current_actor
from studio.accounts.permissions import Actor, Permission
from studio.kit.errors import ForbiddenError

AnyOf: TypeAlias = Permission | tuple[Permission, ...]
"""One permission, or several of which one is enough (what is then shown is the scope's business)."""

_PUBLIC = "studio.public_endpoints"
_READING = "studio.reading_endpoints"


def any_of(permission: AnyOf) -> tuple[Permission, ...]:
    """`permission` as a tuple."""
    return permission if isinstance(permission, tuple) else (permission,)


def allows(actor: Actor, permission: AnyOf) -> bool:
    """Whether `actor` holds one of `permission`."""
    return any(actor.may(one) for one in any_of(permission))


def declare_public(app: Flask, endpoints: Iterable[str]) -> None:
    """Name routes that need no permission (sign-in, health); every other route must name one."""
    app.extensions.setdefault(_PUBLIC, set()).update(endpoints)


def is_public(app: Flask, endpoint: str) -> bool:
    """Whether `endpoint` was declared public."""
    return endpoint in app.extensions.get(_PUBLIC, set())


def declare_reading(app: Flask, endpoint: str) -> None:
    """Name a route that never writes: its GETs need no transaction, each statement is one by itself."""
    app.extensions.setdefault(_READING, set()).add(endpoint)


def only_reads(app: Flask) -> bool:
    """Whether the present request is one that never writes. A search is left out, since it tells the planner something."""
    return (
        request.method in {"GET", "HEAD"}
        and request.endpoint in app.extensions.get(_READING, ())
        and not request.args.get("q")
    )


def route_permission(app: Flask, endpoint: str) -> tuple[Permission, ...] | None:
    """The permissions of which `endpoint` asks one; None where it declares none, which is a mistake unless it is public."""
    blueprint, _, method = endpoint.rpartition(".")
    for admin in app.extensions.get("admin", []):
        for view in admin._views:  # noqa: SLF001 - Flask-Admin offers no other way to its views.
            if view.endpoint == blueprint and hasattr(view, "permission_of"):
                permission: AnyOf | None = view.permission_of(method)
                return None if permission is None else any_of(permission)
    return None


def ask_permission(permission: AnyOf | None) -> ResponseReturnValue | None:
    """Return None where the present person may go on, or the way to the sign-in page for who is nobody yet.

    Raises ForbiddenError for who is signed in and may not, and for everybody where no permission is declared.
    """
    actor = current_actor()
    if permission is not None and allows(actor, permission):
        return None
    if actor.user_id is not None or permission is None:
        raise ForbiddenError
    return to_sign_in()


def to_sign_in() -> ResponseReturnValue:
    """The way to the sign-in page, and back afterwards where the page was only read."""
    target = sign_in_url(request.full_path.rstrip("?") if request.method == "GET" and not is_fragment() else None)
    if is_fragment():
        # A part of a page cannot show a sign-in form: the whole page goes there.
        return "", 401, {"HX-Redirect": target}
    return redirect(target)


def sign_in_url(next_url: str | None) -> str:
    """The address of the sign-in page."""
    values: dict[str, Any] = {"next": next_url} if next_url and next_url != "/" else {}
    endpoint = "security.login" if "security.login" in current_app.view_functions else "home.index"
    return url_for(endpoint, **values)


def is_fragment() -> bool:
    """Whether htmx asked for a part of a page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"
