"""Parts without which a character cannot be met: name, description, greeting, portrait."""

from collections.abc import Iterator

from studio.market.models import Severity
from studio.market.screening.checks.base import Check, Evidence, Finding, about, bounded
from studio.market.screening.checks.submission import Submission

SHORTEST_DESCRIPTION = 60
SHORTEST_DESCRIPTION_CJK = 25
"""Characters; a Chinese one says about as much as an English word."""

NARROWEST_PORTRAIT = 400
"""Pixels of the shorter side; the reason "missing_portrait" names the same number."""

_WARNING, _INFO = Severity.WARNING, Severity.INFO


def _text(submission: Submission, field: str) -> str:
    value = submission.data.get(field)
    return value.strip() if isinstance(value, str) else ""


def _definition(submission: Submission) -> Iterator[Evidence]:
    told = "".join(_text(submission, field) for field in ("description", "personality", "scenario"))
    wide = sum(1 for character in told[:1000] if ord(character) >= 0x2E80)  # noqa: PLR2004 - CJK begins here.
    enough = SHORTEST_DESCRIPTION_CJK if wide * 2 > len(told[:1000]) else SHORTEST_DESCRIPTION
    if not told:
        yield about("data.description", "The character has no description, personality or scenario.", _WARNING)
    elif len(told) < enough:
        yield about("data.description", "The description is very short.", _WARNING, text=told)


def _parts(submission: Submission) -> Iterator[Evidence]:
    if not _text(submission, "name"):
        yield about("data.name", "The character has no name.", _WARNING)
    yield from _definition(submission)
    if not _text(submission, "first_mes"):
        yield about("data.first_mes", "The character has no first greeting.", _WARNING)
    picture = submission.picture
    if picture is None:
        yield about("portrait", "There is no portrait.", _WARNING)
    elif min(picture.width, picture.height) < NARROWEST_PORTRAIT:
        size = f"{picture.width} × {picture.height}"
        yield about("portrait", "The portrait is small.", _WARNING, text=size)
    if submission.rating == "unrated":
        yield about("content_rating", "The character has no content rating.", _INFO)
    if not str(submission.listing.get("description") or "").strip():
        yield about("listing.description", "The listing has no description.", _INFO)


def _look(submission: Submission) -> Finding:
    return bounded(_parts(submission))


CHECK = Check("missing_parts", 1, "Missing parts", _look)
