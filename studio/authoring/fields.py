"""How a card's keys and a character's columns correspond, in both directions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from studio.authoring import chat_settings, rules, scenes
from studio.authoring.chat_settings import DEFAULT_CONTEXT_TOKENS, ContextSettings
from studio.authoring.models import ContentRating, License
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft
from studio.cards import round_trip
from studio.cards.documents import Json, copy_json
from studio.cards.notes import Note

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

DEFAULTS: Mapping[str, Any] = {
    "tagline": "",
    "relationships": "",
    "current_state": "",
    "language": "",
    "content_rating": ContentRating.UNRATED,
    "content_warnings": [],
    "license": License.UNSTATED,
    "ai_model": "",
    "context_tokens": DEFAULT_CONTEXT_TOKENS,
    "emotional_range": {},
    "is_learning_enabled": False,
    "memory_retention_days": None,
    "is_context_aware": True,
}
"""Columns that no card format knows, and what they are where nobody chose; others travel under our own extension."""

PROFILE = tuple(DEFAULTS)

_PROFILE_KEY = "profile"
_PARTS = ("replies", "scenes", "context")


@dataclass(frozen=True)
class Parts:
    """What belongs to a character beside its columns and greetings, and no card format knows."""

    replies: tuple[ReplyDraft, ...] = ()
    scenes: tuple[SceneDraft, ...] = ()
    context: ContextSettings = field(default_factory=ContextSettings)


def read(card: Json) -> tuple[dict[str, Any], dict[str, str]]:
    """The columns that a normalised card fills, and a sentence for each that is beyond the studio's limits.

    Tags beyond them are left out (see `repairs`); the card itself keeps them.
    """
    data = card["data"]
    given: dict[str, Any] = {column: data.get(key) or "" for column, key in CARD_KEYS.items()}
    given["tags"], _too_long, _too_many = rules.fitting_tags(data.get("tags", []))
    profile = _own(data, _PROFILE_KEY)
    given |= {column: profile[column] for column in PROFILE if _is_like(DEFAULTS[column], profile.get(column))}
    values, wrong = rules.cleaned(given)
    # What only our own extension can hold is put right silently: it was never the author's text elsewhere.
    for column in PROFILE:
        if wrong.pop(column, None) is not None:
            values[column] = copy_json(DEFAULTS[column])
    return values, wrong


def repairs(card: Json) -> list[Note]:
    """What `read` leaves out of a normalised card's tags; they stay in the card and are exported with it."""
    _, too_long, too_many = rules.fitting_tags(card["data"].get("tags", []))
    notes = []
    if too_long:
        sentence = "A tag of more than 100 characters is left out; the original keeps it."
        notes.append(Note("long_tags", "data.tags", sentence, count=too_long))
    if too_many:
        sentence = "The first 100 tags are used; the original keeps the others."
        notes.append(Note("many_tags", "data.tags", sentence))
    return notes


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


def read_parts(card: Json) -> Parts:
    """The replies, scenes and settings that a normalised card brings in our extension; what is wrong there is left out."""
    data = card["data"]
    replies = [
        ReplyDraft(_text(one, "content"), _whole(one, "weight", 1), _text(one, "language"))
        for one in _rows(data, "replies")
    ]
    drafts = [
        SceneDraft(
            _text(one, "title"),
            _text(one, "stage"),
            _whole(one, "progress", 0),
            _text(one, "stage_prompt"),
            _whole(one, "required_progress", 0),
        )
        for one in _rows(data, "scenes")
    ]
    context = {name: value for name, value in _own(data, "context").items() if name in chat_settings.RANGES}
    right_replies = [reply for reply in replies if not rules.cleaned_replies([reply])[1]][: rules.MOST_REPLIES]
    right_scenes = [draft for draft in drafts if not scenes.cleaned([draft])[1]][: scenes.MOST_SCENES]
    return Parts(
        tuple(rules.cleaned_replies(right_replies)[0]),
        tuple(scenes.cleaned(right_scenes)[0]),
        chat_settings.cleaned_context(context)[0],
    )


def plain(parts: Parts) -> dict[str, Any]:
    """The parts as JSON, without those that say nothing."""
    said: dict[str, Any] = {}
    if parts.replies:
        said["replies"] = [asdict(reply) for reply in parts.replies]
    if parts.scenes:
        said["scenes"] = [asdict(scene) for scene in parts.scenes]
    if parts.context != ContextSettings():
        said["context"] = asdict(parts.context)
    return said


def profile_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `PROFILE` as JSON, without those that nobody chose."""
    return {column: _plain(values[column]) for column in PROFILE if values[column] != DEFAULTS[column]}


def profile_in(studio: Mapping[str, Any]) -> Mapping[str, Any]:
    """The profile that a version keeps beside its card; empty in one from before there was any."""
    return studio.get(_PROFILE_KEY) or {}


def language_in(studio: Mapping[str, Any]) -> str:
    """The language of a version's profile, "" where nobody chose one."""
    return str(profile_in(studio).get("language") or "")


def edits(card: Json, *, values: Mapping[str, Any], greetings: Greetings, parts: Parts) -> Json:
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
    own: Json = plain(parts)
    if profile := profile_of(values):
        own[_PROFILE_KEY] = profile
    if own != {key: kept for key in (_PROFILE_KEY, *_PARTS) if (kept := _namespace(card["data"]).get(key))}:
        changed["extensions"] = _with_own(card["data"].get("extensions", {}), own)
    return changed


def _namespace(data: Json) -> Json:
    own = data.get("extensions", {}).get(round_trip.NAMESPACE)
    return own if isinstance(own, dict) else {}


def _own(data: Json, key: str) -> Json:
    kept = _namespace(data).get(key)
    return kept if isinstance(kept, dict) else {}


def _rows(data: Json, key: str) -> list[Json]:
    kept = _namespace(data).get(key)
    return [one for one in kept if isinstance(one, dict)] if isinstance(kept, list) else []


def _with_own(extensions: Json, wanted: Json) -> Json:
    changed: Json = copy_json(extensions)
    own = changed.get(round_trip.NAMESPACE)
    own = own if isinstance(own, dict) else {}
    for key in (_PROFILE_KEY, *_PARTS):
        if key in wanted:
            own[key] = wanted[key]
        else:
            own.pop(key, None)
    if own:
        changed[round_trip.NAMESPACE] = own
    else:
        changed.pop(round_trip.NAMESPACE, None)
    return changed


def _text(one: Json, key: str) -> str:
    value = one.get(key)
    return value if isinstance(value, str) else ""


def _whole(one: Json, key: str, default: int) -> int:
    value = one.get(key, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _is_like(default: Any, value: Any) -> bool:
    """Whether a value from a card has the type that the column holds."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, list):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, int if default is None else str if isinstance(default, str) else type(default))


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else copy_json(value)
