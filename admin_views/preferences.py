"""Language and colours: kept with the account, and in a cookie for who is not signed in."""

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request

from admin_views.access import declare_public
from admin_views.i18n import COOKIE, LOCALES
from admin_views.session import current_person
from studio.accounts.models import Theme

THEME_COOKIE = "theme"
_YEAR = 365 * 24 * 3600

blueprint = Blueprint("preferences", __name__, url_prefix="/preferences")


def init_preferences(app: Flask) -> None:
    """Offer the two switches to everybody."""
    app.register_blueprint(blueprint)
    declare_public(app, ("preferences.locale", "preferences.theme"))


def chosen_theme() -> str:
    """`light`, `dark` or `auto`."""
    person = current_person()
    if person is not None:
        return str(person.theme)
    cookie = request.cookies.get(THEME_COOKIE, "")
    return cookie if cookie in set(Theme) else str(Theme.AUTO)


@blueprint.post("/locale")
def locale() -> Response:
    """Speak the chosen language from now on."""
    value = request.form.get("value", "")
    if value not in LOCALES:
        abort(400)
    person = current_person()
    if person is not None:
        person.locale = value
    return _remember(COOKIE, value)


@blueprint.post("/theme")
def theme() -> Response:
    """Show the chosen colours from now on."""
    value = request.form.get("value", "")
    if value not in set(Theme):
        abort(400)
    person = current_person()
    if person is not None:
        person.theme = Theme(value)
    return _remember(THEME_COOKIE, value)


def _remember(name: str, value: str) -> Response:
    response = current_app.make_response(redirect(local_target(request.form.get("next")), 303))
    response.set_cookie(
        name,
        value,
        max_age=_YEAR,
        httponly=True,
        samesite="Lax",
        secure=bool(current_app.config.get("SESSION_COOKIE_SECURE")),
    )
    return response


def local_target(url: str | None) -> str:
    """`url` where it leads to a page of this studio, else the home page."""
    # Browsers drop tabs and line breaks from an address, so "/<tab>/elsewhere" would lead elsewhere.
    if url is None or not url.startswith("/") or url.startswith("//") or "\\" in url or not url.isprintable():
        return "/"
    return url
