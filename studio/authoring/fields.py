"""How a card's keys and a character's columns correspond, in both directions."""

from collections.abc import Mapping
from typing import Any

from studio.authoring import rules
from studio.authoring.models import ContentRating
from studio.authoring.rules import Greetings
from studio.cards import round_trip
from studio.cards.documents import Json, copy_json

CARD_KEYS: Mapping[str, str] = {
    "name": "name",
    "nickname": "nickname",
    "description": "description",
    "personality": "personality",
    "scenario": "scenario",
    "example_dialogue": "mes_example",
    "system_prompt": "system_prompt",
    "post_history_instructions": "post_history_instructions",
    "creator_notes": "creator_notes",
    "tags": "tags",
}
"""Columns of a character and the keys of V3's `data` that say the same."""

PROFILE = ("tagline", "relationships", "current_state", "language", "content_rating")
"""Columns that no card format knows; they travel under our own extension."""

_PROFILE_KEY = "profile"


def read(card: Json) -> tuple[dict[str, Any], dict[str, str]]:
    """The columns that a normalised card fills, and a sentence for each that is beyond the studio's limits."""
    data = card["data"]
    given: dict[str, Any] = {column: data.get(key) or "" for column, key in CARD_KEYS.items()}
    given["tags"] = data.get("tags", [])
    profile = _profile_of(data)
    given |= {column: profile[column] for column in PROFILE if isinstance(profile.get(column), str)}
    values, wrong = rules.cleaned(given)
    # What only our own extension can hold is put right silently: it was never the author's text elsewhere.
    for column in PROFILE:
        if wrong.pop(column, None) is not None:
            values[column] = ContentRating.UNRATED if column == "content_rating" else ""
    return values, wrong


def read_greetings(card: Json) -> tuple[Greetings, dict[str, str]]:
    """The greetings of a normalised card, and a sentence for what is beyond the limits."""
    data = card["data"]
    return rules.cleaned_greetings(
        Greetings(
            first=data.get("first_mes", ""),
            alternate=tuple(data.get("alternate_greetings", ())),
            group_only=tuple(data.get("group_only_greetings", ())),
        )
    )


def edits(card: Json, *, values: Mapping[str, Any], greetings: Greetings) -> Json:
    """What must be set in the card's `data` so that it says what the columns and greetings say.

    Compared is what the columns would hold, had nothing been edited: so a text that was only tidied on
    its way in (line breaks, invisible characters) stays in the card as its author wrote it.
    """
    was, _ = read(card)
    changed: Json = {}
    for column, key in CARD_KEYS.items():
        if values[column] != was.get(column, ""):
            changed[key] = list(values[column]) if column == "tags" else values[column]
    if changed.get("nickname") == "":
        changed["nickname"] = None
    old, _ = read_greetings(card)
    if greetings.first != old.first:
        changed["first_mes"] = greetings.first
    if greetings.alternate != old.alternate:
        changed["alternate_greetings"] = list(greetings.alternate)
    if greetings.group_only != old.group_only:
        changed["group_only_greetings"] = list(greetings.group_only)
    profile = {column: str(values[column]) for column in PROFILE if values[column]}
    if profile.get("content_rating") == ContentRating.UNRATED:
        del profile["content_rating"]
    if profile != _profile_of(card["data"]):
        changed["extensions"] = _with_profile(card["data"].get("extensions", {}), profile)
    return changed


def _profile_of(data: Json) -> Json:
    own = data.get("extensions", {}).get(round_trip.NAMESPACE)
    profile = own.get(_PROFILE_KEY) if isinstance(own, dict) else None
    return profile if isinstance(profile, dict) else {}


def _with_profile(extensions: Json, profile: Json) -> Json:
    changed: Json = copy_json(extensions)
    own = changed.get(round_trip.NAMESPACE)
    own = own if isinstance(own, dict) else {}
    if profile:
        own[_PROFILE_KEY] = profile
    else:
        own.pop(_PROFILE_KEY, None)
    if own:
        changed[round_trip.NAMESPACE] = own
    else:
        changed.pop(round_trip.NAMESPACE, None)
    return changed
