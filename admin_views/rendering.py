"""What every template may use: who reads, the navigation, addresses, and the parts that many pages share."""

import hashlib
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, get_flashed_messages, render_template, request, url_for
from flask_babel import format_date, format_decimal, format_percent
from markupsafe import Markup

from admin_views import i18n, navigation, preferences, ui
from admin_views.access import allows
from admin_views.formats import ago, exact_time, format_money, hue, status_label
from admin_views.kept_sentences import told_again
from admin_views.session import current_actor
from studio.accounts.permissions import Permission

__all__ = ["init_rendering", "status_label"]

ACCOUNT_PAGE = "account.index"

_SPRITE = "vendor/icons/sprite.svg"
_LOOKS_AGAIN = 2.0
"""Seconds for which a static file is believed not to have changed."""

_MOST_PARTS = 1_000


def init_rendering(app: Flask) -> None:
    """Give templates and macros their names."""
    asset = _asset_finder(app)
    page_url = _page_urls(app)

    def icon_url(name: str) -> str:
        """One of Tabler's icons in the sprite; the name stands in `studio/static/icons.txt`."""
        return f"{asset(_SPRITE)}#tabler-{name}"

    app.jinja_env.globals.update(
        ago=ago,
        asset=asset,
        avatar_mark=ui.avatar,
        badge_mark=ui.badge,
        exact_time=exact_time,
        format_date=format_date,
        format_decimal=format_decimal,
        format_percent=format_percent,
        format_money=format_money,
        hue=hue,
        icon_mark=lambda name, css_class="": ui.icon(icon_url(name), css_class),
        icon_url=icon_url,
        part=_part_keeper(app, asset),
        status_label=status_label,
        time_mark=ui.moment,
        told_again=told_again,
        url_for=page_url,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.context_processor
    def _names() -> dict[str, Any]:
        actor = current_actor()
        return {
            "actor": actor,
            "may": lambda permission: allows(actor, Permission(permission)),
            "navigation": navigation.navigation,
            "navigation_key": (actor.roles, navigation.place()),
            "html_lang": i18n.html_lang,
            "locales": i18n.LOCALES,
            "chosen_locale": i18n.chosen_locale,
            "chosen_theme": preferences.chosen_theme,
            "is_plain": g.get("is_plain", False),
            "messages": lambda: get_flashed_messages(with_categories=True),
            "here_url": request.full_path.rstrip("?"),
            "endpoints": app.view_functions,
            "account_url": _account_url,
        }


def _account_url() -> str | None:
    return url_for(ACCOUNT_PAGE) if ACCOUNT_PAGE in current_app.view_functions else None


def _asset_finder(app: Flask) -> Callable[[str], str]:
    """An address for a static file that changes whenever the file does, so that browsers may keep it."""
    marks: dict[str, tuple[float, str]] = {}
    addresses: dict[tuple[str, str], tuple[float, str]] = {}

    def asset(filename: str) -> str:
        key = (request.root_path, filename)
        until, address = addresses.get(key, (0.0, ""))
        now = time.monotonic()
        if now < until:
            return address
        path = Path(app.static_folder or "") / filename
        changed = path.stat().st_mtime if path.is_file() else 0.0
        if filename not in marks or marks[filename][0] != changed:
            content = path.read_bytes() if path.is_file() else b""
            marks[filename] = changed, hashlib.blake2s(content, digest_size=6).hexdigest()
        address = url_for("static", filename=filename, v=marks[filename][1])
        addresses[key] = now + _LOOKS_AGAIN, address
        return address

    return asset


def _page_urls(app: Flask) -> Callable[..., str]:
    """`url_for` for templates, which remembers the addresses of pages that take no arguments."""
    addresses: dict[tuple[str, str], str] = {}

    def page_url(endpoint: str, **values: Any) -> str:
        # A name that begins with a point means another page in each blueprint.
        if values or endpoint.startswith("."):
            return app.url_for(endpoint, **values)
        key = (request.root_path, endpoint)
        if key not in addresses:
            addresses[key] = app.url_for(endpoint)
        return addresses[key]

    return page_url


def _part_keeper(app: Flask, asset: Callable[[str], str]) -> Callable[..., Markup]:
    """`part(template, *about)`: a part of a page that is rendered once for each language and `about`.

    It may say nothing of a person, and nothing that `about` does not name.
    """
    kept: dict[Hashable, Markup] = {}

    def part(template: str, *about: Hashable) -> Markup:
        key = (template, i18n.chosen_locale(), request.root_path, asset(_SPRITE), asset("icon.svg"), about)
        found = kept.get(key)
        if found is None:
            found = Markup(render_template(template))  # noqa: S704 - Templates escape.
            if len(kept) >= _MOST_PARTS:
                kept.clear()
            if not app.debug:
                kept[key] = found
        return found

    return part
