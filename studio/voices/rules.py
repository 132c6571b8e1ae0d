"""What a voice's configuration may be, what is spoken of a text, and by which hash audio is found again: pure."""

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from studio.kit.errors import InvalidError, StudioError
from studio.kit.text import is_cjk, one_line, storable
from studio.providers.speech import KINDS, Tuning, Voice, Wanted, abilities, mapping
from studio.providers.speech.abilities import NUMBERS, Abilities
from studio.voices.errors import LongTextError, NothingToSayError
from studio.voices.models import INSTRUCTIONS_LENGTH, NAME_LENGTH, TEXT_LENGTH

MOST_VOICES = 40
"""Configurations that a character may have."""

CLOSING_PAGE = 50
"""Voices by models that close, on one page and in one step of changing them."""

MOST_CHANGED = 1_000
"""Of these one press of a button changes as many."""

MOST_UNDER_WAY = 4
"""Texts that one person may have spoken at once."""

MOST_SHOWN_VOICES = 60
"""Voices that a search of a provider's list answers with."""

ROOM_PER_BYTE = 4_000
"""Bytes of audio that a byte of UTF-8 may come to: the local voice's WAV (44,100 bytes a second) at its usual speed. A Chinese
sign has three such bytes and sounds about three times as long as a Latin letter."""

PEAKS = 160
"""Steps of a kept waveform."""

COLUMNS = {
    "speed": "speed",
    "pitch": "pitch",
    "stability": "stability",
    "similarity": "similarity",
    "style": "style_exaggeration",
}
"""The column of each number of a tuning."""

SAMPLES: Mapping[str, str] = tomllib.loads(Path(__file__).with_name("samples.toml").read_text(encoding="utf-8"))
"""What is spoken where nobody wrote anything."""

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}")
_REGION, _SCRIPT = 2, 4
_COMMENT = re.compile(r"<!--.*?-->|<[^<>]{1,200}>", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\((?:[^)\s]+)[^)]*\)")
_ADDRESS = re.compile(r"https?://\S+")
_MARKS = re.compile(r"[*_`~#>|]+")
_SPACES = re.compile(r"[ \t]+")
_LINES = re.compile(r"\s*\n\s*")


@dataclass(frozen=True, slots=True)
class VoiceDraft:
    """A voice's configuration as somebody wants it."""

    provider: str
    voice_id: str
    language: str
    model: str = ""
    voice_name: str = ""
    tuning: Tuning = field(default_factory=Tuning)

    @property
    def can(self) -> Abilities:
        """What the chosen voice can be told."""
        return abilities.of(self.provider, model=self.model, voice=self.voice_id)

    def wanted(self, text: str) -> Wanted:
        """The text, spoken by this voice."""
        return Wanted(text=text, language=self.language, voice_id=self.voice_id, model=self.model, tuning=self.tuning)


def room_of(wanted: Wanted) -> int:
    """The bytes that the audio may need, rather too many than too few."""
    return round(len(wanted.text.encode()) * ROOM_PER_BYTE / min(wanted.tuning.speed, 1.0))


def cleaned(draft: VoiceDraft, *, models: Sequence[str] = ()) -> VoiceDraft:
    """The draft as it is kept: what its voice does not use is at its default, and not kept by chance.

    `models` are those that the provider offers here, the usual one first. Raises InvalidError with the field of each
    mistake.
    """
    wrong: dict[str, str] = {}
    if draft.provider not in KINDS:
        raise InvalidError("Choose a provider.", fields={"provider": "Choose one of the list."})
    voice_id, language = one_line(draft.voice_id)[: NAME_LENGTH + 1], language_tag(draft.language)
    if not voice_id:
        wrong["voice_id"] = "Choose a voice."
    elif len(voice_id) > NAME_LENGTH:
        wrong["voice_id"] = "No voice has a name as long as this. Choose one of the list."
    if not language:
        wrong["language"] = "Write the language as a tag, such as zh-CN, en-US or ja."
    model = one_line(draft.model) or (models[0] if models else "")
    if models and model not in models:
        wrong["model"] = "Choose one of the list."
    if not models:
        model = ""
    found = replace(
        draft, voice_id=voice_id, language=language, model=model, voice_name=one_line(draft.voice_name)[:NAME_LENGTH]
    )
    if found.voice_id in found.can.no_voices:
        wrong.setdefault("voice_id", "This model has no such voice. Choose one of the list.")
    tuning = _checked(found, wrong)
    if wrong:
        raise InvalidError("Some of the voice's settings cannot be.", fields=wrong)
    return replace(found, tuning=tuning)


def _checked(draft: VoiceDraft, wrong: dict[str, str]) -> Tuning:
    """The tuning with what the voice does not use at its default; mistakes are added to `wrong`."""
    can, usual = draft.can, Tuning()
    numbers: dict[str, float] = {}
    for name in NUMBERS:
        value = float(getattr(draft.tuning, name))
        if name not in can.ranges:
            value = getattr(usual, name)
        elif not math.isfinite(value) or not can.ranges[name].holds(value):
            wrong[COLUMNS[name]] = "This is outside what the voice can do. Move it back into its range."
        numbers[name] = value
    instructions = storable(draft.tuning.instructions).strip() if can.instructions else ""
    if len(instructions) > INSTRUCTIONS_LENGTH:
        wrong["instructions"] = "Instructions have at most 1,000 characters."
    manner = one_line(draft.tuning.manner)[:NAME_LENGTH] if can.manners else ""
    return Tuning(**numbers, manner=manner, instructions=instructions)


def has_voice(provider: str, *, model: str, voice_id: str) -> bool:
    """Whether the provider's model has this voice, as far as anybody knows."""
    return voice_id not in abilities.of(provider, model=model).no_voices


def language_tag(text: str) -> str:
    """A BCP 47 tag as it is usually written ("zh-cn" is "zh-CN"); empty for what is none."""
    found = text.strip().replace("_", "-")
    if len(found) > 40 or not _TAG.fullmatch(found):  # noqa: PLR2004 - As the column's CHECK.
        return ""
    first, *rest = found.split("-")
    cased = [
        part.upper() if len(part) == _REGION else part.title() if len(part) == _SCRIPT else part.lower()
        for part in rest
    ]
    return "-".join([first.lower(), *cased])


def primary(tag: str) -> str:
    """The language of a tag without its region: Mandarin is "zh" whatever a provider calls it."""
    first = tag.partition("-")[0].lower()
    return "zh" if first == "cmn" else first


def sample_for(language: str) -> str:
    """A sentence to listen to in this language; English where there is none of its own."""
    if language.lower() in {"zh-hk", "yue", "yue-hk", "yue-cn"}:
        return SAMPLES["yue"]
    return SAMPLES.get(primary(language), SAMPLES["en"])


def is_sample(text: str) -> bool:
    """Whether these are the studio's own words to listen to, or none."""
    return not text.strip() or text.strip() in SAMPLES.values()


def spoken_text(text: str) -> str:
    """What is spoken of a chat's text: without marks of emphasis, pictures, addresses and code of pages."""
    found = _COMMENT.sub(" ", storable(text))
    found = _LINK.sub(r"\1", _PICTURE.sub(" ", found))
    found = _MARKS.sub("", _ADDRESS.sub(" ", found))
    return _LINES.sub("\n", _SPACES.sub(" ", found)).strip()


def checked_text(text: str, can: Abilities) -> str:
    """The text as it is sent; raises NothingToSayError or LongTextError."""
    found = storable(text).strip()
    if not any(sign.isalnum() for sign in found):
        raise NothingToSayError
    if len(found) > TEXT_LENGTH:
        raise LongTextError(most=TEXT_LENGTH, unit="characters")
    if can.length_of(found) > can.most:
        raise LongTextError(most=can.most, unit=can.unit)
    return found


def cache_key(provider: str, wanted: Wanted) -> str:
    """The hash of everything that changes the audio, and of nothing else: what the voice does not use is left out."""
    told = [
        provider,
        wanted.model,
        wanted.voice_id,
        wanted.language,
        sorted(mapping.used_by(provider, wanted).items()),
        wanted.text,
    ]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


class _Speaks(Protocol):
    @property
    def language(self) -> str: ...


S = TypeVar("S", bound=_Speaks)


def voice_for(text: str, *, active: Sequence[S], language: str = "") -> S | None:
    """Which of a character's active voices speaks a text.

    One of the text's own language (Chinese where it holds Chinese signs), else one of `language`, else the first.
    """
    wished = ["zh", "yue", "ja", "ko"] if is_cjk(text) else [primary(language)] if language else []
    if not is_cjk(text) and "en" not in wished:
        wished.append("en")
    for tag in wished:
        for one in active:
            if primary(one.language) == tag:
                return one
    return active[0] if active else None


def matching(voices: Iterable[Voice], *, text: str, language: str, limit: int = MOST_SHOWN_VOICES) -> list[Voice]:
    """The voices whose name, id or manner holds every word, those of the language before others, at most `limit`.

    A voice of another language is found only where words ask for it, or where it speaks any language.
    """
    words = one_line(text).casefold().split(" ") if text.strip() else []
    found: list[tuple[int, int, Voice]] = []
    for place, voice in enumerate(voices):
        rank = _rank(voice, language)
        haystack = " ".join((voice.id, voice.name, voice.gender, *voice.languages, *voice.manners)).casefold()
        if all(word in haystack for word in words) and (words or rank < _OTHER):
            found.append((rank, place, voice))
    return [voice for _rank_of, _place, voice in sorted(found, key=lambda one: one[:2])[:limit]]


_OTHER = 3


def _rank(voice: Voice, language: str) -> int:
    if not language:
        return 2
    own = [one.lower() for one in voice.languages]
    if language.lower() in own:
        return 0
    if any(primary(one) == primary(language) for one in own):
        return 1
    return _OTHER if own else 2


def failure_of(error: StudioError) -> dict[str, Any]:
    """A refusal as a row keeps it: the sentence under which it is translated, and its values."""
    return {"msgid": error.msgid, "params": {key: _plain(value) for key, value in error.params.items()}}


def _plain(value: object) -> str | int | float:
    return value if isinstance(value, (int, float, str)) else str(value)


def tuning_of(kept: Mapping[str, Any]) -> Tuning:
    """A tuning from a row; names that are no setting (any more) are left out."""
    known = Tuning().as_json()
    return Tuning(**{name: value for name, value in kept.items() if name in known})
