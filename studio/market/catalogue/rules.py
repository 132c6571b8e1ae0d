"""Rules of listings that need no database."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from studio.kit.money import Money
from studio.kit.text import one_line, storable
from studio.market.catalogue import due
from studio.market.catalogue.errors import ListingInvalidError
from studio.market.models import DESCRIPTION_LENGTH, TITLE_LENGTH, TO_MODERATOR_LENGTH, LicenseType

PUBLISH_WITHIN = timedelta(days=365)
"""How far ahead a listing can be scheduled or featured."""

MOST_TAGS = 20
TAG_LENGTH = 50

_SEPARATORS = re.compile(r"[,，、;；\n]+")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ListingTexts:
    """What people read of a listing, cleaned."""

    title: str
    description: str
    tags: tuple[str, ...]


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
        title=one_line(title), description=storable(description).strip(), tags=tuple(distinct(map(one_line, tags)))
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


def message_problems(to_moderator: str) -> dict[str, str]:
    """What is wrong with a creator's words to the moderator, by field."""
    if len(to_moderator) <= TO_MODERATOR_LENGTH:
        return {}
    return {"to_moderator": "Shorten the note to the moderator to 1,000 characters."}


def distinct(items: Iterable[_T]) -> list[_T]:
    """Each once, in their order, without what is empty."""
    return [item for item in dict.fromkeys(items) if item]
