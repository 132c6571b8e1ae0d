"""What addresses, names, passwords and audit entries must be like: pure functions."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email

from studio.accounts.errors import (
    BadEmailError,
    BadNameError,
    MissingReasonError,
    UnknownChoiceError,
    WeakPasswordError,
)
from studio.kit.text import excerpt, one_line, storable

LONGEST_NAME = 80
LONGEST_EMAIL = 254
LONGEST_REASON = 500

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 128
"""Characters; an unlimited password would be a way to keep the server busy hashing."""
_FEWEST_DIFFERENT = 4

LOCALES = ("en", "zh_Hans")

LONGEST_AUDITED_TEXT = 200
"""A longer text stands in the audit log as an excerpt, its length and its hash."""
_MOST_AUDITED_ITEMS = 50
_DEEPEST_AUDITED = 6
_SECRET = re.compile(
    r"password|passwd|secret|token|uniquifier|recovery_code|api_?key|credential|authorization", re.IGNORECASE
)

Json = dict[str, Any]


def clean_email(text: str) -> str:
    """The address as it is kept: trimmed, its domain in lower case; raises BadEmailError for anything else."""
    try:
        # Mail is never sent while checking, and reserved domains serve installations without internet.
        found = validate_email(one_line(text), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise BadEmailError from None
    if len(found.normalized) > LONGEST_EMAIL:
        raise BadEmailError
    return found.normalized


def pseudonym(user_id: UUID) -> str:
    """What an account is called when it is closed: one and the same person everywhere, and nobody in particular."""
    return f"Deleted person {user_id.hex[-6:]}"


def one_line_email(text: str) -> str:
    """What was typed at the sign-in, as addresses are compared."""
    return one_line(text)[:LONGEST_EMAIL].lower()


def clean_name(text: str) -> str:
    """The name on one line; raises BadNameError where nothing is left or too much."""
    name = one_line(text)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise BadNameError
    return name


def clean_reason(text: str) -> str:
    """The reason as it is kept; raises MissingReasonError where there is none."""
    reason = storable(text).strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise MissingReasonError
    return reason


def clean_locale(text: str | None) -> str | None:
    """One of the studio's languages, or None for the browser's choice."""
    if not text:
        return None
    if text not in LOCALES:
        raise UnknownChoiceError("locale")
    return text


def clean_timezone(text: str) -> str:
    """An IANA time zone that this server knows."""
    if text not in available_timezones():
        raise UnknownChoiceError("timezone")
    return text


def normal_password(text: str) -> str:
    """The password as it is hashed: the same characters, however the keyboard composed them (NFKD)."""
    return unicodedata.normalize("NFKD", text)


def check_password(text: str, *, about: Sequence[str] = ()) -> None:
    """Return if `text` may become a password; raise WeakPasswordError otherwise.

    Length counts, not the kinds of characters (NIST SP 800-63B); `about` is the person's
    name and address, which others would try first.
    """
    if len(text) < SHORTEST_PASSWORD:
        raise WeakPasswordError("Use at least 10 characters. A few words in a row are easy to remember.")
    if len(text) > LONGEST_PASSWORD:
        raise WeakPasswordError("Use at most 128 characters.")
    if len(set(text.casefold())) < _FEWEST_DIFFERENT:
        raise WeakPasswordError("Use more than a few different characters.")
    folded = text.casefold().strip()
    for known in about:
        if folded in {known.casefold(), known.casefold().partition("@")[0]}:
            raise WeakPasswordError("Use something else than your name or address.")


def audited(values: Mapping[str, Any] | None) -> Json | None:
    """`values` as an audit entry keeps them: JSON, bounded, long texts as excerpts, secrets never."""
    if values is None:
        return None
    return _audited_collection(values, key="", depth=0)  # type: ignore[no-any-return]


def fingerprint(text: str) -> Json:
    """What the audit log keeps of a text that must not be in it, such as a card's: its length and its hash."""
    return {"length": len(text), "sha256": hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]}


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The sorted names of what differs between two states."""
    missing = object()
    return sorted(key for key in before.keys() | after.keys() if before.get(key, missing) != after.get(key, missing))


def _audited(value: Any, *, key: str, depth: int) -> Any:
    if _SECRET.search(key) and not isinstance(value, bool | None):
        return "(secret)"
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str | bytes) and isinstance(value, Mapping | Sequence | set | frozenset):
        return "…" if depth >= _DEEPEST_AUDITED else _audited_collection(value, key=key, depth=depth + 1)
    return _audited_scalar(value)


def _audited_collection(value: Any, *, key: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        kept = list(value.items())[:_MOST_AUDITED_ITEMS]
        return {storable(str(k))[:LONGEST_AUDITED_TEXT]: _audited(v, key=str(k), depth=depth) for k, v in kept}
    items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
    return [_audited(item, key=key, depth=depth) for item in items[:_MOST_AUDITED_ITEMS]]


def _audited_scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # PostgreSQL's JSON knows no NaN and no infinity.
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, bytes):
        return {"length": len(value), "sha256": hashlib.sha256(value).hexdigest()[:16]}
    text = storable(value.isoformat() if isinstance(value, date) else str(value))
    if len(text) <= LONGEST_AUDITED_TEXT:
        return text
    return {"excerpt": excerpt(text, LONGEST_AUDITED_TEXT), **fingerprint(text)}
