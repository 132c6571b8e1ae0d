"""Times that people type into a form: in their own time zone, as `<input type="datetime-local">` sends them."""

from datetime import UTC, datetime

from admin_views.formats import reader
from studio.kit.errors import InvalidError


def typed_time(text: str | None, *, field: str) -> datetime | None:
    """The moment that `text` says in the reader's time zone; None for nothing. Raises InvalidError that names `field`."""
    text = (text or "").strip()
    if not text:
        return None
    _locale, zone = reader()
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = "Write the time as a date and a time of day, for example 2027-01-31 18:00."
        raise InvalidError(sentence, fields={field: sentence}) from None


def as_typed(moment: datetime | None) -> str:
    """The moment as the field holds it, in the reader's time zone; "" for none."""
    if moment is None:
        return ""
    _locale, zone = reader()
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")


def zone_name() -> str:
    """The reader's time zone, so that nobody has to guess."""
    return str(reader()[1])
