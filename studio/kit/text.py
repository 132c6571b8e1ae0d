"""Text as people write it, Chinese and English alike: cleaning, shortening, and the pieces that search needs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af\U00020000-\U0003ffff"
_RUN_OF_CJK = re.compile(f"[{_CJK}]+")
# A word: letters and digits, none of them Chinese, Japanese or Korean.
_WORD = re.compile(rf"[^\W{_CJK}]+")
_SHORT = 2
_SHORT_BETWEEN_CJK = re.compile(rf"(?<=[{_CJK}])[^\W{_CJK}]{{1,{_SHORT}}}(?=[{_CJK}])")
_WHITE = re.compile(r"\s+")
# Control characters other than tab and line breaks, and lone surrogates: PostgreSQL or screens refuse them.
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
ZERO_WIDTH = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
# Arabic, Indic and their neighbours, in which U+200C and U+200D are spelling, and emoji, of which U+200D makes one picture.
_JOINED = (
    "\u0600-\u08ff\u0900-\u0dff\u0e00-\u109f\u1780-\u18af\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
)
_INVISIBLE = re.compile(
    f"[\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])"
)


def storable(text: str) -> str:
    """`text` without the characters that PostgreSQL cannot keep; every line break becomes one line feed."""
    return _UNSTORABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` on one line, with single spaces and nothing invisible, as names and titles need it.

    What joins letters or emoji, or keeps them apart, stays: without it a Persian word is misspelt and a family is three heads.
    """
    return _WHITE.sub(" ", _INVISIBLE.sub("", storable(text))).strip()


def folded(text: str) -> str:
    """`text` as search compares it: width and case folded (NFKC), invisible characters gone."""
    return ZERO_WIDTH.sub("", unicodedata.normalize("NFKC", text)).casefold()


def excerpt(text: str, length: int) -> str:
    """The first `length` characters of `text` on one line, with an ellipsis where something is left out."""
    line = one_line(text)
    return line if len(line) <= length else line[: length - 1].rstrip(" …") + "…"


def bigrams(parts: Iterable[str]) -> list[str]:
    """The sorted, distinct `short_pieces` of all `parts`."""
    return sorted({piece for part in parts for piece in short_pieces(folded(part))})


def short_pieces(text: str) -> set[str]:
    """The short pieces of a folded text that a trigram index cannot find.

    That is every Chinese, Japanese or Korean character, every pair of neighbouring ones, and every
    other word of one or two signs. Kept in an array with a GIN index, they answer a search for two
    characters as fast as trigrams answer one for three.
    """
    found: set[str] = set()
    for run in _RUN_OF_CJK.findall(text):
        found.update(run)
        found.update(map(str.__add__, run, run[1:]))
    short = Counter(word for word in _WORD.findall(text) if len(word) <= _SHORT)
    if found:
        # What stands between two Chinese characters is found with their neighbours.
        short.subtract(_SHORT_BETWEEN_CJK.findall(text))
    found.update(word for word, count in short.items() if count > 0)
    return found


def escape_like(text: str) -> str:
    """`text` with LIKE's own signs escaped by a backslash, so that "%" finds a per cent sign."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def is_cjk(text: str) -> bool:
    """Whether `text` holds a Chinese, Japanese or Korean character."""
    return _RUN_OF_CJK.search(text) is not None
