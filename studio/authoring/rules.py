"""What makes a character's fields right, what search reads of them, and what is still missing."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.authoring import chat_settings
from studio.authoring.models import (
    NAME_LENGTH,
    REPLY_LENGTH,
    SHORT_LENGTH,
    TEXT_LENGTH,
    ContentRating,
    License,
)
from studio.authoring.models.limits import MOST_WARNINGS, WEIGHT
from studio.cards import limits
from studio.cards.documents import Json
from studio.cards.normalise import content_hash as card_content_hash
from studio.kit import text as texts

SEARCH_LENGTH = 20_000
"""Search reads this many characters of a character at most."""

MOST_REPLIES = 200
MOST_TAGS = 100
TAG_LENGTH = 100

# One line each; the rest keep their line breaks.
SHORT_TEXTS: Mapping[str, int] = {
    "name": NAME_LENGTH,
    "nickname": NAME_LENGTH,
    "tagline": SHORT_LENGTH,
    "current_state": SHORT_LENGTH,
    "language": 35,
}
LONG_TEXTS: tuple[str, ...] = (
    "description",
    "personality",
    "scenario",
    "relationships",
    "example_dialogue",
    "system_prompt",
    "post_history_instructions",
    "creator_notes",
)
LABELS = ("tags", "content_rating", "content_warnings", "license")
AI_SETTINGS = (
    "ai_model",
    "context_tokens",
    "emotional_range",
    "is_learning_enabled",
    "memory_retention_days",
    "is_context_aware",
)
FIELDS: tuple[str, ...] = (*SHORT_TEXTS, *LONG_TEXTS, *LABELS, *AI_SETTINGS)
"""What a person may change in a character's own row."""

EMBEDDED = frozenset({"name", "tagline", "tags", "description", "personality", "scenario"})
"""A change to one of these changes the text that is embedded (see `cards.views.embedding_text`)."""

SEARCHED = ("name", "nickname", "tagline", "description", "personality", "scenario")

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
WIDE_SIGNS = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]"
"""Signs that are about a token each, as a regular expression of Python, PostgreSQL and JavaScript (`tokens.js`)."""
_CJK_TOKENS = re.compile(f"{WIDE_SIGNS}+")
# Whole sentences, so that each can be translated.
_TOO_LONG = {
    SHORT_TEXTS["language"]: "Give a language by its code, such as en or zh-Hans.",
    NAME_LENGTH: "This has more than 200 characters. Shorten it.",
    SHORT_LENGTH: "This has more than 500 characters. Shorten it.",
    REPLY_LENGTH: "This has more than 10,000 characters. Shorten it.",
    TEXT_LENGTH: "This has more than 200,000 characters. Shorten it.",
}


@dataclass(frozen=True)
class ReplyDraft:
    """A fallback reply as somebody writes it; a larger weight is said more often, an empty language fits all."""

    content: str
    weight: int = 1
    language: str = ""


@dataclass(frozen=True)
class Greetings:
    """All ways in which a character opens a chat, each list in its order; an empty first one means that there is none."""

    first: str = ""
    alternate: tuple[str, ...] = ()
    group_only: tuple[str, ...] = ()


def content_hash(card: Json) -> str:
    """SHA-256 (hex) of what the card says, not of when it was said or by which program (see `studio.cards`)."""
    return card_content_hash(card)


def search_text(values: Mapping[str, Any], *, more: Iterable[str] = ()) -> str:
    """What a search for words looks through: folded, at most 20,000 characters, names and tags first.

    `more` are short texts that stand beside the character (a listing's title, say), each as findable as its tags.
    """
    parts = [values["name"], values.get("nickname", ""), values.get("tagline", ""), " ".join(values.get("tags", ()))]
    parts += more
    parts += [values.get(key, "") for key in SEARCHED[3:]]
    folded = texts.folded("\n".join(part[:SEARCH_LENGTH] for part in parts if part))
    return folded[:SEARCH_LENGTH]


def bigrams(search: str) -> list[str]:
    """The short pieces of a `search_text`, so that a search for one or two characters finds them."""
    return sorted(texts.short_pieces(search))


def cleaned(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """`changes` as they are kept, and a sentence for each field that cannot be kept.

    Unknown fields are refused, since a form that sends one is wrong. Doing it twice changes nothing.
    """
    kept: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for key, value in changes.items():
        if key not in FIELDS:
            wrong[key] = "This cannot be changed here."
            continue
        kept[key], sentence = _cleaned_field(key, value)
        if sentence:
            wrong[key] = sentence
    return kept, wrong


def _cleaned_field(key: str, value: Any) -> tuple[Any, str]:
    cleaner = _CLEANERS.get(key)
    if cleaner is not None:
        return cleaner(value)
    if key in LONG_TEXTS:
        text = texts.storable(value)
        return text, _TOO_LONG[TEXT_LENGTH] if len(text) > TEXT_LENGTH else ""
    text = texts.one_line(value)
    return text, _short_text_problem(key, text)


def _short_text_problem(key: str, text: str) -> str:
    if len(text) > SHORT_TEXTS[key]:
        return _TOO_LONG[SHORT_TEXTS[key]]
    if key == "name" and not text:
        return "A character needs a name."
    return _language_problem(text) if key == "language" else ""


def _cleaned_tags(value: Iterable[str]) -> tuple[list[str], str]:
    kept = tags(value)
    if len(kept) > MOST_TAGS:
        return kept, "There are more than 100 tags. Take some out."
    if any(len(tag) > TAG_LENGTH for tag in kept):
        return kept, "A tag has more than 100 characters. Shorten it."
    return kept, ""


def _cleaned_rating(value: Any) -> tuple[ContentRating, str]:
    try:
        return ContentRating(value), ""
    except ValueError:
        return ContentRating.UNRATED, "Choose one of the ratings."


def _cleaned_license(value: Any) -> tuple[License, str]:
    try:
        return License(value or License.UNSTATED), ""
    except ValueError:
        return License.UNSTATED, "Choose one of the licences."


def _cleaned_warnings(value: Iterable[str]) -> tuple[list[str], str]:
    kept = tags(value)
    if len(kept) > MOST_WARNINGS:
        return kept, "There are more than 20 content warnings. Keep the weightiest."
    if any(len(warning) > TAG_LENGTH for warning in kept):
        return kept, "A content warning has more than 100 characters. Shorten it."
    return kept, ""


def _cleaned_switch(value: Any) -> tuple[bool, str]:
    return bool(value), ""


def _language_problem(language: str) -> str:
    fits = not language or (len(language) <= SHORT_TEXTS["language"] and _LANGUAGE.fullmatch(language))
    return "" if fits else "Give a language by its code, such as en or zh-Hans."


_CLEANERS: Mapping[str, Callable[[Any], tuple[Any, str]]] = {
    "tags": _cleaned_tags,
    "content_rating": _cleaned_rating,
    "content_warnings": _cleaned_warnings,
    "license": _cleaned_license,
    "ai_model": chat_settings.cleaned_model,
    "context_tokens": chat_settings.cleaned_context_tokens,
    "emotional_range": chat_settings.cleaned_emotions,
    "is_learning_enabled": _cleaned_switch,
    "memory_retention_days": chat_settings.cleaned_retention,
    "is_context_aware": _cleaned_switch,
}


def tags(values: Iterable[str]) -> list[str]:
    """Tags on one line each, without empty ones, each once whatever its case, in the order in which they came."""
    found: dict[str, str] = {}
    for value in values:
        tag = texts.one_line(value)
        if tag:
            found.setdefault(texts.folded(tag), tag)
    return list(found.values())


def fitting_tags(values: Iterable[str]) -> tuple[list[str], int, int]:
    """The tags that the studio can work with; how many are left out as too long, and how many as one too many."""
    given = tags(values)
    short = [tag for tag in given if len(tag) <= TAG_LENGTH]
    return short[:MOST_TAGS], len(given) - len(short), max(0, len(short) - MOST_TAGS)


def cleaned_greetings(greetings: Greetings) -> tuple[Greetings, dict[str, str]]:
    """The greetings as they are kept, without empty ones, and a sentence for what cannot be kept."""
    kept = Greetings(
        first=_said(greetings.first),
        alternate=tuple(filter(None, map(_said, greetings.alternate))),
        group_only=tuple(filter(None, map(_said, greetings.group_only))),
    )
    wrong: dict[str, str] = {}
    for kind, values in (("first", (kept.first,)), ("alternate", kept.alternate), ("group_only", kept.group_only)):
        key = f"greetings.{kind}"
        if len(values) > limits.GREETINGS:
            wrong[key] = "There are more than 100 greetings of a kind. Take some out."
        elif any(len(value) > TEXT_LENGTH for value in values):
            wrong[key] = _TOO_LONG[TEXT_LENGTH]
    return kept, wrong


def cleaned_replies(replies: Sequence[ReplyDraft]) -> tuple[list[ReplyDraft], dict[str, str]]:
    """The fallback replies as they are kept, without empty ones, and a sentence for what cannot be kept.

    A sentence stands under "replies.<place>", counted from 0 in what was given, empty ones included.
    """
    kept: list[ReplyDraft] = []
    wrong: dict[str, str] = {}
    for place, reply in enumerate(replies):
        content = _said(reply.content)
        if not content:
            continue
        language = texts.one_line(reply.language)
        kept.append(ReplyDraft(content=content, weight=reply.weight, language=language))
        if len(content) > REPLY_LENGTH:
            wrong[f"replies.{place}"] = _TOO_LONG[REPLY_LENGTH]
        elif reply.weight not in WEIGHT:
            wrong[f"replies.{place}"] = "A weight is a whole number from 1 to 1000."
        elif sentence := _language_problem(language):
            wrong[f"replies.{place}"] = sentence
    if len(kept) > MOST_REPLIES:
        wrong["replies"] = "There are more than 200 replies. Take some out."
    return kept, wrong


def tokens(text: str) -> int:
    """About how many tokens a language model counts in `text`: an estimate, since each model counts in its own way.

    A Chinese, Japanese or Korean character is about one token; four characters of other scripts are about one.
    """
    wide = sum(map(len, _CJK_TOKENS.findall(text)))
    return wide + -(-(len(text) - wide) // 4)


@dataclass(frozen=True)
class Facts:
    """What completeness looks at: the lengths of texts, and how many of what there is."""

    values: Mapping[str, Any]
    greeting: str = ""
    replies: int = 0
    has_portrait: bool = False


@dataclass(frozen=True)
class Missing:
    """One thing to do next: a stable code, the field that it is about, the points that it brings, and why."""

    code: str
    field: str
    points: int
    sentence: str


@dataclass(frozen=True)
class Completeness:
    """How complete a character is, from 0 to 100, and what would complete it, the weightiest first."""

    score: int
    missing: tuple[Missing, ...] = field(default=())


_SHORTEST_DESCRIPTION = 200
_ENOUGH_REPLIES = 3


def completeness(facts: Facts) -> Completeness:
    """The score of a character and a sentence for every missing item; the points of all items add up to 100."""
    values = facts.values
    long_enough = len(values.get("description", "")) >= _SHORTEST_DESCRIPTION or (
        # Chinese says in a third of the characters what English says.
        texts.is_cjk(values.get("description", "")) and len(values.get("description", "")) * 3 >= _SHORTEST_DESCRIPTION
    )
    checks: tuple[tuple[bool, Missing], ...] = (
        (
            facts.has_portrait,
            Missing("portrait", "portrait", 20, "Add a portrait: lists and cards show it before anything else."),
        ),
        (
            bool(values.get("description")),
            Missing("description", "description", 15, "Write a description: the model knows only what stands here."),
        ),
        (
            long_enough,
            Missing(
                "description_length", "description", 10, "Say more in the description; a few sentences are little."
            ),
        ),
        (
            bool(facts.greeting),
            Missing("greeting", "greeting_first", 20, "Write a first greeting: a chat begins with it."),
        ),
        (
            bool(values.get("personality") or values.get("scenario")),
            Missing("personality", "personality", 10, "Describe the personality or the scenario."),
        ),
        (
            bool(values.get("tagline")),
            Missing("tagline", "tagline", 5, "Add a tagline: one line that makes people curious."),
        ),
        (
            bool(values.get("tags")),
            Missing("tags", "tags", 5, "Add tags, so that people find the character."),
        ),
        (
            facts.replies >= _ENOUGH_REPLIES,
            Missing("replies", "replies", 10, "Add at least three fallback replies for when no model answers."),
        ),
        (
            values.get("content_rating", ContentRating.UNRATED) != ContentRating.UNRATED,
            Missing("content_rating", "content_rating", 5, "Say for whom the character is: choose a content rating."),
        ),
    )
    missing = tuple(sorted((item for done, item in checks if not done), key=lambda item: -item.points))
    return Completeness(100 - sum(item.points for item in missing), missing)


def _said(text: str) -> str:
    kept = texts.storable(text)
    return kept if kept.strip() else ""
