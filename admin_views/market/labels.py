"""What people read for fields of cards and listings, checks and reasons, in their language."""

import re
from typing import Any

from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l

from admin_views.authoring.editor_form import license_words, warning_words
from admin_views.authoring.version_labels import inner_label, part_label
from admin_views.market.oversight_labels import oversight_labels
from studio.market.catalogue.queries import Shelf
from studio.market.models import CharacterCategory, LicenseType, ReviewReason

FIELD_LABELS = {
    "": _l("the whole"),
    "name": _l("Name"),
    "nickname": _l("Nickname"),
    "description": _l("Description"),
    "personality": _l("Personality"),
    "scenario": _l("Scenario"),
    "first_mes": _l("First greeting"),
    "alternate_greetings": _l("Alternate greetings"),
    "group_only_greetings": _l("Greetings in groups"),
    "mes_example": _l("Example dialogue"),
    "system_prompt": _l("System prompt"),
    "post_history_instructions": _l("Instructions after the history"),
    "creator_notes": _l("Creator's notes"),
    "tags": _l("Tags"),
    "character_book": _l("Lorebook"),
    "extensions": _l("Extensions"),
    "portrait": _l("Portrait"),
    "picture": _l("Picture"),
    "content_rating": _l("Content rating"),
    "listing.title": _l("Title of the listing"),
    "listing.description": _l("Description of the listing"),
    "listing.tags": _l("Tags of the listing"),
    "listing.category": _l("Category"),
    "listing.price": _l("Price"),
    "listing.license": _l("Licence"),
}

LICENSE_LABELS = {
    LicenseType.FREE: _l("Free: everybody may use it"),
    LicenseType.PREMIUM: _l("Premium: each buyer may use it, all its versions included"),
    LicenseType.EXCLUSIVE: _l("Exclusive: one buyer, then it leaves the market"),
}

CHECK_TITLES = {
    "secrets": _l("Keys and passwords"),
    "contacts": _l("Links and contact details"),
    "scripts": _l("Scripts and remote content"),
    "hidden_text": _l("Hidden text"),
    "injection": _l("Instructions to the model"),
    "macros": _l("Macros"),
    "missing_parts": _l("Missing parts"),
    "rating": _l("Age and content rating"),
    "duplicates": _l("The same card"),
    "picture": _l("Picture"),
    "moderation": _l("Moderation model"),
    "judge": _l("Judging model"),
    "screening": _l("Screening"),
}
"""The checks' titles; a job's steps say the same words."""

_OUTER = re.compile(r"^(?:data\.extensions\.greenroom\.|extensions\.greenroom\.|data\.|studio\.)?(?:profile\.)?")
_STEP = re.compile(r"\[(\d{1,9})\]|([^.\[\]]+)")
_ALIASES = {"replies": "fallback_replies"}
"""Parts that our own extension names otherwise than the studio does."""
_UNSAID = {("character_book", "entries"), ("fallback_replies", "content")}
"""What goes without saying behind a part."""


def field_label(name: str) -> str:
    """A field that reasons are tied to, in the reader's words."""
    label = FIELD_LABELS.get(name)
    return str(label) if label is not None else name


def path_label(path: str) -> str:
    """Where a text of a card stands, in the reader's words: "Lorebook 3: Keys"; what nobody knows keeps its own name."""
    plain = _OUTER.sub("", path)
    if plain in FIELD_LABELS:
        return str(FIELD_LABELS[plain])
    head, *rest = [match[1] or match[2] for match in _STEP.finditer(plain)] or [plain]
    if head == "listing" and rest and f"listing.{rest[0]}" in FIELD_LABELS:
        head = f"listing.{rest.pop(0)}"
    head = _ALIASES.get(head, head)
    label = str(FIELD_LABELS[head]) if head in FIELD_LABELS else part_label(head)
    if head == "extensions":
        return f"{label}: {'.'.join(rest)}"
    said = [label]
    for step in rest:
        if (head, step) in _UNSAID:
            continue
        # People count from one, and a number belongs to what stands before it.
        if step.isdecimal():
            said[-1] += f" {int(step) + 1}"
        else:
            said.append(inner_label(step))
    return ": ".join([said[0], " ".join(said[1:])]) if said[1:] else said[0]


def check_title(name: str) -> str:
    """A check's title in the reader's language."""
    return str(CHECK_TITLES.get(name, name))


def license_label(value: LicenseType) -> str:
    """A licence in a sentence."""
    return str(LICENSE_LABELS[value])


def reads_chinese() -> bool:
    """Whether the reader's language is Chinese."""
    locale = get_locale()
    return locale is not None and locale.language == "zh"


def category_name(category: CharacterCategory) -> str:
    """A category's name in the reader's language, where it has one."""
    return category.name_zh if reads_chinese() and category.name_zh else category.name


def category_choice(shelf: Shelf) -> str:
    """A category in a list of choices, set in by its depth."""
    return "\u2003" * shelf.depth + category_name(shelf.category)


def reason_title(reason: ReviewReason) -> str:
    """A reason's title in the reader's language."""
    return reason.title_zh if reads_chinese() and reason.title_zh else reason.title


def reason_message(reason: ReviewReason) -> str:
    """The sentence of a reason in the reader's language."""
    return reason.message_zh if reads_chinese() and reason.message_zh else reason.message


def labels() -> dict[str, Any]:
    """All of these for templates."""
    return {
        "field_label": field_label,
        "path_label": path_label,
        "check_title": check_title,
        "license_label": license_label,
        "license_words": license_words,
        "warning_words": warning_words,
        "category_name": category_name,
        "reason_title": reason_title,
        "reason_message": reason_message,
        "translate": gettext,
        **oversight_labels(),
    }
