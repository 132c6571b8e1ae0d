"""From our settings to each provider's own: pure; only what a voice uses is sent.

Speed and pitch are factors (1 is as the voice is), the other numbers shares from 0 to 1.
"""

import math
import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from studio.kit.text import is_cjk
from studio.providers.speech import abilities
from studio.providers.speech.abilities import NUMBERS, WORDS, Abilities
from studio.providers.speech.protocol import Tuning, Wanted

_DIGITS = 4
# What XML 1.0 cannot hold, however it is escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESPEAK_WORDS_PER_MINUTE = 175
_ESPEAK_PITCH = 50


def used(tuning: Tuning, can: Abilities) -> dict[str, float | str]:
    """The settings that the voice uses, each within its range; the others change nothing and are left out."""
    found: dict[str, float | str] = {}
    for name in NUMBERS:
        if name in can.ranges:
            bounds = can.ranges[name]
            found[name] = round(min(max(getattr(tuning, name), bounds.low), bounds.high), _DIGITS)
    for name in WORDS:
        if can.uses(name) and getattr(tuning, name):
            found[name] = getattr(tuning, name)
    if can.manners and not (found.get("manner") and found.get("style")):
        # Style says how much of a manner: neither changes anything, or costs anything, without the other.
        found.pop("style", None)
        found.pop("manner", None)
    return found


def used_by(kind: str, wanted: Wanted) -> dict[str, float | str]:
    """As `used`, for what is wanted of this kind of provider."""
    return used(wanted.tuning, abilities.of(kind, model=wanted.model, voice=wanted.voice_id))


def elevenlabs_settings(chosen: Mapping[str, float | str]) -> dict[str, float | str]:
    """ElevenLabs' `voice_settings`."""
    names = {"speed": "speed", "stability": "stability", "similarity": "similarity_boost", "style": "style"}
    return {theirs: chosen[ours] for ours, theirs in names.items() if ours in chosen}


def google_audio(chosen: Mapping[str, float | str]) -> dict[str, Any]:
    """Google's `audioConfig`: a pitch in semitones, twelve of which double it."""
    config: dict[str, Any] = {"audioEncoding": "MP3"}
    if "speed" in chosen:
        config["speakingRate"] = chosen["speed"]
    if "pitch" in chosen:
        config["pitch"] = semitones(float(chosen["pitch"]))
    return config


def semitones(factor: float) -> float:
    """A pitch factor in semitones, held within the 20 that Google takes."""
    return round(min(max(12 * math.log2(factor), -20.0), 20.0), 2)


def style_degree(share: float) -> float | None:
    """Azure's degree of a manner, 0.01 to 2; None leaves the manner out."""
    return None if share <= 0 else round(0.01 + 1.99 * min(share, 1.0), 2)


def percent(factor: float) -> str:
    """A factor as Azure's change in per cent: 1.1 is "+10.00%"."""
    return f"{(factor - 1) * 100:+.2f}%"


def ssml(wanted: Wanted, chosen: Mapping[str, float | str]) -> str:
    """The SSML that Azure is sent; whatever the text holds, it stays text."""
    spoken = xml_text(wanted.text)
    prosody = ""
    if float(chosen.get("speed", 1.0)) != 1.0:
        prosody += f' rate="{percent(float(chosen["speed"]))}"'
    if float(chosen.get("pitch", 1.0)) != 1.0:
        prosody += f' pitch="{percent(float(chosen["pitch"]))}"'
    if prosody:
        spoken = f"<prosody{prosody}>{spoken}</prosody>"
    manner, degree = str(chosen.get("manner", "")), style_degree(float(chosen.get("style", 0.0)))
    if manner and degree is not None:
        spoken = f'<mstts:express-as style={xml_attribute(manner)} styledegree="{degree}">{spoken}</mstts:express-as>'
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis"'
        f' xmlns:mstts="http://www.w3.org/2001/mstts" xml:lang={xml_attribute(wanted.language)}>'
        f"<voice name={xml_attribute(wanted.voice_id)}>{spoken}</voice></speak>"
    )


def xml_text(text: str) -> str:
    """`text` as the content of an element: what XML cannot hold is left out."""
    return escape(_NOT_XML.sub("", text))


def xml_attribute(text: str) -> str:
    """`text` as a quoted attribute."""
    return quoteattr(_NOT_XML.sub("", text))


def azure_characters(text: str) -> int:
    """The characters that Azure bills: a Chinese, Japanese or Korean sign counts as two."""
    return sum(2 if is_cjk(sign) else 1 for sign in text)


def billed_characters(provider: str, text: str) -> int:
    """The characters that the provider bills for speaking the text, as far as one knows before it says so itself."""
    return azure_characters(text) if provider == "azure" else len(text)


def espeak_parameters(chosen: Mapping[str, float | str]) -> tuple[int, int]:
    """(words per minute, pitch from 0 to 100) for espeak-ng, whose pitch of 100 is twice that of 50."""
    speed, pitch = float(chosen.get("speed", 1.0)), float(chosen.get("pitch", 1.0))
    rate = round(_ESPEAK_WORDS_PER_MINUTE * speed)
    level = round(_ESPEAK_PITCH + _ESPEAK_PITCH * math.log2(pitch))
    return min(max(rate, 80), 450), min(max(level, 0), 100)
