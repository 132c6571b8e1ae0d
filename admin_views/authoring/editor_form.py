"""The editor's form: a character's own fields, and how fields and parts read side by side."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField, SelectMultipleField, StringField, TextAreaField, widgets
from wtforms.fields.choices import SelectChoice

from admin_views.forms import Difference, StudioForm, marked
from studio.authoring import drafts, rules
from studio.authoring.chat_settings import ContextSettings
from studio.authoring.errors import Difference as FieldDifference
from studio.authoring.models import ContentRating, ContentWarning, License
from studio.authoring.rules import Greetings, ReplyDraft
from studio.authoring.scenes import SceneDraft

_BETWEEN_TAGS = re.compile(r"[,，、;；\n]")

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
WARNINGS = (
    (ContentWarning.VIOLENCE.value, _l("violence")),
    (ContentWarning.GORE.value, _l("gore")),
    (ContentWarning.DEATH.value, _l("death")),
    (ContentWarning.HORROR.value, _l("horror")),
    (ContentWarning.SEXUAL_CONTENT.value, _l("sexual content")),
    (ContentWarning.STRONG_LANGUAGE.value, _l("strong language")),
    (ContentWarning.SUBSTANCES.value, _l("alcohol and drugs")),
    (ContentWarning.SELF_HARM.value, _l("self-harm")),
    (ContentWarning.ABUSE.value, _l("abuse")),
    (ContentWarning.DISCRIMINATION.value, _l("discrimination")),
    (ContentWarning.MANIPULATION.value, _l("manipulation")),
    (ContentWarning.POLITICS.value, _l("politics and religion")),
)
LICENSES = (
    (License.UNSTATED.value, _l("not said")),
    (License.ALL_RIGHTS_RESERVED.value, _l("All rights reserved")),
    (License.PLATFORM_ONLY.value, _l("Only on this platform")),
    (License.CC_BY.value, _l("CC BY 4.0: share and change, name the author")),
    (License.CC_BY_SA.value, _l("CC BY-SA 4.0: as CC BY, changes under the same licence")),
    (License.CC_BY_NC.value, _l("CC BY-NC 4.0: as CC BY, not for money")),
    (License.CC_BY_NC_SA.value, _l("CC BY-NC-SA 4.0: not for money, same licence")),
    (License.CC_BY_ND.value, _l("CC BY-ND 4.0: share unchanged, name the author")),
    (License.CC_BY_NC_ND.value, _l("CC BY-NC-ND 4.0: share unchanged, not for money")),
    (License.CC0.value, _l("CC0 1.0: no rights reserved")),
)
PART_LABELS = {
    "greetings": _l("Greetings"),
    "replies": _l("Fallback replies"),
    "scenes": _l("Scenes"),
    "context": _l("Context settings"),
    "emotional_range": _l("Emotional range"),
    "content_warnings": _l("Content warnings"),
}
CONTEXT_LABELS = {
    "context_window": (_l("Messages looked back on"), _l("How many of the last messages are sent to the model.")),
    "memory_count": (_l("Memories recalled"), _l("How many memories are looked up for an answer; 0 recalls none.")),
    "emotion_weight": (
        _l("Weight of emotion"),
        _l("How much a memory's emotion counts when memories are chosen: 0 goes by meaning alone, 1 by emotion alone."),
    ),
    "learning_rate": (
        _l("Learning rate"),
        _l("How fast what people do changes what the character expects of them: 0 never, 1 at once."),
    ),
    "consistency": (
        _l("Consistency"),
        _l("How closely the character keeps to its definition: 0 follows the mood of the chat, 1 never strays."),
    ),
}
EMOTION_LABELS = {
    "joy": _l("joy"),
    "affection": _l("affection"),
    "sadness": _l("sadness"),
    "anger": _l("anger"),
    "fear": _l("fear"),
    "surprise": _l("surprise"),
    "shame": _l("shame"),
    "disgust": _l("disgust"),
}


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
    content_warnings = SelectMultipleField(
        _l("Content warnings"),
        description=_l("What people want to know before they begin."),
        choices=_choices(WARNINGS),
        validate_choice=False,
        option_widget=widgets.CheckboxInput(),
    )
    other_warnings = StringField(_l("Other warnings"), description=_l("In your own words, separated by commas."))
    license = SelectField(
        _l("Licence"),
        description=_l("What others may do with the character. It travels in the card."),
        choices=_choices(LICENSES),
        validate_choice=False,
    )
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
    ai_model = StringField(
        _l("Model"),
        description=_l("The model that the character was written for; empty leaves the choice to the application."),
        render_kw={"autocomplete": "off"},
    )
    context_tokens = StringField(
        _l("The model's window, in tokens"),
        description=_l("How much the model reads at once. The bar compares the character's texts with it."),
        render_kw={"inputmode": "numeric", "maxlength": 12},
    )
    is_learning_enabled = BooleanField(
        _l("Learns from chats"),
        description=_l("What people tell the character may be kept and recalled in later chats."),
    )
    memory_retention_days = StringField(
        _l("Days that memories are kept"),
        description=_l("Older memories are forgotten. Empty keeps them for good."),
        render_kw={"inputmode": "numeric", "maxlength": 5},
    )
    is_context_aware = BooleanField(
        _l("Follows the context"),
        description=_l("The context settings are used. Switched off, only the last messages are sent."),
    )

    def changes(self) -> dict[str, Any]:
        """The fields that were sent, as `authoring.characters.update` takes them."""
        sent = {name: one for name, one in self._fields.items() if name in rules.FIELDS and one.raw_data}
        values: dict[str, Any] = {name: one.data or "" for name, one in sent.items()}
        if "tags" in sent:
            values["tags"] = split_tags(str(self.tags.data or ""))
        if "content_warnings" in sent or self.other_warnings.raw_data:
            known = [one for one in self.content_warnings.data or () if one]
            values["content_warnings"] = [*known, *split_tags(str(self.other_warnings.data or ""))]
        return values


def form_values(state: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the form's fields for what is saved (`authoring.drafts.state`)."""
    values = {name: value for name, value in state.items() if name not in drafts.PARTS}
    known = set(ContentWarning)
    return {
        **values,
        "tags": joined_tags(values["tags"]),
        "content_warnings": [one for one in values["content_warnings"] if one in known],
        "other_warnings": joined_tags(one for one in values["content_warnings"] if one not in known),
        "memory_retention_days": "" if values["memory_retention_days"] is None else values["memory_retention_days"],
    }


def license_words(license_: str) -> str:
    """A character's licence in the reader's language."""
    return str(dict(LICENSES).get(license_, license_))


def warning_words(warnings: Iterable[str]) -> list[str]:
    """Content warnings in the reader's language; an author's own stay as they were written."""
    known = dict(WARNINGS)
    return [str(known.get(warning, warning)) for warning in warnings]


def split_tags(text: str) -> list[str]:
    """Tags as people separate them, in either script."""
    return [tag.strip() for tag in _BETWEEN_TAGS.split(text) if tag.strip()]


def joined_tags(tags: Iterable[str]) -> str:
    """Tags as the form shows them."""
    return ", ".join(tags)


def row_errors(errors: Mapping[str, str]) -> dict[str, str]:
    """The sentences for what stands in rows, translated, by the name that the template knows."""
    return {name: gettext(text) for name, text in errors.items() if name.split(".")[0] in PART_LABELS}


def row_links(errors: Mapping[str, str]) -> list[tuple[str, str]]:
    """What stands in rows and is wrong: its name in the reader's words, and the id of its place in the editor."""
    return [link for link in map(_row_link, errors) if link is not None]


def _row_link(name: str) -> tuple[str, str] | None:
    part, _, rest = name.partition(".")
    label = str(PART_LABELS.get(part, ""))
    if not label or part == "content_warnings":
        return None
    if part == "greetings":
        return label, "greeting-first" if rest == "first" else f"field-greeting_{rest}"
    if part == "context":
        return (str(CONTEXT_LABELS[rest][0]), rest) if rest in CONTEXT_LABELS else (label, "field-context")
    if rest.isdigit():
        row = int(rest)
        return (
            (gettext("Reply %(number)d", number=row + 1), f"reply-{row}")
            if part == "replies"
            else (gettext("Scene %(number)d", number=row + 1), f"scene-{row}-title")
        )
    return label, f"field-{part}"


def field_label(name: str) -> str:
    """The name of a field, or of a part of the character, in the reader's words."""
    form = CharacterForm(formdata=None)
    return str(form[name].label.text if name in form else PART_LABELS.get(name, name))


def shown_differences(differences: Iterable[FieldDifference]) -> list[Difference]:
    """Both texts of every field that is said in two ways."""
    found = []
    for one in differences:
        mine, theirs = readable(one.mine), readable(one.theirs)
        found.append(Difference(one.field, field_label(one.field), mine, theirs, marked(theirs, mine)))
    return found


def readable(value: Any) -> str:
    """A field or a part of the character as a person reads it in one text."""
    if isinstance(value, Greetings):
        return "\n\n".join(text for text in (value.first, *value.alternate, *value.group_only) if text)
    if isinstance(value, ContextSettings):
        return "\n".join(f"{label}: {getattr(value, name):g}" for name, (label, _help) in CONTEXT_LABELS.items())
    if isinstance(value, Mapping):
        return "\n".join(f"{EMOTION_LABELS.get(name, name)}: {strength:g}" for name, strength in value.items())
    if isinstance(value, list):
        return "\n\n".join(map(_readable_row, value)) if value and not isinstance(value[0], str) else joined_tags(value)
    if isinstance(value, bool):
        return str(gettext("yes") if value else gettext("no"))
    return "" if value is None else str(value)


def _readable_row(row: ReplyDraft | SceneDraft) -> str:
    if isinstance(row, ReplyDraft):
        return f"{row.content} ({ngettext('weight %(num)d', 'weight %(num)d', row.weight)})"
    facts = gettext(
        "progress %(progress)d, opens at %(required)d", progress=row.progress, required=row.required_progress
    )
    return "\n".join(text for text in (f"{row.title} ({facts})", row.stage, row.stage_prompt) if text)
