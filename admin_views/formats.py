"""Ways of writing times, money and states in the reader's language; what was written once is kept."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from babel.dates import format_date as write_date
from babel.dates import format_datetime as write_datetime
from babel.dates import format_skeleton
from flask import g, has_request_context
from flask_babel import format_currency, format_timedelta, get_locale, get_timezone
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from studio.kit.clock import utc_now
from studio.kit.money import Money

_HUES = 12
_RECENT = timedelta(days=30)
_MINUTE = timedelta(minutes=1)
_KEPT = 4_096

STATUS_LABELS = {
    "unpacked": _l("unpacked"),
    "undone": _l("undone"),
    "undoing": _l("being undone"),
    "refused": _l("refused"),
    "receiving": _l("taking files"),
    "portrait": _l("portrait"),
    "made": _l("made"),
    "importing": _l("at work"),
    "finished": _l("finished"),
    "duplicate": _l("there already"),
    "arriving": _l("arriving"),
    "archive": _l("archive"),
    "active": _l("active"),
    "alternate": _l("alternate"),
    "approved": _l("live"),
    "archived": _l("archived"),
    "changed": _l("changed"),
    "unchanged": _l("left as it was"),
    "trying": _l("being tried"),
    "tried": _l("waiting for your yes"),
    "stopped": _l("stopped"),
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
    "premium": _l("premium"),
    "exclusive": _l("exclusive"),
    "general": _l("for everyone"),
    "info": _l("note"),
    "mature": _l("mature"),
    "official": _l("official"),
    "pending": _l("waiting for review"),
    "personal": _l("personal"),
    "previewed": _l("previewed"),
    "published": _l("published"),
    "queued": _l("waiting"),
    "rejected": _l("rejected"),
    "changes_requested": _l("sent back"),
    "scheduled": _l("scheduled"),
    "quarantined": _l("hidden for review"),
    "taken_down": _l("taken down"),
    "deciding": _l("being decided"),
    "open": _l("open"),
    "upheld": _l("upheld"),
    "dismissed": _l("dismissed"),
    "actioned": _l("acted upon"),
    "featured": _l("featured"),
    "running": _l("running"),
    "screening": _l("being screened"),
    "severe": _l("severe"),
    "succeeded": _l("done"),
    "suspended": _l("suspended"),
    "closed": _l("closed"),
    "teen": _l("teen"),
    "unlisted": _l("unlisted"),
    "unrated": _l("not rated"),
    "waiting": _l("waiting"),
    "warning": _l("warning"),
    "withdrawn": _l("withdrawn"),
}
"""What people read for the statuses of all domains."""


def day_label(day: date) -> str:
    """A day of some weeks, as short as its reader writes it, for an axis: 24 Nov, 11月24日."""
    locale, _zone = reader()
    return str(format_skeleton("MMMd", day, locale=locale))


def month_label(day: date) -> str:
    """A month as its reader writes it: November 2026, 2026年11月."""
    locale, _zone = reader()
    return str(format_skeleton("yMMMM", day, locale=locale))


def ago(moment: datetime | None) -> str:
    """How long ago for what is recent ("5 minutes ago"), a date for what is not."""
    if moment is None:
        return ""
    distance = moment - utc_now()
    if abs(distance) > _RECENT:
        return _date(moment, *reader())
    if abs(distance) < _MINUTE:
        return str(_("just now"))
    return str(format_timedelta(distance, add_direction=True))


def exact_time(moment: datetime | None) -> str:
    """Date and time, in the reader's time zone."""
    return "" if moment is None else _date_and_time(moment, *reader())


def ago_and_exact(moment: datetime) -> tuple[str, str]:
    """What `ago` and `exact_time` say, found out together."""
    return writer_of_times()(moment)


def writer_of_times() -> Callable[[datetime], tuple[str, str]]:
    """`ago_and_exact` for one reader at one moment."""
    locale, zone = reader()
    now = utc_now()
    recent = now - _RECENT, now + _RECENT

    def write(moment: datetime) -> tuple[str, str]:
        told = ago(moment) if recent[0] <= moment <= recent[1] else _date(moment, locale, zone)
        return told, _date_and_time(moment, locale, zone)

    return write


def format_money(minor: int, currency: str) -> str:
    """The amount as the reader writes money; nothing to pay is "Free"."""
    if minor == 0:
        return str(_("Free"))
    return str(format_currency(Money(minor, currency).amount, currency))


def provider_label(label: str) -> str:
    """What a provider calls itself ("fake, at 127.0.0.1"), in the reader's language; names stay as they are."""
    model, at, host = label.rpartition(", at ")
    return str(_("%(model)s, at %(host)s", model=model, host=host)) if at else label


def status_label(status: object) -> str:
    """A status in the reader's words; one without words is shown as it is stored."""
    return _status_label(str(status), reader()[0])


@lru_cache(maxsize=_KEPT)
def hue(name: str) -> int:
    """One of twelve colours, the same for the same name every time."""
    return hashlib.blake2s(name.encode(errors="replace"), digest_size=1).digest()[0] % _HUES


def reader() -> tuple[str, tzinfo]:
    """The reader's language and time zone, found out once per request."""
    if not has_request_context():
        return "en", UTC
    found: tuple[str, tzinfo] | None = g.get("reader")
    if found is None:
        found = g.reader = str(get_locale()), get_timezone()
    return found


@lru_cache(maxsize=_KEPT)
def _date(moment: datetime, locale: str, zone: tzinfo) -> str:
    return str(write_date(moment.astimezone(zone).date(), "medium", locale=locale))


@lru_cache(maxsize=_KEPT)
def _date_and_time(moment: datetime, locale: str, zone: tzinfo) -> str:
    return str(write_datetime(moment.astimezone(UTC), "medium", tzinfo=zone, locale=locale))


@lru_cache(maxsize=_KEPT)
def _status_label(status: str, _locale: str) -> str:
    # Lazy texts speak the present reader's language, which is the one that the key names.
    label = STATUS_LABELS.get(status)
    return str(label) if label is not None else status.replace("_", " ")
