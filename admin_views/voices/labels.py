"""What people read for a voice's settings and for speech, and the drawing of a waveform."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import url_for
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from admin_views import ui
from admin_views.chat.labels import cost_label, failure_sentence, milliseconds
from admin_views.resources import request_session, resources
from admin_views.session import current_actor
from admin_views.work.labels import micro_label
from studio.kit.clock import utc_now
from studio.media.models import GenerationState
from studio.providers.speech import KINDS, SpeechProvider, abilities, prices_from
from studio.providers.speech.abilities import NUMBERS, Abilities, Closing
from studio.secret_key import secret_key
from studio.settings import Settings
from studio.voices import links, queries
from studio.voices.models import OPEN, SpeechSynthesis, VoiceConfiguration
from studio.voices.rules import COLUMNS, PEAKS
from studio.work import budgets
from studio.work.models import Hold, JobRun

NUMBER_LABELS = {
    "speed": _l("Speed"),
    "pitch": _l("Pitch"),
    "stability": _l("Stability"),
    "similarity": _l("Similarity"),
    "style": _l("Style"),
}
NUMBER_HINTS = {
    "speed": _l("1 is as fast as the voice speaks by itself."),
    "pitch": _l("1 is as high as the voice is by itself."),
    "stability": _l("Lower is livelier, higher is more even."),
    "similarity": _l("How closely it keeps to the recorded voice."),
    "style": _l("How much the manner is brought out; 0 leaves it out."),
}
STATES = {
    GenerationState.PENDING: _l("waiting"),
    GenerationState.RUNNING: _l("being spoken"),
    GenerationState.COMPLETED: _l("ready"),
    GenerationState.FAILED: _l("failed"),
    GenerationState.CANCELLED: _l("stopped"),
}
_MARKS = {
    GenerationState.PENDING: "queued",
    GenerationState.RUNNING: "running",
    GenerationState.COMPLETED: "succeeded",
    GenerationState.FAILED: "failed",
    GenerationState.CANCELLED: "cancelled",
}
LANGUAGES = {
    "zh-CN": "普通话（中国大陆）",
    "zh-TW": "國語（臺灣）",
    "zh-HK": "廣東話（香港）",
    "en-US": "English (US)",
    "en-GB": "English (UK)",
    "ja-JP": "日本語",
    "ko-KR": "한국어",
    "de-DE": "Deutsch",
    "fr-FR": "Français",
    "es-ES": "Español",
    "pt-BR": "Português (Brasil)",
    "ru-RU": "Русский",
}
"""Languages that are offered, each by its own name; any other tag may be written."""

_HALF = 50
_STEP = 4
_THIN = 3


def state_badge(state: GenerationState) -> Markup:
    """Where speech stands, as a coloured mark."""
    return ui.badge(_MARKS[state], STATES[state])


def language_name(tag: str) -> str:
    """A language by its own name, with its tag where that says more."""
    return f"{LANGUAGES[tag]} · {tag}" if tag in LANGUAGES else tag


def provider_label(provider: SpeechProvider) -> str:
    """What a screen calls a provider: services by their own names, this machine's voice in the reader's language."""
    return str(_("Local voice (espeak-ng)")) if provider.is_local else provider.label


def provider_name(provider: str, known: Mapping[str, SpeechProvider]) -> str:
    """What a screen calls a provider, even one that there is no more."""
    found = known.get(provider)
    return provider_label(found) if found is not None else provider


def duration(value: int | None) -> str:
    """The length of audio, as the browser's player beside it writes it, in seconds that have passed: 0:07."""
    if value is None:
        return ""
    seconds = max(1, value // 1_000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def wave_path(peaks: Sequence[int]) -> str:
    """The waveform as a path in a picture of `wave_width` by 100: a bar for each step, mirrored at the middle."""
    parts = []
    for place, peak in enumerate(peaks[:PEAKS]):
        half = max(1.5, _HALF * min(max(int(peak), 0), 100) / 100)
        parts.append(f"M{place * _STEP} {_HALF - half:.1f}h{_THIN}v{2 * half:.1f}h-{_THIN}z")
    return "".join(parts)


def summary(row: VoiceConfiguration, can: Abilities) -> str:
    """The settings that the voice uses and that are not as usual, on one line."""
    parts = []
    for name in NUMBERS:
        value = getattr(row, COLUMNS[name])
        if name == "style" and can.manners and not row.manner:
            continue
        if name in can.ranges and value != VoiceConfiguration.__table__.c[COLUMNS[name]].default.arg:
            parts.append(f"{NUMBER_LABELS[name]} {value:g}")
    if row.manner and can.manners:
        parts.append(row.manner)
    if row.instructions and can.instructions:
        parts.append(str(_("with instructions")))
    return " · ".join(parts)


def audio_url(speech: SpeechSynthesis, **more: Any) -> str:
    """A short signed link to the audio, for the present person."""
    secret = secret_key(resources().settings)
    return url_for("speech.audio", token=links.make(speech, actor=current_actor(), secret=secret), **more)


def missing_sentence(provider: SpeechProvider) -> str:
    """What is to be done where a provider cannot be asked, in the reader's language."""
    # The program's own marks of code are none to a reader.
    return str(_(provider.missing)).replace("`", "") if provider.missing else ""


def models_of(provider: str, settings: Settings) -> tuple[str, ...]:
    """The models that a person may choose from, the usual one first; those of one's own server where they are named."""
    if provider not in KINDS:
        return ()
    if provider == "openai" and settings.openai_speech_models:
        return settings.openai_speech_models
    found = abilities.models_of(provider)
    if provider == "openai" and settings.speech_openai_url:
        # Another server speaks `/audio/speech`; whether it speaks the Realtime API too is for its owner to say.
        found = tuple(model for model in found if not abilities.of(provider, model=model).converses)
    return found


def closing_of(provider: str, model: str) -> Closing | None:
    """When the provider takes the model away; None where it has not said so, or the server is one's own."""
    if provider not in KINDS or (provider == "openai" and resources().settings.speech_openai_url):
        return None
    return abilities.closing_of(provider, model=model)


def closing_sentence(provider: str, model: str) -> str:
    """That the provider takes the model away, when, and what to choose instead; empty where it does not."""
    closing = closing_of(provider, model)
    if closing is None:
        return ""
    told = {
        "provider": provider_name(provider, resources().speech),
        "day": _day(closing),
        "model": closing.instead,
    }
    is_past = utc_now().date() >= closing.day
    if closing.instead and is_past:
        return str(
            _(
                "%(provider)s closed this model on %(day)s: it cannot speak any more. Change to %(model)s, or choose "
                "another voice.",
                **told,
            )
        )
    if closing.instead:
        return str(_("%(provider)s closes this model on %(day)s. Change to %(model)s before that day.", **told))
    if is_past:
        return str(
            _("%(provider)s closed this model on %(day)s: it cannot speak any more. Choose another voice.", **told)
        )
    return str(_("%(provider)s closes this model on %(day)s. Choose another voice before that day.", **told))


def successor_of(provider: str, model: str) -> str:
    """The model to which a voice can be changed before its own is closed; empty where there is none here."""
    closing = closing_of(provider, model)
    known = resources()
    if closing is None or closing.instead not in models_of(provider, known.settings):
        return ""
    return closing.instead


def successors() -> dict[tuple[str, str], str]:
    """The model to change to, by (provider, model), of every model that closes; none where no provider can be asked."""
    known = resources().speech
    return {
        (provider, model): found
        for provider in KINDS
        if known[provider].is_configured
        for model in abilities.models_of(provider)
        if (found := successor_of(provider, model))
    }


def model_label(provider: str, model: str) -> str:
    """A model as its list shows it: with its last day, where it has one."""
    closing = closing_of(provider, model)
    return model if closing is None else str(_("%(model)s (until %(day)s)", model=model, day=_day(closing)))


def _day(closing: Closing) -> str:
    return str(format_date(closing.day, "long", rebase=False))


def converses(provider: str, model: str) -> bool:
    """Whether the model answers where others read out, so that what it says is checked."""
    return provider in KINDS and abilities.of(provider, model=model).converses


def price_told(provider: str, model: str) -> str:
    """What a voice counts of a budget where nobody said what it costs; empty where that is known."""
    settings, known = resources().settings, resources().speech
    prices = prices_from(settings)
    if provider not in known or not known[provider].is_configured:
        return ""
    if not prices.is_assumed(provider, model, is_local=known[provider].is_local):
        return ""
    if not settings.speech_unpriced:
        return str(_("What it costs is not known here; staff have it count as nothing."))
    return str(
        _(
            "What it costs is not known here: a thousand characters count as %(price)s, so that your budget holds.",
            price=micro_label(int(settings.speech_unpriced * 1_000), settings.language_currency),
        )
    )


def cost_told(speech: SpeechSynthesis) -> str:
    """What a speech cost, and that this is assumed where the settings have no price."""
    cost, provider = cost_label(speech.cost_micro, speech.currency), resources().speech.get(speech.provider)
    if not speech.cost_micro or provider is None:
        return cost
    prices = prices_from(resources().settings)
    if prices.is_assumed(speech.provider, speech.model, is_local=provider.is_local):
        return str(_("%(cost)s (assumed)", cost=cost))
    return cost


def is_open(speech: SpeechSynthesis) -> bool:
    """Whether the speech is still being made."""
    return speech.state in OPEN


def hold_sentence(speech: SpeechSynthesis) -> str:
    """Why speech that waits is not being made, and what to do; empty where it is about to be."""
    session = request_session()
    hold = queries.find_hold(session, speech)
    if hold is Hold.BUDGET:
        job, default = session.get_one(JobRun, speech.job_id), resources().settings.budget_micro
        if budgets.is_too_dear(session, job, default_micro=default, now=utc_now()):
            return str(
                _(
                    "It costs more than a whole month of your budget. Ask staff for a higher one. The local voice costs nothing."
                )
            )
        return str(
            _(
                "It waits for your budget: it is spoken by itself next month, or when staff raise it. The local voice costs nothing."
            )
        )
    if hold is Hold.PAUSE:
        return str(_("It is paused. Let it go on from your jobs."))
    return ""


def helpers() -> dict[str, Any]:
    """What the templates of voices and of what messages carry call these."""
    known = resources().speech
    return {
        "audio_url": audio_url,
        "state_badge": state_badge,
        "language_name": language_name,
        "provider_label": provider_label,
        "provider_name": lambda name: provider_name(name, known),
        "duration": duration,
        "wave_path": wave_path,
        "wave_width": PEAKS * _STEP,
        "speech_is_open": is_open,
        "hold_sentence": hold_sentence,
        "missing_sentence": missing_sentence,
        "closing_sentence": closing_sentence,
        "voice_price_told": price_told,
        "successor_of": successor_of,
        "converses": converses,
        "cost_told": cost_told,
        "failure_sentence": failure_sentence,
        "milliseconds": milliseconds,
    }
