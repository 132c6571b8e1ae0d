"""The form of a voice: a provider, one of its voices, and the settings that it uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from admin_views.forms import StudioForm
from admin_views.voices.labels import NUMBER_HINTS, NUMBER_LABELS, model_label, provider_label
from studio.kit.errors import InvalidError
from studio.providers.speech import KINDS, SpeechProvider, Tuning, Voice, abilities
from studio.providers.speech.abilities import NUMBERS
from studio.voices import rules
from studio.voices.models import INSTRUCTIONS_LENGTH, NAME_LENGTH, TEXT_LENGTH
from studio.voices.rules import COLUMNS, VoiceDraft

_STEP = 0.01


class VoiceForm(StudioForm):
    """How a character sounds in one language, and a text to listen to."""

    provider = SelectField(_l("Provider"), validate_choice=False)
    model = SelectField(_l("Model"), validate_choice=False)
    language = StringField(
        _l("Language"),
        description=_l("A tag such as zh-CN, en-US or ja. The character's voice for this language."),
        render_kw={"maxlength": 40, "list": "voice-languages", "autocomplete": "off", "spellcheck": "false"},
    )
    voice_id = SelectField(_l("Voice"), validate_choice=False)
    voice_other = StringField(
        _l("Another voice, by its id"),
        description=_l("For a voice that is not in the list. It is used instead of the one chosen above."),
        render_kw={"maxlength": NAME_LENGTH, "autocomplete": "off", "spellcheck": "false"},
    )
    speed = StringField()
    pitch = StringField()
    stability = StringField()
    similarity = StringField()
    style_exaggeration = StringField()
    manner = SelectField(_l("Manner"), validate_choice=False)
    instructions = TextAreaField(
        _l("Instructions"),
        description=_l("How to speak, in your own words: calm and low, like an old storyteller."),
        render_kw={"maxlength": INSTRUCTIONS_LENGTH, "rows": 3},
    )
    is_active = BooleanField(_l("Speaks this language with this voice"), default=True)
    text = TextAreaField(_l("Text to listen to"), render_kw={"data-limit": TEXT_LENGTH, "rows": 3})


@dataclass(frozen=True, slots=True)
class Slider:
    """One number of the form: its field's name, label and hint, its range, or none where the voice does not use it."""

    name: str
    label: Any
    hint: Any
    low: float = 0.0
    high: float = 0.0
    value: float = 0.0
    is_used: bool = False
    error: str = ""


_SOME_STYLE = 0.5


def draft_from(form: VoiceForm, *, voice: Voice | None) -> VoiceDraft:
    """What was typed, as a draft; raises InvalidError where a number is none. `voice` is the chosen one of the list."""
    wrong: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for name in NUMBERS:
        typed = str(form[COLUMNS[name]].data or "").strip().replace(",", ".")
        try:
            numbers[name] = float(typed) if typed else getattr(Tuning(), name)
        except ValueError:
            wrong[COLUMNS[name]] = "Write a number, such as 1.1."
    if wrong:
        raise InvalidError("Some of the voice's settings cannot be.", fields=wrong)
    if form.manner.data and not numbers["style"] and can_of(form).manners:
        # None of a manner is no manner.
        numbers["style"] = _SOME_STYLE
    return VoiceDraft(
        provider=form.provider.data or "",
        voice_id=chosen_voice(form),
        language=form.language.data or "",
        model=form.model.data or "",
        voice_name=voice.name if voice is not None else "",
        tuning=Tuning(**numbers, manner=form.manner.data or "", instructions=form.instructions.data or ""),
    )


def chosen_voice(form: VoiceForm) -> str:
    """The id of the voice that the form names."""
    return (form.voice_other.data or "").strip() or (form.voice_id.data or "").strip()


def show(form: VoiceForm, draft: VoiceDraft) -> None:
    """The form shows the draft."""
    form.provider.data, form.model.data, form.language.data = draft.provider, draft.model, draft.language
    form.voice_id.data = draft.voice_id
    for name in NUMBERS:
        form[COLUMNS[name]].data = f"{getattr(draft.tuning, name):g}"
    form.manner.data, form.instructions.data = draft.tuning.manner, draft.tuning.instructions


def fill_choices(
    form: VoiceForm,
    *,
    known: Mapping[str, SpeechProvider],
    models: Sequence[str],
    voices: Sequence[Voice],
    voice: Voice | None,
) -> None:
    """The form offers the providers, the models, the voices at hand with the chosen one, and its manners."""
    form.provider.choices = [
        SelectChoice(
            name,
            provider_label(one) if one.is_configured else _("%(name)s (not set up)", name=provider_label(one)),
        )
        for name, one in known.items()
    ]
    form.model.choices = [SelectChoice(name, model_label(form.provider.data or "", name)) for name in models]
    chosen = form.voice_id.data or ""
    offered = list(voices)
    if voice is not None and all(one.id != voice.id for one in offered):
        offered.insert(0, voice)
    elif chosen and all(one.id != chosen for one in offered):
        offered.insert(0, Voice(id=chosen, name=chosen))
    form.voice_id.choices = [
        SelectChoice("", _("Choose a voice")),
        *(SelectChoice(one.id, voice_label(one)) for one in offered),
    ]
    manners = list(voice.manners) if voice is not None else []
    if form.manner.data and form.manner.data not in manners:
        manners.insert(0, form.manner.data)
    form.manner.choices = [SelectChoice("", _("as the voice is")), *(SelectChoice(one, one) for one in manners)]


def leave_missing_voice(form: VoiceForm, *, models: Sequence[str]) -> None:
    """The form has one of the models, and no voice that this model has not: there it says so, and another is chosen."""
    if models and form.model.data not in models:
        form.model.data = models[0]
    chosen = chosen_voice(form)
    if chosen in can_of(form).no_voices:
        form.voice_id.data = form.voice_other.data = ""
        told = _("%(model)s has no voice “%(voice)s”. Choose another one.", model=form.model.data, voice=chosen)
        form.voice_id.errors = [told]


def voice_label(voice: Voice) -> str:
    """A voice as the list shows it: its name, its languages, its gender."""
    genders = {"male": _("male"), "female": _("female"), "neutral": _("neutral")}
    about = [", ".join(voice.languages[:3]), str(genders.get(voice.gender, voice.gender))]
    return " · ".join([voice.name, *(part for part in about if part)])


def sliders(form: VoiceForm) -> list[Slider]:
    """The numbers of the form as the chosen voice uses them, each moved into its range."""
    kind = form.provider.data if form.provider.data in KINDS else "local"
    can = abilities.of(kind, model=form.model.data or "", voice=chosen_voice(form))
    found = []
    for name in NUMBERS:
        field = form[COLUMNS[name]]
        about = {"name": field.name, "label": NUMBER_LABELS[name], "hint": NUMBER_HINTS[name]}
        if name not in can.ranges:
            found.append(Slider(**about))
            continue
        bounds = can.ranges[name]
        try:
            value = float(field.data or getattr(Tuning(), name))
        except ValueError:
            value = getattr(Tuning(), name)
        found.append(
            Slider(
                **about,
                low=bounds.low,
                high=bounds.high,
                value=round(min(max(value, bounds.low), bounds.high) / _STEP) * _STEP,
                is_used=True,
                error=" ".join(str(error) for error in field.errors),
            )
        )
    return found


def can_of(form: VoiceForm) -> abilities.Abilities:
    """What the chosen voice can be told."""
    kind = form.provider.data if form.provider.data in KINDS else "local"
    return abilities.of(kind, model=form.model.data or "", voice=chosen_voice(form))


def usual_language(language: str) -> str:
    """The tag to begin with for a character of this language."""
    found = rules.language_tag(language)
    return {"": "en-US", "en": "en-US", "zh": "zh-CN", "ja": "ja-JP", "ko": "ko-KR"}.get(found, found)
