"""What people read for the parts of a version, its settings, and what it was made by."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_views.authoring.editor_form import LANGUAGES, RATINGS, CharacterForm
from studio.authoring.models import CharacterVersion, VersionOccasion

PART_LABELS = {
    "greeting_first": _l("First greeting"),
    "alternate_greetings": _l("Alternate greetings"),
    "group_only_greetings": _l("Group greetings"),
    "tags": _l("Tags"),
    "fallback_replies": _l("Fallback replies"),
    "scenes": _l("Scenes"),
    "lorebook": _l("Lorebook"),
    "assets": _l("Files of the card"),
    "creator": _l("Creator"),
    "character_version": _l("Version label of the card"),
    "creator_notes_multilingual": _l("Creator's notes in other languages"),
    "extensions": _l("Extensions"),
    "context": _l("Context settings"),
    "content_warnings": _l("Content warnings"),
    "license": _l("Licence"),
}

INNER_LABELS = {
    "content": _l("Text"),
    "keys": _l("Keys"),
    "secondary_keys": _l("Secondary keys"),
    "enabled": _l("On"),
    "constant": _l("Always"),
    "selective": _l("Selective"),
    "insertion_order": _l("Order"),
    "position": _l("Position"),
    "priority": _l("Priority"),
    "case_sensitive": _l("Case matters"),
    "use_regex": _l("Regular expressions"),
    "name": _l("Name"),
    "comment": _l("Comment"),
    "description": _l("Description"),
    "scan_depth": _l("Scan depth"),
    "token_budget": _l("Token budget"),
    "recursive_scanning": _l("Recursive"),
    "weight": _l("Weight"),
    "language": _l("Language"),
    "title": _l("Title"),
    "stage": _l("Stage"),
    "progress": _l("Progress"),
    "stage_prompt": _l("Stage prompt"),
    "required_progress": _l("Required progress"),
    "context_window": _l("Context window"),
    "memory_count": _l("Memories"),
    "emotion_weight": _l("Weight of emotions"),
    "learning_rate": _l("Learning rate"),
    "consistency": _l("Consistency"),
}

_LONGEST_VALUE = 300


def part_label(key: str) -> str:
    """A part of a card or of what stands beside it, in the reader's words; what nobody knows keeps its own name."""
    if key in PART_LABELS:
        return str(PART_LABELS[key])
    form_field = getattr(CharacterForm, key, None)
    if form_field is not None and key.isidentifier() and getattr(form_field, "args", None):
        return str(form_field.args[0])
    head, dot, rest = key.partition(".")
    if dot and head in PART_LABELS:
        return f"{PART_LABELS[head]}: {inner_label(rest)}"
    return key


def inner_label(key: str) -> str:
    """A field of one entry, reply or scene."""
    return str(INNER_LABELS.get(key, key))


def value_label(key: str, value: Any) -> str:
    """A setting's value as people write it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    known = {"content_rating": RATINGS, "language": LANGUAGES}.get(key, ())
    for choice, label in known:
        if choice == value:
            return str(label)
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def occasion_label(version: CharacterVersion) -> str:
    """What made the version, where it says something; "" for one that was just saved."""
    match version.occasion:
        case VersionOccasion.SUBMITTED:
            return str(_("Made by submitting"))
        case VersionOccasion.PUBLISHED:
            return str(_("Made by publishing"))
        case VersionOccasion.RESTORED:
            return str(_("Restored from version %(number)d", number=version.restored_from))
        case VersionOccasion.KEPT:
            return str(_("The draft before version %(number)d was restored", number=version.restored_from))
        case VersionOccasion.SAVED:
            return ""
