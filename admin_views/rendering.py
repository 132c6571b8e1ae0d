"""What every template may use: who reads, the navigation, and ways of writing times, money and names."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, get_flashed_messages, request, url_for
from flask_babel import format_currency, format_date, format_datetime, format_decimal, format_timedelta
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views import i18n, navigation, preferences
from admin_views.access import allows
from admin_views.session import current_actor
from studio.accounts.permissions import Permission
from studio.kit.clock import utc_now
from studio.kit.money import Money

_HUES = 12
_RECENT = timedelta(days=30)
_MINUTE = timedelta(minutes=1)

ACCOUNT_PAGE = "account.index"

STATUS_LABELS = {
    "active": _l("active"),
    "alternate": _l("alternate"),
    "approved": _l("live"),
    "archived": _l("archived"),
    "cancelled": _l("cancelled"),
    "claimed": _l("claimed"),
    "confirmed": _l("confirmed"),
    "creator": _l("creator"),
    "admin": _l("admin"),
    "moderator": _l("moderator"),
    "staff": _l("staff"),
    "commercial": _l("commercial"),
    "decided": _l("decided"),
    "discarded": _l("discarded"),
    "draft": _l("draft"),
    "explicit": _l("explicit"),
    "failed": _l("failed"),
    "first": _l("first"),
    "free": _l("free"),
    "general": _l("for everyone"),
    "info": _l("note"),
    "mature": _l("mature"),
    "official": _l("official"),
    "pending": _l("waiting for review"),
    "personal": _l("personal"),
    "previewed": _l("previewed"),
    "published": _l("published"),
    "queued": _l("waiting"),
    "rejected": _l("sent back"),
    "running": _l("running"),
    "screening": _l("being screened"),
    "severe": _l("severe"),
    "succeeded": _l("done"),
    "suspended": _l("suspended"),
    "teen": _l("teen"),
    "unlisted": _l("unlisted"),
    "unrated": _l("not rated"),
    "waiting": _l("waiting"),
    "warning": _l("warning"),
    "withdrawn": _l("withdrawn"),
}
"""What people read for the statuses of all domains."""


def init_rendering(app: Flask) -> None:
    """Give templates and macros their names."""
    asset = _asset_finder(app)
    app.jinja_env.globals.update(
        ago=ago,
        asset=asset,
        exact_time=exact_time,
        format_date=format_date,
        format_decimal=format_decimal,
        format_money=format_money,
        hue=hue,
        # One of Tabler's icons in the sprite; the name stands in `studio/static/icons.txt`.
        icon_url=lambda name: f"{asset('vendor/icons/sprite.svg')}#tabler-{name}",
        status_label=status_label,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    @app.context_processor
    def _names() -> dict[str, Any]:
        return {
            "actor": current_actor(),
            "may": lambda permission: allows(current_actor(), Permission(permission)),
            "navigation": navigation.navigation,
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


def ago(moment: datetime | None) -> str:
    """How long ago for what is recent ("5 minutes ago"), a date for what is not."""
    if moment is None:
        return ""
    distance = moment - utc_now()
    if abs(distance) > _RECENT:
        return str(format_date(moment, "medium"))
    if abs(distance) < _MINUTE:
        return str(_("just now"))
    return str(format_timedelta(distance, add_direction=True))


def exact_time(moment: datetime | None) -> str:
    """Date and time to the minute, in the reader's time zone."""
    return "" if moment is None else str(format_datetime(moment.astimezone(UTC), "medium"))


def format_money(minor: int, currency: str) -> str:
    """The amount as the reader writes money; nothing to pay is "Free"."""
    if minor == 0:
        return str(_("Free"))
    return str(format_currency(Money(minor, currency).amount, currency))


def status_label(status: object) -> str:
    """A status in the reader's words; one without words is shown as it is stored."""
    label = STATUS_LABELS.get(str(status))
    return str(label) if label is not None else str(status).replace("_", " ")


def _account_url() -> str | None:
    return url_for(ACCOUNT_PAGE) if ACCOUNT_PAGE in current_app.view_functions else None


def hue(name: str) -> int:
    """One of twelve colours, the same for the same name every time."""
    return hashlib.blake2s(name.encode(errors="replace"), digest_size=1).digest()[0] % _HUES


def _asset_finder(app: Flask) -> Callable[[str], str]:
    """An address for a static file that changes whenever the file does, so that browsers may keep it."""
    marks: dict[str, tuple[float, str]] = {}

    def asset(filename: str) -> str:
        path = Path(app.static_folder or "") / filename
        changed = path.stat().st_mtime if path.is_file() else 0.0
        if filename not in marks or marks[filename][0] != changed:
            content = path.read_bytes() if path.is_file() else b""
            marks[filename] = changed, hashlib.blake2s(content, digest_size=6).hexdigest()
        return url_for("static", filename=filename, v=marks[filename][1])

    return asset
