"""The editor's form: a character's fields, and its greetings and replies as rows that can be added, moved and taken out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views.forms import Difference, StudioForm, marked
from studio.authoring import rules
from studio.authoring.errors import StaleCharacterError
from studio.authoring.models import ContentRating
from studio.authoring.rules import Greetings, ReplyDraft

_BETWEEN_TAGS = re.compile(r"[,，、;；\n]")
_STEP = re.compile(r"(add|drop|up|down):(alternate|group_only|replies)(?::(\d{1,4}))?")

LANGUAGES = (
    ("", _l("not said")),
    ("zh-Hans", "简体中文"),
    ("zh-Hant", "繁體中文"),
    ("en", "English"),
    ("ja", "日本語"),
    ("ko", "한국어"),
)
RATINGS = (
    (ContentRating.UNRATED.value, _l("not rated")),
    (ContentRating.GENERAL.value, _l("for everyone")),
    (ContentRating.TEEN.value, _l("teen")),
    (ContentRating.MATURE.value, _l("mature")),
    (ContentRating.EXPLICIT.value, _l("explicit")),
)
PART_LABELS = {"greetings": _l("Greetings"), "replies": _l("Fallback replies")}


def _choices(pairs: Iterable[tuple[str, Any]]) -> list[SelectChoice]:
    return [SelectChoice(value=value, label=label) for value, label in pairs]


class NewCharacterForm(StudioForm):
    """What a new character starts with."""

    name = StringField(_l("Name"), render_kw={"maxlength": rules.SHORT_TEXTS["name"], "autocomplete": "off"})
    tagline = StringField(
        _l("Tagline"),
        description=_l("One line that makes people curious."),
        render_kw={"maxlength": rules.SHORT_TEXTS["tagline"]},
    )
    description = TextAreaField(
        _l("Description"), description=_l("Who the character is. The model knows only what stands here.")
    )


class CharacterForm(StudioForm):
    """The columns that a person edits."""

    name = StringField(_l("Name"), render_kw={"maxlength": rules.SHORT_TEXTS["name"], "autocomplete": "off"})
    nickname = StringField(
        _l("Nickname"),
        description=_l("What {{char}} is replaced by, where it is not the name."),
        render_kw={"maxlength": rules.SHORT_TEXTS["nickname"]},
    )
    tagline = StringField(
        _l("Tagline"),
        description=_l("One line that makes people curious."),
        render_kw={"maxlength": rules.SHORT_TEXTS["tagline"]},
    )
    tags = StringField(_l("Tags"), description=_l("Separated by commas."))
    language = SelectField(_l("Language"), choices=_choices(LANGUAGES), validate_choice=False)
    content_rating = SelectField(_l("Content rating"), choices=_choices(RATINGS), validate_choice=False)
    description = TextAreaField(
        _l("Description"), description=_l("Who the character is. The model knows only what stands here.")
    )
    personality = TextAreaField(_l("Personality"))
    scenario = TextAreaField(_l("Scenario"), description=_l("Where and when the chat begins."))
    relationships = TextAreaField(_l("Relationships"))
    current_state = StringField(_l("Current state"), render_kw={"maxlength": rules.SHORT_TEXTS["current_state"]})
    example_dialogue = TextAreaField(_l("Example dialogue"))
    system_prompt = TextAreaField(
        _l("System prompt"), description=_l("Replaces the application's own; {{original}} stands for that one.")
    )
    post_history_instructions = TextAreaField(
        _l("Instructions after the history"), description=_l("Sent last, so they weigh most.")
    )
    creator_notes = TextAreaField(_l("Creator's notes"), description=_l("For people, never sent to the model."))

    def changes(self) -> dict[str, Any]:
        """The fields as `authoring.characters.update` takes them."""
        values = {name: one.data or "" for name, one in self._fields.items() if name in rules.FIELDS}
        values["tags"] = split_tags(str(self.tags.data or ""))
        return values


@dataclass
class Rows:
    """Greetings and replies as the form shows them; rows may be empty while somebody writes."""

    first: str = ""
    alternate: list[str] = field(default_factory=list)
    group_only: list[str] = field(default_factory=list)
    replies: list[tuple[str, str, str]] = field(default_factory=list)
    """Content, weight and language as they were typed."""

    def step(self, wish: str) -> bool:
        """Do what a row's button says ("up:alternate:2"); whether it was one."""
        found = _STEP.fullmatch(wish)
        if found is None:
            return False
        verb, name, number = found[1], found[2], int(found[3] or 0)
        rows: list[Any] = getattr(self, name)
        if verb == "add":
            rows.append(("", "1", "") if name == "replies" else "")
        elif number < len(rows):
            row = rows.pop(number)
            if verb != "drop":
                rows.insert(max(0, number + (-1 if verb == "up" else 1)), row)
        return True

    def greetings(self) -> Greetings:
        """The greetings as services take them."""
        return Greetings(self.first, tuple(self.alternate), tuple(self.group_only))

    def drafts(self) -> list[ReplyDraft]:
        """The replies as services take them; a weight that is no number is refused there as 0."""
        return [
            ReplyDraft(content, int(weight) if weight.isascii() and weight.isdigit() else 0, language)
            for content, weight, language in ((c, w.strip()[:9], lang) for c, w, lang in self.replies)
            if content.strip()
        ]


def rows_of(greetings: Greetings, replies: Iterable[ReplyDraft]) -> Rows:
    """The rows for what is saved."""
    return Rows(
        greetings.first,
        list(greetings.alternate),
        list(greetings.group_only),
        [(reply.content, str(reply.weight), reply.language) for reply in replies],
    )


def rows_from(sent: "MultiDict[str, str]") -> Rows:
    """The rows that a browser sent; fields that belong together come in the same order."""
    contents = sent.getlist("reply_content")
    weights, languages = sent.getlist("reply_weight"), sent.getlist("reply_language")
    return Rows(
        sent.get("greeting_first", ""),
        sent.getlist("greeting_alternate"),
        sent.getlist("greeting_group_only"),
        [
            (content, weights[i] if i < len(weights) else "1", languages[i] if i < len(languages) else "")
            for i, content in enumerate(contents)
        ],
    )


def split_tags(text: str) -> list[str]:
    """Tags as people separate them, in either script."""
    return [tag.strip() for tag in _BETWEEN_TAGS.split(text) if tag.strip()]


def joined_tags(tags: Iterable[str]) -> str:
    """Tags as the form shows them."""
    return ", ".join(tags)


def row_errors(errors: Mapping[str, str]) -> dict[str, str]:
    """The sentences for greetings and replies, translated, by the name that the template knows."""
    return {name: gettext(text) for name, text in errors.items() if name.startswith(("greetings", "replies"))}


def stale_differences(form: CharacterForm, error: StaleCharacterError) -> list[Difference]:
    """Both texts of every field in which two people's saves differ."""
    found = []
    for one in error.differences:
        mine, theirs = _readable(one.mine), _readable(one.theirs)
        label = form[one.field].label.text if one.field in form else PART_LABELS.get(one.field, one.field)
        found.append(Difference(one.field, str(label), mine, theirs, marked(theirs, mine)))
    return found


def _readable(value: Any) -> str:
    if isinstance(value, Greetings):
        return "\n\n".join(text for text in (value.first, *value.alternate, *value.group_only) if text)
    if isinstance(value, list) and value and isinstance(value[0], ReplyDraft):
        return "\n\n".join(
            f"{reply.content} ({ngettext('weight %(num)d', 'weight %(num)d', reply.weight)})" for reply in value
        )
    if isinstance(value, list):
        return joined_tags(value)
    return str(value)
