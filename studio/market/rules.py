"""Rules of listings and reviews that need no database."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from studio.kit.money import Money
from studio.kit.text import one_line, storable
from studio.market import due
from studio.market.errors import ListingInvalidError, ReasonsInvalidError
from studio.market.models import (
    COMMENT_LENGTH,
    DESCRIPTION_LENGTH,
    TITLE_LENGTH,
    CaseState,
    LicenseType,
    ReviewCase,
)

CLAIM = timedelta(minutes=30)
"""How long a claim lasts without a sign of life of its holder."""

UNDO = timedelta(seconds=10)
"""How long a decision is held back, in which whoever made it can undo it."""

AT_ONCE = timedelta(0)
"""A decision is in effect as it is made: where rows are brought in, and nobody could press Undo."""

APPEAL_WITHIN = timedelta(days=184)
"""How long after a decision took effect its creator can appeal against it."""

PUBLISH_WITHIN = timedelta(days=365)
"""How far ahead a listing can be scheduled or featured."""

MOST_TAGS = 20
TAG_LENGTH = 50
MOST_REASONS = 20

CARD_FIELDS = (
    "name",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "alternate_greetings",
    "mes_example",
    "system_prompt",
    "post_history_instructions",
    "creator_notes",
    "tags",
    "character_book",
    "portrait",
    "content_rating",
)
LISTING_FIELDS = ("listing.title", "listing.description", "listing.tags", "listing.category", "listing.price")
REVIEW_FIELDS = CARD_FIELDS + LISTING_FIELDS
"""What a reason can be tied to: fields of the card by their V3 name, and fields of the listing."""

_SEPARATORS = re.compile(r"[,，、;；\n]+")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ListingTexts:
    """What people read of a listing, cleaned."""

    title: str
    description: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a listing is rejected: the code of a reason, the field that it is about ("" is the whole), own words."""

    code: str
    field: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class _Problems:
    fields: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, sentence: str) -> None:
        self.fields.setdefault(name, sentence)


def split_tags(text: str) -> list[str]:
    """Tags as people type them, separated by Latin or Chinese commas or by lines."""
    return [tag for part in _SEPARATORS.split(text) if (tag := one_line(part))]


def checked_listing(
    *,
    title: str,
    description: str,
    tags: Iterable[str],
    price: Money,
    license_type: LicenseType,
    problems: Mapping[str, str] | None = None,
) -> ListingTexts:
    """The texts of a listing, cleaned; raises ListingInvalidError that names every wrong field at once.

    `problems` are those that the caller found already (a closed category).
    """
    found = _Problems(dict(problems or {}))
    texts = ListingTexts(
        title=one_line(title), description=storable(description).strip(), tags=tuple(_distinct(map(one_line, tags)))
    )
    if not texts.title:
        found.add("title", "Give the listing a title.")
    elif len(texts.title) > TITLE_LENGTH:
        found.add("title", "Shorten the title to 200 characters.")
    if len(texts.description) > DESCRIPTION_LENGTH:
        found.add("description", "Shorten the description to 20,000 characters.")
    if len(texts.tags) > MOST_TAGS:
        found.add("tags", "Give at most 20 tags.")
    if any(len(tag) > TAG_LENGTH for tag in texts.tags):
        found.add("tags", "A tag has at most 50 characters; separate tags by commas.")
    if license_type is LicenseType.FREE and price.minor:
        found.add("price", "A free listing has no price. Set the price to 0, or choose another licence.")
    if license_type is not LicenseType.FREE and not price.minor:
        found.add("price", "Give a price above 0, or choose the free licence.")
    if found.fields:
        raise ListingInvalidError(found.fields)
    return texts


def listing_hash(
    *, version: Mapping[str, str], texts: ListingTexts, category: str, price: Money, license_type: LicenseType
) -> str:
    """SHA-256 over everything that goes live: the version and the listing's own words and terms.

    `version` is the id and the hash of a version, which PostgreSQL refuses to change; `category` is an id.
    """
    content: dict[str, Any] = {
        "version": dict(version),
        "title": texts.title,
        "description": texts.description,
        "tags": list(texts.tags),
        "category": category,
        "price": [price.minor, price.currency],
        "license": license_type.value,
    }
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def due_at(opened_at: datetime) -> datetime:
    """When a case opened at `opened_at` should be decided at the usual pace; the screening's job knows the pace that is set."""
    return due.due_at(opened_at)


def schedule_problems(publish_at: datetime | None, *, now: datetime) -> dict[str, str]:
    """What is wrong with a time to go live at, by field; none means at once."""
    if publish_at is None or now < publish_at <= now + PUBLISH_WITHIN:
        return {}
    return {"publish_at": "Choose a time within the next year, or leave it empty."}


def is_held(case: ReviewCase, *, now: datetime) -> bool:
    """Whether somebody holds the case at `now`; a claim ends by itself."""
    return case.state is CaseState.CLAIMED and case.claim_expires_at is not None and case.claim_expires_at > now


def checked_reasons(reasons: Iterable[Reason]) -> list[Reason]:
    """The reasons of a rejection, cleaned, each once; raises ReasonsInvalidError where none or a wrong field is given."""
    cleaned = _distinct(
        Reason(code=reason.code.strip(), field=reason.field.strip(), comment=storable(reason.comment).strip())
        for reason in reasons
    )
    if not cleaned:
        raise ReasonsInvalidError(
            "Give at least one reason, so that the creator knows what to change.",
            fields={"reasons": "Give at least one reason."},
        )
    if len(cleaned) > MOST_REASONS:
        raise ReasonsInvalidError("Give at most %(most)s reasons.", most=MOST_REASONS)
    for reason in cleaned:
        if reason.field and reason.field not in REVIEW_FIELDS:
            raise ReasonsInvalidError(
                "A reason is tied to a field that does not exist; choose one from the list.",
                fields={"field": "Choose a field from the list."},
            )
        if len(reason.comment) > COMMENT_LENGTH:
            raise ReasonsInvalidError("Shorten the comment to %(most)s characters.", most=COMMENT_LENGTH)
    return cleaned


def checked_note(note: str) -> str:
    """The moderator's note, cleaned; raises ReasonsInvalidError where it is too long."""
    note = storable(note).strip()
    if len(note) > COMMENT_LENGTH:
        raise ReasonsInvalidError(
            "Shorten the note to %(most)s characters.",
            fields={"note": "Shorten the note to 4,000 characters."},
            most=COMMENT_LENGTH,
        )
    return note


def _distinct(items: Iterable[_T]) -> list[_T]:
    return [item for item in dict.fromkeys(items) if item]
