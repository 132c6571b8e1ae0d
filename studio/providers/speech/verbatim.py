"""Whether a model that converses said a text word for word, and the parts in which it is given a long one. Pure."""

import re
import unicodedata

from studio.kit.text import folded, is_cjk
from studio.providers.speech.numerals import chinese_as_digits, english_as_digits

MOST_WEIGHT = 900
"""How heavy a part is at most: about a minute of speech. A Latin letter weighs 1, a Chinese, Japanese or Korean sign 3."""

_CJK_WEIGHT = 3
_SENTENCE_ENDS = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+[”’」』）]*\s*|\n+")
_WORD_ENDS = re.compile(r"\s+|[，、；,;]")
_IN_NUMBER = re.compile(r"\d,\d")

_APOSTROPHES = re.compile("['’ʼ`´]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = r"\d+(?: point \d+)*"
_PERCENT = "〔%〕"
_MONEY = re.compile(rf"([$€£])\s*({_NUMBER})")
_MONEY_NAMES = {"$": "dollars", "€": "euros", "£": "pounds"}
_SUBSTITUTES = (
    (re.compile(r"(?<=\d)\.(?=\d)|(?<=\d)[点點](?=\d)"), " point "),
    (re.compile(rf"{_PERCENT}({_NUMBER})"), r"\1 percent "),
    (re.compile(r"(?<=\d)\s*%|\bper cent\b"), " percent "),
    (re.compile(r"(?<![\w)])[-−](?=\d)|[负負](?=\d)"), " minus "),
    (re.compile("&"), " and "),
    (re.compile(r"\bdollar\b"), "dollars"),
    (re.compile(r"\beuro\b"), "euros"),
    (re.compile(r"\bpound\b"), "pounds"),
)


def is_read(text: str, said: str) -> bool:
    """Whether `said`, a transcript, is `text` word for word.

    Case, punctuation, emoji and white space are not heard and do not count; a number is the same in digits as in
    English words or Chinese signs, with "per cent", "minus" or a currency as words or as signs. Nothing else is let
    pass: a word more, a word less or another word is another text.
    """
    return as_heard(text) == as_heard(said)


def as_heard(text: str) -> str:
    """`text` as `is_read` compares it: the letters and digits that are heard, one after the other."""
    found = _THOUSANDS.sub("", _APOSTROPHES.sub("", folded(text)))
    # A hundred is part of the words for "per cent", and no number there.
    found = chinese_as_digits(found.replace("百分之", _PERCENT))
    for pattern, words in _SUBSTITUTES:
        found = pattern.sub(words, found)
    found = _MONEY.sub(lambda one: f"{one[2]} {_MONEY_NAMES[one[1]]} ", found)
    # Vowel signs of Indic scripts are marks, and letters to whoever reads them.
    spaced = "".join(sign if unicodedata.category(sign)[0] in "LNM" else " " for sign in found)
    return "".join(english_as_digits(spaced.split()))


def weight_of(text: str) -> int:
    """How heavy a text is: about how long it takes to say."""
    return sum(_CJK_WEIGHT if is_cjk(sign) else 1 for sign in text)


def parts_of(text: str, *, most: int = MOST_WEIGHT) -> list[str]:
    """`text` in parts that are no heavier than `most`, cut between sentences, else between words, else anywhere.

    A short part is read truer than a long text, and read anew more cheaply. A part without a letter is left out.
    """
    found: list[str] = []
    rest = text
    while weight_of(rest) > most:
        at = _cut_at(rest, most)
        found.append(rest[:at])
        rest = rest[at:]
    found.append(rest)
    return [part.strip() for part in found if any(sign.isalnum() for sign in part)]


def _cut_at(text: str, most: int) -> int:
    """Where the first part of a text that is too heavy ends; at least one sign belongs to it."""
    reach = weight = 0
    for sign in text:
        weight += _CJK_WEIGHT if is_cjk(sign) else 1
        if weight > most:
            break
        reach += 1
    reach = max(reach, 1)
    for ends in (_SENTENCE_ENDS, _WORD_ENDS):
        places = [one.end() for one in ends.finditer(text[:reach]) if not _IN_NUMBER.match(text, max(one.end() - 2, 0))]
        # A first sentence of three words is no part of its own, where the next one is long.
        if places and places[-1] >= reach // 3:
            return places[-1]
    return reach
