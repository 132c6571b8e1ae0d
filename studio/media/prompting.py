"""A first prompt for a character's picture: what the card says of looks, in the words that picture models know."""

import re
from collections.abc import Sequence

from studio.kit.text import excerpt, is_cjk, one_line

PROMPT_LENGTH = 8_000
NEGATIVE = "text, watermark, signature, blurry, extra fingers, deformed hands"
"""What most models are told to leave out."""

_LONGEST_DRAFT = 700
_MOST_SENTENCES = 6
_MOST_TAGS = 8
_LONGEST_SCENE = 250
_ACT = re.compile(r"\*{1,3}([^*]{3,600})\*{1,3}")
_MACRO = re.compile(r"\{\{\s*(char|user|[^{}]{0,60})\s*\}\}", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]{0,200}>|[*_`#>\[\]{}|~]+")
_BEFORE_MARKS = re.compile(r" +(?=[,.;:!?，。；：！？、])")
_ENDS = re.compile(r"(?<=[.!?;。！？；])\s*|\n+")
_LOOKS = re.compile(
    r"\b(hair|eyes?|skin|face|tall|short|slender|slim|build|wears?|wearing|dress(ed)?|cloak|robes?|armou?r|coat|hat|"
    r"scars?|tattoos?|horns?|ears?|tail|wings|looks? like|appearance|years old|aged?|beard|glasses|uniform|pale|dark)\b"
    r"|[发髮眼瞳脸臉身高衣裙袍甲帽疤角耳尾翼岁歲须鬚貌装裝剑劍肤膚]",
    re.IGNORECASE,
)


def draft(*, name: str, tagline: str, description: str, personality: str, tags: Sequence[str], scene: str = "") -> str:
    """A prompt of at most some hundred characters: who it is, the sentences about looks, a mood, the tags.

    With a `scene`, which is a message of a chat, it shows what happens there instead of the upper body.
    """
    sentences = [_plain(sentence, name) for sentence in _ENDS.split(description)]
    looks = [sentence for sentence in sentences if sentence and _LOOKS.search(sentence)][:_MOST_SENTENCES]
    if not looks:
        looks = [sentence for sentence in (_plain(tagline, name), *sentences) if sentence][:2]
    mood = next((_plain(sentence, name) for sentence in _ENDS.split(personality) if _plain(sentence, name)), "")
    known = ", ".join(_plain(tag, name) for tag in tags[:_MOST_TAGS] if _plain(tag, name))
    is_chinese = is_cjk(description or tagline or name)
    opening = f"{name} 的半身像" if is_chinese else f"Portrait of {name}, upper body"
    comma = "，" if is_chinese else ", "
    if happens := _scene(scene, name):
        opening = f"{name}{'：' if is_chinese else ': '}{happens}"
    parts = [opening, *(sentence.rstrip(".。;； ") for sentence in looks), mood.rstrip(".。;； "), known]
    text = ""
    for part in (one for one in parts if one):
        longer = f"{text}{comma}{part}" if text else part
        if len(longer) > _LONGEST_DRAFT:
            break
        text = longer
    return text


def _scene(text: str, name: str) -> str:
    """What one would see of a message: what stands between asterisks, where anything does, else its beginning."""
    acts = [found[1] for found in _ACT.finditer(text)]
    seen = _plain(" ".join(acts), name) or _plain(text, name)
    return excerpt(seen, _LONGEST_SCENE).rstrip(".。;；?？!！ ")


def _plain(text: str, name: str) -> str:
    def put(found: re.Match[str]) -> str:
        return name if found[1].strip().lower() == "char" else ""

    # What marked a word leaves a space, also before the comma behind it.
    return _BEFORE_MARKS.sub("", one_line(_MARKUP.sub(" ", _MACRO.sub(put, text))))[:300]
